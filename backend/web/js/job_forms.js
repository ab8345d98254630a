// The forms of requests for a matte and a mesh.

import { fileOf } from "./files.js";

/**
 * The form of a photo's matte; the person's own mask is used as is. The strategy is always sent, because the defaults of
 * mattes and meshes differ and the page must show the matte that the mesh is made from.
 * @param {import("./store.js").Photo} photo
 * @param {Blob | null} mask
 * @returns {Record<string, any>}
 */
export function matteParts(photo, mask) {
  if (mask) return { mask, strategy: "segmentation" };
  const isDocument = photo.matteOptions.mode === "document"; // documents do not use depth
  return { strategy: "auto", ...photo.matteOptions, ...(isDocument && { strategy: "segmentation" }) };
}

/** Whether further requests send the mask instead of the options: the person edited it, or a remote service made it,
 * which should get and charge for the photo only once. @param {import("./store.js").Photo} photo */
export const reusesMask = ({ edited, matte }) => edited || matte?.report?.segmenter.device === "remote";

/** The form of a photo's mesh. A matte with options that a mesh does not have is sent as its mask.
 * @param {import("./store.js").Photo} photo @returns {Promise<Record<string, any>>} */
export async function meshParts(photo) {
  const { mode, edges, ...options } = photo.matteOptions;
  const isOwn = reusesMask(photo) || Boolean(mode || edges);
  const mask = isOwn && photo.matte ? await fileOf(photo.matte, "mask.png") : null;
  return { mask, ...(mask ? {} : options), ...photo.meshOptions };
}
