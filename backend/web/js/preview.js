// A picture that the service can read and this browser cannot show, as HEIC: the service's own PNG of it stands in.

import { callBlob, formOf, Problem } from "./api.js";
import { blobUrl } from "./files.js";
import { changed } from "./store.js";

const asked = new WeakSet(); // photos whose picture is on its way

/** Have the service show the photo. Its size is known once the matte is there.
 * @param {import("./store.js").Photo} photo */
export async function showByService(photo) {
  if (photo.picture || !photo.blob || asked.has(photo)) return;
  asked.add(photo);
  const { width, height } = photo.matte.report.image;
  const whole = Object.assign(document.createElement("canvas"), { width, height });
  const context = whole.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  const mask = await new Promise((resolve) => whole.toBlob(resolve));
  try {
    const body = formOf({ file: photo.blob, mask, output: "cutout", strategy: "segmentation" });
    photo.picture = await callBlob("/remove-bg", { method: "POST", body });
    photo.url = blobUrl(photo.picture);
    changed();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    asked.delete(photo); // the cutout is there without it
  }
}
