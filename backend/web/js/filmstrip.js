// The queue of photos as a film strip: the state of each, one click to open it and one to remove it.

import { Problem } from "./api.js";
import { byId, element, fill, icon } from "./dom.js";
import { hasFile, urlOf } from "./files.js";
import { cancel } from "./jobs.js";
import { t } from "./language.js";
import { forget } from "./memory.js";
import { go, isOpen, leave, showAddress } from "./steps.js";
import { changed, inQueue, isDone, isUnderWay, onChange, state } from "./store.js";
import { shortGrade } from "./words.js";

export function startFilmstrip() {
  onChange(draw);
}

function draw() {
  const strip = byId("strip");
  const photos = inQueue();
  strip.hidden = photos.length < 2 || state.step === "photo";
  document.body.classList.toggle("with-strip", !strip.hidden);
  const list = strip.querySelector("ul");
  fill(list, photos.map((photo) => photo.id).join(), () => photos.map(frame));
  for (const item of list.children) {
    const photo = state.photos.find(({ id }) => id === item.dataset.photo);
    const [look] = item.children;
    const words = standing(photo);
    item.dataset.state = codeOf(photo);
    look.querySelector("small").textContent =
      (codeOf(photo) === "matte-ready" && shortGrade(photo.matte.report)) || words;
    look.setAttribute("aria-label", [photo.name, words, shortGrade(photo.matte?.report)].filter(Boolean).join(", "));
    look.setAttribute("aria-current", String(photo === state.current));
  }
}

function codeOf(photo) {
  if (photo.problems.matte) return "problem";
  if (isUnderWay(photo.mesh)) return "mesh-under-way";
  if (isUnderWay(photo.matte)) return "matte-under-way";
  if (isDone(photo.mesh)) return "mesh-ready";
  return isDone(photo.matte) ? "matte-ready" : "waiting";
}

/** The state of a photo in a word or two. @param {import("./store.js").Photo} photo */
export const standing = (photo) => t(`standing.${codeOf(photo)}`);

function frame(photo) {
  const image = element("img", { alt: "" });
  showThumb(image, photo);
  const parts = [image, element("i", { className: "lamp" }), element("small", {})];
  const look = element("button", { type: "button", className: "frame" }, ...parts);
  look.addEventListener("click", () => lookAt(photo));
  const leave = element("button", { type: "button", className: "leave", title: t("do.remove") }, icon("close"));
  leave.setAttribute("aria-label", t("do.remove-named", { name: photo.name }));
  leave.addEventListener("click", () => removePhoto(photo));
  return element("li", { dataset: { photo: photo.id } }, look, leave);
}

/** Show a photo's thumbnail, or its cutout if the photo is gone.
 * @param {any} image @param {import("./store.js").Photo} photo */
export async function showThumb(image, photo) {
  if (photo.url) image.src = photo.url;
  else if (hasFile(photo.matte, "cutout.png")) {
    try {
      image.src = await urlOf(photo.matte, "cutout.png");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // the name stands in for the picture
    }
  }
}

/** Open a photo on the current step, or on Matte if that step is not open for it.
 * @param {import("./store.js").Photo} photo */
export function lookAt(photo) {
  if (photo === state.current && state.step !== "photo") return;
  const wanted = state.step === "photo" ? "matte" : state.step;
  leave();
  state.current = photo;
  photo.recalled = false;
  changed();
  go(isOpen(wanted) ? wanted : "matte");
  showAddress();
}

/** Take a photo out of the queue, with its jobs. @param {import("./store.js").Photo} photo */
export function removePhoto(photo) {
  for (const slot of /** @type {const} */ (["matte", "mesh"])) cancel(photo, slot).catch(() => {}); // already ended, or the service is unreachable
  forget(photo.id);
  state.photos = state.photos.filter((other) => other !== photo);
  if (state.current === photo) {
    state.current = state.photos.find((other) => !other.recalled) ?? null;
    if (!state.current) go("photo");
    else if (!isOpen(state.step)) go("matte");
    showAddress();
  }
  changed();
}
