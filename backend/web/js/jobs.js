// Starting, following and cancelling the jobs of a photo. Each photo has one matte and one mesh at a time.

import { call, callJson, formOf, Problem } from "./api.js";
import { fileOf } from "./files.js";
import { followJob } from "./job_events.js";
import { remember } from "./memory.js";
import { changed, isUnderWay } from "./store.js";

const KINDS = { matte: "remove-bg", mesh: "generate-mesh" };
const following = new Map(); // `${photo.id} ${slot}` -> AbortController

/**
 * Make the matte of a photo anew.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} [mask] the person's own, in place of a segmenter's
 */
export function makeMatte(photo, mask = null) {
  photo.edited = mask !== null;
  return run(photo, "matte", matteParts(photo, mask));
}

/**
 * The form of a photo's matte; the person's own mask is taken at its word. The strategy is always named: the service
 * fuses a mask with depth only when asked to, and the page promises the matte that the mesh is made of.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} mask
 * @returns {Record<string, any>}
 */
export function matteParts(photo, mask) {
  if (mask) return { mask, strategy: "segmentation" };
  const isDocument = photo.matteOptions.mode === "document"; // depth takes no part in one
  return { strategy: "auto", ...photo.matteOptions, ...(isDocument && { strategy: "segmentation" }) };
}

/**
 * Make the mesh of a photo: after its own mask, or with the options of the matte, of which the service then has the
 * answer already.
 * @param {import("./store.js").Photo} photo
 */
export async function makeMesh(photo) {
  photo.meshOf = photo.matte?.id ?? null;
  return run(photo, "mesh", await meshParts(photo));
}

/** The form of a photo's mesh. What only a matte can be asked for goes along as its mask.
 * @param {import("./store.js").Photo} photo @returns {Promise<Record<string, any>>} */
export async function meshParts(photo) {
  const { mode, edges, ...options } = photo.matteOptions;
  const isOwn = photo.edited || Boolean(mode || edges);
  const mask = isOwn && photo.matte ? await fileOf(photo.matte, "mask.png") : null;
  return { mask, ...(mask ? {} : options), ...photo.meshOptions };
}

async function run(photo, slot, parts) {
  await stop(photo, slot);
  photo.problems[slot] = null;
  const sending = { state: "queued", progress: { stages: [], fraction: 0 }, files: [] };
  photo[slot] = sending;
  changed();
  try {
    const job = await startJob(KINDS[slot], { file: photo.blob, ...parts });
    const isWanted = photo[slot] === sending;
    if (isWanted) photo[slot] = job;
    if (!isWanted || sending.unwanted) await call(job.links.self, { method: "DELETE" });
    if (!isWanted) return;
    remember(photo);
    await follow(photo, slot);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    photo[slot] = null;
    photo.problems[slot] = error;
    changed();
  }
}

/** @param {string} kind @param {Record<string, any>} parts @returns {Promise<import("./store.js").Job>} */
export const startJob = (kind, parts) => callJson("/jobs", { method: "POST", body: formOf({ kind, ...parts }) });

/** Follow a photo's job until it ends or another takes its place.
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
    photo.problems[slot] = problemOf(done);
    changed();
  } catch (error) {
    if (!control.signal.aborted) throw error;
  }
}

function problemOf(job) {
  if (job.state === "cancelled") return new Problem({ code: "cancelled", title: "Cancelled" });
  return job.problem && new Problem(job.problem);
}

function noteEvent(job, event, data) {
  if (event === "state" && isUnderWay(data)) job.state = data.state; // the last one comes with the whole document
  if (event === "stage") {
    const { stage } = job.progress;
    if (stage && stage !== data.name) job.progress.stages.push({ name: stage });
    Object.assign(job.progress, { stage: data.name, fraction: data.fraction, seconds_left: data.seconds_left });
    job.progress.told_at = performance.now();
  }
  changed();
}

/** Cancel what is under way; what is still being sent, as soon as it has an id.
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
    if (!(error instanceof Problem)) throw error; // it has ended by itself
  }
}
