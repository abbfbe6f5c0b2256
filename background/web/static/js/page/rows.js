// The rows of a long table that scrolls with the page.
import { set } from "../base/dom.js";
import { RowWindow } from "./window.js";

// What lies over the page above and below: the top bar and the bar of the selection.
const HEAD = 120;
const FOOT = 72;

export class Rows {
  /**
   * `body` is the `tbody`, `make(id)` gives a row `{ element, update() }`.
   * All rows are as high as the first one that is measured.
   */
  constructor({ body, make }) {
    const made = (id) => {
      const row = make(id);
      row.update();
      return row;
    };
    this.body = body;
    this.window = new RowWindow({
      list: body,
      height: 40,
      make: made,
      place: (rows) => this._place(rows),
      paint: () => this.layout(),
    });
  }

  close() {
    this.window.close();
  }

  /** Show these ids in this order. */
  show(ids) {
    this.window.keys = ids;
    this.layout();
  }

  /** Write what has changed in those of these rows that are in the document. */
  update(ids) {
    for (const id of ids) this.window.rows.get(id)?.update();
  }

  updateAll() {
    this.update(this.shown());
  }

  /** The ids of the rows that are in the document. */
  shown() {
    return [...this.window.rows.keys()];
  }

  /** The index of the row that has the focus, -1 for none. */
  focused() {
    return this.window.keys.indexOf(this.window.focused());
  }

  /** Bring the row with this index into sight and focus its link. */
  focus(index) {
    const { keys, height } = this.window;
    if (!keys.length) return;
    const wanted = keys[Math.max(0, Math.min(index, keys.length - 1))];
    const top = this.body.getBoundingClientRect().top + keys.indexOf(wanted) * height;
    if (top < HEAD) window.scrollBy(0, top - HEAD);
    else if (top + height > innerHeight - FOOT) window.scrollBy(0, top + height + FOOT - innerHeight);
    this.layout([wanted]);
    this.window.rows.get(wanted).element.querySelector("a")?.focus({ preventScroll: true });
  }

  layout(held) {
    const known = this._measure();
    this.window.layout(held);
    if (!known && this._measure()) this.window.layout(held); // The first were placed by a guess.
  }

  /** Whether there is a row that tells how high all are. */
  _measure() {
    const first = this.window.rows.values().next().value;
    if (first) this.window.height = first.element.offsetHeight || this.window.height;
    return first !== undefined;
  }

  // What is left out between rows is as high as a spacer: a table's rows cannot be placed otherwise.
  _place(rows) {
    let next = 0;
    for (const { index, row } of rows) {
      if (index > next) row.element.before(this._spacer(index - next));
      set(row.element, "aria-rowindex", index + 2);
      next = index + 1;
    }
    const left = this.window.keys.length - next;
    if (left > 0) this.body.append(this._spacer(left));
  }

  _spacer(count) {
    const spacer = document.createElement("tr");
    spacer.className = "spacer";
    spacer.setAttribute("aria-hidden", "true");
    spacer.style.height = `${count * this.window.height}px`;
    spacer.append(document.createElement("td")); // Of more than one column it would make those that are hidden.
    return spacer;
  }
}
