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
import { hasWebGl, loadViewer, turnSlowly } from "./viewer.js";
import { showWireframe } from "./wireframe_view.js";

let shown = ""; // which job in which way
let seen = ""; // the job whose mesh can be seen by now

/** Whether the mesh of `job` can be seen on the stage. @param {import("./store.js").Job | null} job */
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
    state.page.viewer = null; // it was there and cannot be loaded: the service's pictures take its place
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
    return "The mesh from where the photo was taken, and over it the photo; what the matte leaves out is red.";
  if (view === "turntable" && !canView) {
    const why = state.page.viewer === null ? "The viewer was not installed: npm was not there at set-up. " : "";
    return `${why}These are the service’s own pictures. Drag to turn.`;
  }
  return "Drag to turn; wheel or pinch to come closer.";
}
