// Restores work after the tab was closed: the ids of the last jobs in localStorage and the photos in IndexedDB, because
// the service does not keep them. In a browser that stores nothing, the page works for one visit.

const LIST = "mattemesh-work";
const MAX_PHOTOS = 12;

/** @param {import("./store.js").Photo} photo */
export function remember(photo) {
  const record = {
    id: photo.id,
    name: photo.name,
    matte: photo.matte?.id ?? null,
    mesh: photo.mesh?.id ?? null,
    edited: photo.edited,
    matteOptions: photo.matteOptions,
    meshOptions: photo.meshOptions,
    meshOf: photo.meshOf,
  };
  const others = remembered().filter(({ id }) => id !== photo.id);
  const isNew = !remembered().some(({ id }) => id === photo.id);
  const kept = [record, ...others].slice(0, MAX_PHOTOS);
  write(kept);
  if (isNew && photo.blob)
    keepPhoto(
      photo.id,
      photo.blob,
      kept.map(({ id }) => id),
    );
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
  await withPhotos("readwrite", (photos) => photos.delete(id));
}

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

async function keepPhoto(id, blob, kept) {
  await withPhotos("readwrite", (photos) => {
    photos.getAllKeys().onsuccess = ({ target }) => {
      for (const old of target.result) if (!kept.includes(old)) photos.delete(old);
    };
    return photos.put(blob, id);
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
