// A GLB as this service writes it -> positions and triangles; only the part of glTF 2.0 that this needs.

const JSON_CHUNK = 0x4e4f534a;
const INDEX_TYPES = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array };

/**
 * @param {ArrayBuffer} buffer
 * @returns {{positions: Float32Array, triangles: Uint32Array}} x, y, z of each vertex; three vertices a triangle
 * @throws {Error} if it is not a GLB
 */
export function parseGlb(buffer) {
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== 0x46546c67 || view.getUint32(16, true) !== JSON_CHUNK) throw new Error("not a GLB");
  const jsonLength = view.getUint32(12, true);
  const scene = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, jsonLength)));
  const binary = 20 + jsonLength + 8;

  const read = (index, Type, width) => {
    const accessor = scene.accessors[index];
    const { byteOffset = 0 } = scene.bufferViews[accessor.bufferView];
    const start = binary + byteOffset + (accessor.byteOffset ?? 0);
    const bytes = accessor.count * width * Type.BYTES_PER_ELEMENT;
    return new Type(buffer.slice(start, start + bytes)); // a copy is aligned, whatever the file's layout
  };

  const [primitive] = scene.meshes[0].primitives;
  const positions = read(primitive.attributes.POSITION, Float32Array, 3);
  const IndexType = INDEX_TYPES[scene.accessors[primitive.indices].componentType];
  return { positions, triangles: Uint32Array.from(read(primitive.indices, IndexType, 1)) };
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
