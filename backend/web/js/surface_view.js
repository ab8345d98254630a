// The mesh on the stage as this page draws it itself (clay, normals, wireframe): canvas, size, colours and orbit control.

import { element } from "./dom.js";
import { edgesOf, parseGlb } from "./glb.js";
import { orbit } from "./orbit.js";
import { surface } from "./surface.js";

const START = { azimuth: -0.35, elevation: 0.18, distance: 2.05 };
const SIDES = {
  front: { azimuth: 0, elevation: 0 },
  side: { azimuth: Math.PI / 2, elevation: 0 },
  top: { azimuth: 0, elevation: Math.PI / 2 - 1e-3 },
};

/**
 * @param {any} place
 * @param {Blob} file a GLB
 * @param {"clay" | "wire" | "normals"} mode
 * @param {string} label for those who cannot see it
 * @param {() => boolean} stillWanted
 * @returns {Promise<import("./mesh_look.js").Looker | null>}
 */
export async function showSurface(place, file, mode, label, stillWanted) {
  const mesh = parseGlb(await file.arrayBuffer());
  if (!stillWanted()) return null;
  const canvas = element("canvas", { className: "drawn", tabIndex: 0 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  place.replaceChildren(canvas);
  const drawing = surface(canvas, mesh, mode === "wire" ? edgesOf(mesh.triangles) : new Uint32Array(), null);
  const view = { ...START };
  const look = { mode, light: 1, lightFrom: 0 };
  let due = false;

  const draw = () => drawing.draw(view, { ...look, line: colorOf(canvas) });
  function drawSoon() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      if (canvas.isConnected) draw();
    });
  }
  const change = (changed, values) => {
    Object.assign(changed, values);
    drawSoon();
  };
  const watch = new ResizeObserver(([{ contentRect }]) => {
    if (!canvas.isConnected) {
      watch.disconnect(); // another view is shown
      drawing.end();
      return;
    }
    const density = Math.min(devicePixelRatio, 2);
    const [width, height] = [contentRect.width, contentRect.height].map((length) => Math.round(length * density));
    Object.assign(canvas, { width, height });
    drawSoon();
  });
  watch.observe(canvas);
  orbit(canvas, view, drawSoon);
  return {
    mode,
    reset: () => change(view, START),
    lookFrom: (side) => change(view, SIDES[side]),
    setLight: (light) => change(look, { light }),
    setLightFrom: mode === "normals" ? null : (degrees) => change(look, { lightFrom: (degrees * Math.PI) / 180 }),
    picture: () => {
      draw(); // what was drawn lasts until the browser shows it
      return new Promise((resolve) => canvas.toBlob(resolve));
    },
  };
}

/** The colour of the lines from the style sheet. */
function colorOf(canvas) {
  const [red, green, blue, alpha = 1] = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
  return [red / 255, green / 255, blue / 255, alpha];
}
