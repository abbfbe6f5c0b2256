// A double click is one click, and a key that is held down is pressed once: nobody means to do a thing twice.
import { written } from "../base/api.js";

const WRITTEN_IN = "textarea, [contenteditable]";

/** Listen before all others do. */
export function start() {
  let on = null;
  let count = 0;
  document.addEventListener(
    "click",
    (event) => {
      const target = /** @type {Element} */ (event.target);
      const now = target.closest("a, button, label") ?? target;
      // The first click has begun something, or has brought something else to this place.
      if (event.detail > 1 && (now !== on || written.count !== count)) return stop(event);
      on = now;
      count = written.count;
    },
    true,
  );
  document.addEventListener(
    "keydown",
    (event) => {
      const [inside] = /** @type {Element[]} */ (event.composedPath()); // It may stand in a shadow root.
      if (event.key === "Enter" && event.repeat && !inside.closest(WRITTEN_IN)) stop(event);
    },
    true,
  );
}

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}
