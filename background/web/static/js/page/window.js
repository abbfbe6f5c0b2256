// A long list of which only the rows in sight are in the document, some beyond them, and the one that has the focus.

const AHEAD = 10;

export class RowWindow {
  /**
   * `list` holds the rows, `view` is what scrolls it, the page itself where there is none; `height` is that of every row.
   * `make(key)` gives a row `{ element }`; `place(rows)` puts what is in the document where it belongs.
   * `paint()` is called when there may be something else in sight, once a frame; it has to call `layout`.
   */
  constructor({ list, view = null, height, make, place = (rows) => this.stack(rows), paint = () => this.layout() }) {
    this.list = list;
    this.view = view;
    this.height = height;
    this.make = make;
    this.place = place;
    this.keys = [];
    this.rows = new Map();
    this.asked = 0;
    this.soon = () => {
      this.asked ||= requestAnimationFrame(() => {
        this.asked = 0;
        paint();
      });
    };
    (view ?? window).addEventListener("scroll", this.soon, { passive: true });
    this.resized = view ? new ResizeObserver(this.soon) : null;
    this.resized?.observe(view);
    if (!view) window.addEventListener("resize", this.soon);
  }

  close() {
    cancelAnimationFrame(this.asked);
    this.resized?.disconnect();
    window.removeEventListener("scroll", this.soon);
    window.removeEventListener("resize", this.soon);
  }

  /** The key of the row that has the focus, or undefined. */
  focused() {
    const inside = this.list.contains(document.activeElement);
    return inside ? [...this.rows].find(([, { element }]) => element.contains(document.activeElement))?.[0] : undefined;
  }

  /** Have the rows that are wanted now in the document, and those of `held`, keys that may be out of sight. */
  layout(held = []) {
    const [top, height] = this.sight();
    const from = Math.max(0, Math.floor(top / this.height) - AHEAD);
    const to = Math.min(this.keys.length, Math.ceil((top + height) / this.height) + AHEAD);
    const wanted = new Set(Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i));
    for (const key of [this.focused(), ...held]) {
      const index = key === undefined ? -1 : this.keys.indexOf(key);
      if (index >= 0) wanted.add(index);
    }
    const rows = [...wanted].sort((one, other) => one - other).map((index) => this.row(index));
    this.rows = new Map(rows.map(({ index, row }) => [this.keys[index], row]));
    this.mount(rows.map(({ row }) => row.element));
    this.place(rows);
  }

  sight() {
    if (!this.view) return [-this.list.getBoundingClientRect().top, innerHeight];
    // Before it is in the document it has no height.
    return [this.view.scrollTop, this.view.clientHeight || 600];
  }

  row(index) {
    const key = this.keys[index];
    return { index, row: this.rows.get(key) ?? this.make(key) };
  }

  // Rows that stay are not moved in the document, since moving one would take its focus away.
  mount(elements) {
    const kept = new Set(elements);
    for (const child of [...this.list.children]) if (!kept.has(child)) child.remove();
    let place = this.list.firstChild;
    for (const element of elements) {
      if (element === place) place = place.nextSibling;
      else this.list.insertBefore(element, place);
    }
  }

  /** Rows lie over each other in a list as high as all of them. */
  stack(rows) {
    this.list.style.height = `${this.keys.length * this.height}px`;
    for (const { index, row } of rows) row.element.style.top = `${index * this.height}px`;
  }
}
