// The finished mesh on the stage in one of four views: viewer, wireframe, turntable, photo over the mesh. Without a
// viewer (no npm at set-up, no WebGL), the turntable and the wireframe remain.

import { Problem } from "./api.js";
import { byId, choose } from "./dom.js";
import { hasFile, urlOf } from "./files.js";
import { allowLook } from "./mesh_look.js";
import { showOverlay } from "./overlay.js";
import { problemPlace, showProblem } from "./problems.js";
import { state } from "./store.js";
import { showTurntable } from "./turntable.js";
import { hasWebGl, loadViewer, turnSlowly } from "./viewer.js";
import { showWireframe } from "./wireframe_view.js";

let shown = ""; // which job in which view
let seen = ""; // the job whose mesh is visible

/** Whether the mesh of `job` is visible on the stage. @param {import("./store.js").Job | null} job */
export const isSeen = (job) => job?.id === seen;

export function clearSolid() {
  shown = seen = "";
  byId("solid").replaceChildren();
  byId("solid").hidden = true;
}

/** @param {import("./store.js").Photo} photo @param {string} view */
export async function showSolid(photo, view) {
  const job = photo.mesh;
  const hasGlb = hasFile(job, "model.glb");
  const canView = state.page.viewer !== null && hasGlb && hasWebGl();
  allow({
    solid: canView,
    wire: hasGlb && hasWebGl(),
    turntable: canView || hasFile(job, "view-000.png"),
    overlay: canView && Boolean(photo.url),
  });
  if (!canView && (view === "solid" || view === "overlay")) {
    choose("mesh-view", "turntable");
    view = "turntable";
  }
  byId("overlay-field").hidden = view !== "overlay";
  allowLook(canView && (view === "solid" || view === "turntable"));
  byId("mesh-view-note").textContent = noteOf(view, canView);
  if (shown === `${job.id} ${view}`) return;
  shown = `${job.id} ${view}`;
  const place = byId("solid");
  place.hidden = false;
  place.classList.toggle("arriving", seen !== job.id);
  place.dataset.view = view;
  const stillWanted = () => shown === `${job.id} ${view}`;
  try {
    if (canView && view !== "wire") await drawViewer(place, photo, view, stillWanted);
    else await drawOwn(place, job, view, stillWanted);
    if (!stillWanted()) return;
    seen = job.id;
    place.classList.remove("arriving");
    byId("mesh-before").hidden = true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("mesh"), problem);
  }
}

async function drawViewer(place, photo, view, stillWanted) {
  const url = await urlOf(photo.mesh, "model.glb");
  let viewer;
  try {
    viewer = await loadViewer(place, url, state.page.viewer);
  } catch {
    state.page.viewer = null; // it failed to load: use the rendered views instead
    if (stillWanted()) await showSolid(photo, view);
    return;
  }
  if (!stillWanted()) return;
  if (view === "turntable") turnSlowly(viewer);
  if (view === "overlay") await showOverlay(place, viewer, photo, stillWanted);
}

async function drawOwn(place, job, view, stillWanted) {
  if (view === "turntable") await showTurntable(place, job, stillWanted);
  else await showWireframe(place, await urlOf(job, "model.glb"), stillWanted);
}

function allow(ways) {
  for (const input of byId("mesh-views").querySelectorAll("input")) input.disabled = !ways[input.value];
}

function noteOf(view, canView) {
  if (view === "overlay")
    return "The mesh from the camera’s position with the photo over it. Areas outside the matte are red.";
  if (view === "turntable" && !canView) {
    const why = state.page.viewer === null ? "The 3D viewer is not installed: npm was missing at set-up. " : "";
    return `${why}The service rendered these views. Drag to turn.`;
  }
  return "Drag to turn. Scroll or pinch to zoom.";
}
