// Small pieces that several views show: state badge, code with a copy button, tabs, empty and error states.
import { copy, h, hide, icon, iconButton, say, set } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { t, upright } from "../base/i18n.js";
import { toast } from "./frame.js";

/** Glyph and word of a state. `update(role, word, api)` changes it in place; `api` is the API's own word. */
export function badge() {
  const word = h("span");
  const element = h("span", { class: "badge" }, icon("wait"), word);
  let shown = null;
  const update = (name, text, api) => {
    if (shown !== name) {
      element.replaceChild(icon(name), element.firstChild);
      element.className = `badge role-${name}`;
      shown = name;
    }
    say(word, text);
    set(element, "title", api);
  };
  return { element, update };
}

export function copyButton(text, label = t("copy")) {
  return iconButton("copy", label, {
    "data-action": "copy",
    onclick: async () => {
      try {
        await copy(typeof text === "function" ? text() : text);
        toast(t("copied"), { kind: "ok" });
      } catch {
        toast(t("copied.not"), { kind: "fail" });
      }
    },
  });
}

/** Copies the address of what is shown; where the browser forbids that, the address is there to be taken by hand. */
export function copyLinkButton() {
  const button = h(
    "button",
    { type: "button", class: "button", "data-action": "copy-link" },
    icon("link"),
    t("copy.link"),
  );
  const byHand = h("input", { class: "link-by-hand", readonly: true, hidden: true, "aria-label": t("copy.link") });
  button.addEventListener("click", async () => {
    try {
      await copy(location.href);
      toast(t("copied"), { kind: "ok" });
    } catch {
      byHand.hidden = false;
      byHand.value = location.href;
      byHand.select();
      toast(t("copied.hand"));
    }
  });
  byHand.addEventListener("blur", () => {
    byHand.hidden = true;
  });
  return h("span", { class: "row" }, button, byHand);
}

/**
 * Text as it is, scrollable, with a copy button.
 * @param {string} text
 * @param {{ label?: string, lang?: string }} [options]
 */
export function code(text, { label, lang } = {}) {
  return h(
    "div",
    { class: "code" },
    h("pre", { tabindex: "0", role: "group", "aria-label": label, lang }, upright(text)),
    copyButton(text),
  );
}

/** As JSON may write it, what turns text around is the same value. */
export const json = (value, options) => code(upright(JSON.stringify(value, null, 2)), options);

/** What may be scrolled sideways, by keyboard too. Its name need not be the only one of its kind, as that of a landmark. */
export const scroller = (label, ...content) =>
  h("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": label }, content);

/** Buttons of which one is pressed. `choose(name)` is called; gives `{ element, select }`. */
export function tabs(names, { label, words, choose }) {
  const buttons = new Map(
    names.map((name) => [
      name,
      h("button", { type: "button", "data-tab": name, onclick: () => choose(name) }, words(name)),
    ]),
  );
  const element = h("div", { class: "tabs", role: "group", "aria-label": label }, [...buttons.values()]);
  const select = (chosen) => {
    for (const [name, button] of buttons) set(button, "aria-pressed", String(name === chosen));
  };
  return { element, select };
}

/** @param {{ title: string, text?: string, actions?: HTMLElement[], extra?: HTMLElement }} what */
export function empty({ title, text, actions = [], extra }) {
  return h(
    "div",
    { class: "empty", "data-empty": "" },
    h("h2", {}, title),
    text ? h("p", {}, text) : null,
    h("div", { class: "row" }, actions),
    extra,
  );
}

/** What to show where data could not be read at all. */
export function failure(error, again) {
  const retry = h("button", { type: "button", class: "button", onclick: again }, t("again"));
  return h(
    "div",
    { class: "empty", "data-failure": String(error.status) },
    h("h2", {}, t("failure")),
    h("p", {}, worded(refusal(error))),
    // What was asked for wrongly is no better the next time.
    error.status === 422 ? null : h("div", { class: "row" }, retry),
  );
}

/** Grey bars, which show themselves only when loading takes a moment. */
export const skeleton = (rows) =>
  h(
    "div",
    { class: "skeleton", "aria-hidden": "true" },
    Array.from({ length: rows }, () => h("span")),
  );

/**
 * A sentence of facts.js as an element.
 * @param {Sentence} sentence
 */
export const worded = ({ text, known }) => h("span", { lang: known ? null : "en" }, text);

/** Write a sentence of facts.js into an element. */
export function tell(element, { text, known }) {
  say(element, upright(text));
  set(element, "lang", known ? null : "en");
}

/** A link to a page of others, in a tab of its own. */
export const outside = (address, text) =>
  h("a", { class: "outside", href: address, target: "_blank", rel: "noopener noreferrer" }, text);

/**
 * What others have said, as it is, an error where its role is no other: three lines are shown until a reader wants all.
 * `update(text)` writes it. A sentence may be in the page's own words.
 * @param {string | Sentence} [told]
 * @param {{ role?: Role | null }} [options]
 */
export function clamped(told = "", { role = "fail" } = {}) {
  const { text, known } = typeof told === "string" ? { text: told, known: false } : told;
  const said = h("div", { class: "clamped-text", lang: known ? null : "en" });
  const all = h("button", { type: "button", class: "as-link clamped-all", "data-action": "show-all", hidden: true });
  const element = h("div", { class: role ? `clamped role-${role}` : "clamped" }, said, all);
  const show = (open) => {
    element.classList.toggle("open", open);
    set(all, "aria-expanded", String(open));
    say(all, t(open ? "clamped.less" : "clamped.all"));
  };
  const measure = () => {
    if (!element.classList.contains("open")) hide(all, said.scrollHeight <= said.clientHeight + 1);
  };
  const update = (/** @type {string} */ whole) => {
    hide(element, !whole);
    const shown = upright(whole);
    if (said.textContent === shown) return;
    said.textContent = shown;
    show(false);
    measure();
  };
  all.addEventListener("click", () => show(!element.classList.contains("open")));
  new ResizeObserver(measure).observe(said);
  update(text);
  return { element, update };
}

/** Say that the API refused something, and why; nothing of what this page itself has ended. */
export const complain = (error) => error.name !== "AbortError" && toast(refusal(error), { kind: "fail" });

/** Hand a text to the browser as a file. */
export function download(content, name) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
