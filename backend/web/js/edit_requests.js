// Requests to /edit-mask: strokes and clicks on a mask, with the photo whose edges guide them.

import { callBlob, callJson, formOf } from "./api.js";
import { translated } from "./language.js";

/** What came of a click, as a sentence. @param {string} outcome @returns {string} */
export const wordOn = (outcome) => translated(`click.${outcome}`, "");

const formFor = ({ photo, edits }, parts) => formOf({ file: photo.blob, mask: edits.mask, ...parts });

/** @param {any} work its photo and edits @param {Record<string, string>} parts @returns {Promise<Blob>} the new mask */
export const edited = (work, parts) => callBlob("/edit-mask", { method: "POST", body: formFor(work, parts) });

/**
 * Send a click.
 * @param {any} work its photo and edits
 * @param {{x: number, y: number, mode: string}[]} clicks one
 * @returns {Promise<{mask: Blob | null, outcome: string}>} no mask if nothing changed
 */
export async function clicked(work, clicks) {
  const body = formFor(work, { clicks: JSON.stringify(clicks) });
  const headers = { Accept: "application/json" };
  const { report, result } = await callJson("/edit-mask", { method: "POST", body, headers });
  const [outcome] = report.edit.clicks;
  return { mask: outcome === "added" || outcome === "removed" ? blobOf(result) : null, outcome };
}

const blobOf = ({ base64, media_type: type }) =>
  new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type });
