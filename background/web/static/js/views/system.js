// Who is alive and doing what, how long the queue is, and how the last hour went. Hooks for tests: `[data-figure]`,
// `[data-worker][data-status]`, `[data-chart]`, `[data-link]`, `button[data-tab=chart|table]`.
import { BASE, get, now } from "../api.js";
import { chart } from "../chart.js";
import { h, icon, say } from "../dom.js";
import { ago, counted, duration, minute, number, t } from "../i18n.js";
import { STATUSES, roleOf } from "../job.js";
import { badge, code, scroller, skeleton, tabs } from "../parts.js";
import { poke, pulse } from "../pulse.js";
import { href, replace } from "../router.js";
import { follow } from "../stream.js";

export function show(main, route) {
  let { params } = route;
  const figures = h("div", { class: "figures" });
  const workers = h("div", { class: "workers" });
  const charts = h("div", { class: "charts" });
  const counts = h("div");
  const links = h("div", { class: "row" }, link("docs", new URL("docs", BASE).href));
  const as = tabs(["chart", "table"], { label: t("as"), words: (name) => t(`as.${name}`), choose });
  as.element.classList.add("compact");
  main.append(
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.system")), links),
    h(
      "div",
      { class: "system" },
      figures,
      section(t("workers"), workers),
      section(t("system.hour"), charts, as.element),
      section(t("system.counts"), counts),
    ),
  );
  if (!pulse.stats) workers.append(skeleton(3));

  function choose(name) {
    params = { ...params, as: name === "table" ? "table" : null };
    replace(href("system", params));
    draw();
  }

  function draw() {
    as.select(params.as === "table" ? "table" : "chart");
    if (!pulse.stats) return;
    figures.replaceChildren(...figuresOf(pulse.stats, pulse.workers));
    workers.replaceChildren(...workersOf(pulse.workers));
    charts.replaceChildren(...(params.as === "table" ? [hourTable(pulse.stats.series)] : chartsOf(pulse.stats.series)));
    counts.replaceChildren(countTable(pulse.stats));
  }

  pulse.addEventListener("change", draw);
  const stop = follow("events", { open: poke, event: (kind) => kind !== "progress" && poke() });
  get("ui/config.json").then(
    ({ flower }) => flower && links.append(link("flower", flower)),
    () => {},
  );
  draw();
  return {
    update(next) {
      ({ params } = next);
      draw();
      return true;
    },
    close() {
      stop();
      pulse.removeEventListener("change", draw);
    },
  };
}

const link = (name, address) =>
  h(
    "a",
    { class: "button small", href: address, target: "_blank", rel: "noreferrer", "data-link": name },
    t(`system.${name}`),
    icon("link"),
  );

const section = (title, content, extra) =>
  h("section", { "aria-label": title }, h("div", { class: "row between" }, h("h2", {}, title), extra), content);

function figuresOf(stats, workers) {
  const alive = workers.filter((worker) => worker.status === "alive");
  const running = alive.reduce((sum, worker) => sum + worker.running.length, 0);
  const oldest = stats.oldest_waiting_seconds;
  return [
    figure(
      "alive",
      number(alive.length),
      t("system.alive", { n: alive.length }),
      t("system.running", { n: running }),
      alive.length ? "ok" : "retry",
    ),
    figure(
      "waiting",
      number(stats.waiting),
      t("system.waiting", { n: stats.waiting }),
      stats.waiting ? null : t("system.waiting.none"),
    ),
    figure(
      "oldest",
      oldest === null ? "–" : duration(oldest * 1000),
      oldest === null ? t("system.oldest.none") : t("system.oldest"),
    ),
    figure(
      "depth",
      stats.queue_depth === null ? "–" : number(stats.queue_depth),
      stats.queue_depth === null ? t("system.depth.unknown") : t("system.depth", { n: stats.queue_depth }),
      null,
      stats.queue_depth === null ? "fail" : null,
    ),
  ];
}

const figure = (name, value, what, more, role) =>
  h(
    "div",
    { class: "figure", "data-figure": name, "data-role": role },
    h("span", { class: "figure-value" }, value),
    h("span", {}, what),
    more ? h("span", { class: "muted" }, more) : null,
  );

