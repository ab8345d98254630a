// Moves and scales the object on its new background: mouse, fingers, wheel and keys, with undo and redo for each photo.

import { byId, say } from "./dom.js";
import { t } from "./language.js";
import { state } from "./store.js";

const HOME = { scale: 1, x: 0, y: 0 };
const QUIET_MS = 400; // after the last turn of the wheel, or the last key, the move is done
const STEP = 0.01; // of the frame, by an arrow key
const histories = new WeakMap(); // photo -> {entries, at}

/**
 * @param {HTMLElement} frame
 * @param {{onMove: () => void, onDone: () => void}} act `onMove` while a hand moves the object, `onDone` after it
 */
export function startPlacing(frame, act) {
  const pointers = new Map();
  let timer;

  function move(change, isQuick = false) {
    const now = placing();
    const next = {
      scale: within((change.factor ?? 1) * now.scale, 0.05, 8),
      x: within(now.x + (change.x ?? 0), -1, 1),
      y: within(now.y + (change.y ?? 0), -1, 1),
    };
    historyOf(state.current).moving = next;
    act.onMove();
    clearTimeout(timer);
    if (isQuick) timer = setTimeout(settle, QUIET_MS);
  }
  function settle() {
    clearTimeout(timer);
    const history = historyOf(state.current);
    const { moving } = history;
    if (!moving) return;
    history.moving = null;
    history.entries = [...history.entries.slice(0, history.at + 1), moving];
    history.at += 1;
    act.onDone();
  }
  function step(by) {
    settle();
    const history = historyOf(state.current);
    const at = within(history.at + by, 0, history.entries.length - 1);
    if (at === history.at) return;
    history.at = at;
    say(t(by < 0 ? "fix.undone" : "fix.redone"));
    act.onDone();
  }
  function reset() {
    settle();
    if (isHome(placing())) return;
    historyOf(state.current).moving = { ...HOME };
    settle();
  }

  byId("place-undo").addEventListener("click", () => step(-1));
  byId("place-redo").addEventListener("click", () => step(1));
  byId("place-smaller").addEventListener("click", () => move({ factor: 1 / 1.1 }, true));
  byId("place-larger").addEventListener("click", () => move({ factor: 1.1 }, true));
  byId("place-reset").addEventListener("click", reset);

  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pointers.size === 2) return;
    frame.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  frame.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = spread(pointers);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const now = spread(pointers);
    const { width, height } = frame.getBoundingClientRect();
    const factor = pointers.size === 2 ? now.apart / Math.max(before.apart, 1) : 1;
    move({ factor, x: (now.x - before.x) / width, y: (now.y - before.y) / height });
  });
  for (const end of ["pointerup", "pointercancel"])
    frame.addEventListener(end, (event) => {
      pointers.delete(/** @type {PointerEvent} */ (event).pointerId);
      if (pointers.size === 0) settle();
    });
  frame.addEventListener("dragstart", (event) => event.preventDefault());
  frame.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      move({ factor: Math.exp(-event.deltaY * 0.0008) }, true);
    },
    { passive: false },
  );
  frame.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 5 * STEP : STEP;
    const keys = {
      ArrowLeft: () => move({ x: -far }, true),
      ArrowRight: () => move({ x: far }, true),
      ArrowUp: () => move({ y: -far }, true),
      ArrowDown: () => move({ y: far }, true),
      "+": () => move({ factor: 1.05 }, true),
      "=": () => move({ factor: 1.05 }, true),
      "-": () => move({ factor: 1 / 1.05 }, true),
      0: reset,
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.addEventListener("keydown", (event) => {
    const way = { z: event.shiftKey ? 1 : -1, y: 1 }[event.key.toLowerCase()];
    if (state.step !== "background" || !way || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    step(way);
  });
}

/** Where the object is, also while it moves. @returns {{scale: number, x: number, y: number}} */
export function placing() {
  const { moving, entries, at } = historyOf(state.current);
  return moving ?? entries[at];
}

/** Switch the buttons on or off. */
export function showPlacing() {
  const { entries, at } = historyOf(state.current);
  byId("place-undo").disabled = at === 0;
  byId("place-redo").disabled = at === entries.length - 1;
  byId("place-reset").disabled = isHome(placing());
}

function historyOf(photo) {
  if (!histories.has(photo)) histories.set(photo, { entries: [HOME], at: 0, moving: null });
  return histories.get(photo);
}

const isHome = ({ scale, x, y }) => scale === 1 && x === 0 && y === 0;
const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** The middle of all fingers, and how far two are apart. */
function spread(pointers) {
  const all = [...pointers.values()];
  const [one, other] = [all[0], all.at(-1)];
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart: Math.hypot(one.x - other.x, one.y - other.y) };
}
