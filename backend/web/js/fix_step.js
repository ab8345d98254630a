// The step Fix: strokes and clicks on the matte. Strokes are painted here at once and by the service when they are
// needed; clicks and snapping are the service's. Leaving the step keeps the work.

import { callBlob, formOf, Problem } from "./api.js";
import { byId, choose, chosen, say } from "./dom.js";
import { Easel } from "./easel.js";
import { listenToHand } from "./easel_input.js";
import { listenToKeys } from "./easel_keys.js";
import { Edits } from "./edits.js";
import { fileOf } from "./files.js";
import { makeMatte } from "./jobs.js";
import { problemPlace, showProblem } from "./problems.js";
import { showProgress } from "./progress.js";
import { go, onLeaving } from "./steps.js";
import { changed, isDone, onChange, state } from "./store.js";

const MOST_POINTS = 8000; // the service takes 10,000 at once

let easel;
let work = null; // {photo, matte, edits}: what lies on the easel; matte is the job whose mask is put right
let asking = Promise.resolve(); // what the service was asked for last; one thing at a time

export function startFixStep() {
  easel = new Easel(byId("easel"));
  const hand = {
    tool: () => chosen("tool"),
    setTool: (tool) => choose("tool", tool),
    brush,
    resize,
    undo: () => step("undo"),
    redo: () => step("redo"),
    onStrokes: addStrokes,
    onClick: (x, y, mode) =>
      ask(mode === "keep" ? "Finding that part" : "Taking that part out", { clicks: [{ x, y, mode }] }),
  };
  listenToHand(easel, hand);
  listenToKeys(easel, hand);
  byId("undo").addEventListener("click", hand.undo);
  byId("redo").addEventListener("click", hand.redo);
  byId("zoom-in").addEventListener("click", () => easel.zoomBy(1.4));
  byId("zoom-out").addEventListener("click", () => easel.zoomBy(1 / 1.4));
  byId("zoom-fit").addEventListener("click", () => easel.fit());
  byId("snap").addEventListener("click", () => ask("Snapping to the edges", { refine: true }));
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
  onLeaving("fix", keep);
  onChange(open);
  showBrush();
}

async function open() {
  const { current, step } = state;
  if (step !== "fix" || !isDone(current?.matte) || work?.matte === current.matte) return;
  const mine = { photo: current, matte: current.matte, edits: null };
  work = mine;
  showProblem(problemPlace("fix"), null);
  try {
    if (!current.blob) throw new Problem({ code: "photo-gone", title: "The photo is no longer in this browser" });
    const [mask] = await Promise.all([fileOf(mine.matte, "mask.png"), easel.open(current.blob)]);
    if (work !== mine) return;
    mine.edits = new Edits(mask);
    await redraw();
    showBrush();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("fix"), problem);
  }
}

/** @returns {{radius: number, hardness: number}} in pixels of the picture; the slider is finer for small brushes */
function brush() {
  const share = Number(byId("brush-size").value) / 100;
  const most = easel.size ? Math.max(easel.size.width, easel.size.height) * 0.15 : 150;
  return {
    radius: Math.round(10 * (1 + (most - 1) * share * share)) / 10,
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
  document.querySelector('label[for="brush-size"] output').textContent = `${Math.round(2 * brush().radius)} px`;
  document.querySelector('label[for="brush-hardness"] output').textContent = `${byId("brush-hardness").value} %`;
}

function addStrokes(strokes) {
  if (!work?.edits) return;
  work.edits.push({ strokes });
  redraw();
  if (work.edits.points > MOST_POINTS) ask("Keeping your strokes", {});
}

function step(way) {
  if (!work?.edits) return;
  work.edits[way]();
  say(way === "undo" ? "Undone" : "Redone");
  redraw();
}

async function redraw() {
  const { edits } = work;
  byId("undo").disabled = !edits.canUndo;
  byId("fix-reset").disabled = !edits.isChanged;
  byId("redo").disabled = !edits.canRedo;
  byId("snap").disabled = edits.strokes.length === 0;
  await easel.show(edits);
}

/** Have the service lay on the strokes so far, and do what it is asked for besides; one thing after the other. */
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
    if (edits.strokes.length) {
      const strokes = JSON.stringify(edits.strokes);
      edits.push({ mask: await edited(mine, { strokes, refine: refine ? "true" : "" }) });
    }
    if (clicks) edits.push({ mask: await edited(mine, { clicks: JSON.stringify(clicks) }) });
    if (work === mine) await redraw();
    say("Done");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("fix"), problem);
  } finally {
    clearTimeout(late);
    showProgress(place, null);
  }
}

const edited = ({ photo, edits }, parts) =>
  callBlob("/edit-mask", { method: "POST", body: formOf({ file: photo.blob, mask: edits.mask, ...parts }) });

/** Make the edited mask the photo's matte, if anything was done to it. */
async function keep() {
  const mine = work;
  if (!mine?.edits?.isChanged) return;
  mine.photo.pending = true; // nothing is made of the old matte meanwhile
  await ask("Keeping your strokes", {});
  mine.photo.pending = false;
  changed();
  if (mine.edits.strokes.length) return; // the service could not take them; they stay on the easel
  if (work === mine) work = null;
  makeMatte(mine.photo, mine.edits.mask);
}
