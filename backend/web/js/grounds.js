// What lies behind the cutout on the stage: a checkerboard, a colour or the faded photo. The file stays transparent.

import { byId, choose, chosen } from "./dom.js";

export function startGrounds() {
  const own = byId("ground-color");
  for (const event of ["click", "input"])
    own.addEventListener(event, () => {
      choose("ground", "own");
      showGround(null);
    });
  byId("grounds").addEventListener("change", () => showGround(null));
}

/** @param {string | null} photo its address; null leaves the last one */
export function showGround(photo) {
  const stage = byId("matte-stage");
  stage.dataset.ground = chosen("ground");
  stage.style.setProperty("--own-ground", byId("ground-color").value);
  if (photo) stage.style.setProperty("--photo", `url("${photo}")`);
}
