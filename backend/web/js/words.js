// The figures of a report in words.

import { fixed, LANGUAGE, percent, t } from "./language.js";

const TONES = { A: "good", B: "good", C: "fair", D: "poor", E: "poor" };
const UNGRADED = { "own-mask": "verdict.edited", "own-alpha": "verdict.own-alpha" };
const sides = new Intl.ListFormat(LANGUAGE, { type: "conjunction" });

/**
 * @typedef {Object} Verdict
 * @property {string} title  in the page's language
 * @property {string} tone  good, fair, poor or calm
 * @property {string[]} [own]  sentences of the page
 * @property {string[]} more  the service's advice, as it came: report_views.js shows it in the page's language
 */

/** Whether a matte is the stand-in's guess before a background of several colours. @param {any} report */
const isGuess = (report) => report.segmenter.name === "border" && !report.background?.uniform;

/** The key of the verdict on a matte that nobody grades: a hand’s, the photo’s own, ink where none was expected.
 * @param {any} report */
const ungraded = ({ segmenter: { name }, background }) =>
  name === "paper" && !background?.ink ? "verdict.ink" : UNGRADED[name];

/** Whether the figures of a matte say how sure its segmenter is. @param {any} report */
const isGraded = (report) => !ungraded(report) && !report.mask.doubted && !isGuess(report);

/**
 * The scorecard of a matte as one line and a tone.
 * @param {any} report
 * @returns {Verdict}
 */
export function verdictOf(report) {
  const card = report.mask;
  const isDocument = report.options?.mode === "document"; // its parts and openings are letters and do not count
  if (!card.found) return { title: t("verdict.nothing"), tone: "poor", more: card.advice };
  const key = ungraded(report);
  if (key) return { title: t(key), tone: "calm", more: card.advice };
  if (card.doubted) return { title: t("verdict.doubtful"), tone: "poor", more: card.advice };
  if (isGuess(report)) return { title: t("verdict.guess"), tone: "fair", own: [t("verdict.by-colour")], more: card.advice };
  const parts = [t(`grade.${card.grade}`)];
  if (card.touches.length) {
    const names = sides.format(card.touches.map((side) => t(`side.${side}`)));
    parts.push(t("verdict.touches", { count: card.touches.length, sides: names }));
  }
  if (card.parts > 1 && !isDocument) parts.push(t("verdict.parts", { count: card.parts }));
  if (card.holes && !isDocument) parts.push(t("verdict.openings", { count: card.holes }));
  return { title: parts.join("; "), tone: TONES[card.grade], more: card.advice };
}

/** The grade of a matte in a word; empty while there is none. @param {any} report @returns {string} */
export function shortGrade(report) {
  if (!report?.mask) return "";
  if (!report.mask.found) return t("grade.short-nothing");
  if (report.segmenter.name === "own-mask") return t("grade.short-edited");
  if (report.mask.doubted) return t("grade.short-doubtful");
  if (isGuess(report)) return t("grade.short-guess");
  return isGraded(report) ? t("grade.short", { grade: report.mask.grade }) : "";
}

/** @param {any} report of a matte @returns {[string, string][]} */
export function matteFigures(report) {
  const card = report.mask;
  const facts = [
    [t("figure.share"), percentOf(card.coverage)],
    [t("figure.sharpness"), percentOf(card.edge_sharpness)],
  ];
  if (!isGraded(report)) return facts;
  return [gradeOf(card), ...facts, [t("figure.confidence"), percentOf(card.confidence_mean)]];
}

/** @returns {[string, string]} */
const gradeOf = ({ grade, points }) => [t("figure.grade"), t("figure.points", { grade, points })];

/** The scorecard of a mesh in a few words; its own `verdict` has no code, so they are taken from the same facts.
 * @param {any} figures `report.mesh` @param {any} [matte] the report of the matte that it was made from @returns {Verdict} */
export function meshVerdict(figures, matte = null) {
  const tone = TONES[figures.grade];
  if (figures.ready && matte && isGuess(matte))
    return { title: t("verdict.of-guess"), tone: "fair", own: [t("verdict.by-colour")], more: figures.advice };
  const doubts = [];
  if (figures.guessed) doubts.push(t("verdict.mesh-guessed"));
  if (matte?.mask?.doubted) doubts.push(t("verdict.mesh-doubted"));
  const isFlawed = figures.advice.length > doubts.length; // each doubt is a sentence of advice itself
  const title = [t(`verdict.mesh-${stateOf(figures, isFlawed)}`), ...doubts].join("; ");
  return { title, tone: figures.ready ? "good" : tone === "good" ? "fair" : tone, more: figures.advice };
}

function stateOf({ ready, watertight, winding_consistent: isConsistent, volume }, isFlawed) {
  if (!watertight) return "open";
  if (!isConsistent || volume < 0) return "inward";
  if (ready) return "ready";
  return isFlawed ? "flawed" : "closed";
}

/** @param {number[][]} bounds lowest and highest x, y, z of the file, y up @returns {number[]} width, height, depth */
const extentOf = ([low, high]) => high.map((top, axis) => top - low[axis]);

/** Lengths in metres in the unit in which they read best. @param {number[]} metres @param {"mm" | "m"} unit of the file */
function lengthsOf(metres, unit) {
  const [name, scale] = unit === "mm" ? ["mm", 1000] : Math.max(...metres) < 0.9 ? ["cm", 100] : ["m", 1];
  return `${metres.map((length) => fixed(length * scale, name === "m" ? 2 : 0)).join(" × ")} ${name}`;
}

/**
 * How large a mesh is in the file of a preset.
 * @param {number[][]} bounds of the GLB, in metres
 * @param {{height_m: number | null, unit: "mm" | "m"}} preset
 * @returns {string} width, height and depth
 */
export function presetSize(bounds, { height_m: height, unit }) {
  const extent = extentOf(bounds);
  const scale = height === null ? 1 : height / extent[1];
  return lengthsOf(extent.map((length) => length * scale), unit);
}

/** @param {any} figures `report.mesh` @returns {[string, string][]} */
export const meshFigures = (figures) => [
  gradeOf(figures),
  [t("figure.faces"), figures.faces.toLocaleString(LANGUAGE)],
  [t("figure.watertight"), t(figures.watertight ? "figure.yes" : "figure.no")],
  [t("figure.size"), lengthsOf(extentOf(figures.bounds), "m")],
  // An outline that was taken from the matte says nothing of the shape.
  figures.guessed ? [t("figure.shape"), t("figure.guessed")] : [t("figure.silhouette"), percentOf(figures.silhouette_iou)],
];

/** A share that is 100 % only if nothing is missing. @param {number} share @returns {string} */
export const percentOf = (share) => percent(share, share > 0.995 && share < 1 ? 1 : 0);
