// The service's masks (8-bit grey, white is the object) as canvases whose alpha is the mask.

/**
 * @param {Blob} blob a mask as PNG
 * @param {number} width
 * @param {number} height
 * @returns {Promise<HTMLCanvasElement>} white, as opaque as the mask is white
 */
export async function maskCanvas(blob, width, height) {
  const image = await createImageBitmap(blob, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  const pixels = context.getImageData(0, 0, width, height);
  const { data } = pixels;
  for (let at = 0; at < data.length; at += 4) {
    data[at + 3] = data[at];
    data[at] = data[at + 1] = data[at + 2] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * The bounding box of the object in a mask.
 * @param {HTMLCanvasElement} mask as `maskCanvas` makes it
 * @returns {{x: number, y: number, width: number, height: number}} in the mask's pixels
 */
export function alphaBox(mask) {
  const { width, height } = mask;
  const { data } = mask.getContext("2d").getImageData(0, 0, width, height);
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (data[4 * (y * width + x) + 3] === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}
