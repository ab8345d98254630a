// Hides the controls that what is chosen would ignore, and switches off the engines that are not on this machine.

import { byId, chosen, element, fill } from "./dom.js";
import { t } from "./language.js";
import { availability } from "./model_menu.js";
import { sentenceParts } from "./report_views.js";
import { onChange, state } from "./store.js";

let auto = null; // what `auto` uses, by role; null until the service has said so
let coming = []; // a sentence for each mesh engine that is not here

export function startControls() {
  byId("mesh-engines").append(...state.page.mesh_engines.map(engineChoice));
  for (const id of ["matte-options", "mesh-options"]) byId(id).addEventListener("change", showControls);
  onChange(showControls);
  showControls();
}

function engineChoice({ name, title }) {
  const radio = element("input", { type: "radio", name: "engine", value: name });
  return element("label", {}, radio, element("span", { textContent: title }));
}

/**
 * @param {any[]} models the rows of `/models`
 * @param {any} health the answer of `/health`
 */
export function showEngineStates(models, health) {
  auto = Object.fromEntries(Object.entries(health.engines).map(([role, engine]) => [role, engine.auto]));
  coming = [];
  for (const radio of byId("mesh-engines").querySelectorAll("input:not([value=auto])")) {
    const row = models.find(({ name, task }) => name === radio.value && task === "mesh");
    if (!row) continue;
    const { usable, words } = availability(row, health);
    radio.disabled = !usable;
    radio.closest("label").title = words;
    const title = radio.closest("label").textContent.trim();
    const command = `python -m backend models fetch ${row.name}`;
    const how = row.state === "absent" ? ` ${t("model.fetch-it", { command })}` : "";
    if (!usable) coming.push(`${title}: ${words}.${how}`);
  }
  showControls();
}

function showControls() {
  const found = {
    object: chosen("mode") !== "document",
    network: namedOr("matte-model", "segmenter") !== "border",
    depth: auto?.depth !== "none",
    range: ["intersection", "union"].includes(byId("matte-strategy").value),
    triposr: (chosen("engine") === "auto" ? auto?.mesh : chosen("engine")) === "triposr",
  };
  for (const field of document.querySelectorAll("[data-needs]")) {
    field.hidden = !field.dataset.needs.split(" ").every((need) => found[need]);
    for (const input of field.querySelectorAll("input, select")) input.disabled = field.hidden;
  }
  const title = document.querySelector(`#mesh-engines input[value="${auto?.mesh}"]`)?.closest("label").textContent;
  const sentences = [chosen("engine") === "auto" && title ? t("matte.uses", { name: title.trim() }) : "", ...coming];
  fill(byId("mesh-engines-about"), sentences.join(" "), () => sentences.filter(Boolean).flatMap((one) => [...sentenceParts(one), " "]));
}

const namedOr = (id, role) => (byId(id).value === "auto" ? auto?.[role] : byId(id).value);
