// Starts the page: frame, key, route to view.
import { keys } from "./api.js";
import { askForKey } from "./key.js";
import { h } from "./dom.js";
import { build, main, setSection } from "./frame.js";
import { t } from "./i18n.js";
import { help, start as startKeyboard } from "./keyboard.js";
import { start as startPulse } from "./pulse.js";
import { replace, start as startRouter } from "./router.js";
import { SECTIONS, resolve } from "./sections.js";

let view = {};
let shown = null;
let turn = 0;

async function show(route, { back }) {
  if (route.name === "main") return; // The skip link.
  if (route.name === "") {
    replace("#/jobs");
    return show({ name: "jobs", rest: [], params: {} }, { back });
  }
  const { section, load } = resolve(route);
  const mine = ++turn;
  document.querySelectorAll('dialog[open]:not([data-dialog="api-key"])').forEach((dialog) => dialog.close());
  if (load && shown === String(load) && view.update?.(route, { back })) return;
  const module = load ? await load() : null;
  if (mine !== turn) return; // A newer navigation has come in between.
  view.close?.();
  view = {};
  shown = load ? String(load) : null;
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
}

keys.ask = askForKey;
build(SECTIONS, { help });
startPulse();
startKeyboard(SECTIONS, () => view.keys ?? {});
startRouter(show);
// Every view is fetched early, so that none is missing when the API is down later; but first what was asked for.
const whenIdle = window.requestIdleCallback ?? setTimeout; // Safari has none.
for (const { load, detail } of SECTIONS)
  whenIdle(() => Promise.all([load(), detail?.()]).catch(() => {}), { timeout: 2000 });
