// Checks a file before the upload: its type by its first bytes, and its size.

import { Problem } from "./api.js";

/** @param {Uint8Array} head at least the first 12 bytes @returns {string | null} */
export function pictureType(head) {
  const text = (from, to) => String.fromCharCode(...head.subarray(from, to));
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "image/jpeg";
  if (head[0] === 0x89 && text(1, 4) === "PNG") return "image/png";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "image/webp";
  if (text(0, 4) === "GIF8") return "image/gif";
  if (text(0, 2) === "BM") return "image/bmp";
  if (text(0, 4) === "II*\0" || text(0, 4) === "MM\0*") return "image/tiff";
  if (text(4, 8) === "ftyp") return text(8, 11) === "avi" ? "image/avif" : "image/heic";
  return null;
}

/**
 * @param {Blob} blob
 * @param {{upload_bytes: number, pixels: number, side_px: number}} limits
 * @returns {Promise<boolean>} whether this browser can show it
 * @throws {Problem} with the codes of the service
 */
export async function checkFile(blob, limits) {
  if (blob.size === 0) throw new Problem({ code: "empty-file", title: "The file is empty" });
  if (blob.size > limits.upload_bytes) {
    const [has, may] = [blob.size, limits.upload_bytes].map((bytes) => (bytes / 2 ** 20).toFixed(1).replace(".0", ""));
    const detail = `The file has ${has} MiB; the limit is ${may} MiB.`;
    throw new Problem({ code: "upload-too-large", title: "The file is too large", detail });
  }
  const head = await firstBytes(blob);
  const type = pictureType(head);
  if (type === null) {
    const detail = "The content is not a JPEG, PNG, WebP, AVIF, GIF or BMP picture.";
    throw new Problem({ code: "unsupported-image-type", title: "Not a picture that can be read", detail });
  }
  const size = await pictureSize(blob, type);
  if (size === null) return false;
  if (size.width * size.height > limits.pixels || Math.max(size.width, size.height) > limits.side_px) {
    const detail = `The picture has ${size.width} × ${size.height} pixels; the limits are ${limits.pixels / 1e6} megapixels and ${limits.side_px} pixels per side.`;
    throw new Problem({ code: "too-many-pixels", title: "The picture has too many pixels", detail });
  }
  return true;
}

/** @param {Blob} blob @returns {Promise<Uint8Array>} */
async function firstBytes(blob) {
  try {
    return new Uint8Array(await blob.slice(0, 12).arrayBuffer());
  } catch {
    const detail = "It may be a folder, or it was moved or changed after you chose it.";
    throw new Problem({ code: "unreadable-file", title: "The file cannot be read", detail });
  }
}

/** @param {Blob} blob @param {string} type @returns {Promise<{width: number, height: number} | null>} null: it cannot be shown here */
async function pictureSize(blob, type) {
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    if (type === "image/heic" || type === "image/tiff") return null; // only the service can read it
    throw new Problem({ code: "image-corrupt", title: "The picture is truncated or broken" });
  } finally {
    URL.revokeObjectURL(url);
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}
