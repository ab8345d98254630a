// The photo with its matte over the mesh, seen from where the photo was taken: what the camera saw, what was kept of it
// (the rest lies under a veil, as in Fix) and what became of it lie on each other. The framing is the pipeline's
// (backend/mesh/framing.py): the object's box, centred in a square that it fills to `foreground_ratio`, seen by a
// camera 1.9 away with 40° from bottom to top.

import { byId, element } from "./dom.js";
import { fileOf } from "./files.js";
import { alphaBox, maskCanvas } from "./mask_canvas.js";

const DISTANCE = 1.9;
const FOV_DEG = 40;

/** @param {any} place @param {any} viewer @param {import("./store.js").Photo} photo @param {() => boolean} stillWanted */
export async function showOverlay(place, viewer, photo, stillWanted) {
  Object.assign(viewer, {
    cameraTarget: "0m 0m 0m",
    minCameraOrbit: "auto auto 0.5m",
    cameraOrbit: `0deg 90deg ${DISTANCE}m`,
    maxFieldOfView: "90deg",
    fieldOfView: `${FOV_DEG}deg`,
    shadowIntensity: 0,
    cameraControls: false,
  });
  viewer.resetTurntableRotation(0);
  viewer.jumpCameraToGoal();
  const image = await createImageBitmap(photo.blob);
  const mask = await maskCanvas(await fileOf(photo.mesh, "mask.png"), image.width, image.height);
  if (!stillWanted()) return;
  const canvas = element("canvas", { className: "over" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The photo over the mesh");
  place.append(canvas);
  const veil = veilOver(mask, getComputedStyle(canvas).color);
  drawFramed(canvas, [image, veil], alphaBox(mask), Number(photo.mesh.options?.foreground_ratio ?? 0.85));
  const share = byId("overlay-share");
  const fade = () => canvas.style.setProperty("opacity", String(Number(share.value) / 100));
  share.oninput = fade;
  fade();
}

/** The colour where `mask` keeps nothing, the size of the mask. */
function veilOver(mask, color) {
  const veil = element("canvas", { width: mask.width, height: mask.height });
  const context = veil.getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, mask.width, mask.height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(mask, 0, 0);
  return veil;
}

/** Draw the square of the pictures that the mesh was made from, one over the other. */
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
