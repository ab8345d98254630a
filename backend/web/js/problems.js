// An error for a person: what happened and what to do next.

import { byId, element, fill, icon, say } from "./dom.js";
import { t, translated } from "./language.js";

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
  const next = translated(`next.${problem.code}`, t("next.other"));
  const tone = problem.code === "cancelled" ? "calm" : "bad";
  return element(
    "div",
    { className: "problem", dataset: { tone } },
    icon(tone === "bad" ? "warn" : "info"),
    element(
      "div",
      {},
      element("h2", { textContent: problem.title }),
      problem.detail && problem.detail !== problem.title
        ? element("p", { textContent: problem.detail, lang: problem.language })
        : null,
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
