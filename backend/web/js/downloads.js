// The downloads. A file of the job is fetched; another form of it is requested: the service converts the mesh, and its
// cache saves the repeated work.

import { callBlob, formOf, Problem } from "./api.js";
import { chosen } from "./dom.js";
import { fileName, fileOf, hasFile, save } from "./files.js";
import { followJob } from "./job_events.js";
import { matteParts, meshParts, reusesMask } from "./job_forms.js";
import { startJob } from "./jobs.js";
import { t, translated } from "./language.js";
import { state } from "./store.js";
import { presetSize } from "./words.js";

/** @typedef {{label: string, about?: string, act: () => Promise<void>}} Download */

/** @param {import("./store.js").Photo} photo @returns {Download[]} */
export function matteDownloads(photo) {
  const whole = pictures(photo, photo.matte, { "mask.png": t("matte.view-mask") });
  if (!photo.blob) return whole;
  return [
    ...whole,
    {
      label: t("download.cropped"),
      act: () => another(photo, { output: "cutout", crop: "true", margin: "0.04" }, "cropped.png"),
    },
    { label: t("download.debug"), act: () => another(photo, { debug: "true" }, "matte-debug.zip") },
  ];
}

function pictures(photo, job, labels) {
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

/** The mesh for each purpose. @param {import("./store.js").Photo} photo @returns {Download[]} */
export const meshPurposes = (photo) =>
  state.page.mesh_presets.map((preset) => ({
    label: [translated(`preset.${preset.name}`, preset.title), preset.format.toUpperCase()].join(" "),
    about: presetSize(photo.mesh.report.mesh.bounds, preset),
    act: () => meshFile(photo, { preset: preset.name }, `${preset.name}.${preset.ending}`),
  }));

/** The mesh as it was made. @param {import("./store.js").Photo} photo */
export const saveMesh = (photo) => meshFile(photo, { format: "glb" }, "model.glb");

/** The mesh in each format, and what else there is. @param {import("./store.js").Photo} photo @returns {Download[]} */
export function meshDownloads(photo) {
  const models = Object.entries(state.page.mesh_formats).map(([format, ending]) => ({
    label: format.toUpperCase(),
    act: () => meshFile(photo, { format, ...turned() }, `model.${ending}`),
  }));
  const files = pictures(photo, photo.mesh, { "cutout.png": t("matte.view-cutout"), "mask.png": t("matte.view-mask") });
  const bundle = { label: t("download.debug"), act: () => meshBundle(photo) };
  return [...models, ...files, ...(photo.blob ? [bundle] : [])];
}

const turned = () => (chosen("up") === "z" ? { up: "z" } : {}); // else as each format has it

/** Save the mesh's own GLB, or what the service converts it to: nothing is built again. */
async function meshFile(photo, options, name) {
  let file = await fileOf(photo.mesh, "model.glb");
  if (options.format !== "glb" || options.up) {
    file = await callBlob("/convert-mesh", { method: "POST", body: formOf({ file, ...options }) });
  }
  save(file, fileName(photo.name, name));
}

async function meshBundle(photo) {
  const parts = { file: photo.blob, ...(await meshParts(photo)), debug: "true" };
  const job = await followJob(await startJob("generate-mesh", parts), () => {}, new AbortController().signal);
  if (job.problem) throw new Problem(job.problem);
  save(await fileOf(job, "debug.zip"), fileName(photo.name, "mesh-debug.zip"));
}
