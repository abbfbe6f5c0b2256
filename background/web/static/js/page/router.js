// Hash routes: `#/jobs/42?tab=steps`. The route holds filter, tab and selection, so that a link reproduces the view.

/** `#/jobs/42?tab=data` as `{ name: "jobs", rest: ["42"], params: { tab: "data" } }`. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").filter(Boolean).map(decoded);
  return { name: name ?? "", rest, params: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

/** The address of a route; empty params are left out. */
export function href(path, params = {}) {
  const kept = Object.entries(params).filter(([, value]) => value != null && value !== "");
  return `#/${path}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const current = () => parse(location.hash);

// Open dialogs have one entry of the history, of the same address, above that of their view: Back leaves it, and them.
let open = 0;
/** Until the entry of a dialog that was closed otherwise is left, too: nothing may be put above it meanwhile. */
let leaving = Promise.resolve();
let left = null;
/** Where somebody went all the same: the way back, which was asked for before, leads away from there. */
let wanted = null;

const onDialog = () => history.state?.dialog === true;

/** A dialog is opened. */
export function enterDialog() {
  open += 1;
  if (!onDialog() || left) history.pushState({ ...history.state, dialog: true }, "");
}

/** A dialog is closed. */
export function leaveDialog() {
  open -= 1;
  if (!open) leaveEntry();
}

function leaveEntry() {
  if (!onDialog() || left) return;
  leaving = new Promise((resolve) => {
    left = resolve;
  });
  history.back();
}

/** Go somewhere, as a new entry of the history; from a dialog, in the place of its own. */
export async function go(address) {
  while (left) await leaving;
  if (location.hash === address) return;
  if (onDialog()) location.replace(address);
  else location.hash = address;
}

/** Change the address in place, without a new entry and without leaving the view. */
export function replace(address) {
  history.replaceState(history.state, "", address);
}

/** Remember something with this entry of the history: where it was scrolled to, what had the focus. */
export function remember(more) {
  history.replaceState({ ...history.state, ...more }, "");
}

/**
 * Calls `show(route, { back })` now and at each change; `back` says that the entry was seen before. `close()` closes all
 * dialogs.
 */
export function start(show, close) {
  history.scrollRestoration = "manual";
  let timer = 0;
  const scrolled = () => {
    clearTimeout(timer);
    timer = setTimeout(() => remember({ scroll: scrollY }), 100);
  };
  const changed = () => {
    clearTimeout(timer);
    const back = history.state?.seen === true;
    remember({ seen: true });
    show(current(), { back });
  };
  const moved = () => {
    clearTimeout(timer); // It is another entry's scroll, of a view that is still to be left.
    if (left && !history.state?.seen && !onDialog()) {
      wanted = location.hash;
      return;
    }
    left?.();
    left = null;
    // Forward to the entry of a dialog that is there no more, or from what was reached beyond it.
    if (onDialog()) return open || leaveEntry();
    close();
    if (wanted) go(wanted);
    wanted = null;
  };
  window.addEventListener("popstate", moved);
  window.addEventListener("hashchange", changed);
  window.addEventListener("scroll", scrolled, { passive: true });
  changed();
  leaveEntry(); // Loaded anew, without the dialog.
}
