// How the mesh is looked at: from the front, a side or above, in more or less light, and as a picture to keep.

import { byId, element } from "./dom.js";
import { fileName, save } from "./files.js";
import { showValues } from "./options.js";
import { state } from "./store.js";
import { EXPOSURE, lookFreely } from "./viewer.js";

const REDRAW_MS = 250; // for a frame at full scale
const MOST_TRIES = 12;
const SIDES = { Front: "0deg 90deg", Side: "90deg 90deg", Top: "0deg 0deg" };

const viewer = () => /** @type {any} */ (document.querySelector("#solid model-viewer"));

export function startMeshLook() {
  const buttons = Object.entries(SIDES).map(([name, orbit]) =>
    lookButton(name, () => {
      Object.assign(viewer(), { autoRotate: false, cameraOrbit: `${orbit} 118%` });
      viewer().resetTurntableRotation(0);
    }),
  );
  const reset = lookButton("Reset", () => {
    lookFreely(viewer());
    viewer().resetTurntableRotation(0);
    byId("mesh-light").value = "100";
    showLight();
  });
  byId("mesh-cameras").append(...buttons, reset);
  byId("mesh-light").addEventListener("input", showLight);
  byId("mesh-picture").addEventListener("click", savePicture);
}

/** On a slow machine the viewer draws fewer pixels, of which its picture would be a part: have it draw all of them. */
async function savePicture() {
  const Viewer = /** @type {any} */ (customElements.get("model-viewer"));
  const usual = Viewer.minimumRenderScale;
  Viewer.minimumRenderScale = 1;
  const { exposure, clientWidth } = viewer();
  let blob;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    viewer().exposure = String(Number(exposure) + 1e-5 * (tries % 2)); // has it draw again
    await new Promise((resolve) => setTimeout(resolve, REDRAW_MS));
    blob = await viewer().toBlob({ mimeType: "image/png", idealAspect: false });
    const image = await createImageBitmap(blob);
    if (image.width >= Math.floor(clientWidth * devicePixelRatio)) break;
  }
  viewer().exposure = exposure;
  Viewer.minimumRenderScale = usual;
  save(blob, fileName(state.current.name, "view.png"));
}

/** Offer what works with the viewer only. @param {boolean} works */
export const allowLook = (works) => (byId("mesh-look").hidden = !works);

function showLight() {
  showValues(byId("mesh-look"));
  viewer().exposure = String((EXPOSURE * Number(byId("mesh-light").value)) / 100);
}

function lookButton(name, act) {
  const button = element("button", { type: "button", className: "button", textContent: name });
  button.dataset.weight = "quiet";
  button.addEventListener("click", act);
  return button;
}
