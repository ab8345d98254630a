// An error for a person: the message of the service and what to do next.

import { byId, element, fill, icon, say } from "./dom.js";

const NEXT = {
  "unsupported-image-type": "Save the picture as JPEG, PNG or WebP and choose that file.",
  "empty-file": "Choose the file again. The copy may be incomplete.",
  "unreadable-file": "Choose a picture file.",
  "several-refused": "Save them as JPEG, PNG or WebP within the limits and choose them again.",
  "missing-file": "Choose the photo again.",
  "too-many-files": "Choose one picture.",
  "image-corrupt": "Open the picture in a viewer, save a copy and choose that copy.",
  "upload-too-large": "Save a smaller copy or a JPEG and choose that file.",
  "too-many-pixels": "Save a smaller copy and choose that file.",
  "unsupported-mesh-type": "Choose a GLB that was made here.",
  "mesh-corrupt": "Make the mesh again.",
  "too-many-faces": "Make the mesh again with fewer faces.",
  "no-subject": "Open Fix and paint over the object, or choose a photo with a plainer background.",
  "invalid-parameter": "Change the option and try again.",
  overloaded: "Other requests are running. Try again in a moment.",
  "not-ready": "The service is starting or stopping. Try again in a moment.",
  "upload-too-slow": "Use a better connection or a smaller file, then try again.",
  "rate-limited": "Wait a moment and try again.",
  "timed-out": "Try “Fast”, or a smaller picture.",
  "worker-lost": "Try again.",
  "model-unavailable": "Set the model to “Automatic”, or run the command above on the server.",
  "out-of-memory": "Try a smaller picture or a lower resolution.",
  "storage-full": "Ask the operator to free disk space on the server.",
  "storage-failed": "Ask the operator to check the disk of the server. Its log says what fails.",
  unauthorized: "Reload the page and enter a key.",
  "cross-site": "Open the page at the address of the service.",
  "host-not-allowed": "Open the page by a name in ALLOWED_HOSTS, or ask the operator to add this one.",
  unreachable: "Check that the service is running, then try again.",
  "too-large-here": "Save it as PNG.",
  "cannot-show": "Save it as JPEG or PNG to fix its matte here.",
  "not-copied": "Download the file, or allow the clipboard in the browser’s settings.",
  "not-found": "The result has expired. Make it again.",
  "not-finished": "Wait until the job is done.",
  "idempotency-conflict": "Try again.",
  "out-of-range": "Try again.",
  internal: "Try again. If it fails again, look into the log of the service.",
  cancelled: "You can start again at any time.",
  "photo-gone": "Choose the photo again. You can still download its results.",
};

/**
 * Show a problem, or nothing.
 * @param {any} place
 * @param {import("./api.js").Problem | null | undefined} problem
 * @param {{label: string, act: () => void}[]} [ways] actions that the person can take
 */
export function showProblem(place, problem, ways = []) {
  const labels = ways.map(({ label }) => label);
  place.ways = ways; // may belong to another photo with the same problem
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
      element("h2", { textContent: problem.title }),
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
