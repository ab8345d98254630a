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
import { onChange, state } from "./store.js";

const MOST_POINTS = 8000; // the service takes 10,000 at once
const WORKING = { id: "editing", state: "running" };

let easel;
let edits = null;
let editsOf = null; // the matte's job
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
    onClick: (x, y, mode) => ask(mode === "keep" ? "Finding that part" : "Taking that part out", { clicks: [{ x, y, mode }] }),
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
    edits = new Edits(edits.entries[0].mask);
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
  if (step !== "fix" || !current?.matte || editsOf === current.matte) return;
  editsOf = current.matte;
  edits = null;
  showProblem(problemPlace("fix"), null);
  if (!current.blob) {
    showProblem(problemPlace("fix"), new Problem({ code: "photo-gone", title: "The photo is no longer in this browser" }));
    return;
  }
  await easel.open(current.blob);
  edits = new Edits(await fileOf(current.matte, "mask.png"));
  await redraw();
  showBrush();
}

/** @returns {{radius: number, hardness: number}} in pixels of the picture; the slider is finer for small brushes */
function brush() {
  const share = Number(byId("brush-size").value) / 100;
  const most = easel.size ? Math.max(easel.size.width, easel.size.height) * 0.15 : 150;
  return { radius: Math.round(10 * (1 + (most - 1) * share * share)) / 10, hardness: Number(byId("brush-hardness").value) / 100 };
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
  if (!edits) return;
  edits.push({ strokes });
  redraw();
  if (edits.points > MOST_POINTS) ask("Keeping your strokes", {});
}

function step(way) {
  if (!edits) return;
  edits[way]();
  say(way === "undo" ? "Undone" : "Redone");
  redraw();
}

async function redraw() {
  byId("undo").disabled = byId("fix-reset").disabled = !edits.canUndo;
  byId("redo").disabled = !edits.canRedo;
  byId("snap").disabled = edits.strokes.length === 0;
  await easel.show(edits);
}

/** Have the service lay on the strokes so far, and do what it is asked for besides. */
function ask(words, { clicks = null, refine = false }) {
  asking = asking.then(async () => {
    if (!edits) return;
    const place = document.querySelector('[data-progress="fix"]');
    showProblem(problemPlace("fix"), null);
    const late = setTimeout(() => showProgress(place, { ...WORKING, progress: { stage: words } }), 250);
    try {
      if (edits.strokes.length) edits.push({ mask: await edited({ strokes: JSON.stringify(edits.strokes), refine: refine ? "true" : "" }) });
      if (clicks) edits.push({ mask: await edited({ clicks: JSON.stringify(clicks) }) });
      await redraw();
      say("Done");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showProblem(problemPlace("fix"), problem);
    } finally {
      clearTimeout(late);
      showProgress(place, null);
    }
  });
  return asking;
}

const edited = (parts) =>
  callBlob("/edit-mask", { method: "POST", body: formOf({ file: state.current.blob, mask: edits.mask, ...parts }) });

/** Make the edited mask the photo's matte, if anything was done to it. */
async function keep() {
  if (!edits?.canUndo) return;
  const photo = state.current;
  await ask("Keeping your strokes", {});
  if (edits.strokes.length) return; // it could not be asked for; the strokes stay
  editsOf = null;
  makeMatte(photo, edits.mask);
}
