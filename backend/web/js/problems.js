// An error for a person: the service's own words, and what to do next.

import { byId, element, fill, icon, say } from "./dom.js";

const NEXT = {
  "unsupported-image-type": "Save it as JPEG, PNG or WebP and choose it again.",
  "empty-file": "Choose the file again; the copy may have been broken off.",
  "unreadable-file": "Choose the picture itself.",
  "several-refused": "Save them as JPEG, PNG or WebP within the limits, and choose them again.",
  "missing-file": "Choose the photo again.",
  "too-many-files": "Choose one picture.",
  "image-corrupt": "Open it in a picture viewer, save it anew and choose that copy.",
  "upload-too-large": "Save it smaller or as JPEG, and choose that copy.",
  "too-many-pixels": "Make it smaller and choose that copy.",
  "no-subject": "Go to Fix and paint over the object, or choose a photo with a plainer background.",
  "invalid-parameter": "Change that option and try again.",
  overloaded: "Others are being served; try again in a moment.",
  "not-ready": "It is starting or stopping; try again in a moment.",
  "upload-too-slow": "Try again with a better connection, or with a smaller copy.",
  "rate-limited": "Wait a moment and try again.",
  "timed-out": "Try “Fast”, or a smaller picture.",
  "worker-lost": "Try again.",
  "model-unavailable": "Choose “Automatic”, or fetch the model with the command above.",
  "out-of-memory": "Try a smaller picture or a lower resolution.",
  "storage-full": "Whoever runs this service has to make room on its disk.",
  unauthorized: "Reload the page to give a key.",
  "cross-site": "Open the page at the service’s own address.",
  "host-not-allowed": "Open the page by a name that the service knows; whoever runs it sets ALLOWED_HOSTS.",
  unreachable: "Check that the service runs, then try again.",
  "not-found": "The service keeps results for a limited time; make it again.",
  "not-finished": "Wait until it is done.",
  "idempotency-conflict": "Try again.",
  "out-of-range": "Try again.",
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
  const labels = ways.map(({ label }) => label);
  place.ways = ways; // of another photo, maybe, though the words are the same
  const key = problem ? [problem.code, problem.message, ...labels].join(" ") : "";
  fill(place, key, () => (problem ? [card(place, problem, labels)] : []));
}

function card(place, problem, labels) {
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
      labels.length
        ? element("div", { className: "button-row" }, ...labels.map((label, at) => wayOut(place, label, at)))
        : null,
    ),
  );
}

function wayOut(place, label, at) {
  const act = () => place.ways[at].act();
  return element("button", { type: "button", className: "button", textContent: label, onclick: act });
}

/** The place for problems of a step. @param {string} step @returns {any} */
export const problemPlace = (step) =>
  step === "photo" ? byId("photo-problem") : document.querySelector(`[data-problem="${step}"]`);
