// Restores work after the tab was closed: the ids of the last jobs in localStorage and the photos in IndexedDB, because
// the service does not keep them. In a browser that stores nothing, the page works for one visit.

import { newId } from "./store.js";

const LIST = "mattemesh-work";
const VISIT = "mattemesh-visit";
const MAX_PHOTOS = 30;

/** The id of this tab's visit, which outlives a reload. */
export const visit = visitId();

/**
 * Remember a photo, its jobs, and the keys of those that are not handed in yet.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} [mask] the person's own, of a request that is not handed in yet
 */
export function remember(photo, mask = null) {
  const record = {
    id: photo.id,
    name: photo.name,
    shows: photo.shows,
    visit,
    matte: photo.matte?.id ?? null,
    mesh: photo.mesh?.id ?? null,
    sending: { matte: keyOf(photo.matte), mesh: keyOf(photo.mesh) },
    edited: photo.edited,
    matteOptions: photo.matteOptions,
    meshOptions: photo.meshOptions,
    meshOf: photo.meshOf,
  };
  const others = remembered().filter(({ id }) => id !== photo.id);
  const isNew = !remembered().some(({ id }) => id === photo.id);
  const kept = [record, ...others].slice(0, MAX_PHOTOS);
  write(kept);
  const ids = kept.map(({ id }) => id);
  if (isNew && photo.blob) keepBlob(photo.id, photo.blob, ids);
  if (mask) keepBlob(maskName(photo.id), mask, ids);
}

const keyOf = (job) => (job && !job.id ? (job.key ?? null) : null);
const maskName = (id) => `${id} mask`;

function visitId() {
  try {
    const known = sessionStorage.getItem(VISIT) ?? newId();
    sessionStorage.setItem(VISIT, known);
    return known;
  } catch {
    return newId(); // storage is blocked: a reload begins another visit
  }
}

/** @returns {any[]} newest first */
export function remembered() {
  try {
    const list = JSON.parse(localStorage.getItem(LIST) ?? "[]");
    return Array.isArray(list) ? list.filter((record) => typeof record?.id === "string") : [];
  } catch {
    return []; // storage is blocked, or the entry is not ours
  }
}

/** @param {string} id of a photo */
export async function forget(id) {
  write(remembered().filter((record) => record.id !== id));
  await withPhotos("readwrite", (photos) => (photos.delete(maskName(id)), photos.delete(id)));
}

/** The mask of a request that was not handed in yet. @param {string} id of a photo */
export const maskBlob = (id) => photoBlob(maskName(id));

/** @param {string} id of a photo @returns {Promise<Blob | null>} */
export async function photoBlob(id) {
  const blob = await withPhotos("readonly", (photos) => photos.get(id));
  return blob instanceof Blob ? blob : null;
}

function write(records) {
  try {
    localStorage.setItem(LIST, JSON.stringify(records));
  } catch {
    // storage is full or blocked: the work lasts for this visit
  }
}

async function keepBlob(name, blob, kept) {
  await withPhotos("readwrite", (photos) => {
    photos.getAllKeys().onsuccess = ({ target }) => {
      for (const old of target.result) if (!kept.includes(old.split(" ")[0])) photos.delete(old);
    };
    return photos.put(blob, name);
  });
}

/** One transaction on the photos; null if the browser has no database. */
function withPhotos(mode, act) {
  return new Promise((resolve) => {
    let opening;
    try {
      opening = indexedDB.open("mattemesh", 1);
    } catch {
      resolve(null);
      return;
    }
    opening.onupgradeneeded = () => opening.result.createObjectStore("photos");
    opening.onerror = () => resolve(null);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction("photos", mode);
      const request = act(transaction.objectStore("photos"));
      const end = (value) => {
        database.close();
        resolve(value);
      };
      transaction.oncomplete = () => end(request.result ?? null);
      transaction.onabort = () => end(null);
    };
  });
}
