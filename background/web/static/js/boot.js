// A classic script of its own: it runs before the first paint, and is there when one of the page's own files is lost.

// A chosen theme never flashes into another.
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is used then.
}

// A request may be lost, or hang for minutes when the network changes: a page without its frame or its style is loaded
// again. Words that say so come with index.html after 5 s, and need no script; here they have stood for a second.
{
  const FIRST_MS = 6000;
  const MOST_MS = 60_000;
  const MOST_FOR_STYLE = 3; // Whoever never gets it keeps at least a page that stays.
  const TRIES = "boot-tries";

  const stored = (action) => {
    try {
      return action(sessionStorage);
    } catch {
      return null;
    }
  };
  const tries = Number(stored((store) => store.getItem(TRIES)));
  let lost = false; // A style sheet that failed looks like an empty one.
  const styled = () => {
    /** @type {NodeListOf<HTMLLinkElement>} */
    const sheets = document.querySelectorAll("link[rel=stylesheet]");
    return !lost && [...sheets].every((link) => link.sheet);
  };
  const failed = ({ target }) => {
    if (target instanceof HTMLLinkElement && target.rel === "stylesheet") lost = true;
  };

  const look = async () => {
    if (document.getElementById("main") && (styled() || tries >= MOST_FOR_STYLE))
      return stored((store) => store.removeItem(TRIES));
    try {
      // While nobody answers, a page that is loaded again would only be the browser's own words.
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(FIRST_MS) });
      if (!answer.ok) throw new Error(answer.statusText);
      stored((store) => store.setItem(TRIES, tries + 1));
      location.reload();
    } catch {
      setTimeout(look, FIRST_MS);
    }
  };
  addEventListener("error", failed, true);
  // Twice as long each time, so that a slow network gets the time that it needs.
  setTimeout(look, Math.min(MOST_MS, FIRST_MS * 2 ** tries));
}
