// What runs here: the lamp in the bar, the sheet behind it, and the menu of models.

import { callJson, Problem } from "./api.js";
import { showEngineStates, startControls } from "./controls.js";
import { byId, element } from "./dom.js";
import { fileSize, percent, t, translated } from "./language.js";
import { fetchButton, showMissing } from "./missing_models.js";
import { shareOf, showModels, startModelMenu } from "./model_menu.js";
import { sentenceParts, served } from "./report_views.js";

const REFRESH_MS = 15000; // while weights are being fetched
const CLOSE_REFRESH_MS = 1500; // while somebody looks

let timer;
let shownModels = ""; // the fetches' states when the menu was last drawn

export async function startEngines() {
  startModelMenu();
  startControls();
  for (const button of document.querySelectorAll("[data-engines]"))
    button.addEventListener("click", () => {
      byId("engines").showModal();
      shownModels = "";
      refresh();
    });
  await refresh();
}

async function refresh() {
  clearTimeout(timer);
  try {
    const health = await callJson("/health");
    showHealth(health);
    const states = Object.entries(health.fetching).map(([name, { state }]) => `${name} ${state}`);
    const key = states.join() || "none";
    if (key !== shownModels) {
      const models = await callJson("/models");
      showModels(models, health);
      showEngineStates(models, health);
      showMissing(models, health, asked);
    }
    shownModels = key;
    if (isFetching(health.fetching)) timer = setTimeout(refresh, byId("engines").open ? CLOSE_REFRESH_MS : REFRESH_MS);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem; // what was shown stays; the next job reports the problem
  }
}

/** Show at once that a model was asked for. */
function asked() {
  shownModels = "";
  refresh();
}

function showHealth({ engines, fetching, may_fetch: mayFetch }) {
  const roles = Object.entries(engines);
  const standIns = roles.filter(([, engine]) => engine.why).length;
  const coming = Object.entries(fetching).find(([, row]) => row.state === "fetching");
  const words = coming ? fetchingWords(coming) : t(standIns ? "engines.stand-ins" : "engines.ready");
  byId("engines-open").hidden = false;
  byId("engines-word").textContent = words;
  byId("engines-open").title = words;
  byId("engines-open").setAttribute("aria-label", t("engines.label", { state: words }));
  byId("engines-open").querySelector(".lamp").dataset.tone = standIns ? "fair" : "good";
  const rows = roles.map(([role, engine]) => engineRow(role, engine));
  const byHand = standIns ? [element("p", { className: "small soft" }, ...sentenceParts(t("engines.by-hand")))] : [];
  byId("engines-list").replaceChildren(...rows, ...fetchingRows(fetching, mayFetch), ...byHand);
}

function engineRow(role, { auto, device, why }) {
  const lamp = element("i", { className: "lamp", dataset: { tone: why ? "fair" : "good" } });
  const isThere = auto !== "none";
  const words = t("engines.row", { role: translated(`role.${role}`, role), name: isThere ? auto : t("engines.none") });
  return element(
    "div",
    { className: "engine-row" },
    element(
      "p",
      {},
      lamp,
      element("b", { textContent: words }),
      isThere ? element("span", { className: "soft small", textContent: device }) : null,
    ),
    why ? served("p", "small soft", why) : null,
  );
}

/** @param {[string, any]} row of /health @returns {string} */
export const fetchingWords = ([name, row]) => t("engines.fetching", { name, share: percent(shareOf(row)) });

const isFetching = (fetching) => Object.values(fetching).some(({ state }) => ["waiting", "fetching"].includes(state));

function fetchingRows(fetching, mayFetch) {
  return Object.entries(fetching).map(([name, { state, error, bytes_done: done, bytes_total: total }]) => {
    const bar = element("progress", { max: Math.max(total, 1), value: done, "aria-label": name });
    const standing = translated(`fetch.${state}`, state);
    const words = t("fetch.row", { name, state: standing, done: fileSize(done), total: fileSize(total) });
    const why = error ? served("p", "small soft", error) : null;
    const again = mayFetch && state === "failed" ? fetchButton(name, "do.again", asked) : null;
    return element("div", { className: "engine-row" }, element("p", { className: "small" }, words), bar, why, again);
  });
}
