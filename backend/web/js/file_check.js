// Checks a file before the upload: its type by its first bytes, and its size.

import { Problem } from "./api.js";

/** @param {Uint8Array} head at least the first 12 bytes @returns {string | null} */
export function pictureType(head) {
  const text = (from, to) => String.fromCharCode(...head.subarray(from, to));
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "image/jpeg";
  if (head[0] === 0x89 && text(1, 4) === "PNG") return "image/png";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "image/webp";
  return null;
}

/**
 * @param {Blob} blob
 * @param {{upload_bytes: number, pixels: number, side_px: number}} limits
 * @returns {Promise<void>}
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
  if (pictureType(head) === null) {
    const isHeic = String.fromCharCode(...head.subarray(4, 8)) === "ftyp";
    const detail = isHeic ? "This is a HEIC, AVIF or video file." : "The content is not a JPEG, PNG or WebP picture.";
    throw new Problem({ code: "unsupported-image-type", title: "Not a JPEG, PNG or WebP picture", detail });
  }
  const size = await pictureSize(blob);
  if (size.width * size.height > limits.pixels || Math.max(size.width, size.height) > limits.side_px) {
    const detail = `The picture has ${size.width} × ${size.height} pixels; the limits are ${limits.pixels / 1e6} megapixels and ${limits.side_px} pixels per side.`;
    throw new Problem({ code: "too-many-pixels", title: "The picture has too many pixels", detail });
  }
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

/** @param {Blob} blob @returns {Promise<{width: number, height: number}>} */
async function pictureSize(blob) {
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new Problem({ code: "image-corrupt", title: "The picture is truncated or broken" });
  } finally {
    URL.revokeObjectURL(url);
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}
