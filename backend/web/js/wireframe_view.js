// The wireframe on the stage: canvas, size, colours and orbit control.

import { element } from "./dom.js";
import { edgesOf, parseGlb } from "./glb.js";
import { orbit } from "./orbit.js";
import { wireframe } from "./wireframe.js";

/** @param {any} place @param {string} url of a GLB @param {() => boolean} stillWanted */
export async function showWireframe(place, url, stillWanted) {
  const mesh = parseGlb(await (await fetch(url)).arrayBuffer());
  if (!stillWanted()) return;
  const canvas = element("canvas", { className: "wire", tabIndex: 0 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The mesh's ${mesh.triangles.length / 3} triangles. The arrow keys turn it.`);
  place.replaceChildren(canvas);
  const drawing = wireframe(canvas, mesh, edgesOf(mesh.triangles));
  const view = { azimuth: -0.35, elevation: 0.18, distance: 1.95 };
  let due = false;

  function drawSoon() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      if (canvas.isConnected) drawing.draw(view, ...colorsOf(canvas));
    });
  }
  const watch = new ResizeObserver(
    ([
      {
        contentRect: { width, height },
      },
    ]) => {
      if (!canvas.isConnected) {
        watch.disconnect(); // another view is shown
        drawing.end();
        return;
      }
      const density = Math.min(devicePixelRatio, 2);
      Object.assign(canvas, { width: Math.round(width * density), height: Math.round(height * density) });
      drawSoon();
    },
  );
  watch.observe(canvas);
  orbit(canvas, view, drawSoon);
}

/** The colours of surface and lines from the style sheet; a canvas without a border has no other use for `color`. */
function colorsOf(canvas) {
  const style = getComputedStyle(canvas);
  return [style.borderTopColor, style.color].map((color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return [red / 255, green / 255, blue / 255, alpha];
  });
}
