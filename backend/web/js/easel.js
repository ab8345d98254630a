// The painting canvas: the photo, its mask and the strokes at a zoom, in one of three views.

import { maskCanvas } from "./mask_canvas.js";
import { paintStroke } from "./paint.js";

const WORK_PX = 2048; // longer side of the working copy; the service paints at full size
const FIT_SHARE = 0.94; // of the stage that the fitted picture fills

export class Easel {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.layer = document.createElement("canvas");
    this.view = "veil";
    this.cursor = null; // {x, y, radius, mode}, in pixels of the picture
    this.marks = []; // {x, y, mode, changes}: where the person clicked
    this.photo = null;
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  /** Open a photo. @param {Blob} blob */
  async open(blob) {
    const whole = await createImageBitmap(blob);
    this.size = { width: whole.width, height: whole.height };
    this.scale = Math.min(1, WORK_PX / Math.max(whole.width, whole.height));
    const [resizeWidth, resizeHeight] = [whole.width, whole.height].map((side) =>
      Math.max(1, Math.round(side * this.scale)),
    );
    this.photo = await createImageBitmap(whole, { resizeWidth, resizeHeight, resizeQuality: "high" });
    whole.close();
    this.mask = Object.assign(document.createElement("canvas"), { width: resizeWidth, height: resizeHeight });
    this.settled = null;
    this.fit();
  }

  /** Show the mask of `edits`. @param {import("./edits.js").Edits} edits */
  async show(edits) {
    const { mask, strokes } = edits;
    if (this.maskBlob !== mask) this.maskBase = await maskCanvas(mask, this.photo.width, this.photo.height);
    this.maskBlob = mask;
    this.settled = copyOf(this.maskBase);
    const context = this.settled.getContext("2d");
    for (const stroke of strokes) paintStroke(context, stroke, this.scale);
    this.live([]);
  }

  /** Draw unfinished strokes over the mask. @param {any[]} strokes */
  live(strokes) {
    const context = this.mask.getContext("2d");
    context.clearRect(0, 0, this.mask.width, this.mask.height);
    context.drawImage(this.settled, 0, 0);
    for (const stroke of strokes) paintStroke(context, stroke, this.scale);
    this.drawSoon();
  }

  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    if (!this.photo || !clientWidth) return;
    const density = Math.min(devicePixelRatio, 2);
    Object.assign(this.canvas, {
      width: Math.round(clientWidth * density),
      height: Math.round(clientHeight * density),
    });
    Object.assign(this.layer, { width: this.canvas.width, height: this.canvas.height });
    const { width, height } = this.size;
    this.zoom = FIT_SHARE * Math.min(clientWidth / width, clientHeight / height);
    this.minZoom = this.zoom * 0.5;
    this.left = (clientWidth - width * this.zoom) / 2;
    this.top = (clientHeight - height * this.zoom) / 2;
    this.drawSoon();
  }

  /** Zoom by `factor` around the point (x, y) of the stage. */
  zoomBy(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const zoom = Math.max(this.minZoom, Math.min(24, this.zoom * factor));
    this.left = x - ((x - this.left) * zoom) / this.zoom;
    this.top = y - ((y - this.top) * zoom) / this.zoom;
    this.zoom = zoom;
    this.drawSoon();
  }

  move(across, down) {
    this.left += across;
    this.top += down;
    this.drawSoon();
  }

  /** Convert window coordinates to pixels of the picture. @returns {[number, number]} */
  place(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    return [(clientX - box.left - this.left) / this.zoom, (clientY - box.top - this.top) / this.zoom];
  }

  drawSoon() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      if (this.settled && this.canvas.isConnected) this.draw();
    });
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.view === "matte") {
      this.put(context, null, "#000");
      this.put(context, this.mask);
    } else if (this.view === "cutout") {
      context.drawImage(this.masked(this.photo, null, "destination-in"), 0, 0);
    } else {
      this.put(context, this.photo);
      context.drawImage(this.masked(null, getComputedStyle(this.canvas).color, "destination-out"), 0, 0);
    }
    for (const mark of this.marks) this.drawMark(context, mark);
    if (this.cursor) this.drawCursor(context);
  }

  /** A disc with a plus or a minus where a click changed something; an empty ring where it did not. */
  drawMark(context, { x, y, mode, changes }) {
    const density = this.canvas.width / this.canvas.clientWidth;
    const [middleX, middleY] = [(this.left + x * this.zoom) * density, (this.top + y * this.zoom) * density];
    const [reach, arm] = [10 * density, 5 * density];
    Object.assign(context, { lineWidth: 2 * density, strokeStyle: "#fff", fillStyle: "rgb(0 0 0 / 0.7)" });
    context.beginPath();
    context.arc(middleX, middleY, reach, 0, 2 * Math.PI);
    context.fill();
    if (changes) {
      context.moveTo(middleX - arm, middleY);
      context.lineTo(middleX + arm, middleY);
      if (mode === "keep") {
        context.moveTo(middleX, middleY - arm);
        context.lineTo(middleX, middleY + arm);
      }
    }
    context.stroke();
  }

  /** A picture or a colour, clipped to the inside or outside of the mask, in the size of the stage. */
  masked(image, color, operation) {
    const context = this.layer.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, this.layer.width, this.layer.height);
    this.put(context, image, color);
    context.globalCompositeOperation = operation;
    this.put(context, this.mask);
    return this.layer;
  }

  put(context, image, color = null) {
    const density = this.canvas.width / this.canvas.clientWidth;
    const [x, y] = [this.left * density, this.top * density];
    const [width, height] = [this.size.width * this.zoom * density, this.size.height * this.zoom * density];
    context.imageSmoothingQuality = "high";
    if (image) context.drawImage(image, x, y, width, height);
    else {
      context.fillStyle = color;
      context.fillRect(x, y, width, height);
    }
  }

  drawCursor(context) {
    const density = this.canvas.width / this.canvas.clientWidth;
    const { x, y, radius, mode } = this.cursor;
    const [middleX, middleY] = [(this.left + x * this.zoom) * density, (this.top + y * this.zoom) * density];
    const reach = Math.max(3, radius * this.zoom * density);
    for (const [width, color] of [
      [4, "rgb(0 0 0 / 0.55)"],
      [2, "#fff"],
    ]) {
      Object.assign(context, { lineWidth: width * density * 0.75, strokeStyle: color });
      context.beginPath();
      context.arc(middleX, middleY, reach, 0, 2 * Math.PI);
      const arm = Math.min(reach * 0.5, 6 * density);
      context.moveTo(middleX - arm, middleY);
      context.lineTo(middleX + arm, middleY);
      if (mode === "add") {
        context.moveTo(middleX, middleY - arm);
        context.lineTo(middleX, middleY + arm);
      }
      context.stroke();
    }
  }
}

function copyOf(canvas) {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}
