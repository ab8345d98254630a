// A report on the panel: the verdict with its advice, the figures, and the engine with its licences.

import { element, icon } from "./dom.js";
import { state } from "./store.js";

const NAMES = {
  border: "Border",
  paper: "the ink’s contrast with the paper",
  "own-mask": "your mask",
  "own-alpha": "the photo’s transparency",
};
const STAND_IN = {
  border: "A stand-in that models the colours at the photo’s border. It works best on a plain background.",
  form: "A small network’s guess of the front and the back. What the camera did not see is invented.",
  relief: "A stand-in that inflates the outline to a closed solid. Its back is a guess.",
};

/** The title of an engine or model; an unlisted one keeps its name. @param {string} name @returns {string} */
const titleOf = (name) =>
  NAMES[name] ?? state.page.mesh_engines.find((/** @type {any} */ engine) => engine.name === name)?.title ?? name;

/**
 * @param {{title: string, tone: string, more: string[]}} verdict
 * @param {[string, string][]} figures
 * @returns {Node[]}
 */
export function verdictCard({ title, tone, more }, figures) {
  const mark = element("span", { className: "mark", dataset: { tone } }, icon({ good: "check", calm: "info" }[tone] ?? "warn"));
  const advice = more.map((sentence) => element("li", {}, ...sentenceParts(sentence)));
  return [
    element("p", { className: "verdict-title" }, mark, element("b", { textContent: title })),
    ...(advice.length ? [element("ul", { className: "advice soft" }, ...advice)] : []),
    figureList(figures),
  ];
}

/** @param {[string, string][]} figures @returns {Node} */
export function figureList(figures) {
  const rows = figures.map(([name, value]) =>
    element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })),
  );
  return element("dl", { className: "figures" }, ...rows);
}

/**
 * The engine, its device and time; for a stand-in what that means and the command that fetches the network.
 * @param {any} report
 * @param {{name: string, device?: string}} engine
 * @param {boolean} isFromCache
 * @returns {Node[]}
 */
export function madeBy(report, engine, isFromCache) {
  const name = titleOf(engine.name);
  const device = engine.device ?? report.stages.find(({ name: stage }) => stage === "segment")?.device ?? "cpu";
  const time = isFromCache ? "From the cache" : `${report.seconds.toFixed(1)} s on ${device}`;
  const meaning = STAND_IN[engine.name];
  const others = [...report.notes, ...report.degradations];
  return [
    element("h2", { textContent: meaning ? `Made by ${name}, a stand-in` : `Made by ${name}` }),
    element("p", { className: "soft small", textContent: time }),
    meaning ? element("p", { className: "small", textContent: meaning }) : null,
    ...others.map(noteLine),
    ...reasonsOf(report.fusion).filter((reason) => !others.some((note) => note.includes(reason))).map(noteLine),
    licences(report.models ?? []),
  ].filter(Boolean);
}

/** The reasons of the fusion; none if depth was not requested. */
const reasonsOf = (fusion) => (!fusion || fusion.asked === "segmentation" ? [] : fusion.reasons);

function licences(models) {
  if (!models.length) return null;
  const words = models.map(
    ({ id, licence, commercial_use: may }) => `${titleOf(id)}: ${licence}${may ? "" : ", not for commercial use"}`,
  );
  return element("p", { className: "soft small", textContent: words.join(" · ") });
}

const noteLine = (sentence) => element("p", { className: "note small" }, ...sentenceParts(sentence));

const COMMAND = / ?(python -m backend [a-z0-9 ._-]*[a-z0-9])/;

/** A sentence of the service as nodes; `code` and commands get elements of their own. @param {string} sentence @returns {Node[]} */
export function sentenceParts(sentence) {
  const [before, command, after] = sentence.split(COMMAND);
  const parts = before.split("`").map((text, index) => (index % 2 ? element("code", { textContent: text }) : text));
  if (command) parts.push(commandToCopy(command));
  if (after?.trim()) parts.push(after);
  return parts.map((part) => (typeof part === "string" ? document.createTextNode(part) : part));
}

function commandToCopy(command) {
  const button = element("button", { type: "button", "aria-label": `Copy: ${command}`, title: "Copy" }, icon("copy"));
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(command); // exists on https and localhost only
    button.replaceChildren(icon("check"));
  });
  return element("span", { className: "command" }, element("code", { textContent: command }), button);
}
