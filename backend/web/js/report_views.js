// A report on the panel: the verdict with its advice, the figures, and the engine with its licences.

import { element, icon } from "./dom.js";
import { fixed, ofService, t, translated } from "./language.js";
import { state } from "./store.js";

const STAND_INS = ["border", "form", "relief"];

/** The title of an engine or model; an unlisted one keeps its name. @param {string} name @returns {string} */
function titleOf(name) {
  const title = state.page.mesh_engines.find((/** @type {any} */ engine) => engine.name === name)?.title;
  return translated(`engine.${name}`, title ?? name);
}

/**
 * @param {import("./words.js").Verdict} verdict
 * @param {[string, string][]} figures
 * @returns {Node[]}
 */
export function verdictCard({ title, tone, own = [], more }, figures) {
  const mark = element("span", { className: "mark", dataset: { tone } }, icon({ good: "check", calm: "info" }[tone] ?? "warn"));
  const advice = [
    ...own.map((sentence) => element("li", {}, ...sentenceParts(sentence))),
    ...more.map((sentence) => served("li", "", sentence)),
  ];
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
  const time = isFromCache ? t("made.cached") : t("made.time", { seconds: fixed(report.seconds, 1), device });
  const isStandIn = STAND_INS.includes(engine.name);
  const { advice } = report.mesh ?? report.mask; // the verdict says it already
  const others = [...report.notes, ...report.degradations].filter((sentence) => !advice.includes(sentence));
  return [
    element("h2", { textContent: t(isStandIn ? "made.by-stand-in" : "made.by", { name }) }),
    element("p", { className: "soft small", textContent: time }),
    isStandIn ? element("p", { className: "small", textContent: t(`stand-in.${engine.name}`) }) : null,
    ...others.map(noteLine),
    ...reasonsOf(report.fusion).filter((reason) => !others.some((note) => note.includes(reason))).map(noteLine),
    licences(report.models ?? []),
  ].filter(Boolean);
}

/** The reasons of the fusion; none if depth was not requested. */
const reasonsOf = (fusion) => (!fusion || fusion.asked === "segmentation" ? [] : fusion.reasons);

function licences(models) {
  if (!models.length) return null;
  const words = models.map(({ id, licence, commercial_use: may }) =>
    t(may ? "made.licence" : "made.licence-private", { name: titleOf(id), licence }),
  );
  return element("p", { className: "soft small", textContent: words.join(" · ") });
}

/** A note of the service. @param {string} sentence */
const noteLine = (sentence) => served("p", "note small", sentence);

/** An element with a sentence of the service. @param {string} tag @param {string} className @param {string} english */
export function served(tag, className, english) {
  const [sentence, lang] = ofService(english);
  return element(tag, { className, lang }, ...sentenceParts(sentence));
}

const COMMAND = / ?(python -m backend [a-z0-9 ._-]*[a-z0-9])/;

/** A sentence as nodes; `code` and commands get elements of their own. @param {string} sentence @returns {Node[]} */
export function sentenceParts(sentence) {
  const [before, command, after] = sentence.split(COMMAND);
  const parts = before.split("`").map((text, index) => (index % 2 ? element("code", { textContent: text }) : text));
  if (command) parts.push(commandToCopy(command));
  if (after?.trim()) parts.push(after);
  return parts.map((part) => (typeof part === "string" ? document.createTextNode(part) : part));
}

function commandToCopy(command) {
  const name = { "aria-label": t("do.copy-command", { command }), title: t("do.copy") };
  const button = element("button", { type: "button", ...name }, icon("copy"));
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(command); // exists on https and localhost only
    button.replaceChildren(icon("check"));
  });
  return element("span", { className: "command" }, element("code", { textContent: command }), button);
}
