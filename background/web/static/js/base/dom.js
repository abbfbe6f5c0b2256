// Small helpers over the DOM. Data only ever becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

// Outlines on a 16 × 16 grid. State glyphs differ in shape, so that colour is never the only cue.
const ICONS = {
  wait: "dots M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6",
  run: "M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6|fill M8 2.2a5.8 5.8 0 0 1 0 11.6z",
  ok: "M2.8 8.6l3.4 3.6 7-8",
  fail: "M3.4 3.4l9.2 9.2M12.6 3.4l-9.2 9.2",
  stop: "fill M3.5 3.5h9v9h-9z",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M11.6 1.6v3h-3",
  skip: "M3 3.5l4.5 4.5L3 12.5M8.5 3.5L13 8l-4.5 4.5",
  plus: "M8 3v10M3 8h10",
  more: "dot M8 3.2v.01M8 8v.01M8 12.8v.01",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9M10.4 10.4L14 14",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5h7.5v8H5.5zM3 10.5v-8h7.5",
  sun: "M8 5.2a2.8 2.8 0 1 1 0 5.6a2.8 2.8 0 1 1 0-5.6M8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.7A5.6 5.6 0 0 1 6.3 3a5.6 5.6 0 1 0 6.7 6.7",
  auto: "M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6|fill M8 2.2a5.8 5.8 0 0 0 0 11.6z",
  globe: "M8 2a6 6 0 1 1 0 12a6 6 0 1 1 0-12M2 8h12M8 2c4 3.5 4 8.5 0 12M8 2c-4 3.5-4 8.5 0 12",
  keys: "M1.8 4h12.4v8H1.8zM4.5 6.8v.01M7 6.8v.01M9.5 6.8v.01M12 6.8v.01M5 9.5h6",
  jobs: "M2.5 4h5M2.5 8h8M2.5 12h11",
  canvas: "M2.5 2.5h4v4h-4zM9.5 6h4v4h-4zM2.5 9.5h4v4h-4zM6.5 4.5h1.5v7H6.5M8 8h1.5",
  runs: "M3 4h3v3H3zM10 4h3v3h-3zM10 10h3v3h-3zM6 5.5h4M8 5.5v6h2",
  documents: "M4 1.8h5.5L12.5 5v9.2H4zM9.2 2v3.3h3M6 8.2h4.5M6 11h4.5",
  system: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5v.01M5 11v.01",
  warn: "M8 2l6.5 11.5h-13zM8 6.5v3.2M8 11.6v.01",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "fill M4.5 3l8 5-8 5z",
  before: "M10.5 3.5L5 8l5.5 4.5M3.5 3.5v9",
  next: "M5.5 3.5L11 8l-5.5 4.5M12.5 3.5v9",
  up: "M8 13V3.5M4 7.2L8 3.2l4 4",
  down: "M4 6l4 4 4-4",
  link: "M6.5 3H3v10h10V9.5M9 3h4v4M13 3L7.5 8.5",
};

/** An element; `attributes` may hold listeners (`onclick`), `class` and booleans; children may be nested arrays. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else set(element, name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** Set or remove one attribute, only where it changes. */
export function set(element, name, value) {
  if (value == null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Set the text of an element, only where it changes. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

/** A symbol; it says nothing by itself, the word beside it does. */
export function icon(name) {
  const paths = ICONS[name].split("|").map((part) => {
    const [, kind, d] = /^(?:(dots|dot|fill) )?(.*)$/.exec(part);
    return svg("path", { d, class: kind ?? null });
  });
  return svg("svg", { viewBox: "0 0 16 16", class: `icon icon-${name}`, "aria-hidden": "true" }, paths);
}

export function iconButton(name, label, attributes = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, ...attributes },
    icon(name),
  );
}

/**
 * Write what is in an element anew. What had the focus is found again, by the `data-key` of what it is in, else by its place;
 * so is what was scrolled or unfolded, unless it is about something else now. Where a row is gone, the focus goes to the one
 * that has come into its place, and to the heading where none has.
 * @param {Element} element
 * @param {any} children
 * @param {{ same?: boolean }} [options]
 */
