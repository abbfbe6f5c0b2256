// What stays around every view: top bar, banners, and the one live region that speaks.
import { BASE, get, health, keys } from "../base/api.js";
import { choices, h, hide, icon, iconButton, renew, say, set } from "../base/dom.js";
import { refusal, runSentence } from "../base/facts.js";
import { LANGUAGES, language, t, when } from "../base/i18n.js";
import { poke, pulse, stranded } from "../base/pulse.js";
import { connection, hurry, pause } from "../base/stream.js";
import { go } from "./router.js";

const CUT_SHOWN_MS = 2000;
const DOWN_SHOWN_MS = 4000; // One request of many may be lost: until then `pulse` has asked again.
const TOAST_MS = 6000;
const GOING_MS = 500;
const THEMES = ["auto", "light", "dark"];

export const main = h("main", { id: "main", tabindex: "-1" });
const toastText = h("span");
const toastAction = h("span");
const toastBox = h("div", { class: "toast", role: "status" }, toastText, toastAction);
const banners = h("div", { class: "banners" });
const live = h(
  "button",
  { type: "button", class: "live", onclick: () => pause() },
  h("span", { class: "live-dot", "aria-hidden": "true" }),
  h("span", { class: "live-text" }),
);
const links = new Map();

/** Put the frame into the page. */
export function build(sections, { help }) {
  for (const { name, part, icon: glyph } of sections.filter((each) => each.icon)) {
    const attributes = { href: `#/${name}`, "data-section": name, "data-part": part ?? null };
    links.set(name, h("a", attributes, icon(glyph), h("span", {}, t(`section.${name}`))));
  }
  document.body.replaceChildren(
    h("a", { class: "skip", href: "#main", onclick: skip }, t("skip")),
    h(
      "header",
      { class: "top" },
      h(
        "a",
        { class: "brand", href: "#/start", "aria-label": `Celery Playground, ${t("section.start")}` },
        mark(),
        h("span", {}, "Celery Playground"),
      ),
      h("nav", { class: "sections", "aria-label": t("sections") }, [...links.values()]),
      jumpBox(),
      h(
        "div",
        { class: "top-end" },
        live,
        languageButton(),
        themeButton(),
        iconButton("keys", t("help"), { onclick: help, class: "icon-button wide-only" }),
      ),
    ),
    banners,
    main,
    toastBox,
  );
  // A dialog that is closed takes nothing along that is still to be read.
  document.addEventListener("close", lay, true);
  connection.addEventListener("change", showConnection);
  health.addEventListener("change", showHealth);
  pulse.addEventListener("change", showBanners);
  showConnection();
}

/** Mark the section in the top bar, and name the document. */
export function setSection(name, title) {
  for (const [each, link] of links) set(link, "aria-current", each === name ? "page" : null);
  document.title = `${title} · Celery Playground`;
}

let toastTimer = 0;
let toastAt = 0;
let ofItself = false; // What is shown was said by the page of itself.
let next = null;

/**
 * Say how an action went: a text, or a sentence of facts.js.
 * @param {string | Sentence} said
 * @param {{ kind?: "ok" | "fail", link?: { text: string, href: string } }} [options]
 */
export function toast(said, options) {
  ofItself = false;
  show(said, options);
}

/**
 * Say what nobody has asked for: how an action went is read first.
 * @type {typeof toast}
 */
function mention(said, options) {
  if (toastBox.classList.contains("shown") && !ofItself) {
    next = () => mention(said, options);
    return;
  }
  ofItself = true;
  show(said, options);
}

/** @type {typeof toast} */
function show(said, { kind, link } = {}) {
  const { text, known } = typeof said === "string" ? { text: said, known: true } : said;
  say(toastText, text);
  set(toastText, "lang", known ? null : "en");
  set(toastBox, "data-kind", kind);
  toastAction.replaceChildren(...(link ? [h("a", { href: link.href }, link.text)] : []));
  toastBox.classList.add("shown");
  lay();
  clearTimeout(toastTimer);
  toastAt = performance.now();
  toastTimer = setTimeout(leaveToast, TOAST_MS);
}

/** What is behind a dialog can neither be read nor used. */
function lay() {
  const host = document.querySelector("dialog[open]") ?? document.body;
  if (toastBox.parentNode !== host) host.append(toastBox);
}

/** It stays where the pointer or the focus is in it. */
function leaveToast() {
  if (toastBox.matches(":hover, :focus-within")) toastTimer = setTimeout(leaveToast, TOAST_MS);
  else hideToast();
}

/** Another screen is shown: what was said on the one before is over, unless it was said in going. */
export function quiet() {
  if (performance.now() - toastAt > GOING_MS) hideToast();
}

function hideToast() {
  clearTimeout(toastTimer);
  toastBox.classList.remove("shown");
  next?.();
  next = null;
}

function skip(event) {
  event.preventDefault();
  (main.querySelector("h1") ?? main).focus();
}

function mark() {
  return h("img", { src: "icon.svg", alt: "", width: "24", height: "24" });
}

