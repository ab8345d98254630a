// Starting, following and cancelling the jobs of a photo. Each photo has one matte and one mesh at a time.

import { call, callJson, formOf, Problem } from "./api.js";
import { fileOf } from "./files.js";
import { door } from "./in_turn.js";
import { followJob } from "./job_events.js";
import { remember } from "./memory.js";
import { changed, isDone, isUnderWay } from "./store.js";

const KINDS = { matte: "remove-bg", mesh: "generate-mesh" };
const CANCELLED = { code: "cancelled", title: "Cancelled" };
const WHOLE = { matte: ["matte", "edited", "matteOptions"], mesh: ["mesh", "meshOptions", "meshOf"] };
const following = new Map(); // `${photo.id} ${slot}` -> AbortController
const toSend = door(2); // uploads at once: a long queue leaves the browser connections for what is looked at

/**
 * Make the matte of a photo anew.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} [mask] the person's own, in place of a segmenter's
 * @param {Record<string, string>} [options]
 */
export function makeMatte(photo, mask = null, options = photo.matteOptions) {
  keepGood(photo, "matte");
  Object.assign(photo, { edited: mask !== null, matteOptions: options, wish: { mask, options } });
  return run(photo, "matte", matteParts(photo, mask));
}

/** Ask once more for the matte that was not made. @param {import("./store.js").Photo} photo */
export const makeMatteAgain = (photo) => makeMatte(photo, photo.wish?.mask, photo.wish?.options);

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
 * @param {Record<string, string>} [options]
 */
export async function makeMesh(photo, options = photo.meshOptions) {
  keepGood(photo, "mesh");
  photo.meshOptions = options;
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
  let mine = sending; // what this call put into the slot; another may take its place
  try {
    const job = await toSend(() => {
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
    tell(photo, slot, error);
  }
}

function keepGood(photo, slot) {
  if (isDone(photo[slot])) photo.good[slot] = Object.fromEntries(WHOLE[slot].map((name) => [name, photo[name]]));
}

/** Tell what came of a job; where nothing did, go back to what there was, if it still fits. */
function tell(photo, slot, problem) {
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
    tell(photo, slot, problemOf(done));
  } catch (error) {
    if (!control.signal.aborted) throw error;
  }
}

function problemOf(job) {
  if (job.state === "cancelled") return new Problem(CANCELLED);
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
