// The list of runs. Hooks for tests: rows `tr[data-run][data-status]`; filters `a[data-filter]`, `select[name=type]`;
// `[data-action]`: build, show-new, older, newest, clear.
import { asCurl, request } from "../base/api.js";
import { h, hide, icon, renew, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { poll } from "../base/stream.js";
import { exportButton } from "../page/export.js";
import { code, empty, failure, skeleton } from "../page/parts.js";
import { roleOf } from "../page/roles.js";
import { go, href } from "../page/router.js";
import { COLUMNS, runRow } from "./row.js";
import { STATUSES, TYPES } from "./run.js";

const PAGE = 30;
const READ_MS = 2500;
const EXPORT_PAGE = 500;
const EXPORTED = [
  ...["task_id", "type", "status", "created_at", "started_at", "finished_at", "completed", "total", "verdict"],
  ...["error", "result", "code"],
];

export const show = (main, route) => new RunsView(main, route);

class RunsView {
  constructor(main, route) {
    this.rows = new Map();
    this.build(main);
    this.keys = {
      KeyJ: () => this.step(1),
      KeyK: () => this.step(-1),
      KeyN: () => go("#/canvas"),
      KeyF: () => this.nextFailure(),
    };
    this.clock = setInterval(() => this.fillAll(), 1000);
    this.open(route);
  }

  update(route) {
    this.open(route);
    return true;
  }

  close() {
    this.polling.stop();
    clearInterval(this.clock);
  }

  build(main) {
    this.chips = new Map(["", ...STATUSES].map((status) => [status, this.chip(status)]));
    const option = (value, text) => h("option", { value }, text);
    this.status = h(
      "select",
      {
        name: "status",
        class: "phone-only",
        "aria-label": t("filter.status"),
        onchange: () => this.choose({ status: this.status.value }),
      },
      option("", t("all")),
      STATUSES.map((each) => option(each, t(`state.${each}`))),
    );
    this.type = h(
      "select",
      { name: "type", "aria-label": t("filter.type"), onchange: () => this.choose({ type: this.type.value }) },
      option("", t("filter.types")),
      TYPES.map((each) => option(each, t(`type.${each}`))),
    );
    this.clear = h("a", { class: "button small", href: "#/runs", "data-action": "clear" }, t("filter.clear"));
    this.newest = h("a", { class: "button small", href: "#/runs", "data-action": "newest" }, icon("up"), t("newest"));
    this.news = h("button", {
      type: "button",
      class: "news",
      "data-action": "show-new",
      hidden: true,
      onclick: () => this.admit(true),
    });
    this.body = h("tbody");
    this.table = h(
      "table",
      { class: "runs", "aria-label": t("section.runs") },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          COLUMNS.map((name) => h("th", { class: `c-${name}`, scope: "col" }, t(`column.${name}`))),
        ),
      ),
      this.body,
    );
    this.state = h("div");
    this.foot = h("div", { class: "list-foot" });
    const build = h(
      "a",
      { class: "button primary", href: "#/canvas", "data-action": "build" },
      icon("plus"),
      t("run.new"),
    );
    main.append(
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.runs")), build),
      h(
        "div",
        { class: "filters", role: "group", "aria-label": t("filters") },
        h("div", { class: "chips" }, [...this.chips.values()]),
        this.status,
        this.type,
        this.newest,
        this.exportButton(),
        this.clear,
      ),
      h("div", { class: "news-line" }, this.news),
      this.table,
      this.state,
      this.foot,
    );
  }

  chip(status) {
    const word = status ? [icon(roleOf(status)), t(`state.${status}`)] : [t("all")];
    return h("a", { class: status ? `chip role-${roleOf(status)}` : "chip", "data-filter": status || "all" }, word);
  }

  exportButton() {
    return exportButton({
      name: "runs",
      page: (before) =>
        request("GET", `runs?${this.query({ before: before ?? this.params.before, limit: EXPORT_PAGE })}`),
      columns: EXPORTED,
      flat: (run) => ({ ...run, ...run.progress, error: run.error && `${run.error.type}: ${run.error.message}` }),
    });
  }

  /** The filters of the route, and more, as the API takes them. */
  query(more) {
    const { status, type } = this.params;
    return new URLSearchParams(Object.entries({ status, type, ...more }).filter(([, value]) => value));
  }

  choose(more) {
    go(href("runs", { status: this.params.status, type: this.params.type, ...more }));
  }

  open({ params }) {
    this.params = params;
    this.runs = new Map();
    this.order = [];
    this.arrived = [];
    for (const [status, chip] of this.chips) {
      set(chip, "href", href("runs", { status, type: params.type }));
      set(chip, "aria-current", (params.status ?? "") === status ? "true" : null);
    }
    this.status.value = params.status ?? "";
    this.type.value = params.type ?? "";
    hide(this.clear, !params.status && !params.type);
    hide(this.newest, !params.before);
    hide(this.news, true);
    this.present("loading");
    // Runs as a whole have no stream: the page that is shown is read again.
    this.polling?.stop();
    this.polling = poll(() => this.read(), READ_MS);
  }

  async read() {
    const { params } = this;
    try {
      const { data, next } = await request("GET", `runs?${this.query({ before: params.before, limit: PAGE })}`);
      if (params === this.params) this.take(data, next);
    } catch (error) {
      if (params !== this.params) throw error;
      if (error.status === 404)
        go(href("runs", { ...params, before: null })); // The run where this page began is deleted.
      else if (!this.order.length) this.present("failed", error);
      throw error;
    }
  }

  take(found, next) {
    this.next = next;
    const first = this.order.length === 0;
    const there = new Set(found.map((run) => run.task_id));
    for (const run of found) this.runs.set(run.task_id, run);
    for (const id of this.order) if (!there.has(id)) this.runs.set(id, { ...this.runs.get(id), gone: true });
    this.arrived = found.map((run) => run.task_id);
    if (first || !this.atWork()) this.admit();
    else this.showNews();
    this.fillAll();
  }

  /** Nothing moves under the pointer: rows come in by themselves only where nobody is at work in the table. */
  atWork() {
    return this.body.matches(":hover") || this.body.contains(document.activeElement) || scrollY > 8;
  }

  showNews() {
    const shown = new Set(this.order);
    const count = this.arrived.filter((id) => !shown.has(id)).length;
    hide(this.news, count === 0);
    if (count) this.news.replaceChildren(icon("up"), t("news.runs", { n: count }));
  }

  admit(asked = false) {
    this.order = this.arrived;
    hide(this.news, true);
    const kept = new Set(this.order);
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
      this.runs.delete(id);
    }
    this.order.forEach((id, i) => {
      const row = this.rows.get(id) ?? this.make(id);
      if (this.body.children[i] !== row.element) this.body.insertBefore(row.element, this.body.children[i] ?? null);
    });
    this.present(this.order.length ? "rows" : "empty");
    this.fillAll();
    if (asked) window.scrollTo(0, 0);
  }

  present(name, error) {
    this.table.hidden = name !== "rows";
    const older = href("runs", { ...this.params, before: this.next });
    const more = name === "rows" && this.next;
    renew(this.foot, more ? h("a", { class: "button", "data-action": "older", href: older }, t("run.older")) : []);
    if (this.state.dataset.state === name && name !== "failed") return;
    this.state.dataset.state = name;
    const shown = {
      rows: () => [],
      loading: () => skeleton(8),
      failed: () => failure(error, () => this.polling.now()),
      empty: () => this.nothing(),
    };
    renew(this.state, shown[name]());
  }

  nothing() {
    if (this.params.status || this.params.type || this.params.before) {
      return empty({
        title: t("empty.runs.filtered"),
        text: t("empty.filtered.runs.how"),
        actions: [h("a", { class: "button", href: "#/runs" }, t("filter.clear"))],
      });
    }
    const build = h("a", { class: "button primary", href: "#/canvas" }, icon("plus"), t("run.new"));
    return empty({
      title: t("empty.runs"),
      text: t("empty.runs.how"),
      actions: [build, h("a", { class: "button", href: "#/start", "data-action": "start" }, t("start.link"))],
      extra: code(asCurl("POST", "chord"), { label: "curl" }),
    });
  }

  make(id) {
    const row = runRow(id);
    this.rows.set(id, row);
    return row;
  }

  fillAll() {
    for (const id of this.order) this.rows.get(id).fill(this.runs.get(id));
  }

  focus(i) {
    const id = this.order[Math.max(0, Math.min(i, this.order.length - 1))];
    this.rows.get(id)?.link.focus();
    return Boolean(id);
  }

  focused() {
    return this.order.indexOf(document.activeElement?.closest("tr[data-run]")?.dataset.run);
  }

  step(by) {
    return this.focus(this.focused() < 0 ? 0 : this.focused() + by);
  }

  nextFailure() {
    const at = this.focused();
    const next = this.order.findIndex((id, i) => i > at && this.runs.get(id).status === "FAILURE");
    return next < 0 ? false : this.focus(next);
  }
}
