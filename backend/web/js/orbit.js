// Orbit control: pointer, wheel, two fingers and keys become angles and a distance.

const PER_PIXEL = 0.011; // radians
const STEEPEST = 1.5;

/**
 * @param {HTMLElement} place element that turns; it takes the keyboard focus
 * @param {{azimuth: number, elevation: number, distance: number}} view changed in place; radians
 * @param {() => void} onTurn
 * @param {number} [perKey] radians that an arrow key turns
 * @param {boolean} [zooms] whether the wheel comes closer; else it scrolls the page
 */
export function orbit(place, view, onTurn, perKey = Math.PI / 16, zooms = true) {
  const pointers = new Map();
  let spread = 0;

  const turn = (across, down) => {
    view.azimuth -= across;
    view.elevation = Math.max(-STEEPEST, Math.min(STEEPEST, view.elevation + down));
    onTurn();
  };
  const come = (factor) => {
    view.distance = Math.max(0.9, Math.min(5, view.distance * factor));
    onTurn();
  };
  const spreadNow = () => {
    const [one, other] = [...pointers.values()];
    return Math.hypot(one.x - other.x, one.y - other.y);
  };

  place.addEventListener("pointerdown", (event) => {
    place.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) spread = spreadNow();
  });
  place.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 1) {
      turn((event.clientX - before.x) * PER_PIXEL, (event.clientY - before.y) * PER_PIXEL);
    } else if (pointers.size === 2) {
      const now = spreadNow();
      come(spread / Math.max(now, 1));
      spread = now;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    place.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  place.addEventListener("wheel", (event) => {
    if (!zooms) return;
    event.preventDefault();
    come(Math.exp(event.deltaY * 0.001));
  });
  place.addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const factors = { "+": 0.9, "=": 0.9, "-": 1.1 };
    if (turns[event.key]) turn(...turns[event.key].map((way) => way * perKey));
    else if (factors[event.key]) come(factors[event.key]);
    else return;
    event.preventDefault();
  });
}