function jumpBox() {
  const input = h("input", {
    type: "search",
    name: "jump",
    class: "jump-input",
    "aria-label": t("jump"),
    placeholder: t("jump"),
    autocomplete: "off",
    spellcheck: "false",
  });
  return h(
    "form",
    {
      class: "jump",
      role: "search",
      "aria-label": t("jump"),
      onsubmit: (event) => {
        event.preventDefault();
        jump(input.value.trim().replace(/^#/, "").toLowerCase());
        input.value = "";
      },
    },
    icon("search"),
    input,
    h("kbd", { "aria-hidden": "true" }, "/"),
  );
}

async function jump(wanted) {
  if (/^\d+$/.test(wanted)) return go(`#/jobs/${wanted}`);
  if (!/^[0-9a-f-]{36}$/.test(wanted)) return toast(t("jump.unclear"), { kind: "fail" });
  try {
    const found = await get(`result/${wanted}`);
    if (found.job_id) go(`#/jobs/${found.job_id}`);
    else if (links.has("runs")) go(`#/runs/${wanted}`);
    else toast(runSentence(found));
  } catch (error) {
    toast(error.status === 404 ? t("jump.none", { id: wanted }) : refusal(error), { kind: "fail" });
  }
}

function languageButton() {
  const other = Object.keys(LANGUAGES).find((each) => each !== language);
  return h(
    "button",
    {
      type: "button",
      class: "icon-button language",
      lang: other,
      "data-language": other,
      onclick: () => {
        choices.set("language", other);
        location.reload();
      },
    },
    LANGUAGES[other]["language.name"],
  );
}

function themeButton() {
  const button = iconButton("auto", "", { "data-control": "theme" });
  const show = () => {
    const theme = choices.get("theme") ?? "auto";
    button.replaceChildren(icon({ auto: "auto", light: "sun", dark: "moon" }[theme]));
    set(button, "aria-label", t(`theme.${theme}`));
    set(button, "title", t(`theme.${theme}`));
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(choices.get("theme") ?? "auto") + 1) % THEMES.length];
    choices.set("theme", next === "auto" ? null : next);
    show();
  });
  show();
  return button;
}

let cutTimer = 0;
let cutShown = false;

function showConnection() {
  const { state, asOf } = connection;
  clearTimeout(cutTimer);
  if (state === "cut" && !cutShown) {
    cutTimer = setTimeout(() => showState("cut", asOf), CUT_SHOWN_MS);
    return;
  }
  showState(state, asOf);
}

function showState(state, asOf) {
  next = null; // What waits to be said is no longer so.
  if (state === "live" && cutShown) mention(t("live.back"), { kind: "ok" });
  const text = state === "cut" && !asOf ? t("live.cut.never") : t(`live.${state}`, { time: asOf ? when(asOf) : "" });
  if (state === "cut" && !cutShown && health.down !== "key") mention(text, { kind: "fail" });
  cutShown = state === "cut";
  set(live, "data-state", state);
  // Where nothing changes any more, nothing has to be live. Another stream may follow at once.
  setTimeout(() => hide(live, connection.state === "off"));
  set(live, "aria-pressed", String(state === "paused"));
  set(live, "title", t("live.title"));
  say(live.querySelector(".live-text"), text);
  document.documentElement.classList.toggle("stale", cutShown);
}

let downTimer = 0;

function showHealth() {
  clearTimeout(downTimer);
  if (health.down === null || health.down === "key" || banners.querySelector('[data-banner="down"]')) showBanners();
  else downTimer = setTimeout(showBanners, DOWN_SHOWN_MS);
}

function showBanners() {
  const shown = [];
  if (health.down === "key") {
    const enter = h(
      "button",
      {
        type: "button",
        class: "button small",
        "data-action": "key",
        onclick: () =>
          keys.ask({}).then(
            () => location.reload(),
            () => {},
          ),
      },
      t("key.enter"),
    );
    shown.push(banner("key", "retry", [h("strong", {}, t("down.key"))], enter));
  } else if (health.down !== null) {
    const again = () => {
      poke();
      hurry();
    };
    const retry = h("button", { type: "button", class: "button small", onclick: again }, t("again"));
    const text =
      health.down === "network"
        ? t("down.network", { host: BASE.host })
        : t("down.part", { detail: refusal(health.down).text });
    // What is opened meanwhile shows nothing yet.
    const data = pulse.stats ? `${t("down.data", { time: when(health.since) })} ` : "";
    shown.push(banner("down", "fail", [h("strong", {}, text), ` ${data}${t("down.again")}`], retry));
  } else if (stranded() !== null) {
    const code = h("code", {}, "python -m background worker");
    shown.push(
      banner("no-worker", "retry", [
        h("strong", {}, stranded() ? t("stranded", { n: stranded() }) : t("stranded.none")),
        " ",
        t("stranded.how"),
        " ",
        code,
      ]),
    );
  }
  if (banners.textContent !== shown.map((each) => each.textContent).join("")) renew(banners, shown);
}

function banner(name, role, content, action) {
  return h(
    "section",
    { class: `banner role-${role}`, "data-banner": name, "aria-label": t("banner") },
    icon("warn"),
    h("p", {}, content),
    action,
  );
}
