// The models that are not on this machine, each with its size, and for whoever runs the service a button to fetch it.

import { callJson, Problem } from "./api.js";
import { byId, element, fill } from "./dom.js";
import { fileSize, t } from "./language.js";
import { problemPlace, showProblem } from "./problems.js";
import { served } from "./report_views.js";

const MISSING = ["absent", "partial", "broken"];

/**
 * @param {any[]} models the rows of `/models`
 * @param {any} health the answer of `/health`
 * @param {() => void} onAsked called when a fetch was asked for
 */
export function showMissing(models, { fetching, may_fetch: mayFetch }, onAsked) {
  const rows = models
    .filter(({ state, size_bytes: bytes, name }) => MISSING.includes(state) && bytes > 0 && !fetching[name])
    .sort((one, other) => one.size_bytes - other.size_bytes);
  const key = JSON.stringify([mayFetch, rows.map(({ name, state }) => [name, state])]);
  fill(byId("engines-missing"), key, () => {
    if (rows.length === 0) return [];
    const title = element("h2", { textContent: t("engines.missing") });
    const note = mayFetch ? null : element("p", { className: "small soft", textContent: t("engines.only-owner") });
    return [title, ...(note ? [note] : []), ...rows.map((row) => rowOf(row, mayFetch, onAsked))];
  });
}

function rowOf({ name, size_bytes: bytes, about, commercial_use: mayBeSold }, mayFetch, onAsked) {
  const size = [fileSize(bytes), mayBeSold ? "" : t("model.private")].filter(Boolean).join(" · ");
  const words = element(
    "div",
    {},
    element("p", {}, element("b", { textContent: name }), " ", element("span", { className: "small soft", textContent: size })),
    served("p", "small soft", about),
  );
  return element("div", { className: "missing-row" }, words, mayFetch ? fetchButton(name, "engines.fetch", onAsked) : null);
}

/** @param {string} name of a model @param {"engines.fetch" | "do.again"} words @param {() => void} onAsked */
export function fetchButton(name, words, onAsked) {
  const label = words === "do.again" ? t("engines.again-named", { name }) : t("engines.fetch-named", { name });
  const button = element("button", { type: "button", className: "button", textContent: t(words), "aria-label": label });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await callJson(`/models/${encodeURIComponent(name)}/fetch`, { method: "POST" });
      showProblem(problemPlace("engines"), null);
      onAsked();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showProblem(problemPlace("engines"), problem);
      button.disabled = false;
    }
  });
  return button;
}
