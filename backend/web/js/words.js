// The figures of a report in words.

const GRADES = {
  A: ["Clean", "good"],
  B: ["Good", "good"],
  C: ["Fair", "fair"],
  D: ["Rough", "poor"],
  E: ["Poor", "poor"],
};

const UNGRADED = {
  "own-mask": "Edited by you, not graded",
  "own-alpha": "The photo’s own transparency, not graded",
};
const BY_COLOUR = "Made by a stand-in that compares colours. Look closely at the edge.";

/** Whether a matte is the stand-in's guess before a background of several colours. @param {any} report */
const isGuess = (report) => report.segmenter.name === "border" && !report.background?.uniform;

/** Whether the figures of a matte say how sure its segmenter is. @param {any} report */
const isGraded = (report) => !UNGRADED[report.segmenter.name] && !report.mask.doubted && !isGuess(report);

/**
 * The scorecard of a matte as one line and a tone.
 * @param {any} report
 * @returns {{title: string, tone: string, more: string[]}}
 */
export function verdictOf(report) {
  const card = report.mask;
  const isDocument = report.options?.mode === "document"; // its parts and openings are letters and do not count
  if (!card.found) return { title: "Nothing found", tone: "poor", more: card.advice };
  if (UNGRADED[report.segmenter.name])
    return { title: UNGRADED[report.segmenter.name], tone: "calm", more: card.advice };
  if (card.doubted) return { title: "Doubtful: check before you use it", tone: "poor", more: card.advice };
  if (isGuess(report)) return { title: "A first guess", tone: "fair", more: [BY_COLOUR, ...card.advice] };
  const [word, tone] = GRADES[card.grade] ?? ["", "fair"];
  const parts = [word];
  if (card.touches.length) parts.push(`touches the ${listed(card.touches)} edge${card.touches.length > 1 ? "s" : ""}`);
  if (card.parts > 1 && !isDocument) parts.push(`${card.parts} parts`);
  if (card.holes && !isDocument) parts.push(card.holes === 1 ? "one opening" : `${card.holes} openings`);
  return { title: parts.join("; "), tone, more: card.advice };
}

/** The grade of a matte in a word; empty while there is none. @param {any} report @returns {string} */
export function shortGrade(report) {
  if (!report?.mask) return "";
  if (report.segmenter.name === "own-mask") return "edited";
  if (report.mask.doubted) return "doubtful";
  if (isGuess(report)) return "a first guess";
  return isGraded(report) ? `grade ${report.mask.grade}` : "";
}

/** @param {string[]} names @returns {string} "left, top and right" */
export const listed = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** @param {any} report of a matte @returns {[string, string][]} */
export function matteFigures(report) {
  const card = report.mask;
  const facts = [
    ["Share of the photo", percent(card.coverage)],
    ["Edge sharpness", percent(card.edge_sharpness)],
  ];
  if (!isGraded(report)) return facts;
  return [["Grade", `${card.grade}, ${card.points} of 100`], ...facts, ["Confidence", percent(card.confidence_mean)]];
}

/** @param {any} figures `report.mesh` @returns {{title: string, tone: string, more: string[]}} */
export function meshVerdict(figures) {
  const [, tone] = GRADES[figures.grade] ?? ["", "fair"];
  return { title: figures.verdict, tone: figures.ready ? "good" : tone === "good" ? "fair" : tone, more: figures.advice };
}

/** @param {number[][]} bounds lowest and highest x, y, z of the file, y up */
const sizeOf = ([low, high]) => high.map((top, axis) => (top - low[axis]).toFixed(2)).join(" × ");

/** @param {any} figures `report.mesh` @returns {[string, string][]} */
export const meshFigures = (figures) => [
  ["Grade", `${figures.grade}, ${figures.points} of 100`],
  ["Faces", figures.faces.toLocaleString("en")],
  ["Watertight", figures.watertight ? "yes" : "no"],
  ["Width × height × depth", sizeOf(figures.bounds)],
  // An outline that was taken from the matte says nothing of the shape.
  figures.guessed ? ["Shape", "guessed"] : ["Silhouette match", percent(figures.silhouette_iou)],
];

/** @param {number} share @returns {string} */
export const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
