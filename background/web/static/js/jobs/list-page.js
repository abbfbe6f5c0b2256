// What the list of jobs is made of, apart from its rows: heading, filters, table, selection, empty and error states.
import { asCurl, request } from "../base/api.js";
import { h, icon, say, set } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { counted, t } from "../base/i18n.js";
import { later } from "../base/later.js";
import { exportButton } from "../page/export.js";
import { code, empty, failure, skeleton } from "../page/parts.js";
import { roleOf } from "../page/roles.js";
import { go, href } from "../page/router.js";
import { may, STATUSES } from "./job.js";
import { COLUMNS } from "./row.js";
import { query } from "./search.js";

/** Fills `main`; its methods show what has changed. `view` does what the buttons ask for. */
export class ListPage {
  constructor(main, view) {
    this.view = view;
    this.filters = new Filters();
    this.news = button("show-new", { class: "news", hidden: true, onclick: () => view.renew() });
    this.selection = new Selection(view);
    this.body = h("tbody", { role: "rowgroup" });
    this.table = table(this.selection.all, this.body);
    this.state = h("div");
    this.matching = h("div", { class: "matching", "data-matching": "", hidden: true });
    this.foot = h("div", { class: "list-foot" });
    this.total = h("span", { class: "count" });
    const submit = button("new", { class: "button primary", onclick: () => view.submit() }, icon("plus"), t("new"));
    main.append(
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.jobs")), this.total, submit),
      this.filters.element,
      this.matching,
      h("div", { class: "news-line" }, this.news),
      this.table,
      this.state,
      this.foot,
      this.selection.element,
    );
  }

  showCounts(stats, { status, pipeline, q }) {
    if (!stats) return;
    if (q) {
      // The counts are of all jobs, and those that match are counted beside the actions.
      this.filters.showCounts(() => "");
      return say(this.total, "");
    }
    const counts = pipeline ? (stats.pipelines[pipeline] ?? {}) : stats.status;
    const sum = Object.values(counts).reduce((one, other) => one + other, 0);
    const about = (name) => (name ? stats.estimated.includes(name) : stats.estimated.length > 0);
    const word = (name) => counted(name ? (counts[name] ?? 0) : sum, about(name));
    this.filters.showCounts(word);
    say(this.total, t("jobs.total", { n: word(STATUSES.includes(status) ? status : "") }));
  }

  showNews(list) {
    const gone = list.gone ? t("news.gone", { n: list.gone }) : "";
    const text = list.news ? t("news", { n: list.news }) : gone;
    this.news.hidden = !text;
    if (this.news.textContent !== text) this.news.replaceChildren(icon("up"), text);
  }

  /** `name` is rows, loading, failed or empty. */
  showState(name, { error, retry }) {
    this.table.hidden = name !== "rows";
    if (this.state.dataset.state === name && name !== "failed") return;
    this.state.dataset.state = name;
    this.state.replaceChildren(
      ...{
        rows: [],
        loading: [skeleton(8)],
        failed: [error && (error.status === 422 ? impossible(error) : failure(error, retry))],
        empty: [nothing(this.filters.filter, this.view)],
      }[name],
    );
  }

  showFoot(list) {
    set(this.table, "aria-rowcount", list.more ? -1 : list.ids.length + 1);
    this.foot.replaceChildren(...this._foot(list));
  }

  _foot(list) {
    if (list.more && !list.full)
      return [button("older", { class: "button", onclick: () => this.view.older() }, t("older"))];
    if (list.more) {
      const older = href("jobs", { ...list.filter, before: list.oldest });
      return [h("a", { class: "button", "data-action": "older-page", href: older }, t("older"))];
    }
    return list.ids.length > 10 ? [h("span", { class: "muted" }, t("end"))] : [];
  }
}

const EXPORTED = [
  ...["id", "pipeline", "status", "created_at", "started_at", "finished_at", "running_seconds", "attempt"],
  ...["max_attempts", "priority", "worker", "error", "waiting_for", "params", "result", "task_id"],
];
const EXPORT_PAGE = 1000;

