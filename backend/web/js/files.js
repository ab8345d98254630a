// The files of finished jobs, fetched once each (an <img> cannot send an API key) and shown by object URLs.

import { callBlob } from "./api.js";
import { persist } from "./connection.js";

const MAX_FILES = 60; // fetched files kept; a large picture has a few megabytes
const fetched = new Map(); // href -> Promise<Blob>, oldest first
const urls = new WeakMap(); // blob -> object URL
const shown = new Map(); // href -> object URL of what was fetched

/** @param {any} job @param {string} name @returns {boolean} */
export const hasFile = (job, name) => Boolean(job?.files?.some((file) => file.name === name));

/**
 * @param {any} job
 * @param {string} name
 * @returns {Promise<Blob>}
 */
export function fileOf(job, name) {
  const { href } = job.files.find((file) => file.name === name);
  if (!fetched.has(href)) {
    const blob = persist(() => callBlob(href));
    fetched.set(href, blob);
    blob.then(
      (came) => shown.set(href, blobUrl(came)),
      () => fetched.delete(href), // the next call tries again
    );
    forgetOldest();
  }
  return fetched.get(href);
}

function forgetOldest() {
  if (fetched.size <= MAX_FILES) return;
  const [href, blob] = fetched.entries().next().value;
  fetched.delete(href);
  shown.delete(href);
  blob.then((old) => URL.revokeObjectURL(urls.get(old)));
}

/** @param {any} job @param {string} name @returns {Promise<string>} */
export const urlOf = async (job, name) => blobUrl(await fileOf(job, name));

/** The object URL of a file that was fetched already; null otherwise. @param {any} job @param {string} name */
export const shownUrl = (job, name) => shown.get(job.files.find((file) => file.name === name).href) ?? null;

/** @param {Blob} blob @returns {string} the same for the same blob */
export function blobUrl(blob) {
  if (!urls.has(blob)) urls.set(blob, URL.createObjectURL(blob));
  return urls.get(blob);
}

/** Let the browser download a blob. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = blobUrl(blob);
  link.download = name;
  link.click();
}

/** A file name derived from the photo's. @param {string} photoName @param {string} ending */
export const fileName = (photoName, ending) => `${photoName.replace(/\.[^.]*$/, "") || "photo"}-${ending}`;
