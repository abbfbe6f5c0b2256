// The picture of a job: one line for each try of each step, hatched while it waited and solid while it ran. Each line is a
// button `[data-step][data-attempt][data-role]` whose text says the same, so the picture needs no other description.
import { now } from "./api.js";
import { h, icon, say, set } from "./dom.js";
import { clock, duration, number, t } from "./i18n.js";
import { outcome, scale, spans } from "./timeline.js";

const SHOWN = 5; // tries of one step; the older ones fold

/** Gives `{ element, update(steps, { chosen, attempt }), tick() }`; `choose(step, attempt)` is called for a line. */
export function gantt({ choose }) {
  const element = h("div", { class: "gantt", role: "group", "aria-label": t("gantt") });
  const unfolded = new Set();
  let shown = { steps: [], chosen: null, attempt: null };
  let lines = [];

  function update(steps, { chosen, attempt }) {
    shown = { steps, chosen, attempt };
    const rows = steps.flatMap((step) => rowsOf(step, attempt));
    const axis = h("div", { class: "gantt-axis", "aria-hidden": "true" }, h("span"), h("span"));
    lines = rows.filter((row) => row.one);
    const focused = document.activeElement?.closest?.(".gantt-line")?.dataset.key;
    element.replaceChildren(...rows.map((row) => row.element), axis);
    if (focused) element.querySelector(`[data-key="${focused}"]`)?.focus();
    tick();
  }

  function rowsOf(step, attempt) {
    const own = step.tries.filter((one) => attempt === null || one.attempt === attempt || one.attempt === null);
    const hidden = unfolded.has(step.number) ? 0 : Math.max(0, own.length - SHOWN);
    const rows = own.slice(hidden).map((one, index) => line(step, one, index === 0 && !hidden));
    if (hidden)
      rows.unshift({
        element: h(
          "button",
          {
            type: "button",
            class: "gantt-fold",
            onclick: () => (unfolded.add(step.number), update(shown.steps, shown)),
          },
          name(step, true),
          t("gantt.folded", { n: hidden }),
        ),
      });
    if (!own.length)
      rows.push({
        element: h(
          "div",
          { class: "gantt-line outline", "data-step": step.number },
          name(step, true),
          h("span", { class: "track" }),
          h("span", { class: "spans" }, t("gantt.notBegun")),
        ),
      });
    return rows;
  }

  function line(step, one, first) {
    const parts = {
      wait: h("span", { class: "span waited" }),
      run: h("span", { class: "span ran" }),
      text: h("span", { class: "spans" }),
      cuts: h("span"),
    };
    const key = `${step.number}.${one.attempt ?? "next"}`;
    const chosen = shown.chosen?.step === step.number && shown.chosen?.attempt === one.attempt;
    const button = h(
      "button",
      {
        type: "button",
        class: "gantt-line",
        "data-step": step.number,
        "data-attempt": one.attempt ?? "",
        "data-role": one.role,
        "data-key": key,
        "aria-pressed": String(chosen),
        onclick: () => choose(step.number, one.attempt),
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
    return { element: button, one, parts };
  }

  const name = (step, first) =>
    h(
      "span",
      { class: first ? "gantt-name" : "gantt-name again" },
      h("span", { class: "gantt-number" }, number(step.number)),
      step.name,
    );

  /** Move what depends on the time. */
  function tick() {
    const time = now();
    const { place, cuts, start, end } = scale(shown.steps, time);
    const put = (bar, from, to) => {
      bar.hidden = from === null;
      if (from === null) return;
      bar.style.left = `${place(from) * 100}%`;
      bar.style.width = `${Math.max(0, place(to) - place(from)) * 100}%`;
    };
    for (const { one, parts } of lines) {
      put(parts.wait, one.wait, one.from ?? time);
      put(parts.run, one.from, one.to ?? time);
      const { waited, ran } = spans(one, time);
      const words = [
        waited >= 50 ? t(one.from === null ? "span.waiting" : "span.waited", { time: duration(waited) }) : null,
        ran === null ? null : t(one.to === null ? "span.running" : "span.ran", { time: duration(ran) }),
      ];
      say(parts.text, words.filter(Boolean).join(", "));
      if (parts.cuts.childElementCount !== cuts.length)
        parts.cuts.replaceChildren(...cuts.map(() => h("span", { class: "cut", "aria-hidden": "true" })));
      cuts.forEach((cut, index) => {
        const mark = parts.cuts.children[index];
        put(mark, cut.from, cut.to);
        set(mark, "title", t("gantt.cut", { time: duration(cut.to - cut.from) }));
      });
    }
    const axis = element.querySelector(".gantt-axis");
    if (axis) {
      say(axis.firstChild, clock(start));
      say(axis.lastChild, clock(end));
    }
  }

  return { element, update, tick };
}
