// A client of the Mattemesh service for browsers, Node 18 and later, Deno and Bun: one file, nothing to install.
//
//   import { Client } from "./mattemesh.js";
//   const client = new Client("http://localhost:8000");
//   const { data, report } = await client.removeBg(photo, { output: "cutout" });
//   const job = await client.submit("generate-mesh", photo);
//   for await (const { name, data } of client.events(job.id)) console.log(name, data);
//   const mesh = await client.result(job.id);
//
// Photos are Blobs, Files, ArrayBuffers or Uint8Arrays. A call that met no service, or a busy one, is made again; a job is
// submitted under an Idempotency-Key, so that it is never made twice.

const BUSY = [429, 502, 503, 504];
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** The service refused: `code` is stable, `status` is HTTP's, the message is a sentence for people. */
export class ApiError extends Error {
  constructor(message, status, code) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export class Client {
  #address;
  #key;
  #retries;
  #fetch;

  constructor(address = "http://127.0.0.1:8000", { key, retries = 4, fetch = globalThis.fetch } = {}) {
    this.#address = address.replace(/\/+$/, "");
    this.#key = key;
    this.#retries = retries;
    this.#fetch = fetch.bind(globalThis);
  }

  /** The mask or the cutout, with its report. */
  async removeBg(photo, options = {}, { mask, signal } = {}) {
    return this.#work("/remove-bg", photo, options, mask, signal);
  }

  /** The mesh, with its report. */
  async generateMesh(photo, options = {}, { mask, signal } = {}) {
    return this.#work("/generate-mesh", photo, options, mask, signal);
  }

  /** A new job's document, or that of the earlier job with this key. */
  async submit(kind, photo, options = {}, { mask, idempotencyKey = randomKey(), signal } = {}) {
    const body = form(photo, { ...options, kind }, mask);
    const headers = { "Idempotency-Key": idempotencyKey };
    return (await this.#send("POST", "/jobs", { body, headers, signal })).json();
  }

  /** The job's document. */
  async job(id) {
    return (await this.#send("GET", `/jobs/${id}`)).json();
  }

  /** The job's events from the first on, and those to come; a stream that breaks is taken up where it ended. */
  async *events(id, { signal } = {}) {
    let last = "";
    for (let attempt = 0; ; ) {
      try {
        const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
        const response = await this.#once("GET", `/jobs/${id}/events`, { headers, signal });
        if (response.status === 204) return;
        await check(response);
        for await (const event of eventsOf(response.body)) {
          last = event.id;
          attempt = 0;
          yield { id: event.id, name: event.name, data: event.data };
          if (event.name === "done") return;
        }
      } catch (error) {
        if (signal?.aborted || attempt >= this.#retries || !mayHelp(error)) throw error;
      }
      attempt += 1;
      await pause(attempt, null, signal);
    }
  }

  /** The main file of a job that has succeeded; throws its problem where it has failed. */
  async result(id) {
    return fileOf(await this.#send("GET", `/jobs/${id}/result`));
  }

  /** One of the files that the job's document lists. */
  async file(id, name) {
    return fileOf(await this.#send("GET", `/jobs/${id}/files/${name}`));
  }

  /** Cancel the job, or remove it with its files. */
  async remove(id) {
    await this.#send("DELETE", `/jobs/${id}`);
  }

  async #work(path, photo, options, mask, signal) {
    const headers = { Accept: "application/json" };
    const response = await this.#send("POST", path, { body: form(photo, options, mask), headers, signal });
    const { report, result } = await response.json();
    const data = Uint8Array.from(atob(result.base64), (letter) => letter.charCodeAt(0));
    return { name: result.name, mediaType: result.media_type, data, report };
  }

  async #send(method, path, options = {}) {
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt > this.#retries;
      let response = null;
      try {
        response = await this.#once(method, path, options);
      } catch (error) {
        if (last || options.signal?.aborted) throw error;
      }
      if (response !== null && (last || !BUSY.includes(response.status))) {
        await check(response);
        return response;
      }
      await response?.body?.cancel();
      await pause(attempt, response, options.signal);
    }
  }

  #once(method, path, { body, headers = {}, signal } = {}) {
    const own = this.#key === undefined ? {} : { "X-API-Key": this.#key };
    return this.#fetch(this.#address + path, { method, body, headers: { ...own, ...headers }, signal });
  }
}

function form(photo, options, mask) {
  const body = new FormData();
  body.append("file", asBlob(photo), "file");
  if (mask !== undefined) body.append("mask", asBlob(mask), "mask");
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== null) {
      body.append(name, typeof value === "string" ? value : JSON.stringify(value));
    }
  }
  return body;
}

function asBlob(photo) {
  return photo instanceof Blob ? photo : new Blob([photo]);
}

async function fileOf(response) {
  const name = /filename="([^"]*)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "result";
  const data = new Uint8Array(await response.arrayBuffer());
  return { name, mediaType: response.headers.get("content-type") ?? "", data, report: {} };
}

async function check(response) {
  if (response.ok) return;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(body.detail ?? `The service answered ${response.status}.`, response.status, body.code ?? "");
}

/** Read an event stream; comments keep it open and are left out. */
async function* eventsOf(body) {
  const reader = body.getReader(); // Safari cannot iterate over a stream
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value: piece } = await reader.read();
      if (done) return;
      text += decoder.decode(piece, { stream: true });
      const blocks = text.split(/\r\n\r\n|\n\n/);
      text = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  const fields = {};
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([^:]+):? ?(.*)$/.exec(line) ?? [];
    if (name) fields[name] = name === "data" && fields.data !== undefined ? `${fields.data}\n${value}` : value;
  }
  if (fields.data === undefined) return null; // a comment, which keeps the stream open
  return { id: fields.id ?? "", name: fields.event ?? "message", data: JSON.parse(fields.data) };
}

function mayHelp(error) {
  return !(error instanceof ApiError) || BUSY.includes(error.status);
}

function pause(attempt, response, signal) {
  const told = Number(response?.headers.get("retry-after") ?? NaN) * 1000;
  const wait = Math.min(LONGEST_PAUSE_MS, Number.isNaN(told) ? FIRST_PAUSE_MS * 2 ** (attempt - 1) : told);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, wait);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
