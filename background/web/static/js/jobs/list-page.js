// What the list of jobs is made of, apart from its rows: heading, table, empty and error states, and around them filters and
// selection.
import { asCurl } from "../base/api.js";
import { actionButton, h, hide, icon, renew, say, set } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { counted, t } from "../base/i18n.js";
import { code, empty, failure, skeleton } from "../page/parts.js";
import { href } from "../page/router.js";
import { Filters } from "./filters.js";
import { STATUSES } from "./job.js";
import { COLUMNS } from "./row.js";
import { Selection } from "./selection.js";

/** Fills `main`; its methods show what has changed. `view` does what the buttons ask for. */
export class ListPage {
  constructor(main, view) {
    this.view = view;
    this.filters = new Filters();
    this.news = actionButton("show-new", { class: "news", hidden: true, onclick: () => view.renew() });
    this.selection = new Selection(view);
    this.body = h("tbody", { role: "rowgroup" });
    this.table = table(this.selection.all, this.body);
    this.state = h("div");
    this.matching = h("div", { class: "matching", "data-matching": "", hidden: true });
    this.foot = h("div", { class: "list-foot" });
    this.total = h("span", { class: "count" });
    const submit = actionButton(
      "new",
      { class: "button primary", onclick: () => view.submit() },
      icon("plus"),
      t("new"),
    );
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
    hide(this.news, !text);
    if (this.news.textContent !== text) this.news.replaceChildren(icon("up"), text);
  }

  /** `name` is rows, loading, failed or empty. */
  showState(name, { error, retry }) {
    this.table.hidden = name !== "rows";
    if (this.state.dataset.state === name && name !== "failed") return;
    this.state.dataset.state = name;
    const shown = {
      rows: () => [],
      loading: () => skeleton(8),
      failed: () => (error.status === 422 ? impossible(error) : failure(error, retry)),
      empty: () => nothing(this.filters.filter, this.view),
    };
    renew(this.state, shown[name]());
  }

  showFoot(list) {
    set(this.table, "aria-rowcount", list.more ? -1 : list.ids.length + 1);
    const focused = this.foot.contains(document.activeElement);
    this.foot.replaceChildren(...this._foot(list));
    if (focused) /** @type {HTMLElement | null} */ (this.foot.firstElementChild)?.focus({ preventScroll: true });
  }

  _foot(list) {
    if (list.more && !list.full)
      return [actionButton("older", { class: "button", onclick: () => this.view.older() }, t("older"))];
    if (list.more) {
      const older = href("jobs", { ...list.filter, before: list.oldest });
      return [h("a", { class: "button", "data-action": "older-page", href: older }, t("older"))];
    }
    return list.ids.length > 10 ? [h("span", { class: "muted", tabindex: "-1" }, t("end"))] : [];
  }
}

function table(all, body) {
  const heads = COLUMNS.map((name) => head(name, all));
  return h(
    "table",
    { class: "jobs", role: "table", "aria-label": t("section.jobs") },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row", "aria-rowindex": "1" }, heads)),
    body,
  );
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
