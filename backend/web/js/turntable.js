// The rendered views around the mesh, turned by dragging or with the arrow keys.

import { element } from "./dom.js";
import { urlOf } from "./files.js";
import { t } from "./language.js";
import { orbit } from "./orbit.js";

/**
 * @param {any} place
 * @param {any} job with view-000.png, view-001.png and so on, in even steps around
 * @param {() => boolean} stillWanted
 */
export async function showTurntable(place, job, stillWanted) {
  const names = job.files
    .map(({ name }) => name)
    .filter((name) => /^view-\d+\.png$/.test(name))
    .sort();
  const urls = await Promise.all(names.map((name) => urlOf(job, name)));
  if (!stillWanted()) return;
  const image = element("img", { className: "whole", alt: "", draggable: false });
  const turner = element("div", { className: "turner", tabIndex: 0 }, image);
  turner.setAttribute("role", "slider");
  turner.setAttribute("aria-label", t("mesh.seen-views"));
  turner.setAttribute("aria-valuemin", "0");
  turner.setAttribute("aria-valuemax", "359");
  const step = (2 * Math.PI) / urls.length;
  const view = { azimuth: 0, elevation: 0, distance: 1 };
  const show = () => {
    const index = ((Math.round(view.azimuth / step) % urls.length) + urls.length) % urls.length;
    image.src = urls[index];
    const degrees = Math.round((360 * index) / urls.length);
    turner.setAttribute("aria-valuenow", String(degrees));
    turner.setAttribute("aria-valuetext", t("mesh.degrees", { count: degrees }));
  };
  orbit(turner, view, show, step);
  place.replaceChildren(turner);
  show();
}
