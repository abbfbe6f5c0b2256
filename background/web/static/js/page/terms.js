// The glossary in place: a word underlined with dots, which opens what it means. Hooks for tests: `button.term[data-term]`,
// `[popover][data-term]`.
import { focusOn, h, placeOf, renew, say, set } from "../base/dom.js";
import { has, t } from "../base/i18n.js";
import { outside } from "./parts.js";

const DOCS = "https://docs.celeryq.dev/en/stable";

/** Every word that is explained, with the page about it; without one it is this application's own. */
const READ = {
  broker: `${DOCS}/getting-started/backends-and-brokers/redis.html`,
  queue: `${DOCS}/userguide/routing.html`,
  worker: `${DOCS}/userguide/workers.html`,
  task: `${DOCS}/userguide/tasks.html`,
  job: null,
  step: null,
  attempt: null,
  lease: null,
  chain: `${DOCS}/userguide/canvas.html#chains`,
  group: `${DOCS}/userguide/canvas.html#groups`,
  chord: `${DOCS}/userguide/canvas.html#chords`,
  header: `${DOCS}/userguide/canvas.html#chords`,
  body: `${DOCS}/userguide/canvas.html#chords`,
  callback: `${DOCS}/userguide/calling.html#linking-callbacks-errbacks`,
  errback: `${DOCS}/userguide/canvas.html#error-handling`,
  immutable: `${DOCS}/userguide/canvas.html#immutability`,
  retry: `${DOCS}/userguide/tasks.html#retrying`,
  countdown: `${DOCS}/userguide/calling.html#eta-and-countdown`,
};
export const TERMS = Object.keys(READ);

/** A button that looks like a word and explains it; `word` as it stands in a sentence. */
export function term(name, word = t(`term.${name}`)) {
  const button = h(
    "button",
    { type: "button", class: "term", "data-term": name, "aria-haspopup": "dialog", onclick: () => open(button, name) },
    word,
  );
  return button;
}

/** The word of a fact or a column, explained where the glossary has it. */
export const labelled = (name, text) => (name in READ ? term(name, text) : text);

/** A sentence as an element, with its terms explained. */
export function explained(sentence) {
  const element = h("span");
  explain(element, sentence);
  return element;
}

/**
 * Write a sentence into an element, each term in it explained once. What stays the same is not made anew: a term keeps the
 * focus while the time in its sentence goes on.
 * @param {Element} element
 * @param {Sentence} sentence
 */
export function explain(element, { text, own = text, known }) {
  set(element, "lang", known ? null : "en");
  if (element.textContent === text) return;
  const pieces = known ? split(text, own) : [text];
  const old = [...element.childNodes];
  const same =
    old.length === pieces.length &&
    pieces.every((each, i) => i % 2 === 0 || old[i].childNodes[1]?.textContent === each.word);
  if (same)
    for (const [i, each] of pieces.entries()) {
      say(i % 2 ? old[i].firstChild : old[i], i % 2 ? each.head : each);
      if (i % 2) say(old[i].lastChild, each.tail);
    }
  else
    renew(
      element,
      pieces.map((each, i) => (i % 2 ? glued(each) : document.createTextNode(each))),
    );
}

// What is longer is no part of the word, but perhaps what others have said, and has to be broken.
const HEAD = /(?<!\S)\S{1,6}$/u;
const TAIL = /^\S{1,6}(?!\S)/u;
const patterns = TERMS.filter((name) => has(`term.${name}.in`)).map((name) => ({
  name,
  pattern: new RegExp(t(`term.${name}.in`), "iu"),
}));

// A button may be followed by a new line, also where it is the middle of a word: `chord의`.
const glued = ({ name, word, head, tail }) =>
  h(
    "span",
    { class: "glued", "data-key": name },
    document.createTextNode(head),
    term(name, word),
    document.createTextNode(tail),
  );

/**
 * Text and terms in turn, text first and last: `["The ", { name: "body", word: "body", head: "", tail: "" }, " never ran."]`.
 * `head` and `tail` are the rest of the word that it is in.
 */
function split(text, own) {
  const found = patterns
    .map(({ name, pattern }) => ({ name, match: pattern.exec(own) }))
    .filter(({ match }) => match)
    .sort((one, other) => one.match.index - other.match.index || other.match[0].length - one.match[0].length);
  const pieces = [];
  let at = 0;
  for (const { name, match } of found) {
    if (match.index < at) continue; // Within the term before it.
    const [head] = HEAD.exec(text.slice(at, match.index)) ?? [""];
    const end = match.index + match[0].length;
    const [tail] = TAIL.exec(text.slice(end)) ?? [""];
    pieces.push(text.slice(at, match.index - head.length), { name, word: match[0], head, tail });
    at = end + tail.length;
  }
  return [...pieces, text.slice(at)];
}

/** Nothing is explained any more. */
export const unexplain = () => document.querySelector(".explanation:popover-open")?.hidePopover();

function open(button, name) {
  unexplain();
  const place = placeOf(button);
  const element = h(
    "div",
    {
      class: "explanation",
      popover: "auto",
      role: "dialog",
      tabindex: "-1",
      "data-term": name,
      "aria-label": t(`term.${name}`),
    },
    h("p", {}, h("strong", {}, t(`term.${name}`)), " – ", t(`term.${name}.is`)),
    READ[name] ? outside(READ[name], t("term.more")) : null,
  );
  element.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "closed") element.remove();
  });
  element.addEventListener("keydown", (event) => {
    const last = element.querySelector("a") ?? element;
    const leaves = event.key === "Tab" && (event.shiftKey || document.activeElement === last);
    if (event.key !== "Escape" && !leaves) return;
    event.stopPropagation(); // The view has another use for Escape.
    if (event.key === "Escape" || event.shiftKey) event.preventDefault();
    // From there Tab goes on to what comes after the word. The sentence may be another one by now.
    if (button.isConnected) button.focus({ preventScroll: true });
    else focusOn(place);
    element.hidePopover();
  });
  // Within a dialog, since what is behind that cannot be used.
  (button.closest("dialog") ?? document.body).append(element);
  element.showPopover();
  const { left, top, bottom } = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = element;
  element.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  element.style.top = `${bottom + height + 8 > innerHeight ? Math.max(8, top - height - 4) : bottom + 4}px`;
  element.focus({ preventScroll: true });
}
