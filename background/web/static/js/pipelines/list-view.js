// Every pipeline. Hooks for tests: `[data-pipeline]`.
import { get } from "../base/api.js";
import { h, icon, renew } from "../base/dom.js";
import { described } from "../base/facts.js";
import { counted, t } from "../base/i18n.js";
import { pipelineHref } from "../base/links.js";
import { pulse } from "../base/pulse.js";
import { STATUSES } from "../jobs/job.js";
import { worded } from "../page/parts.js";
import { PolledView } from "../page/polled.js";
import { roleOf } from "../page/roles.js";
import { href } from "../page/router.js";

export const show = (main, route) => new PipelinesView(main, route);

class PipelinesView extends PolledView {
  constructor(main, route) {
    super(main, route, { section: "jobs", title: () => t("section.pipelines") });
  }

  load() {
    return Promise.all([get("pipelines"), pulse.stats ?? get("jobs/stats")]);
  }

  build() {
    this.cards = h("div", { class: "workers" });
    const crumb = h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/jobs" }, t("section.jobs")));
    this.main.append(
      h(
        "div",
        { class: "job" },
        crumb,
        h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.pipelines"))),
        this.cards,
      ),
    );
  }

  draw([pipelines, stats]) {
    const text = JSON.stringify([pipelines, stats.pipelines]);
    if (text === this.known) return;
    this.known = text;
    renew(
      this.cards,
      pipelines.map((each) => card(each, stats)),
    );
  }
}

function card(pipeline, { pipelines, estimated }) {
  const counts = STATUSES.map((status) => {
    const role = roleOf(status);
    const number = counted(pipelines[pipeline.name]?.[status] ?? 0, estimated.includes(status));
    const address = href("jobs", { pipeline: pipeline.name, status });
    return h(
      "a",
      { class: `chip role-${role}`, href: address, title: t(`status.${status}`) },
      icon(role),
      h("span", { class: "off-screen" }, t(`status.${status}`)),
      number,
    );
  });
  return h(
    "article",
    { class: "worker", "data-pipeline": pipeline.name, "data-key": pipeline.name },
    h("h2", {}, h("a", { href: pipelineHref(pipeline.name) }, pipeline.name)),
    h("p", {}, worded(described(pipeline))),
    h("p", { class: "muted" }, pipeline.steps.join(" → ")),
    h("div", { class: "row" }, counts),
  );
}
