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

/** Go somewhere, as a new entry of the history. */
export function go(address) {
  if (location.hash === address) return;
  location.hash = address;
}

/** Change the address in place, without a new entry and without leaving the view. */
export function replace(address) {
  history.replaceState(history.state, "", address);
}

/** Remember something with this entry of the history: where it was scrolled to, what had the focus. */
export function remember(more) {
  history.replaceState({ ...history.state, ...more }, "");
}

/** Calls `show(route, { back })` now and at each change; `back` says that the entry was seen before. */
export function start(show) {
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
  window.addEventListener("hashchange", changed);
  window.addEventListener("scroll", scrolled, { passive: true });
  changed();
}
