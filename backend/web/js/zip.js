// Files -> one zip without compression (pictures and meshes hardly shrink). Only one file at a time is in memory.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});
const UTF8 = 0x0800; // flag: names are UTF-8
const MOST_BYTES = 0xffffffff; // what a plain zip can hold

/** @param {Uint8Array} bytes @returns {number} CRC-32 */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * @param {AsyncIterable<{name: string, blob: Blob}>} files
 * @returns {Promise<Blob>}
 * @throws {RangeError} above 4 GB
 */
export async function zipOf(files) {
  const parts = [];
  const central = [];
  const taken = new Set();
  let at = 0;
  for await (const { name, blob } of files) {
    const bytes = new TextEncoder().encode(unique(name, taken));
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    const facts = [20, UTF8, 0, 0, 0x21, [crc], [blob.size], [blob.size], bytes.length, 0];
    const local = record(0x04034b50, facts);
    parts.push(local, bytes, blob);
    central.push(record(0x02014b50, [20, ...facts, 0, 0, 0, [0], [at]]), bytes);
    at += local.length + bytes.length + blob.size;
    if (at > MOST_BYTES) throw new RangeError("more than a zip can hold");
  }
  const size = central.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50, [0, 0, taken.size, taken.size, [size], [at], 0]);
  return new Blob([...parts, ...central, end], { type: "application/zip" });
}

/** A record of little-endian numbers: two bytes each, four where they stand in brackets. */
function record(signature, fields) {
  const bytes = [];
  const put = (value, width) => {
    for (let shift = 0; shift < width; shift += 1) bytes.push(Math.floor(value / 256 ** shift) % 256);
  };
  put(signature, 4);
  for (const field of fields) Array.isArray(field) ? put(field[0], 4) : put(field, 2);
  return Uint8Array.from(bytes);
}

/** "a.png" a second time is "a (2).png". */
function unique(name, taken) {
  let made = name;
  for (let count = 2; taken.has(made); count += 1) made = name.replace(/(\.[^.]*)?$/, ` (${count})$1`);
  taken.add(made);
  return made;
}
