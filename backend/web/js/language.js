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

const NUMBER = /^\d[\d,]*(\.\d+)?( ?%)?$/;

/**
 * What the service says, in the page's language, and the language that it is in now: English where the list has no such
 * sentence. The list is by the service's own sentences; a place may hold a number, a sentence of the list or a name.
 * @param {string} english
 * @returns {[string, string]}
 */
export function ofService(english) {
  const own = inOwnWords(english);
  return own === undefined ? [english, "en"] : [own, LANGUAGE];
}

/** @param {string} english @returns {string | undefined} */
function inOwnWords(english) {
  if (NUMBER.test(english)) return ownNumber(english);
  for (const { pattern, names, own } of patterns()) {
    const found = pattern.exec(english);
    if (found) return own.replace(/\{(\w+)\}/g, (_, name) => inOwnWords(found[names.indexOf(name) + 1]) ?? found[names.indexOf(name) + 1]);
  }
}

/** @param {string} english as 1,200 or 4.1% @returns {string} */
function ownNumber(english) {
  const digits = english.match(/\.(\d+)/)?.[1].length ?? 0;
  const value = Number(english.replace(/[, %]/g, ""));
  return english.endsWith("%") ? percent(value / 100, digits) : fixed(value, digits);
}

/** @type {{pattern: RegExp, names: string[], own: string}[]} */
let made;

/** The service's sentences as patterns; `sentences.service` is put in for other languages than English. */
const patterns = () =>
  (made ??= Object.entries(sentences.service ?? {}).map(([english, own]) => ({
    pattern: new RegExp(`^${english.replace(/[.*+?^$()[\]|\\]/g, "\\$&").replace(/\{\w+\}/g, "(.+?)")}$`),
    names: [...english.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
    own,
  })));

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
