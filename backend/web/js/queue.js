// All photos of this visit at a glance, and what can be done with all of them.

import { Problem } from "./api.js";
import { byId, element, fill, say } from "./dom.js";
import { lookAt, removePhoto, showThumb, standing } from "./filmstrip.js";
import { fileName, fileOf, hasFile, save } from "./files.js";
import { makeMatte, makeMatteAgain, makeMesh } from "./jobs.js";
import { t } from "./language.js";
import { readOptions, same } from "./options.js";
import { go } from "./steps.js";
import { changed, inQueue, isDone, isUnderWay, onChange, state } from "./store.js";
import { shortGrade } from "./words.js";
import { zipOf } from "./zip.js";

const FILES = { matte: "cutout.png", mesh: "model.glb" };

export function startQueue() {
  byId("queue-open").addEventListener("click", () => {
    byId("queue").showModal();
    draw();
  });
  byId("queue-mesh").addEventListener("click", () => inQueue().filter(wantsMesh).forEach((photo) => makeMesh(photo)));
  byId("queue-retry").addEventListener("click", retryFailed);
  byId("queue-clear").addEventListener("click", clear);
  byId("queue-zip").addEventListener("click", saveAll);
  byId("options-for-all").addEventListener("click", () => {
    const options = readOptions(byId("matte-options"));
    for (const photo of inQueue())
      if (photo.blob && !photo.edited && !same(options, photo.matteOptions)) makeMatte(photo, null, options);
  });
  onChange(draw);
}

const wantsMesh = (photo) => photo.blob && isDone(photo.matte) && !isUnderWay(photo.mesh) && !isDone(photo.mesh);
const hasFailed = (photo) => photo.blob && (photo.problems.matte || photo.problems.mesh);

function draw() {
  const photos = inQueue();
  const done = photos.filter((photo) => isDone(photo.matte)).length;
  byId("queue-count").textContent = t("queue.count", { done, count: photos.length });
  byId("options-for-all").hidden = photos.length < 2;
  byId("queue-mesh").disabled = !photos.some(wantsMesh);
  byId("queue-retry").disabled = !photos.some(hasFailed);
  byId("queue-zip").disabled = done === 0;
  if (!byId("queue").open && photos.length > 0) return fill(byId("queue-list"), "", () => []);
  const key = photos.map((photo) => `${photo.id} ${standing(photo)}`).join();
  fill(byId("queue-list"), key, () => photos.map(card));
}

function card(photo) {
  const image = element("img", { alt: "" });
  showThumb(image, photo);
  const words = [standing(photo), shortGrade(photo.matte?.report)].filter(Boolean).join(", ");
  const text = element("span", {}, photo.name, element("small", { className: "soft", textContent: words }));
  const button = element("button", { type: "button", className: "example" }, image, text);
  button.addEventListener("click", () => {
    byId("queue").close();
    lookAt(photo);
  });
  return element("li", {}, button);
}

function retryFailed() {
  for (const photo of inQueue().filter(hasFailed)) {
    if (photo.problems.matte) makeMatteAgain(photo);
    else makeMesh(photo);
  }
}

function clear() {
  const photos = inQueue();
  if (!confirm(t("queue.clear-sure", { count: photos.length }))) return;
  byId("queue").close();
  photos.forEach(removePhoto);
  go("photo");
  changed();
}

async function saveAll() {
  const button = byId("queue-zip");
  const words = button.querySelector("span");
  button.disabled = true;
  let count = 0;
  async function* files() {
    for (const photo of inQueue()) {
      for (const [slot, name] of Object.entries(FILES)) {
        if (!isDone(photo[slot]) || !hasFile(photo[slot], name)) continue;
        yield { name: fileName(photo.name, name), blob: await fileOf(photo[slot], name) };
        count += 1;
        words.textContent = t("queue.packed", { count });
      }
    }
  }
  try {
    save(await zipOf(files()), "mattemesh.zip");
    say(t("do.saved"));
  } catch (error) {
    if (!(error instanceof Problem || error instanceof RangeError)) throw error;
    byId("queue-note").textContent = error instanceof Problem ? error.message : t("queue.too-much");
  } finally {
    words.textContent = t("queue.save");
    button.disabled = false;
  }
}