function workersOf(workers) {
  if (!workers.length)
    return [
      h("div", { class: "note" }, h("p", {}, h("strong", {}, t("workers.none")), ". ", t("workers.none.how"))),
      code("python -m background worker", { label: t("workers") }),
    ];
  return workers.map((worker) => {
    const state = badge();
    const alive = worker.status === "alive";
    state.update(alive ? "ok" : "fail", t(`worker.${worker.status}`), worker.status);
    const seen = alive
      ? t("worker.up", { time: duration(now() - Date.parse(worker.started_at)) })
      : t("worker.seen", { ago: ago(now() - Date.parse(worker.seen_at)) });
    return h(
      "article",
      { class: "worker", "data-worker": worker.name, "data-status": worker.status },
      h("div", { class: "row" }, h("h3", {}, worker.name), state.element, h("span", { class: "muted" }, seen)),
      h(
        "p",
        { class: "muted" },
        t("worker.about", { pool: worker.pool, n: worker.concurrency, pid: String(worker.pid), host: worker.host }),
      ),
      worker.running.length ? h("ul", {}, worker.running.map(work)) : alive ? h("p", {}, t("worker.idle")) : null,
    );
  });
}

function work({ type, id, name, step, since }) {
  const what =
    type === "job"
      ? h("a", { href: href(`jobs/${id}`) }, t("worker.job", { id, step: String(step) }))
      : h("code", {}, name);
  return h(
    "li",
    {},
    icon("run"),
    what,
    h(
      "span",
      { class: "muted" },
      type === "job" ? name : "",
      " ",
      t("worker.since", { time: duration(now() - Date.parse(since)) }),
    ),
  );
}

function chartsOf(series) {
  const minutes = series.map((each) => each.minute);
  const of = (name) => series.map((each) => each[name]);
  const seconds = (value) => duration(value * 1000);
  const total = [...of("completed"), ...of("failed")].reduce((sum, each) => sum + each, 0);
  return [
    named(
      "ended",
      chart({
        title: t("chart.ended"),
        summary: t("chart.total", { n: total }),
        minutes,
        word: (value) => number(value),
        series: [
          { role: "ok", values: of("completed") },
          { role: "fail", values: of("failed") },
        ],
      }),
    ),
    ...["waiting", "running"].map((name) => {
      const values = of(`mean_${name}_seconds`);
      const known = values.filter((each) => each !== null);
      const summary = known.length
        ? t("chart.mean", { value: seconds(known.reduce((sum, each) => sum + each, 0) / known.length) })
        : t("chart.none");
      return named(
        name,
        chart({
          title: t(`chart.${name}`),
          summary,
          minutes,
          word: seconds,
          series: [{ role: name === "waiting" ? "retry" : "run", values }],
        }),
      );
    }),
  ];
}

function named(name, figure_) {
  figure_.dataset.chart = name;
  return figure_;
}

function hourTable(series) {
  const seconds = (value) => (value === null ? "" : duration(value * 1000));
  const busy = series.filter((each) => each.submitted || each.completed || each.failed);
  if (!busy.length) return h("p", { class: "muted" }, t("chart.none"));
  const rows = busy
    .toReversed()
    .map((each) => [
      minute(Date.parse(each.minute)),
      number(each.submitted),
      number(each.completed),
      number(each.failed),
      seconds(each.mean_waiting_seconds),
      seconds(each.mean_running_seconds),
    ]);
  return table(
    t("system.hour"),
    ["chart.minute", "chart.submitted", "chart.completed", "chart.failed", "chart.waiting", "chart.running"].map(
      (key) => t(key),
    ),
    rows,
  );
}

function countTable({ pipelines, estimated }) {
  const rows = Object.entries(pipelines).map(([name, counts]) => [
    name,
    ...STATUSES.map((status) =>
      h("a", { href: href("jobs", { pipeline: name, status }) }, counted(counts[status] ?? 0, estimated.includes(status))),
    ),
  ]);
  return table(
    t("system.counts"),
    [
      t("filter.pipeline"),
      ...STATUSES.map((status) =>
        h("span", { class: `state role-${roleOf(status)}` }, icon(roleOf(status)), t(`status.${status}`)),
      ),
    ],
    rows,
  );
}

const table = (name, heads, rows) =>
  scroller(
    name,
    h(
      "table",
      { class: "plain numbers" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
