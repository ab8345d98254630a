// What runs here: the lamp in the bar, the sheet behind it, and the models that a person can choose.

import { callJson, Problem } from "./api.js";
import { byId, element } from "./dom.js";
import { sentenceParts } from "./report_views.js";

const ROLES = { segmenter: "Finds the object", depth: "Sees depth", mesh: "Makes the mesh" };
const AGAIN_MS = 15000; // weights may be arriving

export async function startEngines() {
  byId("engines-open").addEventListener("click", () => {
    byId("engines").showModal();
    refresh();
  });
  if (await refresh()) showModels(await callJson("/models"));
}

async function refresh() {
  let health;
  try {
    health = await callJson("/health");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return false; // what was shown stays; the next job will say what is wrong
  }
  const engines = Object.entries(health.engines);
  const standIns = engines.filter(([, engine]) => engine.why).length;
  byId("engines-open").hidden = false;
  byId("engines-word").textContent = standIns ? "Stand-ins at work" : "All networks here";
  byId("engines-open").setAttribute("aria-label", `What runs here: ${byId("engines-word").textContent}`);
  byId("engines-open").querySelector(".lamp").dataset.tone = standIns ? "fair" : "good";
  const rows = engines.map(([role, engine]) => engineRow(role, engine));
  byId("engines-list").replaceChildren(...rows, ...fetchingRows(health.fetching));
  if (isFetching(health.fetching)) setTimeout(refresh, AGAIN_MS);
  return true;
}

function engineRow(role, { auto, device, why }) {
  const lamp = element("i", { className: "lamp", dataset: { tone: why ? "fair" : "good" } });
  const head = `${ROLES[role] ?? role}: ${auto === "none" ? "nobody yet" : auto}`;
  return element(
    "div",
    { className: "engine-row" },
    element(
      "p",
      {},
      lamp,
      element("b", { textContent: head }),
      element("span", { className: "soft small", textContent: device }),
    ),
    why ? element("p", { className: "small soft" }, ...sentenceParts(why)) : null,
  );
}

const isFetching = (fetching) => Object.values(fetching).some(({ state }) => ["waiting", "fetching"].includes(state));

function fetchingRows(fetching) {
  return Object.entries(fetching).map(([name, row]) => {
    const bar = element("progress", { max: Math.max(row.bytes_total, 1), value: row.bytes_done, "aria-label": name });
    const words = `${name}: ${row.state}${row.error ? `, ${row.error}` : ""}`;
    return element("div", { className: "engine-row" }, element("p", { className: "small", textContent: words }), bar);
  });
}

function showModels(models) {
  const select = byId("matte-model");
  const here = select.value;
  const rows = models
    .filter(({ task }) => task === "segmentation")
    .map((model) => {
      const absent = model.state && model.state !== "complete";
      const words = [
        model.id ?? model.name,
        absent ? "not on this machine" : "",
        model.commercial_use ? "" : "non-commercial",
      ];
      return element("option", {
        value: model.id ?? model.name,
        disabled: absent,
        textContent: words.filter(Boolean).join(" · "),
      });
    });
  select.append(...rows);
  select.value = here;
}
