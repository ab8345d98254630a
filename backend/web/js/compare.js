// Before and after on one stage: the cutout lies over the photo, right of a line that a slider moves.
// The slider is a real one, so keyboard, touch and screen reader come with it.

import { byId, showPicture } from "./dom.js";

const PAGE_SHARE = 10; // per cent that Page Up and Page Down move

export function startCompare() {
  const compare = byId("compare");
  const slider = compare.querySelector("input");
  const move = () => {
    compare.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${Math.round(100 - Number(slider.value))} % cut-out`);
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
 * Show a photo and its cutout; of both the same pixels lie over each other.
 * @param {string} before
 * @param {string} after
 */
export async function showCompare(before, after) {
  const compare = byId("compare");
  const [under, over] = compare.querySelectorAll("img");
  await Promise.all([showPicture(under, before), showPicture(over, after)]);
  compare.style.setProperty("--ratio", under.style.getPropertyValue("--ratio"));
}
