// What has happened to a job, event by event.
import { h, hide } from "../base/dom.js";
import { causeSentence, inBrief, line } from "../base/facts.js";
import { moment, number, t, when } from "../base/i18n.js";
import { workerLink } from "../base/links.js";
import { clamped, code, complain } from "../page/parts.js";
import { row, table } from "../page/table.js";
import { eventWord } from "./job.js";
import { messageOf, shade } from "./tries.js";

/** The button that reads older events, as long as there are any. */
export function olderButton(older) {
  let none = false; // The first events may be gone: retention takes them before their job.
  let reading = false;
  const element = h("button", { type: "button", class: "button small", "data-action": "older" }, t("events.older"));
  element.addEventListener("click", async () => {
    if (reading) return;
    reading = true;
    try {
      none = !(await older());
      if (none) hide(element, true);
    } catch (error) {
      complain(error);
    } finally {
      reading = false;
    }
  });
  return { element, update: (job) => hide(element, none || !older || !(job.events[0]?.number > 1)) };
}

/** @param {Job} job */
export const eventTable = (job) =>
  table(
    ["number", "time", "event", "step", "attempt", "by", "message"].map((name) => t(`facts.${name}`)),
    job.events.map(eventRow),
    "history",
  );

function eventRow(event) {
  const words = messageOf(event);
  const said = words && causeSentence(event.cause, words);
  const message = event.error
    ? h(
        "details",
        {},
        h("summary", { lang: said?.known ? null : "en" }, line(said?.text ?? event.kind)),
        code(event.error, { label: t("traceback"), lang: "en" }),
      )
    : said && inBrief(said.text).detail
      ? clamped(said, { role: shade(event.kind) }).element
      : h("span", { lang: said && !said.known ? "en" : null }, said?.text ?? "");
  const cells = [
    number(event.number),
    h("time", { datetime: event.at, title: moment(Date.parse(event.at)) }, when(Date.parse(event.at))),
    h("span", { title: event.kind }, eventWord(event.kind)),
    event.step_name ?? "",
    event.attempt ? number(event.attempt) : "",
    event.actor ?? (event.worker ? workerLink(event.worker) : ""),
    message,
  ];
  return row(cells, { "data-event": event.kind, "data-actor": event.actor, "data-key": event.number });
}