/** What is looked for: chips, and the same as fields where there is little room. */
class Filters {
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
    this.clear = button("clear", { class: "button small", onclick: () => go(href("jobs")) }, t("filter.clear"));
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
    this.clear.hidden = !filter.status && !filter.pipeline && !filter.q;
    this.newest.hidden = !filter.before;
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

/** How many are chosen, and what may be done with them. */
class Selection {
  constructor(view) {
    this.all = h("input", {
      type: "checkbox",
      "aria-label": t("select.all"),
      onchange: () => view.selectAll(this.all.checked),
    });
    this.count = h("span");
    const kind = { delete: "button danger" };
    this.bulk = new Map(
      ["cancel", "retry", "delete"].map((name) => [
        name,
        button(name, { class: kind[name] ?? "button", onclick: () => view.actOnSelection(name) }),
      ]),
    );
    this.loaded = button("select-loaded", { class: "button quiet", onclick: () => view.selectAll(true) });
    const matching = { class: "button quiet", onclick: () => view.selectMatching() };
    this.matching = button("select-matching", matching, t("select.matching"));
    const none = button("select-none", { class: "button quiet", onclick: () => view.selectNone() }, t("select.none"));
    this.choice = h("div", { class: "row" }, [...this.bulk.values()], this.loaded, this.matching, none);
    this.working = h("div", { class: "row", hidden: true });
    this.element = h(
      "div",
      { class: "selection", role: "group", "aria-label": t("selection"), hidden: true },
      this.count,
      this.choice,
      this.working,
    );
  }

  /**
   * Something is done to the chosen jobs, one after the other; null when that is over.
   * @param {{ action: string, done: number, total?: number, stop: () => void } | null} state
   */
  work(state) {
    this.choice.hidden = this.count.hidden = state !== null;
    this.working.hidden = state === null;
    if (state === null) return this.working.replaceChildren();
    if (!this.working.childElementCount) {
      const stop = button("stop", { class: "button" }, t("bulk.stop"));
      stop.addEventListener("click", () => {
        stop.disabled = true;
        state.stop();
      });
      this.working.append(h("progress", { "aria-label": t("selection") }), h("span"), stop);
      stop.focus();
    }
    const [bar, text] = this.working.children;
    set(bar, "max", state.total);
    set(bar, "value", state.total && state.done);
    say(text, t(`bulk.at.${state.action}`, { done: state.done, total: state.total }));
  }

  /** These jobs are chosen, of those of this list. */
  show(jobs, list) {
    const some = jobs.length > 0;
    const shown = list.ids.length;
    say(this.loaded, t("select.loaded", { n: shown }));
    this.loaded.hidden = jobs.length >= shown;
    this.matching.hidden = !list.more || jobs.length !== shown;
    this.element.hidden = !some;
    document.documentElement.classList.toggle("selecting", some);
    this.all.checked = some && jobs.length >= shown;
    this.all.indeterminate = some && jobs.length < shown;
    say(this.count, t("selected", { n: jobs.length }));
    for (const [name, each] of this.bulk) {
      const able = jobs.filter(may[name]).length;
      say(each, t(`do.${name}.n`, { n: able }));
      each.disabled = able === 0;
    }
  }
}

const button = (action, attributes, ...children) =>
  h("button", { type: "button", "data-action": action, ...attributes }, ...children);

function table(all, body) {
  const heads = COLUMNS.map((name) => head(name, all));
  return h(
    "table",
    { class: "jobs", role: "table", "aria-label": t("section.jobs") },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row", "aria-rowindex": "1" }, heads)),
    body,
  );
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

function head(name, all) {
  const hidden = name === "menu" || name === "steps";
  const content =
    name === "check"
      ? h("label", { class: "hit" }, all)
      : h("span", { class: hidden && name === "menu" ? "off-screen" : null }, t(`column.${name}`));
  return h("th", { class: `c-${name}`, role: "columnheader", scope: "col" }, content);
}

/** The filters of the address are none: trying again cannot help. */
const impossible = (error) =>
  empty({
    title: t("failure"),
    text: refusal(error).text,
    actions: [h("a", { class: "button", href: "#/jobs" }, t("filter.clear"))],
  });

function nothing(filter, view) {
  if (filter.status || filter.pipeline || filter.before || filter.q) {
    return empty({
      title: t("empty.filtered"),
      text: t("empty.filtered.how"),
      actions: [h("a", { class: "button", href: "#/jobs" }, t("filter.clear"))],
      extra: filter.q ? h("p", { class: "muted" }, t("empty.searched.how")) : undefined,
    });
  }
  const make = h(
    "button",
    { type: "button", class: "button primary", "data-action": "new-first", onclick: () => view.submit() },
    icon("plus"),
    t("new"),
  );
  return empty({
    title: t("empty.jobs"),
    text: t("empty.jobs.how"),
    actions: [make, h("a", { class: "button", href: "#/start", "data-action": "start" }, t("start.link"))],
    extra: code(asCurl("POST", "jobs"), { label: "curl" }),
  });
}
