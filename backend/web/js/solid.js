// The finished mesh on the stage in one of its views: the viewer, standing, turning or under the photo; or drawn by this
// page as clay, normals or wireframe. Without WebGL the pictures of the service remain, without npm at set-up these and
// what the page draws.

import { Problem } from "./api.js";
import { byId, choose } from "./dom.js";
import { fileOf, hasFile, urlOf } from "./files.js";
import { t } from "./language.js";
import { lookLater, lookWith } from "./mesh_look.js";
import { showOverlay } from "./overlay.js";
import { problemPlace, showProblem } from "./problems.js";
import { state } from "./store.js";
import { showSurface } from "./surface_view.js";
import { showTurntable } from "./turntable.js";
import { hasWebGl, loadViewer, lookerOf, turnSlowly } from "./viewer.js";

const DRAWN = ["clay", "normals", "wire"]; // by this page
let shown = ""; // which job in which view
let seen = ""; // the job whose mesh is visible

/** Whether the mesh of `job` is visible on the stage. @param {import("./store.js").Job | null} job */
export const isSeen = (job) => job?.id === seen;

export function clearSolid() {
  shown = seen = "";
  lookWith(null);
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
    ...Object.fromEntries(DRAWN.map((way) => [way, hasGlb && hasWebGl()])),
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
  if (view === "overlay") lookWith(null);
  else lookLater();
  const place = byId("solid");
  place.hidden = false;
  place.classList.toggle("arriving", seen !== job.id);
  place.dataset.view = view;
  const stillWanted = () => shown === `${job.id} ${view}`;
  try {
    const looker = await drawn(place, photo, view, canView, stillWanted);
    if (!stillWanted()) return;
    lookWith(looker);
    seen = job.id;
    place.classList.remove("arriving");
    byId("mesh-before").hidden = true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("mesh"), problem);
  }
}

/** Show the mesh in one view. @returns {Promise<import("./mesh_look.js").Looker | null>} */
async function drawn(place, photo, view, canView, stillWanted) {
  if (DRAWN.includes(view)) {
    const label = t(`mesh.seen-${view}`, { count: photo.mesh.report.mesh.faces });
    return showSurface(place, await fileOf(photo.mesh, "model.glb"), view, label, stillWanted);
  }
  if (!canView) {
    await showTurntable(place, photo.mesh, stillWanted);
    return null;
  }
  const url = await urlOf(photo.mesh, "model.glb");
  let viewer;
  try {
    viewer = await loadViewer(place, url, state.page.viewer, stillWanted);
  } catch {
    state.page.viewer = null; // it failed to load: use the rendered views instead
    if (stillWanted()) {
      shown = "";
      await showSolid(photo, view);
    }
    return null;
  }
  if (!stillWanted()) return null;
  if (view === "turntable") turnSlowly(viewer);
  if (view !== "overlay") return lookerOf(viewer);
  await showOverlay(place, viewer, photo, stillWanted);
  return null;
}

function allow(ways) {
  for (const input of byId("mesh-views").querySelectorAll("input")) input.disabled = !ways[input.value];
}

function noteOf(view, canView) {
  if (view === "overlay")
    return t("mesh.note-overlay");
  if (view === "turntable" && !canView) {
    const why = state.page.viewer === null ? `${t("mesh.note-no-viewer")} ` : "";
    return why + t("mesh.note-pictures");
  }
  return t("mesh.note-turn");
}
