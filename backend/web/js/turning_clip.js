// One turn of a mesh as an animated GIF.

import { element } from "./dom.js";
import { paletteOf, startGif } from "./gif.js";
import { edgesOf, parseGlb } from "./glb.js";
import { surface } from "./surface.js";

const FRAMES = 36;
const PAUSE = 8; // hundredths of a second: a turn takes three seconds
const SIDE_PX = 480;
const SAMPLED = 6; // frames whose colours make the palette
const GROUND = "#ffffff";
const LINE = [0.05, 0.42, 0.36, 0.55];

/**
 * @param {Blob} file a GLB
 * @param {import("./surface.js").Look} look
 * @param {(share: number) => void} onProgress
 * @returns {Promise<Blob>} a GIF
 */
export async function turningClip(file, look, onProgress) {
  const mesh = parseGlb(await file.arrayBuffer());
  const texture = mesh.texture && (await createImageBitmap(mesh.texture));
  const canvas = element("canvas", { width: SIDE_PX, height: SIDE_PX });
  const flat = element("canvas", { width: SIDE_PX, height: SIDE_PX });
  const context = flat.getContext("2d", { willReadFrequently: true });
  const edges = look.mode === "wire" ? edgesOf(mesh.triangles) : new Uint32Array();
  const drawing = surface(canvas, mesh, edges, texture);
  const frame = (number) => {
    const azimuth = (2 * Math.PI * number) / FRAMES;
    drawing.draw({ azimuth, elevation: 0.12, distance: 2.05 }, { ...look, line: LINE });
    context.fillStyle = GROUND;
    context.fillRect(0, 0, SIDE_PX, SIDE_PX);
    context.drawImage(canvas, 0, 0);
    return context.getImageData(0, 0, SIDE_PX, SIDE_PX).data;
  };
  const sampled = Array.from({ length: SAMPLED }, (_, index) => frame((index * FRAMES) / SAMPLED));
  const gif = startGif(SIDE_PX, SIDE_PX, paletteOf(sampled), PAUSE);
  for (let number = 0; number < FRAMES; number += 1) {
    gif.add(frame(number));
    onProgress((number + 1) / FRAMES);
    await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
  }
  drawing.end();
  return gif.end();
}
