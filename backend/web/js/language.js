// Sentences, numbers and shares in the language of the page. The list of another language takes the place of the English
// one when the modules are put together (backend/api/page_bundle.py), so that it is here before anything is drawn.

import sentences from "../words/en.json" with { type: "json" };

export const LANGUAGE = sentences.language;
const plural = new Intl.PluralRules(LANGUAGE);
const plain = new Intl.NumberFormat(LANGUAGE);

/**
 * The sentence of a key, with its {places} filled: numbers as the language writes them. Where the list has forms
 * ({"one": …, "other": …}), `values.count` decides.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const entry = sentences[key];
  const sentence = typeof entry === "object" ? (entry[plural.select(values.count)] ?? entry.other) : entry;
  return sentence.replace(/\{(\w+)\}/g, (_, name) =>
    typeof values[name] === "number" ? plain.format(values[name]) : values[name],
  );
}

/** The sentence of a code of the service; `english`, the service's own word on it, where the list has none.
 * @param {string} key @param {string} english @returns {string} */
export const translated = (key, english) => (key in sentences ? t(key) : english);

/** @param {number} share @param {number} [digits] behind the point @returns {string} */
export const percent = (share, digits = 0) =>
  share.toLocaleString(LANGUAGE, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

/** @param {number} value @param {number} digits behind the point @returns {string} */
export const fixed = (value, digits) =>
  value.toLocaleString(LANGUAGE, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** @param {number} bytes @param {number} [digits] of megabytes, behind the point @returns {string} "400 kB", "5 MB", "1.2 GB" */
export function fileSize(bytes, digits = 0) {
  const small = bytes > 0 && bytes < 1e6; // 0 MB is what has not begun to arrive
  const [unit, size, maximumFractionDigits] =
    bytes >= 1e9 ? ["gigabyte", 1e9, 1] : small ? ["kilobyte", 1e3, 0] : ["megabyte", 1e6, digits];
  return (bytes / size).toLocaleString(LANGUAGE, { style: "unit", unit, maximumFractionDigits });
}
