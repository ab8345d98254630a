// Before and after: the cutout covers the photo to the right of a line. A native slider moves the line, so keyboard,
// touch and screen readers work.

import { byId, showPicture } from "./dom.js";
import { percent, t } from "./language.js";

const PAGE_SHARE = 10; // per cent that Page Up and Page Down move

/** @param {any} compare its element */
export function startCompare(compare) {
  const slider = compare.querySelector("input");
  const move = () => {
    compare.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", t("compare.shown", { share: percent(1 - Number(slider.value) / 100) }));
  };
  slider.addEventListener("input", move);
  slider.addEventListener("keydown", (event) => {
    const way = { PageUp: PAGE_SHARE, PageDown: -PAGE_SHARE }[event.key];
    if (!way) return;
    event.preventDefault();
    slider.value = String(Number(slider.value) + way);
    move();
  });
  move();
}

/**
 * Show a photo and its cutout, pixel on pixel.
 * @param {string} before
 * @param {string} after
 */
export async function showCompare(before, after) {
  const compare = byId("compare");
  const [under, over] = compare.querySelectorAll("img");
  await Promise.all([showPicture(under, before), showPicture(over, after)]);
  compare.style.setProperty("--ratio", under.style.getPropertyValue("--ratio"));
}
