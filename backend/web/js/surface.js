// Draws a mesh in WebGL 2, in what the mesh viewer has no look for: as clay in a light that can be turned, by its normals,
// with its edges (the surface a little farther away, so that only front edges show); and in its colours, for clips.

const FOV = (40 * Math.PI) / 180;
const RADIUS = 0.72; // the mesh is scaled to it: half the diagonal of its box
const MODES = { clay: 0, wire: 0, normals: 1, colors: 2 };

const VERTEX = `#version 300 es
uniform mat4 camera;
uniform mat3 turn;
uniform vec3 middle;
uniform float scale;
in vec3 position;
in vec3 normal;
in vec2 uv;
in vec3 color;
out vec3 facing;
out vec2 spot;
out vec3 tint;
void main() {
  facing = turn * normal;
  spot = uv;
  tint = color;
  gl_Position = camera * vec4((position - middle) * scale, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform int mode;
uniform bool line;
uniform vec4 lineColor;
uniform float light;
uniform vec3 lightFrom;
uniform bool textured;
uniform sampler2D texture_;
in vec3 facing;
in vec2 spot;
in vec3 tint;
out vec4 shown;
void main() {
  if (line) { shown = vec4(lineColor.rgb * lineColor.a, lineColor.a); return; }
  vec3 n = normalize(gl_FrontFacing ? facing : -facing);
  vec3 color;
  if (mode == 1) {
    color = 0.5 + 0.5 * n;
  } else if (mode == 2) {
    color = textured ? texture(texture_, spot).rgb : pow(tint, vec3(1.0 / 2.2));
    color *= 0.8 + 0.2 * n.z;
  } else {
    float lit = 0.5 + 0.5 * dot(n, lightFrom);
    float gloss = pow(max(dot(n, normalize(lightFrom + vec3(0.0, 0.0, 1.0))), 0.0), 28.0);
    color = mix(vec3(0.24, 0.22, 0.24), vec3(0.88, 0.84, 0.79), lit * lit) + 0.14 * gloss;
    color *= mix(0.72, 1.0, smoothstep(0.0, 0.45, n.z));
  }
  shown = vec4(mode == 1 ? color : min(color * light, 1.0), 1.0);
}`;

/**
 * @typedef {{azimuth: number, elevation: number, distance: number}} View  radians; the mesh is about 1.4 across
 * @typedef {Object} Look
 * @property {"clay" | "wire" | "normals" | "colors"} mode
 * @property {number} light  1 is the usual
 * @property {number} lightFrom  radians to the right of the camera; of clay
 * @property {number[]} [line]  red, green, blue, opacity of the edges, each in [0, 1]
 *
 * @param {HTMLCanvasElement} canvas
 * @param {import("./glb.js").Drawn} mesh
 * @param {Uint32Array} edges
 * @param {ImageBitmap | null} texture
 * @returns {{draw: (view: View, look: Look) => void, end: () => void}}
 */
export function surface(canvas, mesh, edges, texture) {
  const gl = /** @type {WebGL2RenderingContext} */ (canvas.getContext("webgl2", { antialias: true, alpha: true }));
  const program = programOf(gl);
  const at = new Proxy({}, { get: (_, name) => gl.getUniformLocation(program, String(name)) });
  gl.useProgram(program);
  attribute(gl, program, "position", mesh.positions, 3);
  attribute(gl, program, "normal", mesh.normals, 3);
  attribute(gl, program, "uv", mesh.uv, 2);
  attribute(gl, program, "color", mesh.colors, 3);
  const [surfaceBuffer, lineBuffer] = [mesh.triangles, edges].map((indices) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    return buffer;
  });
  if (texture) bindTexture(gl, texture);
  const { middle, scale } = fitted(mesh.positions);
  gl.uniform3fv(at.middle, middle);
  gl.uniform1f(at.scale, scale);
  gl.uniform1i(at.textured, Number(Boolean(texture)));
  gl.enable(gl.DEPTH_TEST);
  gl.depthFunc(gl.LEQUAL);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.polygonOffset(1, 1);

  function draw(view, { mode, light, lightFrom, line }) {
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const axes = axesOf(view);
    gl.uniformMatrix4fv(at.camera, false, cameraMatrix(view, axes, canvas.width / canvas.height));
    gl.uniformMatrix3fv(at.turn, true, axes.flat());
    gl.uniform1f(at.light, light);
    gl.uniform3fv(at.lightFrom, unit([Math.sin(lightFrom), 0.65, Math.cos(lightFrom)]));
    gl.uniform1i(at.mode, MODES[mode]);
    gl.uniform1i(at.line, 0);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, surfaceBuffer);
    gl.drawElements(gl.TRIANGLES, mesh.triangles.length, gl.UNSIGNED_INT, 0);
    gl.disable(gl.POLYGON_OFFSET_FILL);
    if (mode !== "wire" || !line) return;
    gl.uniform1i(at.line, 1);
    gl.uniform4fv(at.lineColor, line);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, lineBuffer);
    gl.drawElements(gl.LINES, edges.length, gl.UNSIGNED_INT, 0);
  }

  return { draw, end: () => gl.getExtension("WEBGL_lose_context")?.loseContext() };
}

/** Hand the vertices' numbers over; an attribute that the mesh lacks stays the same for all of them. */
function attribute(gl, program, name, numbers, width) {
  const place = gl.getAttribLocation(program, name);
  if (!numbers) {
    gl.vertexAttrib3f(place, 0.8, 0.8, 0.8);
    return;
  }
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, numbers, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, width, gl.FLOAT, false, 0, 0);
}

function bindTexture(gl, image) {
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  for (const axis of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, axis, gl.CLAMP_TO_EDGE);
}

/** The middle of the mesh's box, and what scales its half diagonal to RADIUS. */
function fitted(positions) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let index = 0; index < positions.length; index += 1) {
    low[index % 3] = Math.min(low[index % 3], positions[index]);
    high[index % 3] = Math.max(high[index % 3], positions[index]);
  }
  const half = Math.hypot(...low.map((least, axis) => high[axis] - least)) / 2;
  return { middle: low.map((least, axis) => (least + high[axis]) / 2), scale: RADIUS / Math.max(half, 1e-9) };
}

/** The camera's right, up and back: azimuth around the y axis from +z, then elevation. */
function axesOf({ azimuth, elevation }) {
  const [sin, cos] = [Math.sin(azimuth), Math.cos(azimuth)];
  const [high, flat] = [Math.sin(elevation), Math.cos(elevation)];
  return [
    [cos, 0, -sin],
    [-sin * high, flat, -cos * high],
    [sin * flat, high, cos * flat],
  ];
}

/** View and projection in one column-major matrix; on a narrow stage the field of view applies to its width. */
function cameraMatrix({ distance }, [side, up, back], aspect) {
  const focal = 1 / Math.tan(FOV / 2);
  const [near, far] = [Math.max(0.05, distance - 1.5), distance + 1.5];
  const across = focal * Math.min(1, 1 / aspect);
  const down = focal * Math.min(1, aspect);
  const depth = (near + far) / (near - far);
  const columns = [0, 1, 2].map((axis) => [side[axis] * across, up[axis] * down, back[axis] * depth, -back[axis]]);
  return new Float32Array([...columns.flat(), 0, 0, -distance * depth + (2 * near * far) / (near - far), distance]);
}

function unit(vector) {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

function programOf(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}
