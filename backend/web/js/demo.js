// The first step's own example: before and after, and the turning mesh, a strip of pictures.

import { startCompare } from "./compare.js";
import { byId } from "./dom.js";
import { t } from "./language.js";
import { orbit } from "./orbit.js";
import { state } from "./store.js";

const FRAMES = 24;
const STEP = (2 * Math.PI) / FRAMES;
const TURN_MS = 140; // a frame

export function startDemo() {
  startCompare(byId("demo-compare"));
  const place = byId("demo-turn");
  const view = { azimuth: 0, elevation: 0, distance: 1 };
  const show = () => {
    const frame = ((Math.round(view.azimuth / STEP) % FRAMES) + FRAMES) % FRAMES;
    place.style.setProperty("--frame", String(frame));
    place.setAttribute("aria-valuenow", String(Math.round((360 * frame) / FRAMES)));
  };
  for (const [name, value] of Object.entries({
    role: "slider",
    tabindex: "0",
    "aria-label": t("photo.demo-turn"),
    "aria-valuemin": "0",
    "aria-valuemax": "359",
  }))
    place.setAttribute(name, value);
  orbit(place, view, show, STEP, false);
  show();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const turning = setInterval(() => {
    if (state.step !== "photo" || document.hidden) return;
    view.azimuth += STEP;
    show();
  }, TURN_MS);
  for (const event of ["pointerdown", "keydown"]) place.addEventListener(event, () => clearInterval(turning));
}
