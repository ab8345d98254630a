// A job's events, read with fetch (EventSource cannot send an API key) and resumed after a broken connection.

import { call, callJson, Problem } from "./api.js";
import { isAway, pause, waitsForService } from "./connection.js";
import { isUnderWay } from "./store.js";

const MAX_STREAMS = 3; // a browser opens six connections per host, and each event stream holds one
let lines = 0;

/**
 * Follow a job to its end, for as long as that takes: a service that went away takes the same job up again.
 * @param {any} job its document
 * @param {(event: string, data: any) => void} onEvent
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the document of the finished job
 * @throws {Problem}
 */
export async function followJob(job, onEvent, signal) {
  const heard = { last: "", tries: 0, crowded: false };
  try {
    for (; ; heard.tries += 1) {
      try {
        const way = lines < MAX_STREAMS && !heard.crowded ? listen : ask;
        const done = await way(job, heard, onEvent, signal);
        if (done) return done;
      } catch (error) {
        if (error instanceof Problem && error.code === "overloaded") heard.crowded = true; // no stream is free
        const passes = !(error instanceof Problem) || isAway(error) || heard.crowded;
        if (signal.aborted || !passes) throw error;
        waitsForService(heard, isAway(error));
      }
      if (signal.aborted) throw signal.reason;
      await pause(heard.tries);
    }
  } finally {
    waitsForService(heard, false);
  }
}

/** Read a job's events as they arrive. @returns {Promise<any>} its document; null if the connection broke first */
async function listen(job, heard, onEvent, signal) {
  lines += 1;
  try {
    const headers = { Accept: "text/event-stream", ...(heard.last && { "Last-Event-ID": heard.last }) };
    const response = await call(job.links.events, { headers, signal });
    waitsForService(heard, false);
    if (response.status === 204) return await callJson(job.links.self); // all events arrived before the connection broke
    for await (const message of messages(response.body)) {
      heard.tries = 0;
      heard.last = message.id || heard.last;
      if (!message.data) continue;
      const data = JSON.parse(message.data);
      if (message.event === "done") return data;
      onEvent(message.event, data);
    }
    return null;
  } finally {
    lines -= 1;
  }
}

/** Poll a job once, while all streams are taken. @returns {Promise<any>} as `listen` */
async function ask(job, heard, onEvent, signal) {
  const document = await callJson(job.links.self, { signal });
  waitsForService(heard, false);
  heard.tries = 0;
  if (!isUnderWay(document)) return document;
  onEvent("state", document);
  if (document.progress?.stage) onEvent("stage", { name: document.progress.stage, ...document.progress });
  return null;
}

/**
 * The messages of a text/event-stream.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{id: string, event: string, data: string}>}
 */
export async function* messages(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true }).replaceAll("\r", "");
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) yield parsed(block);
    }
  } finally {
    reader.cancel().catch(() => {}); // the stream may be broken; its reader already has the error
  }
}

function parsed(block) {
  const message = { id: "", event: "message", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") message.data += message.data ? `\n${value}` : value;
    else if (name === "id" || name === "event") message[name] = value;
  }
  return message;
}
