// One worker: how it is, what it runs, what it did lately. Hooks for tests: `[data-worker][data-status]`, `[data-figure]`.
import { get } from "../base/api.js";
import { h, renew } from "../base/dom.js";
import { duration, moment, number, t } from "../base/i18n.js";
import { pipelineHref } from "../base/links.js";
import { briefTable } from "../jobs/brief.js";
import { ended, ran } from "../jobs/job.js";
import { copyLinkButton } from "../page/parts.js";
import { PolledView, unknown } from "../page/polled.js";
import { about, doing, stateOf } from "./workers.js";

const NEWEST = 50;

export const show = (main, route) => new WorkerView(main, route);

class WorkerView extends PolledView {
  constructor(main, route) {
    super(main, route, { section: "system", title: (name) => t("worker", { name }) });
  }

  async load() {
    const [workers, jobs] = await Promise.all([
      get("workers"),
      get(`jobs?${new URLSearchParams({ worker: this.name, limit: String(NEWEST) })}`),
    ]);
    // One that was started again may have the name of its predecessor, which stays for a while.
    const starts = workers.filter((each) => each.name === this.name);
    return { worker: starts.find((each) => each.status === "alive") ?? starts[0] ?? null, jobs };
  }

  build() {
    this.state = h("div", { class: "row" });
    this.now = h("div", { class: "worker-now worker" });
    this.figures = h("div", { class: "figures" });
    this.jobs = briefTable({ label: t("worker.jobs"), pipelines: true });
    this.element = h(
      "article",
      { class: "job", "data-worker": this.name },
      h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/system" }, t("section.system"))),
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, this.title(this.name)), this.state, copyLinkButton()),
      this.now,
      this.figures,
      h("section", { "aria-label": t("worker.jobs") }, h("h2", {}, t("worker.jobs")), this.jobs.element),
    );
    this.main.append(this.element);
  }

  none({ worker, jobs }) {
    if (worker || jobs.length) return null;
    const back = h("a", { class: "button", href: "#/system" }, t("section.system"));
    return unknown("worker.none", "worker.none.why", back);
  }

  draw({ worker, jobs }) {
    this.element.dataset.status = worker?.status ?? "gone";
    const text = JSON.stringify([worker, Math.floor(Date.now() / 10_000)]);
    if (text !== this.known) {
      this.known = text;
      this.describe(worker);
    }
    this.figures.replaceChildren(...figuresOf(jobs));
    this.jobs.update(jobs);
  }

  tick() {
    this.jobs.update();
  }

  describe(worker) {
    if (!worker) {
      this.state.replaceChildren();
      return renew(this.now, h("p", {}, t("worker.gone")));
    }
    const { state, seen } = stateOf(worker);
    this.state.replaceChildren(state, h("span", { class: "muted" }, seen));
    const able = Object.keys(worker.pipelines).map((name) => h("a", { href: pipelineHref(name) }, name));
    renew(
      this.now,
      [
        h("p", { class: "muted" }, about(worker)),
        h("p", { class: "muted" }, t("worker.started", { time: moment(Date.parse(worker.started_at)) })),
        doing(worker),
        h("div", { class: "row" }, h("span", { class: "muted" }, t("section.pipelines")), able),
      ].filter(Boolean),
    );
  }
}

/** What became of the jobs that it had last. */
function figuresOf(jobs) {
  const over = jobs.filter(ended);
  const times = over.map(ran).filter((each) => each !== null);
  const figure = (name, value, role) =>
    h(
      "div",
      { class: "figure", "data-figure": name, "data-role": role },
      h("span", { class: "figure-value" }, value),
      h("span", {}, t(`worker.figure.${name}`, { n: jobs.length })),
    );
  const of = (status) => number(over.filter((job) => job.status === status).length);
  const mean = times.length ? duration(times.reduce((sum, each) => sum + each, 0) / times.length) : "–";
  return [
    figure("completed", of("COMPLETED"), "ok"),
    figure("failed", of("FAILED"), "fail"),
    figure("mean", mean, null),
  ];
}
