// The step Matte: the photo before and after, the verdict, the options and the engine.

import { Problem } from "./api.js";
import { showCompare, startCompare } from "./compare.js";
import { byId, choose, chosen, element, fill, icon, showPicture } from "./dom.js";
import { matteDownloads } from "./downloads.js";
import { hasFile, urlOf } from "./files.js";
import { showGround, startGrounds } from "./grounds.js";
import { cancel, makeMatte, makeMatteAgain, undoEdit } from "./jobs.js";
import { t } from "./language.js";
import { showSave, startMatteSave } from "./matte_save.js";
import { readOptions, same, showValues, writeOptions } from "./options.js";
import { showByService } from "./preview.js";
import { problemPlace, showProblem } from "./problems.js";
import { showProgress } from "./progress.js";
import { madeBy, verdictCard } from "./report_views.js";
import { go } from "./steps.js";
import { changed, isDone, isUnderWay, onChange, state } from "./store.js";
import { matteFigures, verdictOf } from "./words.js";
import { startZoom } from "./zoom.js";

const VIEWS = {
  "cutout.png": t("matte.cutout"),
  "mask.png": t("matte.mask-alt"),
  "disparity.png": t("matte.depth-alt"),
  "disagreement.png": t("matte.disagreement-alt"),
};
const NOTES = {
  "disparity.png": t("matte.note-depth"),
  "disagreement.png": t("matte.note-disagreement"),
};
const ZOOM_BUTTONS = { closer: "matte-closer", farther: "matte-farther", fit: "matte-fit", whole: "matte-whole" };
let shownFor = null;
let zoom;

export function startMatteStep() {
  startCompare(byId("compare"));
  startGrounds();
  startMatteSave();
  zoom = startZoom(byId("matte-stage"), byId("matte-zoom"), ZOOM_BUTTONS);
  const form = byId("matte-options");
  form.addEventListener("input", () => {
    showValues(form);
    allowAgain();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    makeMatte(state.current, null, readOptions(form));
  });
  byId("matte-question").querySelector("button").addEventListener("click", () => {
    makeMatte(state.current, null, { ...state.current.matteOptions, mode: "document" });
    writeOptions(form, state.current.matteOptions);
  });
  byId("undo-edit").addEventListener("click", () => undoEdit(state.current));
  byId("matte-views").addEventListener("change", draw);
  showValues(form);
  onChange(draw);
}

function draw() {
  const { current, step } = state;
  if (step !== "matte" || !current) return;
  if (shownFor !== current) {
    shownFor = current;
    zoom.fit();
    showGround(current.url);
    writeOptions(byId("matte-options"), current.matteOptions);
  }
  const job = current.matte;
  const problem = current.problems.matte;
  const place = document.querySelector('[data-progress="matte"]');
  if (current.pending) showProgress(place, { state: "running", progress: { stage: t("fix.saving") } });
  else showProgress(place, isUnderWay(job) ? job : null, () => cancel(current, "matte"));
  showProblem(problemPlace("matte"), problem, waysOut(current, problem));
  if (isDone(job)) showByService(current);
  showStage(current);
  showReport(job);
  showSave(current);
  allowAgain();
}

function waysOut(photo, problem) {
  if (!problem || !photo.blob) return [];
  const again = { label: t("do.again"), act: () => makeMatteAgain(photo) };
  if (isDone(photo.matte)) return [again, { label: t("matte.keep-last"), act: () => dismiss(photo) }];
  return [again, { label: t("matte.other-photo"), act: () => go("photo") }];
}

/** Dismiss the problem and keep the current matte. */
function dismiss(photo) {
  photo.problems.matte = null;
  writeOptions(byId("matte-options"), photo.matteOptions);
  changed();
}

function allowAgain() {
  const { current } = state;
  const form = byId("matte-options");
  const differs = !same(readOptions(form), current?.matteOptions ?? {}) || current?.edited || !isDone(current?.matte);
  form.querySelector('[type="submit"]').disabled = !current?.blob || isUnderWay(current.matte) || !differs;
}

async function showStage(photo) {
  const job = photo.matte;
  for (const input of byId("matte-views").querySelectorAll("input")) {
    input.disabled = isDone(job) && (input.value === "compare" ? !photo.url : !hasFile(job, input.value));
    if (input.disabled && input.checked) choose("matte-view", "cutout.png");
  }
  const view = chosen("matte-view");
  const compare = byId("compare");
  const whole = byId("matte-view");
  byId("matte-view-note").textContent = NOTES[view] ?? "";
  if (!isDone(job)) {
    compare.hidden = true;
    whole.hidden = !photo.url;
    whole.alt = t("matte.photo");
    if (photo.url) await showPicture(whole, photo.url);
    return;
  }
  try {
    const url = await urlOf(job, view === "compare" ? "cutout.png" : view);
    const stillWanted = () => state.current === photo && photo.matte === job && chosen("matte-view") === view;
    if (!stillWanted()) return;
    if (view === "compare") await showCompare(photo.url, url);
    else await showPicture(whole, url);
    if (!stillWanted()) return;
    whole.alt = VIEWS[view] ?? "";
    compare.hidden = view !== "compare";
    whole.hidden = view === "compare";
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("matte"), problem, waysOut(photo, problem));
  }
}

function showReport(job) {
  const report = isDone(job) ? job.report : null;
  const key = report ? job.id : "";
  fill(byId("matte-verdict"), key, () =>
    report ? verdictCard(verdictOf(report), matteFigures(report)) : [],
  );
  fill(byId("matte-made-by"), key, () => (report ? madeBy(report, report.segmenter, job.cache === "hit") : []));
  byId("matte-made-by").hidden = !report;
  byId("undo-edit").hidden = !state.current.beforeEdit;
  byId("matte-download-card").hidden = !report;
  ask(report);
  fill(byId("matte-downloads"), key, () => (report ? matteDownloads(state.current).map(downloadButton) : []));
}

/** Offer document mode where the photo looks like ink on paper. @param {any} report */
function ask(report) {
  const { blob, edited } = state.current;
  const looksLikeInk = report?.background?.ink && !report.image.has_transparency;
  byId("matte-question").hidden = !looksLikeInk || report.options.mode === "document" || edited || !blob;
}

/** @param {{label: string, about?: string, act: () => Promise<void>}} download @returns {Node} */
export function downloadButton({ label, about, act }) {
  const words = about ? element("span", {}, element("b", { textContent: label }), element("small", { textContent: about })) : label;
  return working(element("button", { type: "button", className: "button" }, icon("download"), words), act);
}

/** Have `act` run at a click of `button`, once at a time, and its problem shown. @param {any} button
 * @param {() => Promise<void>} act */
export function working(button, act) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await act();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showProblem(problemPlace(state.step), problem);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}
