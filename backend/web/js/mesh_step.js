// The step Mesh: made on arrival, then viewed, changed and downloaded.

import { offerAr } from "./ar.js";
import { byId, choose, chosen, fill, showPicture } from "./dom.js";
import { meshDownloads, meshPurposes, saveMesh } from "./downloads.js";
import { urlOf } from "./files.js";
import { cancel, makeMesh } from "./jobs.js";
import { fileSize, LANGUAGE, t } from "./language.js";
import { downloadButton, working } from "./matte_step.js";
import { startMeshLook } from "./mesh_look.js";
import { readOptions, same, showValues, writeOptions } from "./options.js";
import { problemPlace, showProblem } from "./problems.js";
import { showProgress } from "./progress.js";
import { madeBy, verdictCard } from "./report_views.js";
import { clearSolid, isSeen, showSolid } from "./solid.js";
import { go } from "./steps.js";
import { isDone, isUnderWay, onChange, state } from "./store.js";
import { meshFigures, meshVerdict } from "./words.js";

let shownFor = null;

export function startMeshStep() {
  const form = byId("mesh-options");
  for (const option of byId("target-faces").options)
    if (option.value) option.textContent = Number(option.value).toLocaleString(LANGUAGE);
  form.addEventListener("input", () => {
    showValues(form);
    allowAgain();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    makeMesh(state.current, readOptions(form));
  });
  byId("mesh-views").addEventListener("change", draw);
  byId("overlay-share").addEventListener("input", () => showValues(byId("overlay-field")));
  showValues(byId("mesh-stage").closest("section"));
  startMeshLook();
  working(byId("save-mesh"), () => saveMesh(state.current));
  onChange(draw);
  draw();
}

function draw() {
  const { current, step } = state;
  if (step !== "mesh" || !current) return;
  if (shownFor !== current) {
    shownFor = current;
    writeOptions(byId("mesh-options"), current.meshOptions);
    choose("mesh-view", "solid");
  }
  if (isDue(current)) makeMesh(current);
  const job = current.mesh;
  const problem = current.problems.mesh;
  showProgress(document.querySelector('[data-progress="mesh"]'), isUnderWay(job) ? job : null, () =>
    cancel(current, "mesh"),
  );
  showProblem(problemPlace("mesh"), problem, waysOut(current, problem));
  if (isDone(job)) showSolid(current, chosen("mesh-view"));
  else clearSolid();
  showBefore(current);
  showReport(current);
  allowAgain();
}

/** Show the cutout until the mesh is visible. */
async function showBefore(photo) {
  const image = byId("mesh-before");
  image.hidden = isSeen(photo.mesh) || !isDone(photo.matte);
  if (!image.hidden) await showPicture(image, await urlOf(photo.matte, "cutout.png"));
}

/** Whether the mesh must be made: there is none, or the matte changed since. */
function isDue(photo) {
  if (!photo.blob || photo.pending || !isDone(photo.matte) || isUnderWay(photo.mesh) || photo.problems.mesh)
    return false;
  return photo.mesh === null || photo.meshOf !== photo.matte.id;
}

function waysOut(photo, problem) {
  if (!photo.blob) return [];
  const again = { label: t("do.again"), act: () => makeMesh(photo, readOptions(byId("mesh-options"))) };
  const fix = { label: t("mesh.fix"), act: () => go("fix") };
  return problem?.code === "no-subject" ? [fix, again] : [again];
}

function allowAgain() {
  const { current } = state;
  const form = byId("mesh-options");
  const differs = !same(readOptions(form), current?.meshOptions ?? {}) || !isDone(current?.mesh);
  form.querySelector('[type="submit"]').disabled = !current?.blob || isUnderWay(current.mesh) || !differs;
}

function showReport(photo) {
  const job = photo.mesh;
  const report = isDone(job) ? job.report : null;
  const key = report ? job.id : "";
  fill(byId("mesh-verdict"), key, () =>
    report ? verdictCard(meshVerdict(report.mesh, photo.matte?.report), meshFigures(report.mesh)) : [],
  );
  fill(byId("mesh-made-by"), key, () => (report ? madeBy(report, report.engine, job.cache === "hit") : []));
  fill(byId("mesh-purposes"), key, () => (report ? meshPurposes(photo).map(downloadButton) : []));
  fill(byId("mesh-downloads"), key, () => (report ? meshDownloads(photo).map(downloadButton) : []));
  byId("save-mesh").disabled = !report;
  byId("save-mesh").querySelector("small").textContent = report ? glbSize(job) : "";
  offerAr(photo);
  byId("mesh-made-by").hidden = !report;
  byId("mesh-badge").hidden = !report?.mesh.guessed;
  byId("mesh-badge").textContent = report?.mesh.guessed ? t("mesh.badge") : "";
  byId("mesh-download-card").hidden = !report;
}

const glbSize = ({ files }) => fileSize(files.find(({ name }) => name === "model.glb").bytes);
