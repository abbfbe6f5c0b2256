// One pipeline: what it does and takes, what ended over time, its newest jobs, what they failed of. Hooks for tests:
// `[data-pipeline]`, `[data-param]`, `[data-failure]`, `[data-action=new|pause|resume]`.
import { get, request } from "../base/api.js";
import { h, icon, renew, say, set } from "../base/dom.js";
import { causeSentence, described, line } from "../base/facts.js";
import { number, t, upright } from "../base/i18n.js";
import { workerHref } from "../base/links.js";
import { Charts } from "../charts/panel.js";
import { briefTable } from "../jobs/brief.js";
import { openSubmit } from "../jobs/submit.js";
import { complain, copyLinkButton, scroller, worded } from "../page/parts.js";
import { PolledView, unknown } from "../page/polled.js";
import { go, href, replace } from "../page/router.js";
import { propertiesOf } from "../page/schema.js";
import { row, rowHead, table } from "../page/table.js";
import "../jobs/queue-words.js";
import { grouped } from "./failures.js";

const NEWEST = 10;
const FAILED = 100; // that are looked at, to group them

export const show = (main, route) => new PipelineView(main, route);

class PipelineView extends PolledView {
  constructor(main, route) {
    super(main, route, { section: "jobs", title: (name) => t("pipeline", { name }) });
    this.keys = { KeyN: () => this.submit() };
  }

  async load() {
    const pipeline = this.name;
    const query = (more) => new URLSearchParams({ pipeline, ...more });
    const range = ["day", "week"].includes(this.params.range) ? this.params.range : "hour";
    const [all, stats, newest, failed] = await Promise.all([
      get("pipelines?called=true"),
      get(`jobs/stats?${query({ range })}`),
      get(`jobs?${query({ limit: NEWEST })}`),
      get(`jobs?${query({ status: "FAILED", limit: FAILED })}`),
    ]);
    return { info: all.find((each) => each.name === pipeline) ?? null, stats, newest, failed };
  }

  build() {
    this.known = {};
    this.about = h("div", { class: "stack" });
    this.charts = new Charts({
      label: t("system.history"),
      choose: (more) => {
        this.params = { ...this.params, ...more };
        replace(href(`pipelines/${encodeURIComponent(this.name)}`, this.params));
        this.charts.show(this.params);
        this.polling.now();
      },
    });
    this.jobs = briefTable({ label: t("newest.jobs") });
    this.failures = h("div");
    this.submitButton = h(
      "button",
      { type: "button", class: "button primary", "data-action": "new", onclick: () => this.submit() },
      icon("plus"),
      t("new"),
    );
    this.pauseButton = h("button", { type: "button", class: "button", onclick: () => this.pause() });
    const all = href("jobs", { pipeline: this.name });
    const scheduled = { class: "button", href: href("schedules", { pipeline: this.name }), "data-link": "schedules" };
    this.schedules = h("a", scheduled, t("section.schedules"));
    const section = (title, content, ...more) =>
      h("section", { "aria-label": title }, h("div", { class: "row between" }, h("h2", {}, title), ...more), content);
    this.element = h(
      "article",
      { class: "job system-wide", "data-pipeline": this.name },
      h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/pipelines" }, t("section.pipelines"))),
      h(
        "div",
        { class: "head" },
        h("h1", { tabindex: "-1" }, this.title(this.name)),
        h("div", { class: "row" }, this.submitButton, this.pauseButton, this.schedules, copyLinkButton()),
      ),
      this.about,
      this.charts.element,
      section(t("newest.jobs"), this.jobs.element, h("a", { class: "button small", href: all }, t("all.jobs"))),
      section(t("failures"), this.failures),
    );
    this.main.append(this.element);
  }

  tick() {
    this.jobs.update();
  }

  left() {
    this.charts.close();
  }

  none({ info, newest }) {
    if (info || newest.length) return null;
    const back = h("a", { class: "button", href: "#/pipelines" }, t("section.pipelines"));
    return unknown("pipeline.none", "pipeline.none.why", back);
  }

