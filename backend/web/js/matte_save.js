// The cutout as a file: PNG as the service made it, WebP or JPEG made of it here, or on the clipboard.

import { Problem } from "./api.js";
import { byId, chosen, say } from "./dom.js";
import { fileName, fileOf, hasFile, save, shownUrl } from "./files.js";
import { t } from "./language.js";
import { problemPlace, showProblem } from "./problems.js";
import { isDone, state } from "./store.js";

const QUALITY = 0.92;

export function startMatteSave() {
  byId("save-cutout").addEventListener("click", () => attempt(saveCutout));
  byId("save-type").addEventListener("change", () => showSave(state.current));
  for (const id of ["save-cutout", "matte-view"]) byId(id).addEventListener("dragstart", dragOut);
  byId("copy-cutout").hidden = !navigator.clipboard?.write; // exists on https and localhost only
  byId("copy-cutout").addEventListener("click", () => attempt(copyCutout));
}

/** Name the file on the button, with its size in pixels. @param {import("./store.js").Photo} photo */
export function showSave(photo) {
  const job = isDone(photo?.matte) ? photo.matte : null;
  byId("save-cutout").disabled = byId("copy-cutout").disabled = !hasFile(job, "cutout.png");
  if (!job) return;
  const { width, height } = job.report.image;
  byId("save-cutout").querySelector("b").textContent = t("matte.save", { type: chosen("save-type").toUpperCase() });
  byId("save-cutout").querySelector("small").textContent = t("size.px", { width, height });
}

/** Let the cutout be dragged to another program: as a file where the browser can, else as a picture. */
function dragOut(event) {
  const photo = state.current;
  const url = hasFile(photo?.matte, "cutout.png") ? shownUrl(photo.matte, "cutout.png") : null;
  if (!url || byId("matte-stage").dataset.zoomed === "true") {
    event.preventDefault(); // nothing to drag yet, or the drag moves what is shown
    return;
  }
  event.dataTransfer.setData("DownloadURL", `image/png:${fileName(photo.name, "cutout.png")}:${url}`);
  event.dataTransfer.setData("text/uri-list", url);
}

async function attempt(act) {
  try {
    await act(state.current);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problemPlace("matte"), problem);
  }
}

async function saveCutout(photo) {
  const type = chosen("save-type");
  const png = await fileOf(photo.matte, "cutout.png");
  const blob = type === "png" ? png : await converted(png, type);
  save(blob, fileName(photo.name, `cutout.${type === "jpeg" ? "jpg" : type}`));
}

async function copyCutout(photo) {
  const png = fileOf(photo.matte, "cutout.png"); // a promise: Safari wants the item made within the click
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
  } catch {
    throw new Problem({ code: "not-copied" });
  }
  const words = byId("copy-cutout").querySelector("span");
  words.textContent = t("do.copied");
  say(t("do.copied"));
  setTimeout(() => (words.textContent = t("do.copy")), 2000);
}

/** @param {Blob} png @param {string} type "webp" or "jpeg", which is white where the cutout is clear @returns {Promise<Blob>} */
async function converted(png, type) {
  const image = await createImageBitmap(png);
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const context = canvas.getContext("2d");
  if (type === "jpeg") {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(image, 0, 0);
  image.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, `image/${type}`, QUALITY));
  if (blob?.type !== `image/${type}`) throw new Problem({ code: "too-large-here" });
  return blob;
}
