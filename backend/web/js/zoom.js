// Zoom and pan of what a stage shows: wheel, two fingers, buttons, and dragging where nothing else is dragged.

import { byId } from "./dom.js";

const MOST = 16;

/**
 * @param {HTMLElement} stage the frame
 * @param {HTMLElement} content what moves in it
 * @param {{closer: string, farther: string, fit: string, whole: string}} buttons their ids
 * @returns {{fit: () => void}}
 */
export function startZoom(stage, content, buttons) {
  const view = { zoom: 1, left: 0, top: 0 };
  const pointers = new Map();

  function show() {
    const { clientWidth: width, clientHeight: height } = stage;
    view.left = Math.min(0, Math.max(width - width * view.zoom, view.left));
    view.top = Math.min(0, Math.max(height - height * view.zoom, view.top));
    content.style.transform = view.zoom === 1 ? "" : `translate(${view.left}px, ${view.top}px) scale(${view.zoom})`;
    content.style.setProperty("--zoom", String(view.zoom)); // the line and its handle keep their size
    stage.dataset.zoomed = String(view.zoom > 1);
    byId(buttons.farther).disabled = byId(buttons.fit).disabled = view.zoom === 1;
  }
  function zoomBy(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const zoom = Math.min(MOST, Math.max(1, view.zoom * factor));
    view.left = x - ((x - view.left) * zoom) / view.zoom;
    view.top = y - ((y - view.top) * zoom) / view.zoom;
    view.zoom = zoom;
    show();
  }
  function fit() {
    Object.assign(view, { zoom: 1, left: 0, top: 0 });
    show();
  }
  const placeOf = ({ clientX, clientY }) => {
    const box = stage.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  };
  const middle = () => {
    const [one, other] = [...pointers.values()];
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, spread: Math.hypot(one.x - other.x, one.y - other.y) };
  };

  byId(buttons.closer).addEventListener("click", () => zoomBy(1.5));
  byId(buttons.farther).addEventListener("click", () => zoomBy(1 / 1.5));
  byId(buttons.fit).addEventListener("click", fit);
  byId(buttons.whole).hidden = !document.fullscreenEnabled;
  byId(buttons.whole).addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.closest(".stage-side").requestFullscreen();
  });
  document.addEventListener("fullscreenchange", fit);
  stage.addEventListener(
    "wheel",
    (event) => {
      if (view.zoom === 1 && event.deltaY > 0) return; // the page scrolls on
      event.preventDefault();
      const { x, y } = placeOf(event);
      zoomBy(Math.exp(-event.deltaY * 0.0016), x, y);
    },
    { passive: false },
  );
  stage.addEventListener("dblclick", (event) => {
    const { x, y } = placeOf(event);
    if (view.zoom > 1) fit();
    else zoomBy(3, x, y);
  });

  // In the capture phase: with two fingers or the middle button the line between before and after stays where it is.
  const pans = (event) => event.button === 1 || (view.zoom > 1 && event.target.tagName !== "INPUT");
  stage.addEventListener(
    "pointerdown",
    (event) => {
      pointers.set(event.pointerId, { ...placeOf(event), pans: pans(event) });
      if (event.button === 1) event.preventDefault();
    },
    true,
  );
  stage.addEventListener(
    "pointermove",
    (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const old = pointers.size === 2 ? middle() : null;
      const now = placeOf(event);
      pointers.set(event.pointerId, { ...now, pans: before.pans });
      if (old) {
        event.stopPropagation();
        event.preventDefault();
        const after = middle();
        Object.assign(view, { left: view.left + after.x - old.x, top: view.top + after.y - old.y });
        zoomBy(after.spread / Math.max(old.spread, 1), after.x, after.y);
      } else if (before.pans) {
        Object.assign(view, { left: view.left + now.x - before.x, top: view.top + now.y - before.y });
        show();
      }
    },
    true,
  );
  for (const end of ["pointerup", "pointercancel"])
    addEventListener(end, (event) => pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
  show();
  return { fit };
}
