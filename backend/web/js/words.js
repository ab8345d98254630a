// The figures of a report in words.

const GRADES = {
  A: ["Clean", "good"],
  B: ["Good", "good"],
  C: ["Fair", "fair"],
  D: ["Rough", "poor"],
  E: ["Poor", "poor"],
};

/**
 * The scorecard (`report.mask`) as one line and a tone.
 * @param {any} card
 * @param {boolean} [isDocument]  its parts and openings are letters and do not count
 * @returns {{title: string, tone: string, more: string[]}}
 */
export function verdictOf(card, isDocument = false) {
  if (!card.found) return { title: "Nothing found", tone: "poor", more: card.advice };
  const [word, tone] = GRADES[card.grade] ?? ["", "fair"];
  const parts = [word];
  if (card.touches.length) parts.push(`touches the ${listed(card.touches)} edge${card.touches.length > 1 ? "s" : ""}`);
  if (card.parts > 1 && !isDocument) parts.push(`${card.parts} parts`);
  if (card.holes && !isDocument) parts.push(card.holes === 1 ? "one opening" : `${card.holes} openings`);
  return { title: parts.join("; "), tone, more: card.advice };
}

/** @param {string[]} names @returns {string} "left, top and right" */
export const listed = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** @param {any} card of a mask @returns {[string, string][]} */
export const matteFigures = (card) => [
  ["Grade", `${card.grade}, ${card.points} of 100`],
  ["Share of the photo", percent(card.coverage)],
  ["Edge sharpness", percent(card.edge_sharpness)],
  ["Confidence", percent(card.confidence_mean)],
];

/** @param {any} figures `report.mesh` @returns {{title: string, tone: string, more: string[]}} */
export function meshVerdict(figures) {
  const [, tone] = GRADES[figures.grade] ?? ["", "fair"];
  return { title: figures.verdict, tone: figures.ready ? "good" : tone === "good" ? "fair" : tone, more: figures.advice };
}

/** @param {any} figures `report.mesh` @returns {[string, string][]} */
export const meshFigures = (figures) => [
  ["Grade", `${figures.grade}, ${figures.points} of 100`],
  ["Faces", figures.faces.toLocaleString("en")],
  ["Watertight", figures.watertight ? "yes" : "no"],
  // An outline that was taken from the matte says nothing of the shape.
  figures.guessed ? ["Shape", "guessed"] : ["Silhouette match", percent(figures.silhouette_iou)],
];

/** @param {number} share @returns {string} */
export const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
