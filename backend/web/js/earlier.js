// Restores recent work: the jobs by their ids, the photos from the browser's storage.

import { callJson, Problem } from "./api.js";
import { persist } from "./connection.js";
import { byId, element, fill } from "./dom.js";
import { lookAt, showThumb, standing } from "./filmstrip.js";
import { follow, makeMatte, makeMesh, problemOf } from "./jobs.js";
import { forget, maskBlob, photoBlob, remembered, visit } from "./memory.js";
import { changed, isDone, isUnderWay, newPhoto, onChange, state } from "./store.js";

export async function showEarlier() {
  onChange(draw);
  const found = await Promise.all(remembered().map(recalled));
  state.photos.unshift(...found.filter((photo) => photo !== null));
  for (const photo of state.photos) {
    for (const slot of /** @type {const} */ (["matte", "mesh"]))
      if (photo[slot]?.id && isUnderWay(photo[slot])) follow(photo, slot);
  }
  changed();
  for (const record of remembered()) await handInAgain(record);
}

/** Hand in what a reload interrupted, with its key, so that the service has it once. */
async function handInAgain({ id, sending, edited }) {
  const photo = state.photos.find((each) => each.id === id);
  if (!photo?.blob || !sending) return;
  if (sending.matte) {
    const mask = edited ? await maskBlob(id) : null;
    if (mask || !edited) makeMatte(photo, mask, photo.matteOptions, sending.matte);
  }
  if (sending.mesh && isDone(photo.matte)) makeMesh(photo, photo.meshOptions, sending.mesh);
}

/** @returns {Promise<import("./store.js").Photo | null>} null if the service no longer has its jobs */
async function recalled(record) {
  const [matte, mesh, blob] = await Promise.all([job(record.matte), job(record.mesh), photoBlob(record.id)]);
  const isSending = blob && (record.sending?.matte || record.sending?.mesh);
  if (!matte && !mesh && !isSending) {
    if (matte === null && mesh === null) forget(record.id);
    return null;
  }
  const { id, matteOptions = {}, meshOptions = {}, edited = false, meshOf = null } = record;
  const jobs = { matte: matte ?? null, mesh: mesh ?? null };
  const photo = newPhoto(String(record.name), blob, record.shows !== false);
  const recalled = record.visit !== visit;
  const ended = Object.entries(jobs).filter(([, found]) => found && !isUnderWay(found));
  const problems = Object.fromEntries(ended.map(([slot, found]) => [slot, problemOf(found)]));
  return Object.assign(photo, { id, ...jobs, problems, matteOptions, meshOptions, edited, meshOf, recalled });
}

/** @returns {Promise<any>} null: the job is gone; undefined: the service did not answer */
async function job(id) {
  if (!id) return null;
  try {
    return await persist(() => callJson(`/jobs/${encodeURIComponent(id)}`));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return problem.status === 404 ? null : undefined;
  }
}

function draw() {
  const place = byId("earlier");
  place.hidden = state.photos.length === 0;
  if (state.step !== "photo") return;
  const isBusy = (photo) => isUnderWay(photo.matte) || isUnderWay(photo.mesh);
  const photos = [...state.photos.filter(isBusy), ...state.photos.filter((photo) => !isBusy(photo))];
  place.classList.toggle("busy", photos.some(isBusy));
  const key = photos.map((photo) => `${photo.id} ${standing(photo)}`).join();
  fill(place.querySelector("ul"), key, () => photos.map(card));
}

function card(photo) {
  const image = element("img", { alt: "" });
  showThumb(image, photo);
  const words = element("span", {}, photo.name, element("small", { className: "soft", textContent: standing(photo) }));
  const button = element("button", { type: "button", className: "example" }, image, words);
  button.setAttribute("aria-label", `${photo.name}, ${standing(photo)}`);
  button.addEventListener("click", () => lookAt(photo));
  return element("li", {}, button);
}
