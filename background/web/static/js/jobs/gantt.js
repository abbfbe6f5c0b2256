// The picture of a job: one line for each try of each step, hatched while it waited and solid while it ran. Each line is a
// button `[data-step][data-attempt][data-role]` whose text says the same, so the picture needs no other description.
import { h, icon, renew, say, set } from "../base/dom.js";
import { duration, number, t, when } from "../base/i18n.js";
import { scale } from "../page/scale.js";
import { outcome, spans } from "./tries.js";

const SHOWN = 5; // tries of one step; the older ones fold

/** Shows steps with their tries at the time `now()`; `choose(step, attempt)` is called for a line. */
export class Gantt {
  constructor({ choose, now }) {
    this.choose = choose;
    this.now = now;
    this.axis = h("div", { class: "gantt-axis", "aria-hidden": "true" }, h("span"), h("span"));
    this.element = h("div", { class: "gantt", role: "group", "aria-label": t("gantt") });
    this.unfolded = new Set();
    this.steps = [];
    this.shown = { chosen: null, attempt: null };
    this.lines = [];
  }

  update(steps, { chosen, attempt }) {
    this.steps = steps;
    this.shown = { chosen, attempt };
    const rows = steps.flatMap((step) => this._rowsOf(step));
    this.lines = rows.filter((row) => row.one);
    renew(this.element, [...rows.map((row) => row.element), this.axis]);
    this.tick();
  }

  /** Move what depends on the time. */
  tick() {
    const time = this.now();
    const axis = scale(this.steps, time);
    for (const line of this.lines) move(line, axis, time);
    say(this.axis.firstChild, when(axis.start));
    say(this.axis.lastChild, when(axis.end));
  }

  _rowsOf(step) {
    const { attempt } = this.shown;
    const own = step.tries.filter((one) => attempt === null || one.attempt === attempt || one.attempt === null);
    if (!own.length) return [notBegun(step)];
    const hidden = this.unfolded.has(step.number) ? 0 : Math.max(0, own.length - SHOWN);
    const lines = own.slice(hidden).map((one, index) => this._line(step, one, index === 0 && !hidden));
    return hidden ? [this._fold(step, hidden), ...lines] : lines;
  }

  _fold(step, hidden) {
    const unfold = () => {
      this.unfolded.add(step.number);
      this.update(this.steps, this.shown);
    };
    const words = t("gantt.folded", { n: hidden });
    return { element: h("button", { type: "button", class: "gantt-fold", onclick: unfold }, name(step, true), words) };
  }

  _line(step, one, first) {
    const { chosen } = this.shown;
    const parts = {
      wait: h("span", { class: "span waited" }),
      run: h("span", { class: "span ran" }),
      text: h("span", { class: "spans" }),
      cuts: h("span"),
    };
    const element = h(
      "button",
      {
        type: "button",
        class: "gantt-line",
        "data-step": step.number,
        "data-attempt": one.attempt ?? "",
        "data-role": one.role,
        "data-key": `${step.number}.${one.attempt ?? "next"}`,
        "aria-pressed": String(chosen?.step === step.number && chosen?.attempt === one.attempt),
        onclick: () => this.choose(step.number, one.attempt),
      },
      name(step, first),
      h("span", { class: "track" }, parts.cuts, parts.wait, parts.run),
      h(
        "span",
        { class: "try" },
        icon(one.role),
        t(outcome(one)),
        one.attempt === null ? null : h("span", { class: "muted" }, t("try.number", { n: one.attempt })),
      ),
      parts.text,
    );
    return { element, one, parts };
  }
}

function name(step, first) {
  const number_ = h("span", { class: "gantt-number" }, number(step.number));
  const words = h("span", { class: "gantt-word" }, step.name);
  return h("span", { class: first ? "gantt-name" : "gantt-name again", title: step.name }, number_, words);
}

function notBegun(step) {
  const words = h("span", { class: "spans" }, t("gantt.notBegun"));
  const track = h("span", { class: "track" });
  const row = { class: "gantt-line outline", "data-step": step.number };
  return { element: h("div", row, name(step, true), track, words) };
}

function move({ one, parts }, { place, cuts }, time) {
  const put = (bar, from, to) => {
    bar.hidden = from === null;
    if (from === null) return;
    bar.style.left = `${place(from) * 100}%`;
    bar.style.width = `${Math.max(0, place(to) - place(from)) * 100}%`;
  };
  put(parts.wait, one.wait, one.from ?? time);
  put(parts.run, one.from, one.to ?? time);
  say(parts.text, spansWord(one, time));
  if (parts.cuts.childElementCount !== cuts.length)
    parts.cuts.replaceChildren(...cuts.map(() => h("span", { class: "cut", "aria-hidden": "true" })));
  for (const [index, cut] of cuts.entries()) {
    const mark = parts.cuts.children[index];
    put(mark, cut.from, cut.to);
    set(mark, "title", t("gantt.cut", { time: duration(cut.to - cut.from) }));
  }
}

function spansWord(one, time) {
  const { waited, ran } = spans(one, time);
  const words = [
    waited >= 50 ? t(one.from === null ? "span.waiting" : "span.waited", { time: duration(waited) }) : null,
    ran === null ? null : t(one.to === null ? "span.running" : "span.ran", { time: duration(ran) }),
  ];
  return words.filter(Boolean).join(", ");
}
