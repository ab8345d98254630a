// An error for a person: the service's own words, and what to do next.

import { byId, element, fill, icon, say } from "./dom.js";

const NEXT = {
  "unsupported-image-type": "Save it as JPEG, PNG or WebP and choose it again.",
  "empty-file": "Choose the file again; the copy may have been broken off.",
  "image-corrupt": "Open it in a picture viewer, save it anew and choose that copy.",
  "upload-too-large": "Save it smaller or as JPEG, and choose that copy.",
  "too-many-pixels": "Make it smaller and choose that copy.",
  "no-subject": "Go to Fix and paint over the object, or choose a photo with a plainer background.",
  "invalid-parameter": "Change that option and try again.",
  overloaded: "Others are being served; try again in a moment.",
  "rate-limited": "Wait a moment and try again.",
  "timed-out": "Try “Fast”, or a smaller picture.",
  "worker-lost": "Try again.",
  "model-unavailable": "Choose “Automatic”, or fetch the model with the command above.",
  "out-of-memory": "Try a smaller picture or a lower resolution.",
  "storage-full": "Whoever runs this service has to make room on its disk.",
  unauthorized: "Reload the page to give a key.",
  unreachable: "Check that the service runs, then try again.",
  "not-found": "The service keeps results for a limited time; make it again.",
  internal: "Try again; if it stays, the service’s log has the reason.",
  cancelled: "Begin again when you like.",
  "photo-gone": "Choose the photo again; what was made of it can still be downloaded.",
};

/**
 * Show a problem, or nothing.
 * @param {any} place
 * @param {import("./api.js").Problem | null | undefined} problem
 * @param {{label: string, act: () => void}[]} [ways] out of it
 */
export function showProblem(place, problem, ways = []) {
  const key = problem ? `${problem.code} ${problem.message}` : "";
  fill(place, key, () => (problem ? [card(problem, ways)] : []));
}

function card(problem, ways) {
  say(`${problem.title}. ${problem.detail}`);
  const next = NEXT[problem.code] ?? "Try again.";
  const tone = problem.code === "cancelled" ? "calm" : "bad";
  return element(
    "div",
    { className: "problem", dataset: { tone } },
    icon(tone === "bad" ? "warn" : "info"),
    element(
      "div",
      {},
      element("h3", { textContent: problem.title }),
      problem.detail && problem.detail !== problem.title ? element("p", { textContent: problem.detail }) : null,
      element("p", { className: "next", textContent: next }),
      ways.length
        ? element("div", { className: "button-row" }, ...ways.map(({ label, act }) => wayOut(label, act)))
        : null,
    ),
  );
}

function wayOut(label, act) {
  return element("button", { type: "button", className: "button", textContent: label, onclick: act });
}

/** The place for problems of a step. @param {string} step @returns {any} */
export const problemPlace = (step) =>
  step === "photo" ? byId("photo-problem") : document.querySelector(`[data-problem="${step}"]`);
