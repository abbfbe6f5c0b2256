// Starts the page: frame, key, route to view.
import { get, keys } from "./base/api.js";
import { h } from "./base/dom.js";
import { t } from "./base/i18n.js";
import { start as startPulse } from "./base/pulse.js";
import { start as startClicks } from "./page/clicks.js";
import { closeDialogs } from "./page/dialog.js";
import { build, main, quiet, setSection } from "./page/frame.js";
import { askForKey } from "./page/key.js";
import { help, start as startKeyboard } from "./page/keyboard.js";
import { restore, start as startPlace } from "./page/place.js";
import { replays } from "./page/replaying.js";
import { replace, start as startRouter } from "./page/router.js";
import { unexplain } from "./page/terms.js";
import { resolve, SECTIONS } from "./sections.js";

/** @type {View} */
let view = {};
let shown = null;
let turn = 0;
let shownAddress = "";

async function show(route, { back }) {
  if (route.name === "main") return; // The skip link.
  if (route.name === "") {
    replace("#/start");
    return show({ name: "start", rest: [], params: {} }, { back });
  }
  const { section, load } = resolve(route);
  const mine = ++turn;
  const place = back ? history.state : null; // As it was left: what is shown now scrolls, too.
  restore(main, null);
  closeDialogs();
  unexplain();
  const address = [route.name, ...route.rest].join("/");
  if (address !== shownAddress) quiet();
  shownAddress = address;
  if (load && shown === load && view.update?.(route, { back })) return restore(main, place);
  const module = load ? await Promise.resolve(load()).catch(() => lost) : null;
  if (mine !== turn) return; // A newer navigation has come in between.
  view.close?.();
  view = {};
  shown = module === lost ? null : load;
  setSection(section?.name, t(section ? `section.${section.name}` : "notFound"));
  main.replaceChildren();
  if (!back) window.scrollTo(0, 0);
  if (!module)
    return main.append(
      h(
        "div",
        { class: "empty" },
        h("h1", { tabindex: "-1" }, t("notFound")),
        h("a", { class: "button", href: "#/jobs" }, t("section.jobs")),
      ),
    );
  view = module.show(main, route, { back });
  // A page that was just opened leaves the focus at its start, before the skip link.
  if (mine > 1 && (!back || !main.contains(document.activeElement)))
    main.querySelector("h1")?.focus({ preventScroll: true });
  restore(main, place);
}

/** What is shown in the place of a view whose file did not come: a browser may not ask for it again by itself. */
const lost = {
  show(main) {
    const again = h("button", { type: "button", class: "button", onclick: () => location.reload() }, t("again"));
    main.append(h("div", { class: "empty", "data-failure": "file" }, h("h1", { tabindex: "-1" }, t("failure")), again));
    return {};
  },
};

keys.ask = askForKey;
replays.load = () => import("./replay/index.js");
build(SECTIONS, { help });
// What this application was made without is not offered (see `data-without` in frame.css).
get("ui/config.json").then(
  ({ parts }) => {
    const without = SECTIONS.flatMap(({ part }) => (part && !parts.includes(part) ? [part] : []));
    document.documentElement.dataset.without = [...new Set(without)].join(" ");
  },
  () => {},
);
startPulse();
startClicks();
startKeyboard(SECTIONS, () => view.keys ?? {});
startPlace(main);
startRouter(show, closeDialogs);
// Every view is fetched early, so that none is missing when the API is down later; but first what was asked for.
const readAll = () => Promise.all(SECTIONS.flatMap(({ load, detail }) => [load(), detail?.()])).catch(() => {});
if (window.requestIdleCallback) requestIdleCallback(readAll, { timeout: 2000 });
else setTimeout(readAll); // Safari.
