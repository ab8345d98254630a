// The menu of segmenters: each with its state on this machine; those that cannot run are disabled and say why.

import { byId, element, fill } from "./dom.js";
import { fileSize, LANGUAGE, ofService, percent, t } from "./language.js";
import { onChange, state } from "./store.js";

let about = {}; // value of an option -> the sentence below the menu and its language

export function startModelMenu() {
  byId("matte-model").addEventListener("change", showAbout);
  onChange(showAbout);
}

/**
 * @param {any[]} models the rows of `/models`
 * @param {any} health the answer of `/health`
 */
export function showModels(models, health) {
  const select = byId("matte-model");
  const wanted = select.value || state.current?.matteOptions.model;
  const rows = models
    .filter(({ task }) => task === "segmentation")
    .map((model) => ({ ...model, ...availability(model, health) }))
    .sort((one, other) => Number(other.usable) - Number(one.usable));
  const auto = { name: "auto", usable: true, words: t("matte.model-auto") };
  about = Object.fromEntries(rows.map((row) => [row.name, ofService(row.about)]));
  about.auto = [t("matte.uses", { name: health.engines.segmenter.auto }), LANGUAGE];
  fill(select, JSON.stringify([auto, ...rows]), () => [auto, ...rows].map(optionOf));
  select.value = wanted;
  if (!select.value) select.value = "auto"; // the model has gone
  showAbout();
}

/**
 * Whether `model` can run here, and its state in a few words.
 * @param {any} model a row of `/models`
 * @param {any} health the answer of `/health`
 * @returns {{usable: boolean, words: string}}
 */
export function availability(model, { workers, fetching }) {
  const { name, state: found, size_bytes: bytes, sends_to: service } = model;
  const coming = fetching[name];
  const size = bytes ? `, ${fileSize(bytes)}` : "";
  if (coming?.state === "fetching")
    return { usable: false, words: t("model.fetching", { share: percent(shareOf(coming)) }) + size };
  if (found === "broken" || workers.some(({ broken }) => name in broken)) return { usable: false, words: t("model.broken") };
  if (found === "absent") return { usable: false, words: t("model.absent") + size };
  if (found === "partial") return { usable: false, words: t("model.partial") + size };
  if (found === "no key") return { usable: false, words: t("model.no-key", { service }) };
  if (found === "key set") return { usable: true, words: t("model.key-set", { service }) };
  return { usable: true, words: found === "embedded" ? t("model.embedded") : "" };
}

/** @param {any} fetch a row of /health @returns {number} 1 only once all is there */
export const shareOf = ({ bytes_done: done, bytes_total: total }) => Math.floor((100 * done) / Math.max(total, 1)) / 100;

function optionOf({ name, words, usable, commercial_use: mayBeSold }) {
  const licence = mayBeSold === false ? t("model.private") : "";
  const parts = name === "auto" ? [words] : [name, words, licence];
  const selected = name === "auto"; // the form's default
  return element("option", {
    value: name,
    disabled: !usable,
    defaultSelected: selected,
    textContent: parts.filter(Boolean).join(" · "),
  });
}

function showAbout() {
  const [textContent, lang] = about[byId("matte-model").value] ?? ["", LANGUAGE];
  Object.assign(byId("matte-model-about"), { textContent, lang });
}
