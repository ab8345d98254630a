// The mesh viewer (model-viewer): loaded when the first mesh is shown, then kept on the stage.

import { element } from "./dom.js";
import { t } from "./language.js";

const EXPOSURE = 0.62; // the photo's colours already contain its lighting
const REDRAW_MS = 250; // for a frame at full scale
const MOST_TRIES = 12;
const SIDES = { front: "0deg 90deg", side: "90deg 90deg", top: "0deg 0deg" };
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
 * @param {() => boolean} stillWanted
 * @returns {Promise<any>} the viewer, once the mesh can be seen in it; null if it is no longer wanted
 */
export async function loadViewer(place, url, source, stillWanted) {
  fetching ??= import(source);
  await fetching;
  if (!stillWanted()) return null; // another view has the place meanwhile
  let viewer = place.querySelector("model-viewer");
  if (!viewer) {
    const noBar = element("div", { slot: "progress-bar" }); // the page shows its own progress
    viewer = element("model-viewer", {
      alt: t("mesh.seen-solid"),
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
    cameraOrbit: "-20deg 80deg 132%",
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

/** The viewer as what shows the mesh. @param {any} viewer @returns {import("./mesh_look.js").Looker} */
export const lookerOf = (viewer) => ({
  mode: "colors",
  reset() {
    lookFreely(viewer);
    viewer.resetTurntableRotation(0);
  },
  lookFrom(side) {
    Object.assign(viewer, { autoRotate: false, cameraOrbit: `${SIDES[side]} 132%` });
    viewer.resetTurntableRotation(0);
  },
  setLight: (share) => (viewer.exposure = String(EXPOSURE * share)),
  setLightFrom: null,
  picture: () => pictureOf(viewer),
});

/** On a slow machine the viewer draws fewer pixels, of which its picture would be a part: have it draw all of them. */
async function pictureOf(viewer) {
  const Viewer = /** @type {any} */ (customElements.get("model-viewer"));
  const usual = Viewer.minimumRenderScale;
  Viewer.minimumRenderScale = 1;
  const { exposure, clientWidth } = viewer;
  let blob;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    viewer.exposure = String(Number(exposure) + 1e-5 * (tries % 2)); // has it draw again
    await new Promise((resolve) => setTimeout(resolve, REDRAW_MS));
    blob = await viewer.toBlob({ mimeType: "image/png", idealAspect: false });
    const image = await createImageBitmap(blob);
    if (image.width >= Math.floor(clientWidth * devicePixelRatio)) break;
  }
  viewer.exposure = exposure;
  Viewer.minimumRenderScale = usual;
  return blob;
}
