// The five steps: which are open, which is shown, and the address (#mesh) of each.

import { byId } from "./dom.js";
import { changed, isDone, onChange, state } from "./store.js";

const leaving = {}; // step -> callback before it is left

/** Whether `step` can be opened now. @param {string} step @returns {boolean} */
export function isOpen(step) {
  const { current } = state;
  if (step === "photo") return true;
  if (!current) return false;
  if (step === "matte") return true;
  return isDone(current.matte) || (step === "mesh" && current.mesh !== null);
}

/** @param {string} step @param {() => void} act called when a person leaves `step` */
export const onLeaving = (step, act) => (leaving[step] = act);

/** Have the shown step save its work. */
export const leave = () => leaving[state.step]?.();

/** Go to a step. @param {string} step */
export function go(step) {
  if (!isOpen(step) || step === state.step) return;
  leave();
  open(step);
  if (location.hash !== hash()) history.pushState(null, "", hash() || location.pathname);
}

function open(step) {
  state.step = step;
  changed();
  show();
  byId(`${step}-title`).focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

/** The address of the step and its photo. @returns {string} as #matte/ID; empty for Photo */
const hash = () => (state.step === "photo" ? "" : `#${state.step}/${state.current?.id}`);

/** Put the current photo into the address. */
export const showAddress = () => history.replaceState(null, "", hash() || location.pathname);

/** Go where the address says: to its step and photo, or as near as can be. A photo that is gone is no other one's step,
 * which would begin work that nobody asked for. */
export function goToAddress() {
  const [step, id] = location.hash.slice(1).split("/");
  const photo = state.photos.find((each) => each.id === id);
  leave();
  if (photo) {
    state.current = photo;
    photo.recalled = false;
  }
  const wanted = photo ? (isOpen(step) ? step : "matte") : "photo";
  if (wanted !== state.step) open(wanted);
  else changed();
  showAddress();
}

/** Update the step buttons and show the current section. */
export function show() {
  for (const section of document.querySelectorAll("section[data-step]")) {
    section.hidden = section.dataset.step !== state.step;
  }
  document.body.dataset.step = state.step;
  for (const button of document.querySelectorAll(".steps button")) {
    const { step } = button.dataset;
    button.disabled = !isOpen(step);
    if (step === state.step) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  }
}

export function startSteps() {
  document.addEventListener("click", (event) => {
    const step = event.target.closest(".steps button, [data-go]");
    if (step) go(step.dataset.step ?? step.dataset.go);
  });
  addEventListener("popstate", goToAddress);
  onChange(show);
  onChange(() => {
    for (const button of document.querySelectorAll("[data-go]")) button.disabled = !isOpen(button.dataset.go);
  });
}
