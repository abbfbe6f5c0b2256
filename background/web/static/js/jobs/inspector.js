// What is told of the chosen try of a step, beside the picture.
import { h, icon } from "../base/dom.js";
import { causeSentence } from "../base/facts.js";
import { duration, number, percent, t, when } from "../base/i18n.js";
import { workerLink } from "../base/links.js";
import { badge, clamped, code, json } from "../page/parts.js";
import { outcome, shade, spans } from "./tries.js";

/** The row of the step that this is the last try of. */
export const rowOf = (job, chosen) =>
  chosen ? job.steps.find((step) => step.step_number === chosen.step && step.attempt === chosen.attempt) : undefined;

/** Its parts; `restart(step)` opens the dialog, and is null where there is no server to ask; `time` is what is shown. */
export function inspect(job, steps, chosen, { restart, time }) {
  if (!chosen) return [h("p", { class: "muted" }, t("inspector.nothing"))];
  const row = rowOf(job, chosen);
  const name = steps[chosen.step - 1].name;
  const state = badge();
  state.update(chosen.role, t(outcome(chosen)), row?.status ?? chosen.kind);
  const { waited, ran } = spans(chosen, time);
  const entries = [
    chosen.attempt === null ? null : ["attempt", number(chosen.attempt)],
    chosen.worker ? ["worker", workerLink(chosen.worker)] : null,
    chosen.from === null ? null : ["began", when(chosen.from)],
    chosen.to === null ? null : ["ended", when(chosen.to)],
    waited >= 50 && chosen.from !== null ? ["waited", duration(waited)] : null,
    ran === null || chosen.to === null ? null : ["ran", duration(ran)],
  ].filter(Boolean);
  const progress =
    row?.status === "IN_PROGRESS" && row.progress
      ? h("p", {}, percent(row.progress), row.message ? h("span", { lang: "en" }, ` · ${row.message}`) : "")
      : null;
  return [
    h("div", { class: "row" }, h("h2", {}, t("step", { number: chosen.step, name })), state.element),
    h(
      "dl",
      { class: "facts small" },
      entries.map(([key, value]) => h("div", {}, h("dt", {}, t(`facts.${key}`)), h("dd", {}, value))),
    ),
    progress,
    chosen.message && ["fail", "retry", "stop"].includes(chosen.role)
      ? clamped(causeSentence(chosen.cause, chosen.message), { role: shade(chosen.kind) }).element
      : null,
    ...section(chosen.error, t("traceback"), (value) => code(value, { label: t("traceback"), lang: "en" })),
    ...section(row?.status === "COMPLETED" ? row.output : undefined, t("output"), (value) =>
      json(value, { label: t("output") }),
    ),
    chosen.role === "wait" || chosen.from === null ? h("p", { class: "muted" }, t("inspector.waits")) : null,
    restart && chosen.step <= (job.last_from_step ?? 0)
      ? h(
          "button",
          { type: "button", class: "button small", "data-action": "restart-here", onclick: () => restart(chosen.step) },
          icon("retry"),
          t("restart.here"),
        )
      : null,
  ].filter(Boolean);
}

const section = (value, title, make) =>
  value === undefined || value === null ? [] : [h("h3", {}, title), make(value)];
