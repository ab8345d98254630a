// The edits of a matte in order, with undo and redo. An entry is strokes, with the mask that the service made of
// them once it has, or a mask alone.

export class Edits {
  /** @param {Blob} mask the matte to correct */
  constructor(mask) {
    this.entries = [{ mask }];
    this.at = 0;
  }

  /** @param {{strokes: any[]} | {mask: Blob}} entry */
  push(entry) {
    this.entries = [...this.entries.slice(0, this.at + 1), entry];
    this.at += 1;
  }

  /** The last entry, for `settle`. */
  get last() {
    return this.entries[this.at];
  }

  /** Note the mask that the service made of the strokes up to `entry`: they stay single steps of undo.
   * @param {any} entry @param {Blob} mask */
  settle(entry, mask) {
    entry.mask = mask;
  }

  undo() {
    this.at = Math.max(0, this.at - 1);
  }

  redo() {
    this.at = Math.min(this.entries.length - 1, this.at + 1);
  }

  get canUndo() {
    return this.at > 0;
  }

  /** Whether the matte differs from the original. */
  get isChanged() {
    return this.mask !== this.entries[0].mask || this.strokes.length > 0;
  }

  /** Return to the original matte; undo reverts this too. */
  startOver() {
    this.push({ mask: this.entries[0].mask });
  }

  get canRedo() {
    return this.at < this.entries.length - 1;
  }

  /** The last mask of the service. @returns {Blob} */
  get mask() {
    return this.entries.slice(0, this.at + 1).findLast((entry) => "mask" in entry).mask;
  }

  /** The strokes since then. @returns {any[]} */
  get strokes() {
    const done = this.entries.slice(0, this.at + 1);
    return done.slice(done.findLastIndex((entry) => "mask" in entry) + 1).flatMap(({ strokes }) => strokes ?? []);
  }

  get points() {
    return this.strokes.reduce((sum, { points }) => sum + points.length, 0);
  }
}
