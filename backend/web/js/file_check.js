// Checks a file before the upload: its type by its first bytes, and its size.

import { Problem } from "./api.js";
import { fileSize, t } from "./language.js";

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
  if (blob.size === 0) throw new Problem({ code: "empty-file" });
  if (blob.size > limits.upload_bytes) {
    const detail = t("detail.upload-too-large", { has: fileSize(blob.size, 1), limit: fileSize(limits.upload_bytes, 1) });
    throw new Problem({ code: "upload-too-large", detail });
  }
  const head = await firstBytes(blob);
  const type = pictureType(head);
  if (type === null) {
    const detail = t("detail.unsupported-image-type");
    throw new Problem({ code: "unsupported-image-type", detail });
  }
  const size = await pictureSize(blob, type);
  if (size === null) return false;
  if (size.width * size.height > limits.pixels || Math.max(size.width, size.height) > limits.side_px) {
    const detail = t("detail.too-many-pixels", { ...size, megapixels: limits.pixels / 1e6, side: limits.side_px });
    throw new Problem({ code: "too-many-pixels", detail });
  }
  return true;
}

/** @param {Blob} blob @returns {Promise<Uint8Array>} */
async function firstBytes(blob) {
  try {
    return new Uint8Array(await blob.slice(0, 12).arrayBuffer());
  } catch {
    throw new Problem({ code: "unreadable-file", detail: t("detail.unreadable-file") });
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
    throw new Problem({ code: "image-corrupt" });
  } finally {
    URL.revokeObjectURL(url);
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}
