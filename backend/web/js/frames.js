// Sizes of the composed picture, and where the object lies in it. `spot` follows the service's place_object
// (backend/matte/editing/canvas.py) for what is shown while a hand moves the object; the service makes the picture.

const RATIOS = { square: 1, "4:5": 4 / 5, "16:9": 16 / 9 };

/**
 * The size of a frame by its name: "photo", a key of RATIOS (the smallest frame of that shape that holds the whole
 * photo), or the pixels of a square's side.
 * @param {string} name
 * @param {{width: number, height: number}} photo
 * @param {number} maxPixels
 * @returns {{width: number, height: number}}
 */
export function frameSize(name, { width, height }, maxPixels) {
  if (name === "photo") return { width, height };
  const ratio = RATIOS[name];
  if (!ratio) return { width: Number(name), height: Number(name) };
  const across = Math.max(width, height * ratio);
  const fits = Math.min(1, Math.sqrt(maxPixels / (across * (across / ratio))));
  return { width: Math.floor(across * fits + 1e-6), height: Math.floor((across / ratio) * fits + 1e-6) };
}

/**
 * How large the photo's pixels come out, and where its top left corner lies in the frame.
 * @param {{x: number, y: number, width: number, height: number}} box of the object in the photo
 * @param {{width: number, height: number}} photo
 * @param {{width: number, height: number}} frame
 * @param {{margin: number | null, scale: number, x: number, y: number}} placing margin: a share of the shorter side
 * @returns {{factor: number, left: number, top: number}}
 */
export function spot(box, photo, frame, { margin, scale, x, y }) {
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  let factor = Math.min(frame.width / photo.width, frame.height / photo.height);
  let at = {
    x: frame.width / 2 + (middle.x - photo.width / 2) * factor,
    y: frame.height / 2 + (middle.y - photo.height / 2) * factor,
  };
  if (margin !== null) {
    const room = 2 * margin * Math.min(frame.width, frame.height);
    factor = Math.min((frame.height - room) / box.height, (frame.width - room) / box.width);
    at = { x: frame.width / 2, y: frame.height / 2 };
  }
  factor *= scale;
  return {
    factor,
    left: at.x + x * frame.width - middle.x * factor,
    top: at.y + y * frame.height - middle.y * factor,
  };
}
