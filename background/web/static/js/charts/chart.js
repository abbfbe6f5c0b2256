// One chart over time: bars that stand on each other, or lines. What it shows is read at the place of the pointer, or of
// the arrow keys: to a screen reader it is a slider over its buckets.

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { h, set, svg } from "../base/dom.js";
import { axisTime, t } from "../base/i18n.js";

const HEIGHT = 168;
const DASHES = [[], [6, 4], [2, 3]];
const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

/** Whether a line has so few values that one of them may stand alone, where no line would be seen. */
const FEW = 12;
const isSparse = (plot, series) => plot.data[series].filter((value) => value !== null).length <= FEW;

export class Chart {
  /**
   * `series` has `{ name, role }` of each; `bars` or lines; `word(value)` says a value, `at(time)` a bucket in ms.
   * @param {{ name: string, title: string, series: { name: string, role: Role }[], bars?: boolean,
   *   word: (value: number) => string, at: (time: number) => string }} options
   */
  constructor({ name, title, series, bars = false, word, at }) {
    this.series = series;
    this.bars = bars;
    this.word = word;
    this.at = at;
    this.place = null;
    this.marks = series.map(({ role }, i) => mark(role, bars ? null : DASHES[i]));
    this.said = h("span", { class: "muted" });
    this.values = series.map(() => h("b"));
    this.time = h("span", { class: "chart-time" });
    const legend = series.map((each, i) => h("li", {}, this.marks[i], each.name, " ", this.values[i]));
    this.area = h("div", {
      class: "chart-area",
      role: "slider",
      tabindex: "0",
      "aria-label": title,
      "aria-valuemin": "0",
      onkeydown: (event) => this.pressed(event),
    });
    this.element = h(
      "figure",
      { class: "chart", "data-chart": name },
      h("figcaption", {}, h("span", { class: "chart-title" }, title), this.said),
      this.area,
      h("div", { class: "chart-legend" }, h("ul", {}, legend), this.time),
    );
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.area);
  }

  /** The colours have changed. */
  redraw() {
    this.plot?.redraw(false);
  }

  close() {
    this.sizes.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  /** Show these: times in seconds and, for each series, values; `tops` is where they are drawn, if elsewhere. */
  update({ times, values, tops = values, summary }) {
    this.times = times;
    this.shown = values;
    this.said.textContent = summary;
    set(this.area, "aria-valuemax", times.length - 1);
    const data = [times, ...(this.bars ? tops.toReversed() : tops)];
    if (this.plot) this.plot.setData(data);
    else if (this.area.clientWidth) this.make(data);
    this.data = data;
    this.tell(this.place);
  }

  resize() {
    const width = this.area.clientWidth;
    if (!width || !this.data) return;
    if (this.plot) this.plot.setSize({ width, height: HEIGHT });
    else this.make(this.data);
  }

  make(data) {
    const colour = (i) => getComputedStyle(this.marks[i]).color;
    const text = () => getComputedStyle(this.said).color;
    const line = () => getComputedStyle(this.area).borderBottomColor;
    const axis = { stroke: text, font: `11px ${getComputedStyle(this.area).fontFamily}`, ticks: { show: false } };
    const order = this.series.map((_, i) => (this.bars ? this.series.length - 1 - i : i));
    const drawn = order.map((i) => ({
      stroke: () => colour(i),
      ...(this.bars
        ? {
            fill: () => colour(i),
            width: 0,
            paths: uPlot.paths.bars({ size: [0.8, 40], align: 1 }),
            points: { show: false },
          }
        : { width: 1.5, dash: DASHES[i], points: { size: 6, fill: () => colour(i), show: isSparse } }),
    }));
    this.plot = new uPlot(
      {
        width: this.area.clientWidth,
        height: HEIGHT,
        padding: [8, 20, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false, x: false }, points: { show: false } },
        // The last bucket reaches as far as any other.
        scales: {
          x: { range: (plot, first, last) => [first, last + (plot.data[0][1] - plot.data[0][0])] },
          y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] },
        },
        axes: [
          {
            ...axis,
            size: 24,
            space: 64,
            grid: { show: false },
            values: (_, splits, ___, ____, step) => splits.map((each) => axisTime(each * 1000, step)),
          },
          {
            ...axis,
            size: 56,
            space: 36,
            grid: { stroke: line, width: 1 },
            values: (_, splits) => splits.map((each) => (whole(this.bars, each) ? this.word(each) : "")),
          },
        ],
        series: [{}, ...drawn],
        hooks: { setCursor: [(plot) => this.tell(plot.cursor.idx ?? null)] },
      },
      data,
      this.area,
    );
  }

  pressed(event) {
    if (!(event.key in KEYS) || !this.plot) return;
    event.preventDefault();
    event.stopPropagation();
    const last = this.times.length - 1;
    const place = Math.max(0, Math.min((this.place ?? last + 1) + KEYS[event.key], last));
    this.plot.setCursor({ left: this.plot.valToPos(this.times[place], "x"), top: 0 }, false);
    this.tell(place);
  }

  /** Say what stands there; of no place, of the newest bucket to a screen reader alone. */
  tell(place) {
    this.place = place;
    const shown = place ?? this.times.length - 1;
    const words = this.shown.map((list) => (list[shown] == null ? "–" : this.word(list[shown])));
    const time = this.at(this.times[shown] * 1000);
    this.values.forEach((each, i) => {
      each.textContent = place === null ? "" : words[i];
    });
    this.time.textContent = place === null ? "" : time;
    set(this.area, "aria-valuenow", shown);
    const list = this.series.map(({ name }, i) => `${name} ${words[i]}`).join(", ");
    set(this.area, "aria-valuetext", t("chart.at", { time, value: list }));
  }
}

const whole = (bars, value) => !bars || Number.isInteger(value);

/** What a series looks like, beside its name. */
function mark(role, dash) {
  const shape = dash
    ? svg("path", { d: "M0 6H20", "stroke-dasharray": dash.join(" ") || null })
    : svg("path", { class: "fill", d: "M4 0h12v12H4z" });
  return svg("svg", { class: `chart-mark role-${role}`, viewBox: "0 0 20 12", "aria-hidden": "true" }, shape);
}
