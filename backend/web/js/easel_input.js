// Pointer input on the easel: mouse, pen and fingers become strokes, clicks, pans and zooms.

const PRESSURE_STEP = 0.15; // a pen's radius changes in these steps; each is a stroke of its own
const CLICK_PX = 5; // a press that moves less is a click

/** The brush of a lasso: its line; what it encloses is painted, too. */
export const LASSO = { radius: 1, hardness: 1, filled: true };

/** Whether a stroke paints anything: the line of a lasso that encloses nothing does not. */
export const isWhole = ({ points, filled }) => !filled || points.length > 2;

/**
 * @param {import("./easel.js").Easel} easel
 * @param {{tool: () => string, brush: () => {radius: number, hardness: number, filled: boolean}, onStrokes: (strokes: any[]) => void,
 *   onClick: (x: number, y: number, mode: string) => void}} hand
 */
export function listenToHand(easel, hand) {
  const { canvas } = easel;
  const pointers = new Map();
  let strokes = null; // unfinished
  let last = null; // centre and spread of two fingers, or the last position of a pan
  let pressed = null;

  const mode = () => (hand.tool().endsWith("remove") ? "remove" : "add");
  const isBrush = () => /^(lasso-)?(add|remove)$/.test(hand.tool());
  const isPan = (event) => hand.tool() === "pan" || event.button === 1 || event.buttons === 4;

  function showCursor(event) {
    const [x, y] = easel.place(event.clientX, event.clientY);
    const shows = isBrush() && event.pointerType !== "touch";
    easel.cursor = shows ? { x, y, radius: hand.brush().radius, mode: mode() } : null;
    easel.drawSoon();
  }
  function addPoint(event) {
    const { radius, hardness, filled } = hand.brush();
    const point = easel.place(event.clientX, event.clientY).map((value) => Math.round(value * 10) / 10);
    const presses = event.pointerType === "pen" && event.pressure > 0 && !filled; // a lasso stays one line
    const pressure = presses ? 0.3 + 0.7 * event.pressure : 1;
    const current = strokes.at(-1);
    const wanted = radius * pressure;
    if (current) {
      const [x, y] = current.points.at(-1);
      if (Math.hypot(point[0] - x, point[1] - y) < Math.max(1, radius * 0.08)) return;
      if (Math.abs(wanted / current.radius - 1) < PRESSURE_STEP) {
        current.points.push(point);
        return;
      }
      current.points.push(point);
    }
    strokes.push({ points: [point], radius: Math.max(0.5, wanted), hardness, mode: mode(), filled });
  }
  function dropStroke() {
    if (strokes) easel.live([]);
    strokes = null;
  }
  function liftAll() {
    pointers.clear();
    last = pressed = null;
    dropStroke();
  }
  function twoFingers() {
    const [one, other] = [...pointers.values()];
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, spread: Math.hypot(one.x - other.x, one.y - other.y) };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1 || pointers.size === 2) return; // ignore a third finger
    const isPen = event.pointerType === "pen";
    if (isPen) liftAll(); // palm rejection: the hand may touch before the pen
    else if ([...pointers.values()].some((pointer) => pointer.isPen)) return; // or after it
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, isPen });
    if (pointers.size === 2) {
      dropStroke(); // the first finger was the start of a pinch
      pressed = null;
      last = twoFingers();
    } else if (isPan(event)) last = { x: event.clientX, y: event.clientY };
    else if (isBrush()) {
      strokes = [];
      addPoint(event);
      easel.live(strokes);
    } else pressed = { x: event.clientX, y: event.clientY };
  });

  canvas.addEventListener("pointermove", (event) => {
    showCursor(event);
    if (!pointers.has(event.pointerId)) return;
    Object.assign(pointers.get(event.pointerId), { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) {
      const now = twoFingers();
      const box = canvas.getBoundingClientRect();
      easel.move(now.x - last.x, now.y - last.y);
      easel.zoomBy(now.spread / Math.max(last.spread, 1), now.x - box.left, now.y - box.top);
      last = now;
    } else if (strokes) {
      for (const each of event.getCoalescedEvents?.() ?? [event]) addPoint(each);
      easel.live(strokes);
    } else if (last) {
      easel.move(event.clientX - last.x, event.clientY - last.y);
      last = { x: event.clientX, y: event.clientY };
    }
  });

  canvas.addEventListener("pointerup", (event) => {
    if (!pointers.delete(event.pointerId)) return;
    last = null;
    if (strokes) hand.onStrokes(strokes);
    strokes = null;
    if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < CLICK_PX) {
      hand.onClick(...easel.place(event.clientX, event.clientY), hand.tool().replace("click-", ""));
    }
    pressed = null;
  });
  canvas.addEventListener("pointercancel", (event) => {
    if (!pointers.has(event.pointerId)) return;
    liftAll();
  });
  canvas.addEventListener("pointerleave", () => {
    if (strokes) return;
    easel.cursor = null;
    easel.drawSoon();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    easel.zoomBy(Math.exp(-event.deltaY * 0.0016), event.clientX - box.left, event.clientY - box.top);
  });
}
