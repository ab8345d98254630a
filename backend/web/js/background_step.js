// The step Background: what lies behind the object, the size of the picture and the object's place in it. The service
// composes it, so what is shown is the file; only until it is there the page draws it itself.

import { callBlob, formOf, Problem } from "./api.js";
import { backdropKey, backdropParts, drawBackdrop, showBackdrop, startBackdrop } from "./backdrop.js";
import { byId, chosen, showPicture } from "./dom.js";
import { blobUrl, fileName, fileOf, save, urlOf } from "./files.js";
import { frameSize, spot } from "./frames.js";
import { percent, t } from "./language.js";
import { alphaBox, maskCanvas } from "./mask_canvas.js";
import { placing, showPlacing, startPlacing } from "./placing.js";
import { problemPlace, showProblem } from "./problems.js";
import { showProgress } from "./progress.js";
import { isDone, onChange, state } from "./store.js";

const BOX_PX = 512; // longer side of the mask in which the object is looked for
const SHOP_MARGIN = 7.5; // %: the object fills 85 % of a square

let composed = null; // the blob from the service
let askedFor = null; // key of the last request: matte and choices
let asking = new AbortController();
const boxes = new WeakMap(); // matte -> the object's box in the photo

export function startBackgroundStep() {
  startBackdrop(compose);
  startPlacing(byId("background-frame"), { onMove: follow, onDone: compose });
  const form = byId("background-form");
  form.addEventListener("change", ({ target }) => {
    if (target.name === "frame" && Number(target.value)) {
      byId("place-centred").checked = true;
      byId("place-margin").value = String(SHOP_MARGIN);
    }
    if (!target.closest("#backdrop")) compose();
  });
  byId("place-margin").addEventListener("input", showSize);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const format = chosen("format");
    if (composed) save(composed, fileName(state.current.name, `background.${format === "jpeg" ? "jpg" : format}`));
  });
  onChange(compose);
  compose();
}

const photoSize = () => state.current.matte.report.image;
const frame = () => frameSize(chosen("frame"), photoSize(), state.page.limits.pixels);
const margin = () => (chosen("place-by") === "margin" ? Number(byId("place-margin").value) / 100 : null);

/** The parts of a request for the frame and the object's place; what is as by default is left out. */
function frameParts() {
  const { width, height } = frame();
  const { scale, x, y } = placing();
  const isOwn = chosen("frame") === "photo";
  const parts = { margin: margin(), scale: scale === 1 ? null : scale, shift_x: x || null, shift_y: y || null };
  return {
    ...(isOwn ? {} : { width_px: String(width), height_px: String(height) }),
    ...Object.fromEntries(
      Object.entries(parts).map(([name, value]) => [name, value === null ? null : String(Math.round(value * 1e5) / 1e5)]),
    ),
    shadow: chosen("shadow"),
    format: chosen("format"),
  };
}

/** Say how large the picture will be, on the button and below the stage. */
function showSize() {
  const { width, height } = frame();
  const size = t("size.px", { width, height });
  const button = byId("background-form").querySelector('[type="submit"]');
  button.querySelector("b").textContent = t("background.save", { type: chosen("format").toUpperCase() });
  button.querySelector("small").textContent = size;
  byId("margin-field").hidden = chosen("place-by") !== "margin";
  document.querySelector('label[for="place-margin"] output').textContent = percent(Number(byId("place-margin").value) / 100, 1);
  byId("jpeg-note").hidden = chosen("format") !== "jpeg" || chosen("backdrop") !== "clear";
  byId("background-frame").style.setProperty("--ratio", String(width / height));
  const box = boxes.get(state.current.matte);
  const factor = box ? spot(box, photoSize(), frame(), { margin: margin(), ...placing() }).factor : 1;
  byId("background-note").textContent = factor > 1.25 ? `${size}. ${t("background.enlarged", { factor: Math.round(10 * factor) / 10 })}` : size;
}

/** Follow the hand that moves the object. */
function follow() {
  if (!boxes.has(state.current.matte)) return;
  asking.abort(); // what it would bring is elsewhere by now
  askedFor = null;
  byId("background-form").querySelector('[type="submit"]').disabled = true;
  showPlacing();
  showSize();
  draw();
}

/** Draw what is chosen, but for its shadow. */
async function draw() {
  const { current } = state;
  const box = boxes.get(current.matte);
  if (!box) return;
  const { width, height } = frame();
  const { factor, left, top } = spot(box, photoSize(), { width, height }, { margin: margin(), ...placing() });
  const [live, object] = [byId("background-live"), byId("live-object")];
  drawBackdrop(live, byId("live-ground"), photoSize());
  object.style.left = `${(100 * left) / width}%`;
  object.style.top = `${(100 * top) / height}%`;
  object.style.width = `${(100 * factor * photoSize().width) / width}%`;
  live.hidden = false;
  object.src = await urlOf(current.matte, "cutout.png");
}

async function compose() {
  const { current, step } = state;
  if (step !== "background" || !isDone(current?.matte)) return;
  showBackdrop();
  showPlacing();
  showSize();
  const key = JSON.stringify([current.matte.id, backdropKey(), frameParts()]);
  if (askedFor === key) return;
  askedFor = key;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const place = document.querySelector('[data-progress="background"]');
  const button = byId("background-form").querySelector('[type="submit"]');
  showProblem(problemPlace("background"), null);
  button.disabled = true;
  const late = setTimeout(() => showWait(place), 300);
  try {
    const parts = await backdropParts();
    if (!parts || signal.aborted) return;
    const body = formOf({ ...parts, ...frameParts() });
    const [blob] = await Promise.all([callBlob("/add-background", { method: "POST", body, signal }), find(current)]);
    if (signal.aborted) return;
    composed = blob;
    await showPicture(byId("background-view"), blobUrl(blob));
    if (signal.aborted) return;
    byId("background-frame").hidden = byId("background-view").hidden = false;
    byId("background-live").hidden = true;
    button.disabled = false;
    showSize();
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    askedFor = null; // allows the same request again
    showProblem(problemPlace("background"), problem, [{ label: t("do.again"), act: compose }]);
  } finally {
    clearTimeout(late);
    if (!signal.aborted) {
      showProgress(place, null);
      byId("background-busy").hidden = true;
    }
  }
}

/** A card before the first picture; later a word, over what is coming. */
function showWait(place) {
  if (byId("background-view").hidden) {
    showProgress(place, { state: "running", progress: { stage: t("background.composing") } });
    return;
  }
  byId("background-busy").hidden = false;
  draw();
}

/** Find the object's box in the photo. */
async function find({ matte }) {
  if (boxes.has(matte)) return;
  const { width, height } = matte.report.image;
  const scale = Math.min(1, BOX_PX / Math.max(width, height));
  const small = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const box = alphaBox(await maskCanvas(await fileOf(matte, "mask.png"), small[0], small[1]));
  if (box.width <= 0) return; // nothing was found, so nothing can be moved
  const [across, down] = [width / small[0], height / small[1]];
  boxes.set(matte, { x: box.x * across, y: box.y * down, width: box.width * across, height: box.height * down });
}
