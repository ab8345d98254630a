// A GLB as this service writes it -> what is drawn of it; only the part of glTF 2.0 that this needs.

const JSON_CHUNK = 0x4e4f534a;
const INDEX_TYPES = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array };

/**
 * @typedef {Object} Drawn
 * @property {Float32Array} positions  x, y, z of each vertex
 * @property {Uint32Array} triangles  three vertices each
 * @property {Float32Array | null} normals  of each vertex
 * @property {Float32Array | null} uv  of each vertex, where there is a texture
 * @property {Float32Array | null} colors  linear red, green, blue of each vertex, where there is no texture
 * @property {Blob | null} texture  a picture
 *
 * @param {ArrayBuffer} buffer
 * @returns {Drawn}
 * @throws {Error} if it is not a GLB
 */
export function parseGlb(buffer) {
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== 0x46546c67 || view.getUint32(16, true) !== JSON_CHUNK) throw new Error("not a GLB");
  const jsonLength = view.getUint32(12, true);
  const scene = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, jsonLength)));
  const binary = 20 + jsonLength + 8;

  const bytesOf = (index, from = 0, length = scene.bufferViews[index].byteLength) => {
    const start = binary + (scene.bufferViews[index].byteOffset ?? 0) + from;
    return buffer.slice(start, start + length); // a copy is aligned, whatever the file's layout
  };
  const read = (index, Type, width) => {
    if (index === undefined) return null;
    const { bufferView, byteOffset, count } = scene.accessors[index];
    return new Type(bytesOf(bufferView, byteOffset, count * width * Type.BYTES_PER_ELEMENT));
  };

  const [primitive] = scene.meshes[0].primitives;
  const { POSITION, NORMAL, TEXCOORD_0, COLOR_0 } = primitive.attributes;
  const IndexType = INDEX_TYPES[scene.accessors[primitive.indices].componentType];
  const image = scene.images?.[0];
  return {
    positions: /** @type {Float32Array} */ (read(POSITION, Float32Array, 3)),
    triangles: Uint32Array.from(/** @type {any} */ (read(primitive.indices, IndexType, 1))),
    normals: read(NORMAL, Float32Array, 3),
    uv: read(TEXCOORD_0, Float32Array, 2),
    colors: read(COLOR_0, Float32Array, 3),
    texture: image ? new Blob([bytesOf(image.bufferView)], { type: image.mimeType }) : null,
  };
}

/** Each edge of the triangles once, as pairs of vertices. @param {Uint32Array} triangles @returns {Uint32Array} */
export function edgesOf(triangles) {
  const keys = new Float64Array(triangles.length);
  for (let corner = 0; corner < triangles.length; corner += 1) {
    const next = corner % 3 === 2 ? corner - 2 : corner + 1;
    const [low, high] = [triangles[corner], triangles[next]].sort((one, other) => one - other);
    keys[corner] = low * 2 ** 26 + high; // exact in a double: no mesh here has 67 million vertices
  }
  keys.sort();
  const edges = new Uint32Array(2 * keys.length);
  let count = 0;
  for (let index = 0; index < keys.length; index += 1) {
    if (index && keys[index] === keys[index - 1]) continue;
    edges[count] = Math.floor(keys[index] / 2 ** 26);
    edges[count + 1] = keys[index] % 2 ** 26;
    count += 2;
  }
  return edges.slice(0, count);
}
