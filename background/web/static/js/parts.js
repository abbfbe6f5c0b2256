// Small pieces that several views show: state badge, step bar, code with a copy button, tabs, empty and error states.
import { copy, h, icon, iconButton, say, set } from "./dom.js";
import { refusal } from "./facts.js";
import { toast } from "./frame.js";
import { t } from "./i18n.js";
import { role, segments, statusWord, stepsWord } from "./job.js";

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
  return { element, update, job: (job) => update(role(job), statusWord(job), job.status) };
}

/** One segment for each step, filled as far as the step is. */
export function stepBar() {
  const element = h("span", { class: "bar", role: "img" });
  const update = (job) => {
    const parts = segments(job);
    while (element.childElementCount > parts.length) element.lastChild.remove();
    while (element.childElementCount < parts.length)
      element.append(h("span", { class: "bar-part" }, h("span", { class: "bar-fill" })));
    parts.forEach((part, index) => {
      const segment = element.children[index];
      set(segment, "data-role", part.role);
      const width = `${Math.round(part.progress * 100)}%`;
      if (segment.firstChild.style.width !== width) segment.firstChild.style.width = width;
    });
    set(element, "aria-label", stepsWord(job));
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

/** Text as it is, scrollable, with a copy button. */
export function code(text, { label, lang } = {}) {
  return h(
    "div",
    { class: "code" },
    h("pre", { tabindex: "0", role: "region", "aria-label": label, lang }, text),
    copyButton(text),
  );
}

export const json = (value, options) => code(JSON.stringify(value, null, 2), options);

/** A region that may be scrolled sideways, by keyboard too. */
export const scroller = (label, ...content) =>
  h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, content);

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
    h("div", { class: "row" }, retry),
  );
}

/** Grey bars, which show themselves only when loading takes a moment. */
export const skeleton = (rows) =>
  h(
    "div",
    { class: "skeleton", "aria-hidden": "true" },
    Array.from({ length: rows }, () => h("span")),
  );

/** A sentence of facts.js as an element. */
export const worded = ({ text, known }) => h("span", { lang: known ? null : "en" }, text);

/** Write a sentence of facts.js into an element. */
export function tell(element, { text, known }) {
  say(element, text);
  set(element, "lang", known ? null : "en");
}

/** Say that the API refused something, and why. */
export const complain = (error) => toast(refusal(error), { kind: "fail" });
