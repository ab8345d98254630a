// The downloads. A file of the job is fetched; another form of it is requested, and the service's cache saves the
// repeated work.

import { callBlob, formOf, Problem } from "./api.js";
import { chosen } from "./dom.js";
import { fileName, fileOf, hasFile, save } from "./files.js";
import { followJob } from "./job_events.js";
import { matteParts, meshParts, reusesMask, startJob } from "./jobs.js";
import { state } from "./store.js";

/** @typedef {{label: string, act: () => Promise<void>}} Download */

/** @param {import("./store.js").Photo} photo @returns {Download[]} */
export function matteDownloads(photo) {
  const whole = pictures(photo, photo.matte);
  if (!photo.blob) return whole;
  return [
    ...whole,
    {
      label: "Cropped cutout",
      act: () => another(photo, { output: "cutout", crop: "true", margin: "0.04" }, "cropped.png"),
    },
    { label: "Debug bundle", act: () => another(photo, { debug: "true" }, "matte-debug.zip") },
  ];
}

function pictures(photo, job) {
  const labels = { "cutout.png": "Cutout", "mask.png": "Matte" };
  return Object.keys(labels)
    .filter((name) => hasFile(job, name))
    .map((name) => ({
      label: labels[name],
      act: async () => save(await fileOf(job, name), fileName(photo.name, name)),
    }));
}

async function another(photo, options, ending) {
  const mask = reusesMask(photo) ? await fileOf(photo.matte, "mask.png") : null;
  const form = formOf({ file: photo.blob, ...matteParts(photo, mask), ...options });
  save(await callBlob("/remove-bg", { method: "POST", body: form }), fileName(photo.name, ending));
}

/** @param {import("./store.js").Photo} photo @returns {Download[]} */
export function meshDownloads(photo) {
  const formats = state.page.mesh_formats.filter((format) => photo.blob || hasFile(photo.mesh, `model.${format}`));
  const models = formats.map((format) => ({
    label: format.toUpperCase(),
    act: () => meshFile(photo, { format, up: chosen("up") }, `model.${format}`, `model.${format}`),
  }));
  const bundle = {
    label: "Debug bundle",
    act: () => meshFile(photo, { debug: "true" }, "debug.zip", "mesh-debug.zip"),
  };
  return [...models, ...pictures(photo, photo.mesh), ...(photo.blob ? [bundle] : [])];
}

async function meshFile(photo, options, name, ending) {
  let job = photo.mesh;
  if (!hasFile(job, name) || (options.up === "z" && photo.blob)) {
    job = await startJob("generate-mesh", { file: photo.blob, ...(await meshParts(photo)), ...options });
    job = await followJob(job, () => {}, new AbortController().signal);
    if (job.problem) throw new Problem(job.problem);
  }
  save(await fileOf(job, name), fileName(photo.name, ending));
}
