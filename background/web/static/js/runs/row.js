// One row of the list of runs.
import { now } from "../base/api.js";
import { h, say, set } from "../base/dom.js";
import { runSentence } from "../base/facts.js";
import { ago, duration, moment, number, t } from "../base/i18n.js";
import { brief } from "../graph/node.js";
import { badge, tell } from "../page/parts.js";
import { go, href } from "../page/router.js";
import { role, statusWord, took } from "./run.js";

export const COLUMNS = ["run", "type", "status", "progress", "why", "time", "age"];

/** A row `{ element, link, fill(run) }` for the run with this id. */
export function runRow(id) {
  const parts = {
    run: h("a", { href: href(`runs/${id}`) }),
    type: h("span"),
    status: badge(),
    fill: h("span", { class: "bar-fill" }),
    why: h("span", { class: "reason" }),
    time: h("span"),
    age: h("time"),
  };
  const progress = h("span", { class: "bar", role: "img" }, h("span", { class: "bar-part" }, parts.fill));
  const content = {
    run: parts.run,
    type: parts.type,
    status: parts.status.element,
    progress,
    why: parts.why,
    time: parts.time,
    age: parts.age,
  };
  const cells = COLUMNS.map((name) =>
    h(name === "run" ? "th" : "td", { class: `c-${name}`, scope: name === "run" ? "row" : null }, content[name]),
  );
  const element = h("tr", { "data-run": id, onclick: (event) => opened(event, id) }, cells);
  return { element, link: parts.run, fill };

  function fill(run) {
    const { text, known } = runSentence(run);
    const ms = took(run);
    const { completed, total } = run.progress;
    set(element, "data-status", run.status);
    set(element, "data-gone", run.gone === true);
    say(parts.run, run.code.length > 120 ? `${run.code.slice(0, 120)}…` : run.code);
    set(parts.run, "title", run.code.slice(0, 1000));
    say(parts.type, t(`type.${run.type}`));
    parts.status.update(role(run), statusWord(run), run.status);
    set(parts.fill.parentNode, "data-role", role(run));
    parts.fill.style.width = `${(100 * completed) / total}%`;
    set(progress, "aria-label", t("run.progress", { done: completed, total }));
    set(progress, "title", `${number(completed)}/${number(total)}`);
    tell(parts.why, { text: run.successful ? `${text} ${gave(run)}` : text, known });
    set(parts.why, "title", parts.why.textContent);
    set(parts.why, "data-role", run.status === "FAILURE" ? "fail" : null);
    say(parts.time, ms === null ? "" : duration(ms));
    say(parts.age, ago(now() - Date.parse(run.created_at)));
    set(parts.age, "datetime", run.created_at);
    set(parts.age, "title", moment(Date.parse(run.created_at)));
  }
}

/** A long result is cut in a list. */
const gave = ({ result, result_cut }) =>
  result_cut ? t("run.result.cut", { result: result.slice(0, 200) }) : t("run.result", { result: brief(result) });

function opened(event, id) {
  if (event.target.closest("a") || !getSelection().isCollapsed) return;
  if (event.ctrlKey || event.metaKey) open(href(`runs/${id}`));
  else go(href(`runs/${id}`));
}
