// The photo with its matte over the mesh, from the camera's position, so that photo, matte and mesh line up; areas outside
// the matte are veiled as in Fix. The framing is that of backend/mesh/framing.py: the object's box, centred in a square
// that it fills to `foreground_ratio`, seen from a distance of 1.9 with a vertical field of view of 40°.

import { byId, element } from "./dom.js";
import { fileOf } from "./files.js";
import { t } from "./language.js";
import { alphaBox, maskCanvas } from "./mask_canvas.js";

const DISTANCE = 1.9;
const FOV_DEG = 40;

/** @param {any} place @param {any} viewer @param {import("./store.js").Photo} photo @param {() => boolean} stillWanted */
export async function showOverlay(place, viewer, photo, stillWanted) {
  const ratio = Number(photo.mesh.options?.foreground_ratio ?? 0.85);
  Object.assign(viewer, {
    cameraTarget: "0m 0m 0m",
    minCameraOrbit: "auto auto 0.5m",
    // A file is as large as if it had been framed to 0.85: the camera stands nearer or farther in its place.
    cameraOrbit: `0deg 90deg ${(DISTANCE * 0.85) / ratio}m`,
    maxFieldOfView: "90deg",
    fieldOfView: `${FOV_DEG}deg`,
    shadowIntensity: 0,
    cameraControls: false,
  });
  viewer.resetTurntableRotation(0);
  viewer.jumpCameraToGoal();
  const image = await createImageBitmap(photo.picture);
  const mask = await maskCanvas(await fileOf(photo.mesh, "mask.png"), image.width, image.height);
  if (!stillWanted()) return;
  const canvas = element("canvas", { className: "over" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", t("mesh.seen-overlay"));
  place.append(canvas);
  const veil = veilOver(mask, getComputedStyle(canvas).color);
  drawFramed(canvas, [image, veil], alphaBox(mask), ratio);
  const share = byId("overlay-share");
  const fade = () => canvas.style.setProperty("opacity", String(Number(share.value) / 100));
  share.oninput = fade;
  fade();
}

/** A canvas of the mask's size with the colour outside the mask. */
function veilOver(mask, color) {
  const veil = element("canvas", { width: mask.width, height: mask.height });
  const context = veil.getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, mask.width, mask.height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(mask, 0, 0);
  return veil;
}

/** Draw the square of the pictures that the mesh was made from over each other. */
function drawFramed(canvas, images, box, ratio) {
  const longer = Math.max(box.width, box.height);
  const side = longer / ratio;
  const size = Math.min(1024, Math.round(side));
  Object.assign(canvas, { width: size, height: size });
  const scale = size / side;
  const left = box.x + box.width / 2 - side / 2;
  const top = box.y + box.height / 2 - side / 2;
  const context = canvas.getContext("2d");
  for (const image of images)
    context.drawImage(image, -left * scale, -top * scale, image.width * scale, image.height * scale);
}
