// Charts of what ended over an hour, a day or a week, and the same as a table. Hooks for tests: `[data-chart=ended|waiting|
// running]`, `button[data-tab=hour|day|week]`, `button[data-tab=chart|table]`.

import { h, renew } from "../base/dom.js";
import { briefly, dated, duration, isToday, minute, number, t } from "../base/i18n.js";
import { scroller, tabs } from "../page/parts.js";
import { row, table } from "../page/table.js";
import { Chart } from "./chart.js";
import { busy, counts, ENDED, PERCENTILES, percentiles, RANGES, stacked, summary, times } from "./series.js";

/** @type {Record<string, Role>} */
const ROLES = { completed: "ok", failed: "fail", cancelled: "stop" };
/** @type {Record<string, Role>} */
const SHADES = { waiting: "retry", running: "run" };
const seconds = (value) => duration(value * 1000);
const at = (time) => (isToday(time) ? minute : briefly)(time);

export class Charts {
  /** `choose({ range, as })` is called for what a reader wants to see, each null for what is shown at first. */
  constructor({ choose, label }) {
    this.range = "hour";
    this.as = "chart";
    this.ranges = this.buttons(RANGES, t("chart.range"), (name) => choose({ range: name === "hour" ? null : name }));
    this.forms = this.buttons(["chart", "table"], t("as"), (name) => choose({ as: name === "chart" ? null : name }));
    this.pictures = h("div", { class: "charts" });
    this.table = h("div", {});
    this.element = h(
      "section",
      { "aria-label": label, class: "chart-panel" },
      h(
        "div",
        { class: "row between" },
        h("h2", {}, label),
        h("div", { class: "row" }, this.ranges.element, this.forms.element),
      ),
      this.pictures,
      this.table,
    );
    this.theme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => {
      for (const each of this.charts ?? []) each.redraw();
    };
    this.theme.addEventListener("change", this.redraw);
    this.observer = new MutationObserver(this.redraw);
    this.observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  buttons(names, label, choose) {
    const made = tabs(names, { label, words: (name) => t(`as.${name}`), choose });
    made.element.classList.add("compact");
    return made;
  }

  close() {
    this.theme.removeEventListener("change", this.redraw);
    this.observer.disconnect();
    for (const each of this.charts ?? []) each.close();
  }

  /** What the route asks for. */
  show({ range, as }) {
    this.range = RANGES.includes(range) ? range : "hour";
    this.as = as === "table" ? "table" : "chart";
    this.ranges.select(this.range);
    this.forms.select(this.as);
    this.pictures.hidden = this.as === "table";
    this.table.hidden = !this.pictures.hidden;
    if (this.stats) this.draw();
  }

  /** What the API tells; of another range it is what was asked for before. */
  take(stats) {
    if (stats.range !== this.range) return;
    this.stats = stats;
    this.draw();
  }

  draw() {
    const { series, range } = this.stats;
    if (this.as === "table") return renew(this.table, historyTable(series, range));
    if (!this.charts) this.make();
    const { number: total, waiting, running } = summary(series);
    const mean = (value) => (value === null ? t("chart.none") : t("chart.mean", { value: seconds(value) }));
    const lists = counts(series, ENDED);
    const x = times(series);
    const [ended, ...lines] = this.charts;
    ended.update({
      times: x,
      values: lists,
      tops: stacked(lists),
      summary: `${t(`chart.per.${range}`)} · ${t("chart.total", { n: total })}`,
    });
    lines[0].update({ times: x, values: percentiles(series, "waiting"), summary: mean(waiting) });
    lines[1].update({ times: x, values: percentiles(series, "running"), summary: mean(running) });
  }

  make() {
    const bars = ENDED.map((name) => ({ name: t(`chart.${name}`), role: ROLES[name] }));
    this.charts = [
      new Chart({ name: "ended", title: t("chart.ended"), series: bars, bars: true, word: number, at }),
      ...["waiting", "running"].map(
        (name) =>
          new Chart({
            name,
            title: t(`chart.${name}`),
            series: PERCENTILES.map((each) => ({ name: each, role: SHADES[name] })),
            word: seconds,
            at,
          }),
      ),
    ];
    this.pictures.replaceChildren(...this.charts.map((each) => each.element));
  }
}

function historyTable(series, range) {
  const word = range === "hour" ? at : dated; // A day's rows are of two days.
  const shown = busy(series);
  if (!shown.length) return h("p", { class: "muted" }, t("chart.none"));
  const counted = series[0].submitted === null ? ENDED : ["submitted", ...ENDED];
  const spans = ["waiting", "running"].flatMap((name) => PERCENTILES.map((which) => [name, which]));
  const heads = [
    t("chart.minute"),
    ...counted.map((name) => t(`chart.${name}`)),
    ...spans.map(([name, which]) => t(`chart.${name}.of`, { which })),
  ];
  const rows = shown.map((each) =>
    row([
      word(Date.parse(each.minute)),
      ...counted.map((name) => number(each[name])),
      ...spans.map(([name, which]) => (each[name] ? seconds(each[name][which]) : "")),
    ]),
  );
  return scroller(`${t("system.history")}: ${t("as.table")}`, table(heads, rows, "numbers"));
}
