// What lies behind the object: nothing, a colour, a gradient, the photo's own ground blurred, or a picture.

import { Problem } from "./api.js";
import { byId, choose, chosen, element, icon } from "./dom.js";
import { checkFile } from "./file_check.js";
import { blobUrl, fileOf } from "./files.js";
import { t } from "./language.js";
import { problemPlace, showProblem } from "./problems.js";
import { state } from "./store.js";

const COLORS = {
  white: "#ffffff",
  grey: "#d9d9d6",
  black: "#111111",
  sand: "#efe3d0",
  blush: "#f6d9d5",
  sky: "#cfe4f5",
  leaf: "#d5e8d4",
  sun: "#ffe08a",
};
const GRADIENTS = {
  grey: ["#ffffff", "#cfcfca"],
  sand: ["#fffaf2", "#e6cfae"],
  blush: ["#fff3f0", "#eeb7ac"],
  sky: ["#f2f9ff", "#a9cdea"],
  leaf: ["#f5faf2", "#abcfa5"],
  black: ["#4a4d52", "#0e0f11"],
};
const WAYS = { down: "to bottom", across: "to right", round: "radial" };

let picture = null; // the file behind

/** @param {() => void} onChange called when something else shall lie behind */
export function startBackdrop(onChange) {
  byId("swatches").replaceChildren(...swatches());
  byId("gradients").replaceChildren(...gradientSwatches());
  byId("backdrop").addEventListener("change", async ({ target }) => {
    if (target.id === "backdrop-pick") await pick(target);
    if (target.name === "color") choose("backdrop", "color");
    if (target.closest(".two-colors")) Object.assign(byId("gradient-own"), { checked: true });
    show();
    onChange();
  });
  byId("backdrop-blur").addEventListener("input", show);
  show();
}

function swatches() {
  const colors = Object.entries(COLORS).map(([name, color], index) => {
    const words = t(`color.${name}`);
    const swatch = swatchOf("color", color, words, index === 0);
    swatch.style.background = color;
    return swatch;
  });
  const own = element("input", { type: "color", value: "#14695a", "aria-label": t("color.own") });
  const radio = element("input", { type: "radio", name: "color", value: "#14695a", hidden: true });
  const swatch = element("label", { className: "swatch own", title: t("color.own") }, radio, own, icon("plus"));
  own.addEventListener("input", () => {
    swatch.style.background = own.value;
    Object.assign(radio, { value: own.value, checked: true });
  });
  return [...colors, swatch];
}

function gradientSwatches() {
  return Object.entries(GRADIENTS).map(([name, [from, to]], index) => {
    const words = t("background.gradient-of", { color: t(`color.${name}`) });
    const swatch = swatchOf("gradient-colors", `${from} ${to}`, words, index === 0);
    swatch.style.background = `linear-gradient(${from}, ${to})`;
    return swatch;
  });
}

function swatchOf(name, value, words, checked) {
  const input = element("input", { type: "radio", name, value, checked, "aria-label": words });
  return element("label", { className: "swatch", title: words }, input);
}

async function pick(input) {
  const [file] = input.files;
  input.value = "";
  if (!file) return;
  try {
    await checkFile(file, state.page.limits);
    picture = file;
    choose("backdrop", "picture");
    byId("picture-tile").style.backgroundImage = `url("${blobUrl(file)}")`;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("background"), problem);
  }
}

/** Show the controls of the chosen kind; the photo's own ground needs the photo. */
function show() {
  for (const part of document.querySelectorAll("[data-backdrop]"))
    part.hidden = part.dataset.backdrop !== chosen("backdrop");
  byId("fit").hidden = !picture;
  byId("color-tile").style.background = chosen("color");
  document.querySelector('label[for="backdrop-blur"] output').textContent = `${byId("backdrop-blur").value}`;
}

/** Follow the photo: without its file its own ground cannot be blurred. */
export function showBackdrop() {
  const input = document.querySelector('input[name="backdrop"][value="blur"]');
  input.disabled = !state.current.blob;
  if (input.disabled && input.checked) choose("backdrop", "color");
  byId("blur-tile").style.backgroundImage = state.current.url ? `url("${state.current.url}")` : "";
  show();
}

function gradientColors() {
  const value = chosen("gradient-colors");
  return value === "own" ? [byId("gradient-from").value, byId("gradient-to").value] : value.split(" ");
}

const blurShare = () => Number(byId("backdrop-blur").value) / 200; // up to a tenth of the longer side

/** The parts of a request for it; null while no picture is chosen. @returns {Promise<Record<string, any> | null>} */
export async function backdropParts() {
  const kind = chosen("backdrop");
  const { matte, blob } = state.current;
  if (kind === "picture" && !picture) return null;
  if (kind === "blur") return { file: blob, mask: await fileOf(matte, "mask.png"), blur: String(blurShare()) };
  const file = await fileOf(matte, "cutout.png");
  if (kind === "picture") return { file, background: picture, fit: chosen("fit") };
  if (kind === "clear") return { file, color: "transparent" };
  if (kind === "color") return { file, color: chosen("color") };
  const [color, to] = gradientColors();
  return { file, color, color_to: to, gradient: chosen("gradient") };
}

/** What of it a request depends on, as a text. */
export const backdropKey = () =>
  JSON.stringify({
    clear: [],
    color: [chosen("color")],
    gradient: [...gradientColors(), chosen("gradient")],
    blur: [blurShare()],
    picture: [picture && blobUrl(picture), chosen("fit")],
  }[chosen("backdrop")]) + chosen("backdrop");

/** Draw it while a hand moves the object: about what the service will make.
 * @param {HTMLElement} ground @param {any} image in it @param {{width: number, height: number}} photo */
export function drawBackdrop(ground, image, photo) {
  const kind = chosen("backdrop");
  const [from, to] = gradientColors();
  const way = WAYS[chosen("gradient")];
  const gradient = way === "radial" ? `radial-gradient(${from}, ${to})` : `linear-gradient(${way}, ${from}, ${to})`;
  ground.style.background = { color: chosen("color"), gradient }[kind] ?? "";
  const url = { picture: picture && blobUrl(picture), blur: state.current.url }[kind];
  image.hidden = !url;
  if (!url) return;
  if (image.src !== url) image.src = url;
  image.style.objectFit = kind === "blur" ? "cover" : { stretch: "fill" }[chosen("fit")] ?? chosen("fit");
  const { width, height } = ground.getBoundingClientRect();
  const shown = Math.max(width / photo.width, height / photo.height) * Math.max(photo.width, photo.height);
  image.style.filter = kind === "blur" ? `blur(${blurShare() * shown}px)` : "";
}
