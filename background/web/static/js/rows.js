// A long table of which only the rows in sight are in the document, and the one that has the focus.

const MARGIN = 8;

export class Rows {
  /**
   * `body` is the `tbody`, `make(id)` gives a row `{ element, update() }`, `columns` is how wide a spacer has to be.
   * All rows are as high as the first one that is measured.
   */
  constructor({ body, make, columns }) {
    Object.assign(this, { body, make, columns, ids: [], rows: new Map(), height: 40 });
    this.schedule = () => (this.frame ||= requestAnimationFrame(() => this.layout()));
    window.addEventListener("scroll", this.schedule, { passive: true });
    window.addEventListener("resize", this.schedule);
  }

  close() {
    cancelAnimationFrame(this.frame);
    window.removeEventListener("scroll", this.schedule);
    window.removeEventListener("resize", this.schedule);
  }

  /** Show these ids in this order. */
  show(ids) {
    this.ids = ids;
    this.layout();
  }

  /** Write what has changed in those of these rows that are in the document. */
  update(ids) {
    for (const id of ids) this.rows.get(id)?.update();
  }

  updateAll() {
    this.update(this.shown());
  }

  /** The ids of the rows that are in the document. */
  shown() {
    return [...this.rows.keys()];
  }

  /** The index of the row that has the focus, -1 for none. */
  focused() {
    const row = document.activeElement?.closest("tr[data-index]");
    return row && this.body.contains(row) ? Number(row.dataset.index) : -1;
  }

  /** Bring the row with this index into sight and focus its link. */
  focus(index) {
    if (!this.ids.length) return;
    const wanted = Math.max(0, Math.min(index, this.ids.length - 1));
    const top = this.body.getBoundingClientRect().top + wanted * this.height;
    const head = 120;
    if (top < head) window.scrollBy(0, top - head);
    else if (top + this.height > innerHeight - 72) window.scrollBy(0, top + this.height + 72 - innerHeight);
    this.layout(wanted);
    this.rows.get(this.ids[wanted])?.element.querySelector("a")?.focus({ preventScroll: true });
  }

  layout(extra = -1) {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const first = this.rows.values().next().value;
    if (first) this.height = first.element.offsetHeight || this.height;
    const top = -this.body.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(top / this.height) - MARGIN);
    const to = Math.min(this.ids.length, Math.ceil((top + innerHeight) / this.height) + MARGIN);
    const focused = this.focused();
    const keep = new Set([extra, focused >= 0 ? this.ids.indexOf(this._idAt(focused)) : -1]);
    const indices = [];
    for (let index = from; index < to; index++) indices.push(index);
    for (const index of keep)
      if (index >= 0 && index < this.ids.length && (index < from || index >= to)) indices.push(index);
    indices.sort((one, other) => one - other);
    this._mount(indices);
  }

  _idAt(index) {
    const row = this.body.querySelector(`tr[data-index="${index}"]`);
    return row ? Number(row.dataset.jobId) : -1;
  }

  // Rows that stay are never moved in the document, since moving one would take its focus away.
  _mount(indices) {
    const wanted = new Set(indices.map((index) => this.ids[index]));
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    this.body.querySelectorAll("tr.spacer").forEach((spacer) => spacer.remove());
    let place = this.body.firstChild;
    let next = 0;
    for (const index of indices) {
      if (index > next) this.body.insertBefore(this._spacer(index - next), place);
      const row = this._row(this.ids[index], index);
      if (row.element === place) place = place.nextSibling;
      else this.body.insertBefore(row.element, place);
      next = index + 1;
    }
    if (next < this.ids.length) this.body.append(this._spacer(this.ids.length - next));
  }

  _row(id, index) {
    let row = this.rows.get(id);
    if (!row) {
      row = this.make(id);
      row.update();
      this.rows.set(id, row);
    }
    if (row.element.dataset.index !== String(index)) {
      row.element.dataset.index = index;
      row.element.setAttribute("aria-rowindex", index + 2);
    }
    return row;
  }

  _spacer(count) {
    const cell = document.createElement("td");
    cell.colSpan = this.columns;
    const spacer = document.createElement("tr");
    spacer.className = "spacer";
    spacer.setAttribute("aria-hidden", "true");
    spacer.style.height = `${count * this.height}px`;
    spacer.append(cell);
    return spacer;
  }
}