  draw({ info, stats, newest, failed }) {
    for (const each of [this.submitButton, this.pauseButton, this.schedules]) each.hidden = !info || info.called;
    this.paused = info?.paused ?? false;
    set(this.pauseButton, "data-action", this.paused ? "resume" : "pause");
    say(this.pauseButton, t(this.paused ? "queue.resume" : "queue.pause"));
    this.once("about", info, () =>
      renew(this.about, info ? aboutOf(info) : h("p", { class: "note" }, t("pipeline.gone"))),
    );
    this.charts.show(this.params);
    this.charts.take(stats);
    this.jobs.update(newest);
    this.once(
      "failures",
      failed.map((job) => [job.id, job.error]),
      () => renew(this.failures, failureTable(failed, this.name)),
    );
  }

  /** Write a part only where what it shows has changed, so that a focus or a selection in it lasts. */
  once(name, value, write) {
    const text = JSON.stringify(value);
    if (this.known[name] === text) return;
    this.known[name] = text;
    write();
  }

  /** Let it wait, or go on; what runs goes on in any case. */
  async pause() {
    const body = { paused: !this.paused };
    await request("PATCH", `pipelines/${encodeURIComponent(this.name)}`, { body }).catch(complain);
    this.polling.now();
  }

  submit() {
    openSubmit({ pipeline: this.name, closed: (id) => id && go(href(`jobs/${id}`)) });
  }
}

function aboutOf(info) {
  const steps = h(
    "ol",
    { class: "plan" },
    info.steps.map((name) => h("li", {}, h("code", {}, name))),
  );
  const paused = info.paused ? h("p", { class: "note" }, t("pipeline.paused")) : null;
  const lacking = info.drift ? h("p", { class: "note" }, t("pipeline.drift")) : null;
  const able = info.workers
    .filter((each) => each.steps)
    .map(({ worker }) => h("a", { href: workerHref(worker) }, worker));
  return [
    h("p", {}, info.called ? t("pipeline.called") : worded(described(info))),
    paused,
    h("div", {}, h("h2", {}, t("tab.steps")), steps),
    h("div", {}, h("h2", {}, t("params")), paramTable(info.params)),
    lacking,
    h(
      "div",
      { class: "row" },
      h("h2", {}, t("workers")),
      able.length ? able : h("span", { class: "muted" }, t("pipeline.nobody")),
    ),
  ].filter(Boolean);
}

function paramTable(schema) {
  const found = propertiesOf(schema);
  if (!found.length) return h("p", { class: "muted" }, t("params.none"));
  const heads = ["params.name", "params.takes", "params.default"].map((key) => t(key));
  const rows = found.map(({ name, hint, fallback, isValue, required }) =>
    row(
      [
        rowHead(h("code", {}, name)),
        hint,
        required ? t("required") : isValue && fallback ? h("code", {}, fallback) : fallback || "–",
      ],
      {
        "data-param": name,
      },
    ),
  );
  return scroller(t("params"), table(heads, rows, "takes"));
}

function failureTable(failed, pipeline) {
  if (!failed.length) return h("p", { class: "muted" }, t("failures.none"));
  const heads = ["failures.number", "facts.step", "facts.message", "failures.newest"].map((key) => t(key));
  const rows = grouped(failed).map((each) => {
    const said = causeSentence(each.cause, each.message);
    return row(
      [
        number(each.number),
        each.step ?? "–",
        h(
          "td",
          { lang: said.known ? null : "en", class: "failure-said", title: said.text },
          upright(line(said.text)) || "–",
        ),
        h("a", { href: href(`jobs/${each.newest}`) }, `#${each.newest}`),
      ],
      { "data-failure": each.number },
    );
  });
  const all = h("a", { href: href("jobs", { pipeline, status: "FAILED" }) }, t("failures.all"));
  const note = h(
    "p",
    { class: "muted" },
    t(failed.length < FAILED ? "failures.of" : "failures.cut", { n: failed.length }),
    " ",
    all,
  );
  return h("div", { class: "stack" }, note, scroller(`${t("failures")}: ${t("as.table")}`, table(heads, rows)));
}
