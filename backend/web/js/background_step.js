// The step Background: a colour or a picture behind the cutout. The service composes it, so the preview is the download.

import { callBlob, formOf, Problem } from "./api.js";
import { byId, chosen, element, icon, showPicture } from "./dom.js";
import { checkFile } from "./file_check.js";
import { blobUrl, fileName, fileOf, save } from "./files.js";
import { problemPlace, showProblem } from "./problems.js";
import { showProgress } from "./progress.js";
import { isDone, onChange, state } from "./store.js";

const COLORS = {
  White: "#ffffff",
  Grey: "#d9d9d6",
  Black: "#111111",
  Sand: "#efe3d0",
  Blush: "#f6d9d5",
  Sky: "#cfe4f5",
  Leaf: "#d5e8d4",
  Sun: "#ffe08a",
};

let backdrop = null; // the picture behind
let composed = null; // the blob from the service
let askedFor = null; // key of the last request: matte and choices
let asking = new AbortController();

export function startBackgroundStep() {
  byId("swatches").replaceChildren(...swatches());
  const form = byId("background-form");
  form.addEventListener("change", ({ target }) => {
    if (target.id === "backdrop-pick") pick(target);
    else {
      if (target.name === "color") setBackdrop(null);
      compose();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (composed)
      save(composed, fileName(state.current.name, chosen("format") === "jpeg" ? "background.jpg" : "background.png"));
  });
  onChange(compose);
  compose();
}

function swatches() {
  const colors = Object.entries(COLORS).map(([name, color], index) => {
    const input = element("input", {
      type: "radio",
      name: "color",
      value: color,
      checked: index === 0,
      "aria-label": name,
    });
    const swatch = element("label", { className: "swatch", title: name }, input);
    swatch.style.background = color;
    return swatch;
  });
  const own = element("input", { type: "color", value: "#14695a", "aria-label": "Custom colour" });
  const radio = element("input", { type: "radio", name: "color", value: "#14695a", hidden: true });
  const swatch = element("label", { className: "swatch own", title: "Custom colour" }, radio, own, icon("plus"));
  own.addEventListener("input", () => {
    swatch.style.background = own.value;
    Object.assign(radio, { value: own.value, checked: true });
  });
  own.addEventListener("change", () => {
    setBackdrop(null);
  });
  return [...colors, swatch];
}

async function pick(input) {
  const [file] = input.files;
  input.value = "";
  if (!file) return;
  try {
    await checkFile(file, state.page.limits);
    setBackdrop(file);
    compose();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("background"), problem);
  }
}

function setBackdrop(file) {
  backdrop = file;
  byId("fit").hidden = file === null;
  for (const input of byId("swatches").querySelectorAll('input[type="radio"]')) if (file) input.checked = false;
}

function choices() {
  const color = document.querySelector('input[name="color"]:checked')?.value ?? null;
  return {
    color: backdrop ? null : color,
    background: backdrop,
    fit: backdrop ? chosen("fit") : null,
    format: chosen("format"),
  };
}

async function compose() {
  const { current, step } = state;
  if (step !== "background" || !isDone(current?.matte)) return;
  const wanted = choices();
  const key = JSON.stringify([
    current.matte.id,
    wanted.color,
    wanted.fit,
    wanted.format,
    backdrop && blobUrl(backdrop),
  ]);
  if (askedFor === key) return;
  askedFor = key;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const place = document.querySelector('[data-progress="background"]');
  const button = byId("background-form").querySelector('[type="submit"]');
  showProblem(problemPlace("background"), null);
  button.disabled = true;
  const late = setTimeout(
    () => showProgress(place, { state: "running", progress: { stage: "Composing the picture" } }),
    300,
  );
  try {
    const file = await fileOf(current.matte, "cutout.png");
    const blob = await callBlob("/add-background", { method: "POST", body: formOf({ file, ...wanted }), signal });
    if (signal.aborted) return;
    composed = blob;
    await showPicture(byId("background-view"), blobUrl(blob));
    byId("background-view").hidden = false;
    button.disabled = false;
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    askedFor = null; // allows the same request again
    showProblem(problemPlace("background"), problem);
  } finally {
    clearTimeout(late);
    if (!signal.aborted) showProgress(place, null);
  }
}
