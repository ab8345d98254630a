// The connection to the service: what cannot reach it is tried again until it can, and the page says so meanwhile.

import { Problem } from "./api.js";

const FIRST_PAUSE_MS = 600;
const LONGEST_PAUSE_MS = 10_000;
const AWAY = ["unreachable", "not-ready"];
const cut = new Set(); // who waits for the service
let listener = (/** @type {boolean} */ _isAway) => {};

/** @param {(isAway: boolean) => void} act called when the service goes away and when it is back */
export const onConnection = (act) => (listener = act);

/** Whether an error means that the service, or the way to it, is away for now. @param {unknown} error */
export const isAway = (error) =>
  error instanceof Problem && (AWAY.includes(error.code) || ["http-502", "http-503", "http-504"].includes(error.code));

/** Note that `who` waits for the service, or no longer does. @param {object} who @param {boolean} waits */
export function waitsForService(who, waits) {
  const before = cut.size;
  if (waits) cut.add(who);
  else cut.delete(who);
  if (before === 0 || cut.size === 0) listener(cut.size > 0);
}

/** Wait before the next try: longer each time, and no longer once the browser is online again.
 * @param {number} tries failed so far, from 0 */
export function pause(tries) {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 8));
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        globalThis.removeEventListener?.("online", end);
        resolve();
      };
      const timer = setTimeout(end, longest * (0.75 + 0.25 * Math.random())); // not all tabs at once
      globalThis.addEventListener?.("online", end);
    })
  );
}

/**
 * Try `act` until it reaches the service.
 * @template Result
 * @param {() => Promise<Result>} act one that may be repeated
 * @param {() => boolean} [isWanted]
 * @returns {Promise<Result>}
 * @throws whatever else `act` throws, and its last error once it is no longer wanted
 */
export async function persist(act, isWanted = () => true) {
  const who = {};
  try {
    for (let tries = 0; ; tries += 1) {
      try {
        return await act();
      } catch (error) {
        if (!isAway(error) || !isWanted()) throw error;
      }
      waitsForService(who, true);
      await pause(tries);
    }
  } finally {
    waitsForService(who, false);
  }
}
