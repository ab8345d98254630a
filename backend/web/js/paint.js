// Previews a stroke on a mask as the service will apply it: coverage depends only on the distance to its line.
// The soft rim is drawn as rings from wide to narrow, each adding the coverage that is still missing at its distance.

const RINGS = 20;

/**
 * @param {CanvasRenderingContext2D} context of a canvas whose transparency is the mask
 * @param {{points: number[][], radius: number, hardness: number, mode: string, filled?: boolean}} stroke in pixels of the picture
 * @param {number} scale pixels of the canvas for one of the picture
 */
export function paintStroke(context, stroke, scale) {
  const { points, hardness, mode } = stroke;
  const radius = stroke.radius * scale;
  const path = new Path2D();
  points.forEach(([x, y], index) => path[index ? "lineTo" : "moveTo"](x * scale, y * scale));
  if (points.length === 1) path.lineTo(points[0][0] * scale, points[0][1] * scale + 0.001); // a dab needs a length
  context.save();
  Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  context.globalCompositeOperation = mode === "add" ? "source-over" : "destination-out";
  if (stroke.filled) {
    path.closePath();
    context.fillStyle = "#fff";
    context.fill(path);
  }
  for (const { distance, share } of rings(radius, hardness)) {
    context.lineWidth = 2 * distance;
    context.globalAlpha = share;
    context.stroke(path);
  }
  context.restore();
}

/** @param {number} radius px @param {number} hardness @returns {{distance: number, share: number}[]} from the rim inward */
export function rings(radius, hardness) {
  const fall = (1 - hardness) * radius;
  if (fall < 1.5) return [{ distance: radius, share: 1 }];
  const count = Math.min(RINGS, Math.ceil(fall));
  let before = 0;
  return Array.from({ length: count }, (_, index) => {
    const inward = (index + 1) / count;
    const coverage = inward * inward * (3 - 2 * inward);
    const share = (coverage - before) / (1 - before);
    before = coverage;
    return { distance: Math.max(0.5, radius + 0.5 * hardness - (inward - 0.5 / count) * fall), share };
  });
}
