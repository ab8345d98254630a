// The finished mesh on the stage, in one of four ways: the viewer, the viewer under a wireframe, the turntable, the
// viewer under the photo. Where there is no viewer (no npm at set-up, no WebGL here), the turntable and the wireframe
// stand by themselves.

import { Problem } from "./api.js";
import { byId, choose } from "./dom.js";
import { hasFile, urlOf } from "./files.js";
import { showOverlay } from "./overlay.js";
import { problemPlace, showProblem } from "./problems.js";
import { state } from "./store.js";
import { showTurntable } from "./turntable.js";
import { hasWebGl, loadViewer } from "./viewer.js";
import { showWireframe } from "./wireframe_view.js";

let shown = ""; // which job in which way

export function clearSolid() {
  shown = "";
  byId("solid").replaceChildren();
  byId("solid").hidden = true;
}

/** @param {import("./store.js").Photo} photo @param {string} view */
export async function showSolid(photo, view) {
  const job = photo.mesh;
  const hasGlb = hasFile(job, "model.glb");
  const canView = state.page.viewer !== null && hasGlb && hasWebGl();
  allow({ solid: canView, wire: hasGlb && hasWebGl(), turntable: hasFile(job, "view-000.png"), overlay: canView && Boolean(photo.url) });
  if (!canView && (view === "solid" || view === "overlay")) {
    choose("mesh-view", "turntable");
    return showSolid(photo, "turntable");
  }
  byId("overlay-field").hidden = view !== "overlay";
  byId("mesh-view-note").textContent = noteOf(view);
  if (shown === `${job.id} ${view}`) return undefined;
  shown = `${job.id} ${view}`;
  const place = byId("solid");
  place.hidden = false;
  place.dataset.view = view;
  const stillWanted = () => shown === `${job.id} ${view}`;
  try {
    await draw(place, photo, view, stillWanted);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("mesh"), problem);
  }
  return undefined;
}

async function draw(place, photo, view, stillWanted) {
  const job = photo.mesh;
  if (view === "turntable") return showTurntable(place, job, stillWanted);
  const url = await urlOf(job, "model.glb");
  const viewer = state.page.viewer && view !== "wire" ? await loadViewer(place, url, state.page.viewer) : null;
  if (!stillWanted()) return undefined;
  if (view === "wire") return showWireframe(place, url);
  return view === "overlay" ? showOverlay(place, viewer, photo) : undefined;
}

function allow(ways) {
  for (const input of byId("mesh-views").querySelectorAll("input")) input.disabled = !ways[input.value];
}

function noteOf(view) {
  if (view === "overlay") return "The mesh from where the photo was taken, with the photo over it.";
  if (state.page.viewer === null) return "The viewer was not installed (npm was not there at set-up): these are the service’s own pictures. Drag to turn.";
  return view === "turntable" ? "The service’s own pictures from eight sides. Drag to turn." : "Drag to turn; wheel or pinch to come closer.";
}
