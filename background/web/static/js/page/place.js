// Where a view was left, so that Back leads there again: how far it was scrolled, and the link that led away.
import { remember } from "./router.js";

// What is read comes piece by piece, and nobody waits for it longer than this.
const WAIT_MS = 5000;
const MOVES = ["wheel", "touchstart", "pointerdown", "keydown"];

let stop = () => {};

/** Remember by which link `main` is left. */
export function start(main) {
  const leaving = ({ target }) => {
    const link = target.closest("a[href^='#']");
    if (link) remember({ scroll: scrollY, link: link.getAttribute("href") });
  };
  main.addEventListener("click", leaving, { capture: true });
}

/** Bring back what `place` remembers, as soon as `main` has it; `null`: it is left again. Whoever moves is not moved. */
export function restore(main, place) {
  stop();
  if (!place?.scroll && !place?.link) return;
  const { link } = place;
  let scroll = place.scroll ?? 0;
  const look = () => {
    const found = [...main.querySelectorAll("a")].find((each) => each.getAttribute("href") === link);
    const elsewhere = document.activeElement?.matches("a, button, input, select, textarea");
    if (found && !elsewhere) found.focus({ preventScroll: true });
    if (scroll && document.documentElement.scrollHeight - innerHeight >= scroll) {
      window.scrollTo(0, scroll);
      scroll = 0;
    }
    if (!scroll && (found || !link)) stop();
  };
  const growing = new ResizeObserver(look); // It looks at once, too.
  const timer = setTimeout(() => stop(), WAIT_MS);
  stop = () => {
    growing.disconnect();
    clearTimeout(timer);
    for (const move of MOVES) window.removeEventListener(move, stop);
    stop = () => {};
  };
  for (const move of MOVES) window.addEventListener(move, stop, { passive: true });
  growing.observe(main);
}
