// The step Fix: strokes and clicks on the matte. The page previews strokes at once and the service applies them later;
// clicks and snapping are done by the service. Leaving the step saves the work.

import { Problem } from "./api.js";
import { byId, choose, chosen, say } from "./dom.js";
import { Easel } from "./easel.js";
import { clicked, edited, wordOn } from "./edit_requests.js";
import { isWhole, LASSO, listenToHand } from "./easel_input.js";
import { listenToKeys } from "./easel_keys.js";
import { Edits } from "./edits.js";
import { fileOf } from "./files.js";
import { makeMatte } from "./jobs.js";
import { percent, t } from "./language.js";
import { showByService } from "./preview.js";
import { problemPlace, showProblem } from "./problems.js";
import { showProgress } from "./progress.js";
import { go, onLeaving } from "./steps.js";
import { changed, isDone, onChange, state } from "./store.js";
import { startVeil } from "./veil.js";

const MAX_POINTS = 8000; // the service accepts 10,000 per request

let easel;
let work = null; // {photo, matte, edits} on the easel; matte is the job whose mask is corrected
let asking = Promise.resolve(); // the last request to the service; one at a time

export function startFixStep() {
  easel = new Easel(byId("easel"));
  const hand = {
    tool: () => chosen("tool"),
    setTool: (tool) => choose("tool", tool),
    brush: () => (chosen("tool").startsWith("lasso") ? LASSO : { ...brush(), filled: false }),
    resize,
    undo: () => step("undo"),
    redo: () => step("redo"),
    onStrokes: addStrokes,
    onClick: (x, y, mode) =>
      ask(t(mode === "keep" ? "fix.finding" : "fix.removing"), { clicks: [{ x, y, mode }] }),
  };
  listenToHand(easel, hand);
  listenToKeys(easel, hand);
  for (const way of ["undo", "redo"]) byId(way).addEventListener("click", hand[way]);
  for (const [id, by] of Object.entries({ "zoom-in": 1.4, "zoom-out": 1 / 1.4 }))
    byId(id).addEventListener("click", () => easel.zoomBy(by));
  byId("zoom-fit").addEventListener("click", () => easel.fit());
  byId("snap").addEventListener("click", () => ask(t("fix.snapping"), { refine: true }));
  byId("fix-done").addEventListener("click", () => go("matte"));
  byId("fix-reset").addEventListener("click", () => {
    work.edits.startOver();
    redraw();
  });
  byId("fix-views").addEventListener("change", () => {
    easel.view = chosen("fix-view");
    byId("fix-stage").classList.toggle("checkered", easel.view === "cutout");
    easel.drawSoon();
  });
  for (const id of ["brush-size", "brush-hardness"]) byId(id).addEventListener("input", showBrush);
  byId("show-before").addEventListener("click", () => showBefore(byId("show-before").ariaPressed !== "true"));
  onLeaving("fix", keep);
  onChange(open);
  startVeil(easel);
  showBrush();
  open();
}

/** Show the matte as it was before the edits, or as it is. @param {boolean} isBefore */
async function showBefore(isBefore) {
  if (!work?.edits) return;
  byId("show-before").ariaPressed = String(isBefore);
  await easel.show(isBefore ? new Edits(work.edits.entries[0].mask) : work.edits);
}

async function open() {
  const { current, step } = state;
  if (step !== "fix" || !isDone(current?.matte) || work?.matte === current.matte) return;
  const mine = { photo: current, matte: current.matte, edits: null };
  work = mine;
  showProblem(problemPlace("fix"), null);
  try {
    if (!current.blob) throw new Problem({ code: "photo-gone" });
    await showByService(current);
    if (!current.picture) throw new Problem({ code: "cannot-show" });
    const [mask] = await Promise.all([fileOf(mine.matte, "mask.png"), easel.open(current.picture)]);
    if (work !== mine) return;
    mine.edits = new Edits(mask);
    forgetMarks();
    await redraw();
    showBrush();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("fix"), problem);
  }
}

/** @returns {{radius: number, hardness: number}} in pixels of the photo; the slider is finer for small brushes */
function brush() {
  const share = Number(byId("brush-size").value) / 100;
  const max = easel.size ? Math.max(easel.size.width, easel.size.height) * 0.15 : 150;
  return {
    radius: Math.round(10 * (1 + (max - 1) * share * share)) / 10,
    hardness: Number(byId("brush-hardness").value) / 100,
  };
}

function resize(steps) {
  byId("brush-size").value = String(Number(byId("brush-size").value) + steps);
  showBrush();
  if (easel.cursor) easel.cursor.radius = brush().radius;
  easel.drawSoon();
}

function showBrush() {
  document.querySelector('label[for="brush-size"] output').textContent = t("fix.px", { size: Math.round(2 * brush().radius) });
  document.querySelector('label[for="brush-hardness"] output').textContent = percent(brush().hardness);
}

function addStrokes(drawn) {
  if (!work?.edits) return;
  const strokes = drawn.filter(isWhole);
  if (strokes.length === 0) return easel.live([]);
  forgetMarks();
  work.edits.push({ strokes });
  redraw();
  if (work.edits.points > MAX_POINTS) ask(t("fix.saving"), {});
}

function forgetMarks() {
  easel.marks = [];
  byId("fix-note").textContent = "";
}

function step(way) {
  if (!work?.edits) return;
  forgetMarks();
  work.edits[way]();
  say(t(way === "undo" ? "fix.undone" : "fix.redone"));
  redraw();
}

async function redraw() {
  const { edits } = work;
  byId("undo").disabled = !edits.canUndo;
  byId("fix-reset").disabled = !edits.isChanged;
  byId("redo").disabled = !edits.canRedo;
  byId("snap").disabled = edits.strokes.length === 0;
  byId("show-before").ariaPressed = "false";
  await easel.show(edits);
}

/** Have the service apply the strokes so far and then `wish`; requests run one after the other. */
function ask(words, wish) {
  const mine = work;
  if (mine?.edits) asking = asking.then(() => answered(mine, words, wish));
  return asking;
}

async function answered(mine, words, { clicks = null, refine = false }) {
  const { edits } = mine;
  const place = document.querySelector('[data-progress="fix"]');
  showProblem(problemPlace("fix"), null);
  const late = setTimeout(() => showProgress(place, { state: "running", progress: { stage: words } }), 250);
  try {
    let word = "";
    if (edits.strokes.length) {
      const { last } = edits;
      const mask = await edited(mine, { strokes: JSON.stringify(edits.strokes), refine: refine ? "true" : "" });
      if (refine) edits.push({ mask });
      else edits.settle(last, mask);
    }
    if (clicks) {
      const { mask, outcome } = await clicked(mine, clicks);
      if (mask) edits.push({ mask }); // a click that changed nothing is no step of undo
      if (work === mine) easel.marks = [{ ...clicks[0], changes: mask !== null }];
      word = wordOn(outcome);
    }
    if (work === mine) await redraw();
    byId("fix-note").textContent = word;
    say(word || t("do.done"));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("fix"), problem);
  } finally {
    clearTimeout(late);
    showProgress(place, null);
  }
}

/** Make the edited mask the photo's matte if it changed. */
async function keep() {
  const mine = work;
  if (!mine?.edits?.isChanged) return;
  mine.photo.pending = true; // no mesh is made from the old matte meanwhile
  await ask(t("fix.saving"), {});
  mine.photo.pending = false;
  changed();
  if (mine.edits.strokes.length) return; // the service did not apply them; they stay on the easel
  if (work === mine) work = null;
  makeMatte(mine.photo, mine.edits.mask);
}
