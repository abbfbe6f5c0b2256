// What a step has logged in one attempt, below its details: read when that is chosen, and again while it may say more.
import { get, now } from "../base/api.js";
import { h } from "../base/dom.js";
import { clock, t } from "../base/i18n.js";

const SHOWN = 1000;
/** What a step has logged is there half a second after it has ended. */
const LATE_MS = 2000;
const LEVELS = { WARNING: "retry", ERROR: "fail", CRITICAL: "fail" };

/**
 * Gives `{ element, update(job, one), tick() }`: `one` is the chosen try, or null, and `tick` is called each second.
 * Hooks for tests: `[data-logs]`, a line `[data-level]`.
 */
export function logs() {
  const list = h("div", { class: "log-lines", role: "log", tabindex: "0", "aria-label": t("logs"), lang: "en" });
  const element = h("section", { class: "logs", "data-logs": "", hidden: true }, h("h3", {}, t("logs")), list);
  let shown = "";
  let path = "";
  let after = 0;
  let until = 0;
  let reading = false;

  function update(job, one) {
    const chosen = one?.attempt ? `jobs/${job.id}/logs?step=${one.step}&attempt=${one.attempt}` : "";
    until = one?.to === null ? Infinity : (one?.to ?? 0) + LATE_MS;
    if (chosen === shown) return;
    shown = path = chosen;
    after = 0;
    list.replaceChildren();
    element.hidden = true;
    read();
  }

  async function read() {
    if (!path || reading) return;
    reading = true;
    const asked = path;
    try {
      let lines = [];
      do {
        lines = await get(`${asked}&after=${after}&limit=${SHOWN}`);
        if (asked !== path) break;
        add(lines);
      } while (lines.length === SHOWN);
    } catch {
      // The page says by itself that the API does not answer; the next look may get it.
    } finally {
      reading = false;
    }
    if (asked !== path) read();
  }

  function add(lines) {
    if (!lines.length) return;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 4;
    after = lines.at(-1).id;
    list.append(...lines.map(line));
    while (list.childElementCount > SHOWN) list.firstElementChild?.remove();
    element.hidden = false;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  return { element, update, tick: () => now() < until && read() };
}

const line = ({ at, level, message }) =>
  h(
    "p",
    { class: LEVELS[level] ? `role-${LEVELS[level]}` : "", "data-level": level },
    h("time", { datetime: at }, clock(Date.parse(at))),
    " ",
    h("b", {}, level),
    " ",
    message,
  );
