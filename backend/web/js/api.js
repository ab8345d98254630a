// Every request to the service goes through here: the API key is added, and an error becomes a Problem.

import { askForKey, key } from "./key.js";
import { LANGUAGE, ofService, t, translated } from "./language.js";

/** An error as the service reports it (RFC 9457). */
export class Problem extends Error {
  /**
   * The title is translated by the code; of the details a few are, and the others shown as they came, in English.
   * @param {{code: string, title?: string, detail?: string, status?: number}} body the page's own have no status
   */
  constructor(body) {
    const title = translated(`problem.${body.code}`, body.title || t("problem.other"));
    super(body.detail || title);
    this.code = body.code;
    this.title = title;
    this.status = body.status ?? 0;
    [this.detail, this.language] = this.status ? ofService(body.detail ?? "") : [body.detail ?? "", LANGUAGE];
  }
}

const UNREACHABLE = { code: "unreachable", detail: t("detail.unreachable") };

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
 * Send a form and follow its upload, which fetch cannot. On a 401, ask the person for a key and retry.
 * @param {string} path
 * @param {FormData} form
 * @param {Record<string, string>} headers
 * @param {(share: number) => void} onProgress
 * @returns {Promise<any>} the JSON of the answer
 * @throws {Problem}
 */
export async function upload(path, form, headers, onProgress) {
  const response = await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "blob";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (key()) request.setRequestHeader("X-API-Key", key());
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / Math.max(total, 1));
    request.onerror = request.onabort = () => reject(new Problem(UNREACHABLE));
    request.onload = () => {
      const type = request.getResponseHeader("content-type") ?? "";
      resolve(new Response(request.response, { status: request.status, headers: { "content-type": type } }));
    };
    request.send(form);
  });
  if (response.status === 401 && (await askForKey())) return upload(path, form, headers, onProgress);
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

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
  if (!isProblem) return new Problem({ code: `http-${response.status}`, status: response.status });
  return new Problem(await response.json());
}
