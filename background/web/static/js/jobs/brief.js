// A short table of jobs, to be read alone. Hooks for tests: rows `tr[data-job-id][data-status]`.
import { now } from "../base/api.js";
import { h, renew } from "../base/dom.js";
import { ago, duration, moment, t } from "../base/i18n.js";
import { pipelineHref } from "../base/links.js";
import { tell } from "../page/parts.js";
import { href } from "../page/router.js";
import { jobBadge } from "./badge.js";
import { ran, why } from "./job.js";

/** Gives `{ element, update(jobs) }`; with `pipelines` the table says whose each is. */
export function briefTable({ label, pipelines = false }) {
  const columns = ["id", ...(pipelines ? ["pipeline"] : []), "status", "why", "time", "age"];
  const body = h("tbody");
  const heads = columns.map((name) => h("th", { class: `c-${name}`, scope: "col" }, t(`column.${name}`)));
  const table = h("table", { class: "jobs brief", "aria-label": label }, h("thead", {}, h("tr", {}, heads)), body);
  const none = h("p", { class: "muted" }, t("empty.jobs"));
  let known = "";

  function update(jobs) {
    table.hidden = !jobs.length;
    none.hidden = jobs.length > 0;
    const text = JSON.stringify([jobs, jobs.map((job) => ago(now() - Date.parse(job.created_at)))]);
    if (text === known) return;
    known = text;
    renew(
      body,
      jobs.map((job) => row(job, columns)),
    );
  }
  return { element: h("div", {}, table, none), update };
}

function row(job, columns) {
  const state = jobBadge();
  state.update(job);
  const reason = h("span", { class: "reason", "data-role": job.status === "FAILED" ? "fail" : null });
  tell(reason, why(job));
  reason.title = reason.textContent;
  const seconds = ran(job);
  const made = Date.parse(job.created_at);
  const cells = {
    id: h("a", { href: href(`jobs/${job.id}`) }, `#${job.id}`),
    pipeline: h("a", { class: "quiet-link", href: pipelineHref(job.pipeline), title: job.pipeline }, job.pipeline),
    status: state.element,
    why: reason,
    time: seconds === null ? "" : duration(seconds),
    age: h("time", { datetime: job.created_at, title: moment(made) }, ago(now() - made)),
  };
  return h(
    "tr",
    { "data-job-id": job.id, "data-status": job.status, "data-key": job.id },
    columns.map((name) =>
      h(name === "id" ? "th" : "td", { class: `c-${name}`, scope: name === "id" ? "row" : null }, cells[name]),
    ),
  );
}
