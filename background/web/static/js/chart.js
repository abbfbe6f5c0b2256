// A small chart of the last hour: one bar a minute. Its table, which says the same, is the view's to show.
import { h, svg } from "./dom.js";
import { minute, t } from "./i18n.js";

const WIDTH = 360;
const HEIGHT = 72;

/**
 * `series` are `{ role, values }` with one value a minute, null for none; they stack. `word(value)` says a value, `summary`
 * is the sentence beside the title.
 */
export function chart({ title, summary, minutes, series, word }) {
  const totals = minutes.map((_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
  const most = Math.max(...totals, 0);
  const step = WIDTH / minutes.length;
  const y = (value) => HEIGHT - (most ? (value / most) * (HEIGHT - 4) : 0);
  const known = minutes.map((_, index) => series.some(({ values }) => values[index] !== null));
  const targets = minutes.map((time, index) => {
    const tip = svg("title", {});
    tip.textContent = t("chart.at", {
      time: minute(Date.parse(time)),
      value: known[index] ? word(totals[index]) : "–",
    });
    return svg("rect", { class: "chart-target", x: index * step, y: 0, width: step, height: HEIGHT }, tip);
  });
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", { class: "chart-title" }, title), h("span", { class: "muted" }, summary)),
    svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `${title}: ${summary}`,
      },
      svg("path", { class: "chart-base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }),
      bars(series, step, y),
      targets,
    ),
    h(
      "div",
      { class: "chart-axis", "aria-hidden": "true" },
      h("span", {}, minute(Date.parse(minutes[0]))),
      h("span", {}, most ? t("chart.peak", { value: word(most) }) : ""),
      h("span", {}, minute(Date.parse(minutes.at(-1)))),
    ),
  );
}

function bars(series, step, y) {
  const below = series[0].values.map(() => 0);
  return series.flatMap(({ role, values }) =>
    values.flatMap((value, index) => {
      if (!value) return [];
      const from = below[index];
      below[index] += value;
      return svg("rect", {
        class: "chart-bar",
        "data-role": role,
        x: index * step + 0.75,
        y: y(below[index]),
        width: step - 1.5,
        height: Math.max(1, y(from) - y(below[index])),
      });
    }),
  );
}
