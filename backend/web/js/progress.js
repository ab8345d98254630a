// Progress of a job over the stage: a bar, finished and current stages, the time left, and Cancel.

import { element, fill, say } from "./dom.js";

const NAMES = {
  decode: "Opening the photo",
  segment: "Finding the object",
  threshold: "Applying the threshold",
  components: "Selecting the object",
  morphology: "Cleaning the mask",
  holes: "Checking for holes",
  grabcut: "Refining with GrabCut",
  edges: "Refining the edge",
  depth: "Estimating depth",
  fuse: "Fusing depth and mask",
  feather: "Softening the edge",
  score: "Scoring the matte",
  colors: "Cleaning edge colours",
  encode: "Writing the picture",
  frame: "Framing the object",
  form: "Predicting front and back",
  relief: "Building the relief",
  "join views": "Joining the views",
  "check shape": "Checking the shape",
  export: "Writing the mesh",
  measure: "Measuring the mesh",
  views: "Rendering views",
  "load segmenter": "Loading the segmenter",
  "load depth": "Loading the depth network",
  "load engine": "Loading the mesh engine",
};

const TICK_MS = 500;

/** The label of a stage; an unlisted stage is its own label. @param {string} stage */
export const stageName = (stage) => NAMES[stage] ?? stage.charAt(0).toUpperCase() + stage.slice(1);

/**
 * Show a job's progress in `place`, or nothing.
 * @param {any} place
 * @param {any} job null hides it
 * @param {() => void} [onCancel]
 */
export function showProgress(place, job, onCancel) {
  place.hidden = !job;
  place.onCancel = onCancel;
  clearInterval(place.ticking);
  fill(place, job ? `working ${Boolean(onCancel)}` : "", () => (job ? parts(place) : []));
  if (!job) return;
  const { stage, stages = [] } = job.progress ?? {};
  const word = job.state === "queued" ? (job.id ? "Waiting in the queue" : "Uploading") : stageName(stage ?? "starting");
  place.querySelector(".work-word").textContent = word;
  const done = stages.map(({ name }) => name).filter((name) => !name.startsWith("load "));
  const list = place.querySelector("ol");
  fill(list, done.join(), () => done.slice(-4).map((name) => element("li", { textContent: stageName(name) })));
  say(word);
  const tick = () => showTime(place, job.progress ?? {});
  place.ticking = setInterval(tick, TICK_MS);
  tick();
}

/** Advance the bar and the time left between two events of the service. */
function showTime(place, progress) {
  const { stage, fraction = 0, seconds_left: left = null, told_at: toldAt = performance.now(), uploaded } = progress;
  const gone = (performance.now() - toldAt) / 1000;
  const share = left ? Math.min(1, gone / left) : 0;
  const bar = place.querySelector("progress");
  if (uploaded !== undefined) bar.value = uploaded;
  else if (fraction || left) bar.value = Math.min(0.99, fraction + (1 - fraction) * share);
  else bar.removeAttribute("value"); // indeterminate
  const words = stage && left !== null ? timeLeft(Math.max(0, left - gone)) : "";
  place.querySelector(".work-left").textContent = uploaded === undefined ? words : `${Math.round(100 * uploaded)} %`;
}

function parts(place) {
  const stop = element("button", { type: "button", className: "button", textContent: "Cancel" });
  stop.addEventListener("click", () => {
    stop.disabled = true;
    place.onCancel();
  });
  const head = [element("b", { className: "work-word" }), element("span", { className: "work-left soft small" })];
  return [
    element(
      "div",
      { className: "work-card" },
      element("p", { className: "work-head" }, ...head),
      element("progress", { max: 1, "aria-label": "Progress" }),
      element("ol", { className: "work-done small soft" }),
      place.onCancel ? stop : null,
    ),
  ];
}

/** @param {number} seconds @returns {string} */
export function timeLeft(seconds) {
  if (seconds < 1.5) return "a few seconds left";
  if (seconds < 90) return `about ${Math.round(seconds)} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}
