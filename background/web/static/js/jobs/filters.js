// What is looked for in the list of jobs: chips, and the same as fields where there is little room.
import { request } from "../base/api.js";
import { actionButton, h, hide, icon, say, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { later } from "../base/later.js";
import { exportButton } from "../page/export.js";
import { roleOf } from "../page/roles.js";
import { go, href } from "../page/router.js";
import { STATUSES } from "./job.js";
import { query } from "./search.js";

const EXPORTED = [
  ...["id", "pipeline", "status", "created_at", "started_at", "finished_at", "running_seconds", "attempt"],
  ...["max_attempts", "priority", "worker", "error", "waiting_for", "params", "result", "task_id"],
];
const EXPORT_PAGE = 1000;

export class Filters {
  constructor() {
    this.filter = {};
    this.chips = new Map(["", ...STATUSES].map((status) => [status, chip(status)]));
    this.status = h(
      "select",
      {
        name: "status",
        "aria-label": t("filter.status"),
        class: "phone-only",
        onchange: () => this._choose({ status: this.status.value }),
      },
      [...this.chips.keys()].map((each) => h("option", { value: each }, each ? t(`status.${each}`) : t("all"))),
    );
    this.pipeline = h(
      "select",
      {
        name: "pipeline",
        "aria-label": t("filter.pipeline"),
        onchange: () => this._choose({ pipeline: this.pipeline.value }),
      },
      h("option", { value: "" }, t("filter.pipelines")),
    );
    this.search = h("div", { class: "search" });
    this.clear = actionButton("clear", { class: "button small", onclick: () => go(href("jobs")) }, t("filter.clear"));
    this.export = exportButton({
      name: "jobs",
      page: (before) =>
        request("GET", `jobs?${query({ ...this.filter, before: before ?? this.filter.before, limit: EXPORT_PAGE })}`),
      columns: EXPORTED,
      flat: (job) => job,
    });
    this.newest = h("a", { class: "button small", href: "#/jobs", "data-action": "newest" }, icon("up"), t("newest"));
    const links = [...this.chips.values()].map((each) => each.link);
    this.element = h(
      "div",
      { class: "filters", role: "group", "aria-label": t("filters") },
      this.search,
      h("div", { class: "chips" }, links),
      this.status,
      this.pipeline,
      this.newest,
      this.clear,
      h("a", { class: "button small", href: "#/pipelines", "data-action": "pipelines" }, t("section.pipelines")),
      h("a", { class: "button small", href: "#/schedules", "data-action": "schedules" }, t("section.schedules")),
      this.export,
    );
  }

  show(filter) {
    this.filter = filter;
    for (const [name, { link }] of this.chips) {
      set(link, "href", href("jobs", { status: name, pipeline: filter.pipeline, q: filter.q }));
      set(link, "aria-current", (filter.status ?? "") === name ? "true" : null);
    }
    this.status.value = filter.status ?? "";
    this.pipeline.value = filter.pipeline ?? "";
    this.box?.show(filter.q);
    hide(this.clear, !filter.status && !filter.pipeline && !filter.q);
    hide(this.newest, !filter.before);
  }

  showPipelines(found) {
    const options = found.map(({ name }) => h("option", { value: name }, name));
    this.pipeline.replaceChildren(this.pipeline.firstChild, ...options);
    this.pipeline.value = this.filter.pipeline ?? "";
    this.pipelines = found;
    if (this.box) this.box.pipelines = found;
  }

  showCounts(word) {
    for (const [name, { count }] of this.chips) say(count, word(name));
  }

  _choose(more) {
    const { status, pipeline, q } = this.filter;
    go(href("jobs", { status, pipeline, q, ...more }));
  }

  /** The field for a text, which comes after the list. */
  async showSearch() {
    const { SearchBox } = await later.load();
    this.box = new SearchBox((more) => this._choose(more));
    this.box.pipelines = this.pipelines ?? [];
    this.box.show(this.filter.q);
    this.search.replaceChildren(this.box.element);
  }
}

function chip(status) {
  const count = h("span", { class: "chip-count" });
  const word = status ? [icon(roleOf(status)), t(`status.${status}`)] : [t("all")];
  return {
    count,
    link: h(
      "a",
      { class: status ? `chip role-${roleOf(status)}` : "chip", "data-filter": status || "all" },
      word,
      count,
    ),
  };
}
