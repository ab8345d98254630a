// The mesh viewer (model-viewer): loaded when the first mesh is shown, then kept on the stage.

import { element } from "./dom.js";

export const EXPOSURE = 0.62; // the photo's colours already contain its lighting
let fetching = null;
let canDraw = null;
let arriving = null; // the mesh into the viewer

/** Whether this browser can draw in 3D at all. @returns {boolean} */
export function hasWebGl() {
  canDraw ??= document.createElement("canvas").getContext("webgl2") !== null;
  return canDraw;
}

/**
 * Show the mesh at `url` in `place`, the photo's side in front.
 * @param {any} place
 * @param {string} url of a GLB
 * @param {string} source of the viewer's module
 * @returns {Promise<any>} the viewer, once the mesh can be seen in it
 */
export async function loadViewer(place, url, source) {
  fetching ??= import(source);
  await fetching;
  let viewer = place.querySelector("model-viewer");
  if (!viewer) {
    const noBar = element("div", { slot: "progress-bar" }); // the page shows its own progress
    viewer = element("model-viewer", {
      alt: "The mesh. The arrow keys turn it.",
      "camera-controls": "",
      "interaction-prompt": "none",
      "tone-mapping": "neutral",
      "shadow-softness": "1",
      "touch-action": "pan-y",
      exposure: String(EXPOSURE),
    });
    viewer.append(noBar);
    place.replaceChildren(viewer);
  }
  for (const other of [...place.children]) if (other !== viewer) other.remove();
  if (viewer.src !== url) {
    arriving = Promise.race(["load", "error"].map((name) => fired(viewer, name)));
    viewer.src = url;
  }
  lookFreely(viewer);
  await arriving;
  return viewer;
}

const fired = (target, name) => new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

/** Place the camera a little to the side and above. @param {any} viewer */
export function lookFreely(viewer) {
  Object.assign(viewer, {
    cameraControls: true,
    cameraTarget: "auto auto auto",
    cameraOrbit: "-20deg 80deg 118%",
    fieldOfView: "auto",
    maxFieldOfView: "auto",
    minCameraOrbit: "auto auto auto",
    shadowIntensity: 0.55,
    autoRotate: false,
  });
}

/** Rotate slowly until the person takes over. @param {any} viewer */
export function turnSlowly(viewer) {
  Object.assign(viewer, { autoRotateDelay: 0, rotationPerSecond: "30deg", autoRotate: true });
}
