// The menu of segmenters: each with its state on this machine; those that cannot run are disabled and say why.

import { byId, element, fill } from "./dom.js";
import { onChange, state } from "./store.js";

let about = {}; // value of an option -> the sentence below the menu

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
  const auto = { name: "auto", usable: true, words: "Automatic: the best one here", about: autoSentence(health) };
  about = Object.fromEntries([auto, ...rows].map((row) => [row.name, row.about]));
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
  const size = bytes ? `, ${sizeOf(bytes)}` : "";
  if (coming?.state === "fetching") return { usable: false, words: `${percentOf(coming)} % fetched${size}` };
  if (found === "broken" || workers.some(({ broken }) => name in broken)) return { usable: false, words: "damaged" };
  if (found === "absent") return { usable: false, words: `not on this machine${size}` };
  if (found === "partial") return { usable: false, words: `partly fetched${size}` };
  if (found === "no key") return { usable: false, words: `needs a key for ${service}` };
  if (found === "key set") return { usable: true, words: `sends your picture to ${service}` };
  return { usable: true, words: found === "embedded" ? "built in" : "" };
}

const sizeOf = (bytes) => (bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`);

const percentOf = ({ bytes_done: done, bytes_total: total }) => Math.floor((100 * done) / Math.max(total, 1));

const autoSentence = ({ engines }) => `Uses ${engines.segmenter.auto} now.`;

function optionOf({ name, words, usable, commercial_use: mayBeSold }) {
  const licence = mayBeSold === false ? "non-commercial" : "";
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
  byId("matte-model-about").textContent = about[byId("matte-model").value] ?? "";
}
