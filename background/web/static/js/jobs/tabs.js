// The tabs of a job: steps with their picture and an inspector, events, data. Each part is written anew only when what it
// shows has changed, so that a focus or a text selection in it lasts.
import { asCurl, now } from "../base/api.js";
import { h, renew } from "../base/dom.js";
import { duration, number, t, when } from "../base/i18n.js";
import { workerLink } from "../base/links.js";
import { code, json, scroller, tabs } from "../page/parts.js";
import { row, table } from "../page/table.js";
import { comparison } from "./compare.js";
import { Gantt } from "./gantt.js";
import { eventTable, olderButton } from "./history.js";
import { inspect, rowOf } from "./inspector.js";
import { ended } from "./job.js";
import { logs } from "./logs.js";
import { outcome, spans, tries } from "./tries.js";

/**
 * Gives `{ element, update(job, params, names), tick() }`; `choose(params)` changes the route, `restart(step)` opens the
 * dialog, `older()` reads older events and gives whether there were any, `now()` is the time that is shown. Where there is no
 * server to ask, `restart` and `older` are null.
 */
export function panel({ choose, restart, older, now: time = now }) {
  const picture = new Gantt({ choose: (step, attempt) => choose({ step, try: attempt }), now: time });
  const attempts = h("select", {
    name: "attempt",
    "aria-label": t("attempt"),
    onchange: () => choose({ attempt: attempts.value }),
  });
  const as = tabs(["picture", "table"], {
    label: t("as"),
    words: (name) => t(`as.${name}`),
    choose: (name) => choose({ as: name === "table" ? "table" : null }),
  });
  as.element.classList.add("compact");
  const rows = scroller(t("as.table"));
  const details = h("div", { class: "details" });
  const said = logs();
  const inspector = h("section", { class: "inspector", "aria-label": t("inspector") }, details, said.element);
  const steps = h(
    "div",
    { class: "steps" },
    h("div", { class: "steps-main" }, h("div", { class: "row between" }, as.element, attempts), picture.element, rows),
    inspector,
  );
  const more = olderButton(older);
  const history = scroller(t("tab.events"));
  const events = h("div", { class: "stack" }, h("div", { class: "row" }, more.element), history);
  const data = h("div", { class: "stack" });
  const compare = comparison({ choose });
  const views = { steps, compare: compare.element, events, data };
  const element = h("div", { class: "panel" }, Object.values(views));
  const once = memory();
  let running = false;

  function update(job, params, names) {
    for (const [name, view] of Object.entries(views)) view.hidden = name !== params.tab;
    if (params.tab === "steps") showSteps(job, params, names);
    if (params.tab === "compare")
      once("compare", [job.updated_at, params.left, params.right], () => compare.update(tries(job, names), params));
    if (params.tab === "events")
      once("events", [job.id, job.events[0]?.number, job.events.at(-1)?.number], () => {
        renew(history, eventTable(job));
        more.update(job);
      });
    if (params.tab === "data")
      once("data", [job.id, job.updated_at], () => renew(data, dataParts(job, restart === null)));
  }

  function showSteps(job, params, names) {
    const all = tries(job, names);
    const numbers = [...new Set(all.flatMap((step) => step.tries.map((one) => one.attempt)))]
      .filter((each) => each !== null)
      .sort((a, b) => a - b);
    const attempt = numbers.includes(Number(params.attempt)) ? Number(params.attempt) : null;
    const chosen = pick(all, params, attempt, job.status);
    attempts.hidden = numbers.length < 2;
    once("attempts", numbers, () =>
      attempts.replaceChildren(
        h("option", { value: "" }, t("attempt.all")),
        ...numbers.map((each) => h("option", { value: each }, t("attempt.one", { n: each }))),
      ),
    );
    attempts.value = attempt ?? "";
    as.select(params.as === "table" ? "table" : "picture");
    picture.element.hidden = params.as === "table";
    rows.hidden = params.as !== "table";
    running = !ended(job);
    if (params.as === "table")
      once("table", [job.updated_at, attempt], () => renew(rows, tryTable(all, attempt, time())));
    else once("picture", [all, chosen?.step, chosen?.attempt, attempt], () => picture.update(all, { chosen, attempt }));
    const which = `${chosen?.step} ${chosen?.attempt}`;
    once("inspector", [chosen, job.status, rowOf(job, chosen)], () =>
      renew(details, inspect(job, all, chosen, { restart, time: time() }), { same: details.dataset.of === which }),
    );
    details.dataset.of = which;
    said.update(job, chosen);
  }

  function tick() {
    if (steps.hidden) return;
    said.tick();
    if (running && !picture.element.hidden) picture.tick();
  }

  return { element, update, tick };
}

/** Calls what it is given only when the values beside the name have changed since the last time. */
function memory() {
  const seen = new Map();
  return (name, values, write) => {
    const text = JSON.stringify(values);
    if (seen.get(name) === text) return;
    seen.set(name, text);
    write();
  };
}

// What the route names, else what a reader looks for first: how it ended, what runs, or the last error of what is to go on.
function pick(steps, params, attempt, status) {
  const all = steps.flatMap((step) => step.tries).filter((one) => attempt === null || one.attempt === attempt);
  const named = all.filter((one) => one.step === Number(params.step));
  const exact = named.find((one) => String(one.attempt) === String(params.try));
  if (exact ?? named.at(-1)) return exact ?? named.at(-1);
  const latest = all.toSorted((one, other) => (one.from ?? Infinity) - (other.from ?? Infinity));
  const begun = latest.filter((one) => one.from !== null);
  const telling = { COMPLETED: ["ok"], IN_PROGRESS: ["run"] }[status] ?? ["fail", "stop", "retry"];
  return begun.findLast((one) => telling.includes(one.role)) ?? begun.at(-1) ?? latest.at(-1) ?? null;
}

function tryTable(steps, attempt, time) {
  const heads = ["step", "attempt", "outcome", "worker", "began", "waited", "ran"];
  const rows = steps.flatMap((step) =>
    step.tries
      .filter((one) => attempt === null || one.attempt === attempt)
      .map((one) => {
        const { waited, ran } = spans(one, time);
        const cells = [
          t("step", { number: step.number, name: step.name }),
          one.attempt === null ? "" : number(one.attempt),
          t(outcome(one)),
          one.worker ? workerLink(one.worker) : "",
          one.from === null ? "" : when(one.from),
          duration(waited),
          ran === null ? "" : duration(ran),
        ];
        return row(cells);
      }),
  );
  return table(
    heads.map((name) => t(`facts.${name}`)),
    rows,
    "tries",
  );
}

function dataParts(job, saved) {
  return [
    h("h2", {}, t("params")),
    json(job.params, { label: t("params") }),
    h("h2", {}, t("result")),
    job.result === null ? h("p", { class: "muted" }, t("result.none")) : json(job.result, { label: t("result") }),
    ...(saved ? [] : curls(job)),
    h("details", { class: "fold" }, h("summary", {}, t("raw")), json(job, { label: t("raw") })),
  ];
}

const curls = (job) => [
  h("h2", {}, t("as.curl")),
  code(asCurl("GET", `jobs/${job.id}`), { label: "curl GET" }),
  code(
    asCurl("POST", "jobs", {
      pipeline: job.pipeline,
      params: job.params,
      priority: job.priority,
      max_attempts: job.max_attempts,
    }),
    { label: "curl POST" },
  ),
];
