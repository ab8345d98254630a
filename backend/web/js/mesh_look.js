// How the mesh is looked at: from the front, a side or above, in which light; and what is kept of it: a picture of the
// view, a clip of one turn.

import { byId, element } from "./dom.js";
import { fileName, fileOf, save } from "./files.js";
import { percent, t } from "./language.js";
import { working } from "./matte_step.js";
import { showValues } from "./options.js";
import { state } from "./store.js";
import { turningClip } from "./turning_clip.js";

/**
 * @typedef {Object} Looker  what shows the mesh
 * @property {"clay" | "wire" | "normals" | "colors"} mode
 * @property {() => void} reset
 * @property {(side: string) => void} lookFrom  "front", "side" or "top"
 * @property {(share: number) => void} setLight  1 is the usual
 * @property {((degrees: number) => void) | null} setLightFrom  to the right of the camera; null: it has no such light
 * @property {() => Promise<Blob>} picture  PNG
 */

const SIDES = ["front", "side", "top"];
const KEEP = ["mesh-picture", "mesh-clip"];
/** @type {Looker | null} */
let looker = null;

export function startMeshLook() {
  const buttons = SIDES.map((side) => lookButton(t(`mesh.${side}`), () => looker?.lookFrom(side)));
  const reset = lookButton(t("mesh.reset"), () => {
    Object.assign(byId("mesh-light"), { value: "100" });
    Object.assign(byId("mesh-light-from"), { value: "0" });
    looker?.reset();
    showLight();
  });
  byId("mesh-cameras").append(...buttons, reset);
  byId("mesh-light").addEventListener("input", showLight);
  byId("mesh-light-from").addEventListener("input", showLight);
  working(byId("mesh-picture"), async () => save(await looker.picture(), fileName(state.current.name, "view.png")));
  working(byId("mesh-clip"), saveClip);
}

/** Offer what works with what shows the mesh. @param {Looker | null} next null: nothing does that can be looked around */
export function lookWith(next) {
  looker = next;
  for (const id of KEEP) byId(id).disabled = !next;
  byId("mesh-look").hidden = !next;
  byId("mesh-light-from-field").hidden = !next?.setLightFrom;
  if (next) showLight();
}

/** Wait for what shows the mesh next. */
export function lookLater() {
  looker = null;
  for (const id of KEEP) byId(id).disabled = true;
}

function showLight() {
  showValues(byId("mesh-look"));
  looker?.setLight(lightNow());
  looker?.setLightFrom?.(Number(byId("mesh-light-from").value));
}

const lightNow = () => Number(byId("mesh-light").value) / 100;

/** Save one turn of the mesh in the look that is shown. */
async function saveClip() {
  const word = byId("mesh-clip").querySelector("span");
  const before = word.textContent;
  const { current } = state;
  const lightFrom = (Number(byId("mesh-light-from").value) * Math.PI) / 180;
  try {
    const look = { mode: looker.mode, light: lightNow(), lightFrom };
    const onProgress = (share) => (word.textContent = t("mesh.clip-share", { share: percent(share) }));
    const clip = await turningClip(await fileOf(current.mesh, "model.glb"), look, onProgress);
    save(clip, fileName(current.name, "turning.gif"));
  } finally {
    word.textContent = before;
  }
}

function lookButton(name, act) {
  const button = element("button", { type: "button", className: "button", textContent: name });
  button.dataset.weight = "quiet";
  button.addEventListener("click", act);
  return button;
}
