// What was dropped: files, and the files inside folders.

const PICTURE = /\.(jpe?g|png|webp|avif|hei[cf]|gif|bmp|tiff?)$/i;
const MOST_FILES = 500;

/**
 * The dropped files. From folders only those named as pictures come, in the order of their names.
 * @param {any} data a DataTransfer; it must be read before the event ends
 * @returns {Promise<File[]>}
 */
export async function droppedFiles(data) {
  const entries = [...(data.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...data.files];
  const files = [];
  for (const entry of entries) await collect(entry, files, true);
  return files;
}

async function collect(entry, files, wasNamed) {
  if (files.length >= MOST_FILES) return;
  if (entry.isFile) {
    if (wasNamed || PICTURE.test(entry.name)) files.push(await new Promise((resolve, fail) => entry.file(resolve, fail)));
    return;
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, fail) => reader.readEntries(resolve, fail)); // a hundred at a time
    if (!some.length) break;
    found.push(...some);
  }
  found.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
  for (const child of found) if (!child.name.startsWith(".")) await collect(child, files, false);
}
