// Progress of a job over the stage: a bar, finished and current stages, the time left, and Cancel.

import { element, fill, say } from "./dom.js";
import { percent, t, translated } from "./language.js";

const TICK_MS = 500;

/** The label of a stage; an unlisted stage is its own label. @param {string} stage */
export const stageName = (stage) => translated(`stage.${stage}`, stage.charAt(0).toUpperCase() + stage.slice(1));

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
  const word = job.state === "queued" ? t(job.id ? "progress.waiting" : "progress.uploading") : stageName(stage ?? "starting");
  place.querySelector(".work-word").textContent = word;
  const done = finished(stages, stage);
  const list = place.querySelector("ol");
  fill(list, done.join(), () => done.slice(-4).map((name) => element("li", { textContent: stageName(name) })));
  say(word);
  const tick = () => showTime(place, job.progress ?? {});
  place.ticking = setInterval(tick, TICK_MS);
  tick();
}

/**
 * The names of the finished stages, each once: a page that was reloaded has them from the job and again from its events.
 * @param {{name: string}[]} stages
 * @param {string} [current]
 */
export const finished = (stages, current) =>
  [...new Set(stages.map(({ name }) => name))].filter((name) => name !== current && !name.startsWith("load "));

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
  place.querySelector(".work-left").textContent = uploaded === undefined ? words : percent(uploaded);
}

function parts(place) {
  const stop = element("button", { type: "button", className: "button", textContent: t("do.cancel") });
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
      element("progress", { max: 1, "aria-label": t("progress.title") }),
      element("ol", { className: "work-done small soft" }),
      place.onCancel ? stop : null,
    ),
  ];
}

/** @param {number} seconds @returns {string} */
export function timeLeft(seconds) {
  if (seconds < 1.5) return t("progress.soon");
  if (seconds < 90) return t("progress.seconds", { count: Math.round(seconds) });
  return t("progress.minutes", { count: Math.round(seconds / 60) });
}
