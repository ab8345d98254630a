// What can be taken away. A file that the job has is fetched; another form of it is asked for, and the service's own
// memory keeps that from being done twice.

import { callBlob, formOf, Problem } from "./api.js";
import { fileName, fileOf, hasFile, save } from "./files.js";
import { followJob } from "./job_events.js";
import { meshParts, startJob } from "./jobs.js";

const FORMATS = ["glb", "obj", "ply", "stl"];

/** @param {import("./store.js").Photo} photo @returns {{label: string, act: () => Promise<void>}[]} */
export function matteDownloads(photo) {
  const whole = ["cutout.png", "mask.png"]
    .filter((name) => hasFile(photo.matte, name))
    .map((name) => ({
      label: name === "mask.png" ? "Matte" : "Cutout",
      act: async () => save(await fileOf(photo.matte, name), fileName(photo.name, name)),
    }));
  if (!photo.blob) return whole;
  return [
    ...whole,
    { label: "Cropped cutout", act: () => another(photo, { output: "cutout", crop: "true", margin: "0.04" }, "cropped.png") },
    { label: "Debug bundle", act: () => another(photo, { debug: "true" }, "matte-debug.zip") },
  ];
}

async function another(photo, options, ending) {
  const mask = photo.edited ? await fileOf(photo.matte, "mask.png") : null;
  const common = mask ? { mask } : photo.matteOptions;
  const form = formOf({ file: photo.blob, ...common, ...options });
  save(await callBlob("/remove-bg", { method: "POST", body: form }), fileName(photo.name, ending));
}

/** @param {import("./store.js").Photo} photo @returns {{label: string, act: () => Promise<void>}[]} */
export function meshDownloads(photo) {
  const formats = FORMATS.filter((format) => photo.blob || hasFile(photo.mesh, `model.${format}`));
  const downloads = formats.map((format) => ({
    label: format.toUpperCase(),
    act: () => meshFile(photo, { format }, `model.${format}`, `model.${format}`),
  }));
  if (!photo.blob) return downloads;
  return [...downloads, { label: "Debug bundle", act: () => meshFile(photo, { debug: "true" }, "debug.zip", "mesh-debug.zip") }];
}

async function meshFile(photo, options, name, ending) {
  let job = photo.mesh;
  if (!hasFile(job, name)) {
    const mask = photo.edited ? await fileOf(photo.matte, "mask.png") : null;
    job = await startJob("generate-mesh", { file: photo.blob, ...meshParts(photo, mask), ...options });
    job = await followJob(job, () => {}, new AbortController().signal);
    if (job.problem) throw new Problem(job.problem);
  }
  save(await fileOf(job, name), fileName(photo.name, ending));
}