export function renew(element, children, { same = true } = {}) {
  const focused = element.contains(document.activeElement) && document.activeElement !== element;
  const place = focused ? placeOf(document.activeElement, element) : null;
  const kept = [...(same ? element.querySelectorAll("details[open], pre, .scroll") : [])]
    .filter((each) => each.matches("details") || each.scrollLeft || each.scrollTop)
    .map((each) => ({ path: pathTo(each, element), left: each.scrollLeft, top: each.scrollTop, tag: each.tagName }));
  element.replaceChildren(...[children].flat());
  for (const { path, left, top, tag } of kept) {
    const found = at(element, path);
    if (found?.tagName !== tag) continue;
    if (found instanceof HTMLDetailsElement) found.open = true;
    else found.scrollTo({ left, top, behavior: "instant" });
  }
  if (place) focusOn(place);
}

/** A button for something that is done; `action` names it in the page. */
export const actionButton = (action, attributes, ...children) =>
  h("button", { type: "button", "data-action": action, ...attributes }, ...children);

/** Where the focus goes when what had it is there no more. */
export const heading = () => /** @type {HTMLElement | null} */ (document.querySelector("main h1"));

/** Hide an element, or show it again: a focus that is in it would be lost, and goes to `next`. */
export function hide(element, off, next = heading()) {
  if (off && element.contains(document.activeElement)) next?.focus({ preventScroll: true });
  element.hidden = off;
}

/** Fill a view anew: a focus that was in it goes to its heading, one elsewhere stays where it is. */
export function refill(main, ...children) {
  const focused = main.contains(document.activeElement);
  main.replaceChildren(...children);
  if (focused) main.querySelector("h1")?.focus({ preventScroll: true });
}

/** Where an element is below `root`, for `focusOn`. */
export const placeOf = (element, /** @type {Element} */ root = document.body) => ({
  root,
  path: pathTo(element, root),
  tag: element.tagName,
});

/** Give the focus to what is in that place by now, else to the heading. */
export function focusOn({ root, path, tag }) {
  const found = at(root, path);
  const there = found instanceof HTMLElement && found.tagName === tag ? found : null;
  there?.focus({ preventScroll: true });
  if (!there || there !== document.activeElement) heading()?.focus({ preventScroll: true });
}

/** The way down to an element: of each on it its key, and which child it is. */
function pathTo(element, root) {
  const path = [];
  for (let each = element; each !== root; each = each.parentElement)
    path.unshift({ key: each.dataset.key, index: [...each.parentElement.children].indexOf(each) });
  return path;
}

const at = (root, path) =>
  path.reduce(
    (/** @type {any} */ parent, { key, index }) =>
      parent &&
      ((key === undefined ? null : [...parent.children].find((each) => each.dataset.key === key)) ??
        parent.children[Math.min(index, parent.children.length - 1)]),
    root,
  );

/** Copy text; works over plain HTTP as well, where there is no clipboard API. */
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const host = document.querySelector("dialog[open]") ?? document.body;
  const area = h("textarea", { class: "off-screen", "aria-hidden": "true" });
  const focused = document.activeElement;
  area.value = text;
  host.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error("copy");
}

/** What a person has chosen on this device. Storage may be forbidden; then it lasts as long as the page. */
const fallback = new Map();
export const choices = {
  get(name, store = "localStorage") {
    try {
      return window[store].getItem(name) ?? fallback.get(name) ?? null;
    } catch {
      return fallback.get(name) ?? null;
    }
  },
  set(name, value, store = "localStorage") {
    if (value == null) fallback.delete(name);
    else fallback.set(name, value);
    try {
      if (value == null) window[store].removeItem(name);
      else window[store].setItem(name, value);
    } catch {
      // Kept in `fallback`.
    }
  },
};

/** Calls `action` at most once per `wait` ms: at once, and once more at the end when asked in between. */
export function throttle(action, wait) {
  let timer = 0;
  let last = -Infinity;
  const run = () => {
    timer = 0;
    last = performance.now();
    action();
  };
  const ask = () => {
    if (!timer) timer = setTimeout(run, Math.max(0, last + wait - performance.now()));
  };
  ask.cancel = () => clearTimeout(timer);
  return ask;
}
