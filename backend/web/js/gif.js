// Pictures in, an animated GIF out (GIF89a, LZW): what every program shows and every browser can make.

const COLORS = 256;
const BITS = 5; // of a channel, in which colours are counted and looked up
const CELLS = 1 << (3 * BITS);
const MOST_CODES = 4096;

/** @param {number} red @param {number} green @param {number} blue 0 to 255 */
const cellOf = (red, green, blue) => ((red >> 3) << 10) | ((green >> 3) << 5) | (blue >> 3);

/**
 * The colours that serve pictures best: their box of colours, cut at the median until there are 256.
 * @param {Uint8ClampedArray[]} pictures RGBA
 * @returns {number[][]} up to 256 of red, green, blue
 */
export function paletteOf(pictures) {
  const counts = new Uint32Array(CELLS);
  for (const pixels of pictures)
    for (let at = 0; at < pixels.length; at += 4) counts[cellOf(pixels[at], pixels[at + 1], pixels[at + 2])] += 1;
  const cells = [];
  for (let cell = 0; cell < CELLS; cell += 1)
    if (counts[cell]) cells.push({ color: [cell >> 10, (cell >> 5) & 31, cell & 31], count: Math.sqrt(counts[cell]) });
  let boxes = [boxOf(cells)];
  while (boxes.length < COLORS) {
    const [box] = boxes.filter(({ cells }) => cells.length > 1).sort((one, other) => other.worth - one.worth);
    if (!box) break;
    boxes = [...boxes.filter((other) => other !== box), ...halves(box).map(boxOf)];
  }
  return boxes.map(({ cells }) => {
    const total = cells.reduce((sum, { count }) => sum + count, 0);
    return [0, 1, 2].map((channel) =>
      Math.round((255 / 31) * (cells.reduce((sum, { color, count }) => sum + count * color[channel], 0) / total)),
    );
  });
}

function boxOf(cells) {
  const spreads = [0, 1, 2].map((channel) => {
    const values = cells.map(({ color }) => color[channel]);
    return Math.max(...values) - Math.min(...values);
  });
  const spread = Math.max(...spreads);
  const worth = spread * cells.reduce((sum, { count }) => sum + count, 0);
  return { cells, channel: spreads.indexOf(spread), worth };
}

function halves({ cells, channel }) {
  const sorted = [...cells].sort((one, other) => one.color[channel] - other.color[channel]);
  const half = sorted.reduce((sum, { count }) => sum + count, 0) / 2;
  let sum = 0;
  const cut = sorted.findIndex(({ count }) => (sum += count) >= half);
  const at = Math.max(1, Math.min(sorted.length - 1, cut));
  return [sorted.slice(0, at), sorted.slice(at)];
}

/**
 * @param {number} width
 * @param {number} height
 * @param {number[][]} palette up to 256 of red, green, blue
 * @param {number} pause between two pictures, in hundredths of a second
 * @returns {{add: (pixels: Uint8ClampedArray) => void, end: () => Blob}} `add` takes RGBA
 */
export function startGif(width, height, palette, pause) {
  const two = (number) => [number & 255, number >> 8];
  const nearest = new Int16Array(CELLS).fill(-1);
  const table = Array.from({ length: COLORS }, (_, index) => palette[index] ?? [0, 0, 0]).flat();
  const parts = [
    Uint8Array.from([...text("GIF89a"), ...two(width), ...two(height), 0xf7, 0, 0, ...table]),
    Uint8Array.from([0x21, 0xff, 11, ...text("NETSCAPE2.0"), 3, 1, 0, 0, 0]), // again and again
  ];

  function add(pixels) {
    const indices = new Uint8Array(width * height);
    for (let at = 0; at < indices.length; at += 1) {
      const [red, green, blue] = [pixels[4 * at], pixels[4 * at + 1], pixels[4 * at + 2]];
      const cell = cellOf(red, green, blue);
      if (nearest[cell] < 0) nearest[cell] = nearestOf(palette, red, green, blue);
      indices[at] = nearest[cell];
    }
    const head = [0x21, 0xf9, 4, 0, ...two(pause), 0, 0, 0x2c, 0, 0, 0, 0, ...two(width), ...two(height), 0, 8];
    parts.push(Uint8Array.from(head), packed(indices), Uint8Array.from([0]));
  }

  return { add, end: () => new Blob([...parts, Uint8Array.from([0x3b])], { type: "image/gif" }) };
}

const text = (words) => new TextEncoder().encode(words);

function nearestOf(palette, red, green, blue) {
  let [best, least] = [0, Infinity];
  palette.forEach(([r, g, b], index) => {
    const apart = 2 * (r - red) ** 2 + 4 * (g - green) ** 2 + (b - blue) ** 2;
    if (apart < least) [best, least] = [index, apart];
  });
  return best;
}

/** The codes of LZW for bytes, in blocks of up to 255, each behind its length. @param {Uint8Array} bytes */
function packed(bytes) {
  const [clear, end] = [COLORS, COLORS + 1];
  const known = new Map();
  const out = [];
  let [bits, held, width, next] = [0, 0, 9, end + 1];
  const put = (code) => {
    bits |= code << held;
    for (held += width; held >= 8; held -= 8) {
      out.push(bits & 255);
      bits >>>= 8;
    }
  };
  put(clear);
  let prefix = bytes[0];
  for (let at = 1; at < bytes.length; at += 1) {
    const key = (prefix << 8) | bytes[at];
    const code = known.get(key);
    if (code !== undefined) {
      prefix = code;
      continue;
    }
    put(prefix);
    prefix = bytes[at];
    if (next === MOST_CODES) {
      put(clear);
      known.clear();
      [width, next] = [9, end + 1];
      continue;
    }
    known.set(key, next);
    if (next === 1 << width) width += 1; // the reader is one code behind
    next += 1;
  }
  put(prefix);
  put(end);
  if (held) out.push(bits & 255);
  return inBlocks(out);
}

function inBlocks(bytes) {
  const made = new Uint8Array(bytes.length + Math.ceil(bytes.length / 255));
  for (let from = 0, to = 0; from < bytes.length; from += 255) {
    const block = bytes.slice(from, from + 255);
    made[to] = block.length;
    made.set(block, to + 1);
    to += block.length + 1;
  }
  return made;
}
