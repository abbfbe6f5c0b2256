// A short table of jobs, to be read alone. Hooks for tests: rows `tr[data-job-id][data-status]`.
import { now } from "../base/api.js";
import { h, renew, say, set } from "../base/dom.js";
import { ago, duration, moment, t } from "../base/i18n.js";
import { pipelineHref } from "../base/links.js";
import { tell } from "../page/parts.js";
import { href } from "../page/router.js";
import { jobBadge } from "./badge.js";
import { ran, why } from "./job.js";

/** Gives `{ element, update(jobs) }`, without jobs those before as of now; with `pipelines` the table says whose each is. */
export function briefTable({ label, pipelines = false }) {
  const columns = ["id", ...(pipelines ? ["pipeline"] : []), "status", "why", "time", "age"];
  const body = h("tbody");
  const heads = columns.map((name) => h("th", { class: `c-${name}`, scope: "col" }, t(`column.${name}`)));
  const table = h("table", { class: "jobs brief", "aria-label": label }, h("thead", {}, h("tr", {}, heads)), body);
  const none = h("p", { class: "muted" }, t("empty.jobs"));
  let rows = new Map();
  let shown = [];

  function update(jobs = shown) {
    shown = jobs;
    table.hidden = !jobs.length;
    none.hidden = jobs.length > 0;
    const old = [...rows.keys()];
    rows = new Map(jobs.map((job) => [job.id, rows.get(job.id) ?? row(job, columns)]));
    const ids = [...rows.keys()];
    if (old.length !== ids.length || ids.some((id, i) => id !== old[i]))
      renew(
        body,
        ids.map((id) => rows.get(id).element),
      );
    for (const job of jobs) rows.get(job.id).update(job);
  }
  return { element: h("div", {}, table, none), update };
}

function row({ id, pipeline, created_at: created }, columns) {
  const state = jobBadge();
  const reason = h("span", { class: "reason" });
  const time = h("span");
  const made = Date.parse(created);
  const age = h("time", { datetime: created, title: moment(made) });
  const cells = {
    id: h("a", { href: href(`jobs/${id}`) }, `#${id}`),
    pipeline: h("a", { class: "quiet-link", href: pipelineHref(pipeline), title: pipeline }, pipeline),
    status: state.element,
    why: reason,
    time,
    age,
  };
  const element = h(
    "tr",
    { "data-job-id": id, "data-key": id },
    columns.map((name) =>
      h(name === "id" ? "th" : "td", { class: `c-${name}`, scope: name === "id" ? "row" : null }, cells[name]),
    ),
  );
  const update = (job) => {
    const ms = ran(job);
    set(element, "data-status", job.status);
    state.update(job);
    tell(reason, why(job));
    set(reason, "title", reason.textContent);
    set(reason, "data-role", job.status === "FAILED" ? "fail" : null);
    say(time, ms === null ? "" : duration(ms));
    say(age, ago(now() - made));
  };
  return { element, update };
}
