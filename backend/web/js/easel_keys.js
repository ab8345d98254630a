// Keyboard input on the easel: arrow keys move the brush, the space bar paints or clicks; held with arrows it draws.

const TOOLS = { b: "add", e: "remove", k: "click-keep", r: "click-remove", l: "lasso-add", x: "lasso-remove", h: "pan" };

/**
 * @param {import("./easel.js").Easel} easel
 * @param {{tool: () => string, setTool: (tool: string) => void, brush: () => {radius: number, hardness: number, filled: boolean},
 *   resize: (steps: number) => void, undo: () => void, redo: () => void,
 *   onStrokes: (strokes: any[]) => void, onClick: (x: number, y: number, mode: string) => void}} hand
 */
export function listenToKeys(easel, hand) {
  const { canvas } = easel;
  let at = null; // the brush, in pixels of the picture
  let stroke = null;

  function step(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way) return false;
    const far = (event.shiftKey ? 40 : 8) / easel.zoom;
    if (hand.tool() === "pan") {
      easel.move(-way[0] * 40, -way[1] * 40);
      return true;
    }
    at ??= [easel.size.width / 2, easel.size.height / 2];
    at = at.map((value, axis) => clamp(value + way[axis] * far, axis ? easel.size.height : easel.size.width));
    if (stroke) {
      stroke.points.push(at);
      easel.live([stroke]);
    }
    showCursor();
    return true;
  }
  function showCursor() {
    const tool = hand.tool();
    const radius = tool.startsWith("click") ? 6 / easel.zoom : hand.brush().radius;
    easel.cursor = { x: at[0], y: at[1], radius, mode: tool.endsWith("remove") ? "remove" : "add" };
    easel.drawSoon();
  }
  function press() {
    at ??= [easel.size.width / 2, easel.size.height / 2];
    const tool = hand.tool();
    if (tool.startsWith("click")) hand.onClick(at[0], at[1], tool.replace("click-", ""));
    else if (tool !== "pan" && !stroke) {
      stroke = { points: [at], ...hand.brush(), mode: tool.replace("lasso-", "") };
      easel.live([stroke]);
    }
    showCursor();
  }
  function finish() {
    if (stroke) hand.onStrokes([stroke]);
    stroke = null;
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      " ": () => event.repeat || press(),
      Enter: () => event.repeat || press(),
      "+": () => easel.zoomBy(1.25),
      "=": () => easel.zoomBy(1.25),
      "-": () => easel.zoomBy(0.8),
      0: () => easel.fit(),
    };
    if (step(event)) event.preventDefault();
    else if (acts[event.key]) {
      event.preventDefault();
      acts[event.key]();
    }
  });
  canvas.addEventListener("keyup", (event) => {
    if (event.key === " " || event.key === "Enter") finish();
  });
  canvas.addEventListener("blur", finish);

  document.addEventListener("keydown", (event) => {
    if (canvas.closest("section").hidden || event.target.matches("input[type=text], input[type=number], textarea"))
      return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (key === "z") event.shiftKey ? hand.redo() : hand.undo();
      else if (key === "y") hand.redo();
      else return;
    } else if (key === "[" || key === "]") hand.resize(key === "[" ? -4 : 4);
    else if (TOOLS[key] && !event.altKey && !event.target.matches("select")) hand.setTool(TOOLS[key]);
    else return;
    event.preventDefault();
  });
}

const clamp = (value, most) => Math.max(0, Math.min(most, value));
