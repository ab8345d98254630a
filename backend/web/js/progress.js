// Work under way, over the stage: a bar, the stages done and doing, the time left, and a way to stop.

import { element, fill, say } from "./dom.js";

const NAMES = {
  decode: "Opening the photo",
  segment: "Finding the object",
  threshold: "Deciding what counts",
  components: "Picking the object",
  morphology: "Tidying the mask",
  holes: "Looking into holes",
  grabcut: "Refining by colour",
  edges: "Drawing the edge",
  depth: "Seeing depth",
  fuse: "Joining depth and mask",
  feather: "Softening the edge",
  score: "Judging the matte",
  colors: "Cleaning the rim",
  encode: "Writing the picture",
  frame: "Framing the object",
  relief: "Raising the relief",
  export: "Writing the mesh",
  measure: "Measuring the mesh",
  views: "Taking pictures of it",
  "load segmenter": "Waking the segmenter",
  "load depth": "Waking the depth network",
  "load engine": "Waking the mesh engine",
};

/** A stage's name for people; one that is not listed is its own name. @param {string} stage */
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
  fill(place, job ? "working" : "", () => (job ? parts(place) : []));
  if (!job) return;
  const { stage, stages = [], fraction = 0, seconds_left: left } = job.progress ?? {};
  const word = job.state === "queued" ? (job.id ? "Waiting for its turn" : "Sending") : stageName(stage ?? "starting");
  const bar = place.querySelector("progress");
  if (stage || fraction) bar.value = fraction ?? 0;
  else bar.removeAttribute("value"); // not known yet
  place.querySelector(".work-word").textContent = word;
  place.querySelector(".work-left").textContent = stage ? timeLeft(left) : "";
  const done = stages.map(({ name }) => name).filter((name) => !name.startsWith("load "));
  const list = place.querySelector("ol");
  fill(list, done.join(), () => done.slice(-4).map((name) => element("li", { textContent: stageName(name) })));
  say(word);
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

/** @param {number | null | undefined} seconds */
export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1.5) return "a moment left";
  if (seconds < 90) return `about ${Math.round(seconds)} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}
