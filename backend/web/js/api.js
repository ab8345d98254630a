// Every request to the service goes through here: the API key is added, and an error becomes a Problem.

import { askForKey, key } from "./key.js";

/** An error as the service reports it (RFC 9457). */
export class Problem extends Error {
  /** @param {{code: string, title: string, detail?: string, status?: number}} body */
  constructor(body) {
    super(body.detail || body.title);
    this.code = body.code;
    this.title = body.title;
    this.detail = body.detail ?? "";
    this.status = body.status ?? 0;
  }
}

const UNREACHABLE = {
  code: "unreachable",
  title: "The service does not respond",
  detail: "It may have stopped, or the connection was lost.",
};

/**
 * Send a request. On a 401, ask the person for a key and retry.
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Problem}
 */
export async function call(path, init = {}) {
  const headers = new Headers(init.headers);
  if (key()) headers.set("X-API-Key", key());
  let response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
  if (response.status === 401 && (await askForKey())) return call(path, init);
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
export const callJson = async (path, init) => (await call(path, init)).json();

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Blob>} */
export const callBlob = async (path, init) => (await call(path, init)).blob();

/**
 * A form of files and options, without those that are null or empty.
 * @param {Record<string, Blob | string | null | undefined>} parts
 * @returns {FormData}
 */
export function formOf(parts) {
  const form = new FormData();
  for (const [name, value] of Object.entries(parts)) {
    if (value instanceof Blob) form.append(name, value, name);
    else if (value !== null && value !== undefined && value !== "") form.append(name, value);
  }
  return form;
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problemOf(response) {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  const fallback = {
    code: `http-${response.status}`,
    title: "The service returned an error",
    status: response.status,
  };
  if (!isProblem) return new Problem(fallback);
  return new Problem(await response.json());
}
