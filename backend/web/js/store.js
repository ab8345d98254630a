// The state of the page: the photos, the current one and the step. Views listen and redraw.

/**
 * @typedef {Object} Job  a job document of the service (docs/http.md, Jobs)
 * @property {string} id
 * @property {"queued"|"running"|"succeeded"|"failed"|"cancelled"} state
 * @property {any} progress
 * @property {any} report
 * @property {any} problem
 * @property {Record<string, any>} options
 * @property {{name: string, media_type: string, bytes: number, href: string}[]} files
 * @property {{self: string, events: string, result: string}} links
 * @property {boolean} [unwanted]  cancelled before it had an id
 * @property {string} [key]  of the request, until it has an id
 *
 * @typedef {Object} Photo
 * @property {string} id
 * @property {string} name
 * @property {Blob | null} blob  null when the browser no longer has it
 * @property {boolean} shows  whether this browser can show it
 * @property {Blob | null} picture  what the browser shows: the blob, or the service's PNG of it
 * @property {string | null} url  of the picture
 * @property {Job | null} matte
 * @property {Job | null} mesh
 * @property {Record<string, any>} problems  by step
 * @property {Record<string, string>} matteOptions  those that differ from the defaults
 * @property {Record<string, string>} meshOptions
 * @property {boolean} edited  whether the matte was corrected by hand; it is then sent as the mask
 * @property {boolean} pending  whether strokes are being saved into the matte
 * @property {boolean} recalled  whether it is from an earlier visit and was not opened in this one
 * @property {string | null} meshOf  the id of the matte that the mesh was made from
 * @property {Record<string, any>} good  by step, the last good result, restored after a problem
 * @property {Record<string, any> | null} beforeEdit  the matte before the last edit, to return to
 * @property {{mask: Blob | null, options: Record<string, string>} | null} wish  the last request for a matte
 */

/** @type {{photos: Photo[], current: Photo | null, step: string, page: any}} */
export const state = { photos: [], current: null, step: "photo", page: null };

/** The photos of this visit. @returns {Photo[]} */
export const inQueue = () => state.photos.filter((photo) => !photo.recalled);

const bell = new EventTarget();
let due = false;

/** @param {() => void} listener called after every change, at most once a frame */
export const onChange = (listener) => bell.addEventListener("change", listener);

/** Notify the listeners of a change. */
export function changed() {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    bell.dispatchEvent(new Event("change"));
  });
}

/** @param {Job | null | undefined} job */
export const isUnderWay = (job) => job?.state === "queued" || job?.state === "running";

/** @param {Job | null | undefined} job */
export const isDone = (job) => job?.state === "succeeded";

/** @returns {string} one that nobody else has; randomUUID exists on https and localhost only */
export const newId = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

/** @param {string} name @param {Blob | null} blob @param {boolean} [shows] whether this browser can show it @returns {Photo} */
export function newPhoto(name, blob, shows = true) {
  return {
    id: newId(),
    name,
    blob,
    shows,
    picture: shows ? blob : null,
    url: blob && shows ? URL.createObjectURL(blob) : null,
    matte: null,
    mesh: null,
    problems: {},
    matteOptions: {},
    meshOptions: {},
    edited: false,
    pending: false,
    recalled: false,
    meshOf: null,
    good: {},
    beforeEdit: null,
    wish: null,
  };
}
