// Starting, following and cancelling the jobs of a photo. Each photo has one matte and one mesh at a time.

import { call, formOf, Problem, upload } from "./api.js";
import { persist } from "./connection.js";
import { matteParts, meshParts } from "./job_forms.js";
import { limitConcurrency } from "./limit_concurrency.js";
import { followJob } from "./job_events.js";
import { remember } from "./memory.js";
import { changed, isDone, isUnderWay, newId } from "./store.js";

const KINDS = { matte: "remove-bg", mesh: "generate-mesh" };
const CANCELLED = { code: "cancelled" };
const WHOLE = { matte: ["matte", "edited", "matteOptions"], mesh: ["mesh", "meshOptions", "meshOf"] };
const following = new Map(); // `${photo.id} ${slot}` -> AbortController
const inTurn = limitConcurrency(2); // concurrent uploads: a long queue must leave the browser connections for the current photo

/**
 * Make the matte of a photo.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} [mask] the person's mask, used instead of a segmenter
 * @param {Record<string, string>} [options]
 * @param {string} [key] of the request: the same key gives the same job
 */
export function makeMatte(photo, mask = null, options = photo.matteOptions, key = newId()) {
  keepGood(photo, "matte");
  if (mask === null) photo.beforeEdit = null;
  else if (isDone(photo.matte)) photo.beforeEdit = wholeOf(photo, "matte");
  Object.assign(photo, { edited: mask !== null, matteOptions: options, wish: { mask, options } });
  return run(photo, "matte", async () => matteParts(photo, mask), key, mask);
}

/** Return to the matte before the last edit. @param {import("./store.js").Photo} photo */
export async function undoEdit(photo) {
  await stop(photo, "matte");
  photo.problems.matte = null;
  Object.assign(photo, photo.beforeEdit, { beforeEdit: null });
  remember(photo);
  changed();
}

/** Repeat the last request for a matte. @param {import("./store.js").Photo} photo */
export const makeMatteAgain = (photo) => makeMatte(photo, photo.wish?.mask, photo.wish?.options);

/**
 * Make the mesh of a photo, from its own mask or with the options of its matte, whose stages the service has cached.
 * @param {import("./store.js").Photo} photo
 * @param {Record<string, string>} [options]
 * @param {string} [key] as of `makeMatte`
 */
export async function makeMesh(photo, options = photo.meshOptions, key = newId()) {
  keepGood(photo, "mesh");
  photo.meshOptions = options;
  photo.meshOf = photo.matte?.id ?? null;
  return run(photo, "mesh", () => meshParts(photo), key);
}

/** Put a job into the slot at once, so that nobody starts a second one, and hand it in as soon as its parts are here. */
async function run(photo, slot, makeParts, key, mask = null) {
  await stop(photo, slot);
  photo.problems[slot] = null;
  const sending = { state: "queued", progress: { stages: [], fraction: 0 }, files: [], key };
  photo[slot] = sending;
  remember(photo, mask);
  changed();
  let mine = sending; // what this call put into the slot; a later call may replace it
  const isWanted = () => photo[slot] === sending && !sending.unwanted;
  try {
    const parts = await makeParts();
    const job = await inTurn(() => {
      if (sending.unwanted) throw new Problem(CANCELLED);
      const onProgress = (share) => {
        sending.progress.uploaded = share;
        changed();
      };
      return persist(() => startJob(KINDS[slot], { file: photo.blob, ...parts }, key, onProgress), isWanted);
    });
    const isOurs = photo[slot] === sending;
    if (isOurs) photo[slot] = mine = job;
    if (!isOurs || sending.unwanted) await call(job.links.self, { method: "DELETE" });
    if (!isOurs) return;
    remember(photo);
    await follow(photo, slot);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (photo[slot] !== mine) return;
    photo[slot] = null;
    settle(photo, slot, sending.unwanted ? new Problem(CANCELLED) : error);
  }
}

const wholeOf = (photo, slot) => Object.fromEntries(WHOLE[slot].map((name) => [name, photo[name]]));

function keepGood(photo, slot) {
  if (isDone(photo[slot])) photo.good[slot] = wholeOf(photo, slot);
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

/**
 * Hand in a job. A request with the key of an earlier one gives the earlier job, so that nothing is started twice.
 * @param {string} kind
 * @param {Record<string, any>} parts
 * @param {string} [key]
 * @param {(share: number) => void} [onProgress] of the upload
 * @returns {Promise<import("./store.js").Job>}
 */
export const startJob = (kind, parts, key = newId(), onProgress = () => {}) =>
  upload("/jobs", formOf({ kind, ...parts }), { "Idempotency-Key": key }, onProgress);

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
    if (control.signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    if (photo[slot] !== job) return;
    photo[slot] = null; // the service no longer has the job
    settle(photo, slot, error);
  }
}

/** What became of a job that gave no result; null for one that did. @param {import("./store.js").Job} job */
export function problemOf(job) {
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
