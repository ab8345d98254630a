// Draws a mesh as a wireframe in WebGL 2: the surface first, a little farther away, then its edges, so that only front
// edges show.

const FOV = (40 * Math.PI) / 180;

const VERTEX = `#version 300 es
uniform mat4 camera;
in vec3 position;
out vec3 place;
void main() { place = position; gl_Position = camera * vec4(position, 1.0); }`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform vec4 color;
uniform vec3 eye;
uniform bool shaded;
in vec3 place;
out vec4 shown;
void main() {
  float light = 1.0;
  if (shaded) {
    vec3 normal = normalize(cross(dFdx(place), dFdy(place)));
    light = 0.72 + 0.28 * abs(dot(normal, normalize(eye - place)));
  }
  shown = vec4(color.rgb * light, color.a);
}`;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{positions: Float32Array, triangles: Uint32Array}} mesh
 * @param {Uint32Array} edges
 * @returns {{draw: (view: any, surface: number[], line: number[]) => void, end: () => void}}
 */
export function wireframe(canvas, { positions, triangles }, edges) {
  const gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
  const program = programOf(gl);
  const at = (name) => gl.getUniformLocation(program, name);
  const places = { camera: at("camera"), color: at("color"), eye: at("eye"), shaded: at("shaded") };

  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, positions, gl.STATIC_DRAW);
  const position = gl.getAttribLocation(program, "position");
  gl.enableVertexAttribArray(position);
  gl.vertexAttribPointer(position, 3, gl.FLOAT, false, 0, 0);
  const [surfaceBuffer, lineBuffer] = [triangles, edges].map((indices) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    return buffer;
  });
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  gl.depthFunc(gl.LEQUAL);
  gl.enable(gl.BLEND);
  gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.polygonOffset(1, 1);

  function draw(view, surface, line) {
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const eye = eyeOf(view);
    gl.uniformMatrix4fv(places.camera, false, cameraMatrix(view, eye, canvas.width / canvas.height));
    gl.uniform3fv(places.eye, eye);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.uniform1i(places.shaded, 1);
    gl.uniform4fv(places.color, surface);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, surfaceBuffer);
    gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_INT, 0);
    gl.disable(gl.POLYGON_OFFSET_FILL);
    gl.uniform1i(places.shaded, 0);
    gl.uniform4fv(places.color, line);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, lineBuffer);
    gl.drawElements(gl.LINES, edges.length, gl.UNSIGNED_INT, 0);
  }

  return { draw, end: () => gl.getExtension("WEBGL_lose_context")?.loseContext() };
}

/** The camera's position: azimuth around the y axis from +z, then elevation. */
function eyeOf({ azimuth, elevation, distance }) {
  const flat = Math.cos(elevation) * distance;
  return [Math.sin(azimuth) * flat, Math.sin(elevation) * distance, Math.cos(azimuth) * flat];
}

/** View and projection in one column-major matrix; on a narrow stage the field of view applies to its width. */
function cameraMatrix({ distance }, eye, aspect) {
  const focal = 1 / Math.tan(FOV / 2);
  const [near, far] = [Math.max(0.05, distance - 1.5), distance + 1.5];
  const back = eye.map((value) => value / distance);
  const side = unit([back[2], 0, -back[0]]);
  const up = [
    back[1] * side[2] - back[2] * side[1],
    back[2] * side[0] - back[0] * side[2],
    back[0] * side[1] - back[1] * side[0],
  ];
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
