// How large a sheet is shown in its view, and how one moves about in it. Moving is the browser's own scrolling, so that
// touch, wheel, keys and scroll bars work as anywhere; a mouse can also drag the ground.
import { set } from "../base/dom.js";

const LEAST = 0.08;
const MOST = 2;
const STEP = 1.25;
const READABLE = 0.7;
const ROOM = 24; // around what is brought into view

export class Zoom {
  /** `sheet` is an SVG of `width` and `height` in the scrolling element `view`; `changed()` is called after each change. */
  constructor({ view, sheet, width, height, changed }) {
    this.view = view;
    this.sheet = sheet;
    this.width = width;
    this.height = height;
    this.changed = changed;
    this.factor = 1;
    this.begun = false;
    view.addEventListener("scroll", changed);
    view.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    view.addEventListener("pointerdown", (event) => this.drag(event));
    this.resized = new ResizeObserver(() => this.begin());
    this.resized.observe(view);
  }

  close() {
    this.resized.disconnect();
  }

  begin() {
    if (!this.view.clientWidth) return;
    if (!this.begun) this.fit(READABLE);
    this.begun = true;
    this.changed();
  }

  /** What is in view, with `margin` pixels around it, in the sheet's units. */
  window(margin) {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.view;
    const units = (pixels) => pixels / this.factor;
    return {
      left: units(scrollLeft - margin),
      top: units(scrollTop - margin),
      right: units(scrollLeft + clientWidth + margin),
      bottom: units(scrollTop + clientHeight + margin),
    };
  }

  /** As large as fits into the view, but no smaller than `least`, and no larger than life. */
  fit(least = LEAST) {
    const { clientWidth, clientHeight } = this.view;
    const fitting = Math.min(clientWidth / this.width, Math.max(clientHeight, 240) / this.height, 1);
    this.resize(Math.max(least, fitting));
  }

  in() {
    this.scale(STEP);
  }

  out() {
    this.scale(1 / STEP);
  }

  /** The point of the view at x, y stays where it is. */
  scale(by, x = this.view.clientWidth / 2, y = this.view.clientHeight / 2) {
    const { scrollLeft, scrollTop } = this.view;
    const before = this.factor;
    this.resize(Math.min(MOST, Math.max(LEAST, before * by)));
    const grown = this.factor / before;
    this.view.scrollTo((scrollLeft + x) * grown - x, (scrollTop + y) * grown - y);
  }

  resize(factor) {
    this.factor = factor;
    set(this.sheet, "width", Math.ceil(this.width * factor));
    set(this.sheet, "height", Math.ceil(this.height * factor));
    this.changed();
  }

  /** Scroll as little as needed to have this box in view. */
  reveal({ x, y, width, height }) {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.view;
    const into = (from, size, at, room) => {
      const [low, high] = [from * this.factor - ROOM, (from + size) * this.factor + ROOM];
      if (low >= at && high <= at + room) return at;
      return low < at ? low : Math.min(low, high - room);
    };
    this.view.scrollTo(into(x, width, scrollLeft, clientWidth), into(y, height, scrollTop, clientHeight));
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.view.getBoundingClientRect();
    this.scale(event.deltaY < 0 ? 1.1 : 1 / 1.1, event.clientX - box.left, event.clientY - box.top);
  }

  drag(event) {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("[data-id], [data-action], .cut"))
      return;
    const { scrollLeft, scrollTop } = this.view;
    const move = (moved) =>
      this.view.scrollTo(scrollLeft + event.clientX - moved.clientX, scrollTop + event.clientY - moved.clientY);
    const end = () => {
      this.view.removeEventListener("pointermove", move);
      this.view.classList.remove("dragged");
    };
    this.view.setPointerCapture(event.pointerId);
    this.view.classList.add("dragged");
    this.view.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.view.addEventListener(name, end, { once: true });
  }
}
