// Starting, following and cancelling the jobs of a photo. Each photo has one matte and one mesh at a time.

import { call, callJson, formOf, Problem } from "./api.js";
import { fileOf } from "./files.js";
import { limitConcurrency } from "./limit_concurrency.js";
import { followJob } from "./job_events.js";
import { remember } from "./memory.js";
import { changed, isDone, isUnderWay } from "./store.js";

const KINDS = { matte: "remove-bg", mesh: "generate-mesh" };
const CANCELLED = { code: "cancelled", title: "Cancelled" };
const WHOLE = { matte: ["matte", "edited", "matteOptions"], mesh: ["mesh", "meshOptions", "meshOf"] };
const following = new Map(); // `${photo.id} ${slot}` -> AbortController
const upload = limitConcurrency(2); // concurrent uploads: a long queue must leave the browser connections for the current photo

/**
 * Make the matte of a photo.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} [mask] the person's mask, used instead of a segmenter
 * @param {Record<string, string>} [options]
 */
export function makeMatte(photo, mask = null, options = photo.matteOptions) {
  keepGood(photo, "matte");
  Object.assign(photo, { edited: mask !== null, matteOptions: options, wish: { mask, options } });
  return run(photo, "matte", matteParts(photo, mask));
}

/** Repeat the last request for a matte. @param {import("./store.js").Photo} photo */
export const makeMatteAgain = (photo) => makeMatte(photo, photo.wish?.mask, photo.wish?.options);

/**
 * The form of a photo's matte; the person's own mask is used as is. The strategy is always sent, because the defaults of
 * mattes and meshes differ and the page must show the matte that the mesh is made from.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} mask
 * @returns {Record<string, any>}
 */
export function matteParts(photo, mask) {
  if (mask) return { mask, strategy: "segmentation" };
  const isDocument = photo.matteOptions.mode === "document"; // documents do not use depth
  return { strategy: "auto", ...photo.matteOptions, ...(isDocument && { strategy: "segmentation" }) };
}

/**
 * Make the mesh of a photo, from its own mask or with the options of its matte, whose stages the service has cached.
 * @param {import("./store.js").Photo} photo
 * @param {Record<string, string>} [options]
 */
export async function makeMesh(photo, options = photo.meshOptions) {
  keepGood(photo, "mesh");
  photo.meshOptions = options;
  photo.meshOf = photo.matte?.id ?? null;
  return run(photo, "mesh", await meshParts(photo));
}

/** Whether further requests send the mask instead of the options: the person edited it, or a remote service made it,
 * which should get and charge for the photo only once. @param {import("./store.js").Photo} photo */
export const reusesMask = ({ edited, matte }) => edited || matte?.report?.segmenter.device === "remote";

/** The form of a photo's mesh. A matte with options that a mesh does not have is sent as its mask.
 * @param {import("./store.js").Photo} photo @returns {Promise<Record<string, any>>} */
export async function meshParts(photo) {
  const { mode, edges, ...options } = photo.matteOptions;
  const isOwn = reusesMask(photo) || Boolean(mode || edges);
  const mask = isOwn && photo.matte ? await fileOf(photo.matte, "mask.png") : null;
  return { mask, ...(mask ? {} : options), ...photo.meshOptions };
}

async function run(photo, slot, parts) {
  await stop(photo, slot);
  photo.problems[slot] = null;
  const sending = { state: "queued", progress: { stages: [], fraction: 0 }, files: [] };
  photo[slot] = sending;
  changed();
  let mine = sending; // what this call put into the slot; a later call may replace it
  try {
    const job = await upload(() => {
      if (sending.unwanted) throw new Problem(CANCELLED);
      return startJob(KINDS[slot], { file: photo.blob, ...parts });
    });
    const isWanted = photo[slot] === sending;
    if (isWanted) photo[slot] = mine = job;
    if (!isWanted || sending.unwanted) await call(job.links.self, { method: "DELETE" });
    if (!isWanted) return;
    remember(photo);
    await follow(photo, slot);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (photo[slot] !== mine) return;
    photo[slot] = null;
    settle(photo, slot, error);
  }
}

function keepGood(photo, slot) {
  if (isDone(photo[slot])) photo.good[slot] = Object.fromEntries(WHOLE[slot].map((name) => [name, photo[name]]));
}

/** Store the end of a job. After a problem, restore the last good result if it still fits. */
function settle(photo, slot, problem) {
  const good = photo.good[slot];
  const fits = good && (slot === "matte" || good.meshOf === photo.matte?.id);
  photo.problems[slot] = problem;
  if (problem && fits) {
    Object.assign(photo, good);
    if (problem.code === CANCELLED.code) photo.problems[slot] = null;
    remember(photo);
  }
  changed();
}

/** @param {string} kind @param {Record<string, any>} parts @returns {Promise<import("./store.js").Job>} */
export const startJob = (kind, parts) => callJson("/jobs", { method: "POST", body: formOf({ kind, ...parts }) });

/** Follow a photo's job until it ends or another replaces it.
 * @param {import("./store.js").Photo} photo @param {"matte" | "mesh"} slot */
export async function follow(photo, slot) {
  const name = `${photo.id} ${slot}`;
  const control = new AbortController();
  following.get(name)?.abort();
  following.set(name, control);
  changed();
  const job = photo[slot];
  try {
    const done = await followJob(job, (event, data) => noteEvent(job, event, data), control.signal);
    if (photo[slot] !== job) return;
    photo[slot] = done;
    settle(photo, slot, problemOf(done));
  } catch (error) {
    if (!control.signal.aborted) throw error;
  }
}

function problemOf(job) {
  if (job.state === "cancelled") return new Problem(CANCELLED);
  return job.problem && new Problem(job.problem);
}

function noteEvent(job, event, data) {
  if (event === "state" && isUnderWay(data)) job.state = data.state; // the final state comes with the whole document
  if (event === "stage") {
    const { stage } = job.progress;
    if (stage && stage !== data.name) job.progress.stages.push({ name: stage });
    Object.assign(job.progress, { stage: data.name, fraction: data.fraction, seconds_left: data.seconds_left });
    job.progress.told_at = performance.now();
  }
  changed();
}

/** Cancel a running job; one that is still uploading is cancelled once it has an id.
 * @param {import("./store.js").Photo} photo @param {"matte" | "mesh"} slot */
export async function cancel(photo, slot) {
  const job = photo[slot];
  if (!isUnderWay(job)) return;
  if (job.id) await call(job.links.self, { method: "DELETE" });
  else job.unwanted = true;
}

async function stop(photo, slot) {
  following.get(`${photo.id} ${slot}`)?.abort();
  try {
    await cancel(photo, slot);
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // it has already ended
  }
}
