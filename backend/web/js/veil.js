// The overlay of Fix over what is outside the matte: its colour and strength. Until one is chosen, the page's own.

import { byId } from "./dom.js";
import { percent } from "./language.js";

/** @param {import("./easel.js").Easel} easel */
export function startVeil(easel) {
  const [color, strength] = [byId("veil-color"), byId("veil-strength")];
  const output = document.querySelector('label[for="veil-strength"] output');
  const value = () => (output.textContent = percent(Number(strength.value) / 100));
  for (const input of [color, strength])
    input.addEventListener("input", () => {
      value();
      easel.canvas.style.color = `rgb(from ${color.value} r g b / ${Number(strength.value) / 100})`;
      easel.drawSoon();
    });
  value();
}
