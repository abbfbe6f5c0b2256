// Who is alive and doing what, how long the queue is, and what ended over time. Hooks for tests: `[data-figure]`,
// `[data-worker][data-status]`, `[data-link]`.
import { BASE, get } from "../base/api.js";
import { h, icon, renew, throttle } from "../base/dom.js";
import { counted, duration, number, t } from "../base/i18n.js";
import { pipelineHref } from "../base/links.js";
import { poke, pulse } from "../base/pulse.js";
import { follow } from "../base/stream.js";
import { Charts } from "../charts/panel.js";
import { STATUSES } from "../jobs/job.js";
import { scroller, skeleton } from "../page/parts.js";
import { roleOf } from "../page/roles.js";
import { href, replace } from "../page/router.js";
import { row, table } from "../page/table.js";
import { Queues } from "./queues.js";
import { workersOf } from "./workers.js";

const READ_MS = 20_000; // Of an hour the pulse has it.
const QUEUES_MS = 2000;

export function show(main, route) {
  let { params } = route;
  const figures = h("div", { class: "figures" });
  const workers = h("div", { class: "workers" });
  const queues = new Queues();
  const readQueues = throttle(() => queues.read(), QUEUES_MS);
  const charts = new Charts({ label: t("system.history"), choose });
  const counts = h("div");
  const links = h("div", { class: "row" }, link("docs", new URL("docs", BASE).href));
  main.append(
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.system")), links),
    h(
      "div",
      { class: "system" },
      figures,
      section(t("workers"), workers),
      section(t("queues"), queues.element),
      charts.element,
      section(
        t("system.counts"),
        counts,
        h("a", { class: "button small", href: "#/pipelines", "data-link": "pipelines" }, t("section.pipelines")),
      ),
    ),
  );
  if (!pulse.stats) workers.append(skeleton(3));

  function choose(more) {
    params = { ...params, ...more };
    replace(href("system", params));
    charts.show(params);
    readHistory();
    draw();
  }

  async function readHistory() {
    if (charts.range === "hour" || document.visibilityState !== "visible") return;
    const stats = await get(`jobs/stats?range=${charts.range}`).catch(() => null); // The banner says it.
    if (stats) charts.take(stats);
  }

  function draw() {
    if (!pulse.stats) return;
    figures.replaceChildren(...figuresOf(pulse.stats, pulse.workers));
    renew(workers, workersOf(pulse.workers));
    renew(counts, countTable(pulse.stats));
    charts.take(pulse.stats);
    readQueues();
  }

  pulse.addEventListener("change", draw);
  const stop = follow("events", { open: poke, event: (kind) => kind !== "progress" && poke() });
  get("ui/config.json").then(
    ({ flower }) => flower && links.append(link("flower", flower)),
    () => {},
  );
  const timer = setInterval(readHistory, READ_MS);
  charts.show(params);
  readHistory();
  draw();
  return {
    update(next) {
      ({ params } = next);
      charts.show(params);
      readHistory();
      draw();
      return true;
    },
    close() {
      stop();
      clearInterval(timer);
      charts.close();
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

function countTable({ pipelines, estimated }) {
  const rows = Object.entries(pipelines).map(([name, counts]) =>
    row([
      h("a", { href: pipelineHref(name) }, name),
      ...STATUSES.map((status) =>
        counts[status]
          ? h(
              "a",
              { href: href("jobs", { pipeline: name, status }) },
              counted(counts[status], estimated.includes(status)),
            )
          : h("span", { class: "muted" }, "0"),
      ),
    ]),
  );
  const heads = STATUSES.map((status) =>
    h("span", { class: `state role-${roleOf(status)}` }, icon(roleOf(status)), t(`status.${status}`)),
  );
  return scroller(`${t("system.counts")}: ${t("as.table")}`, table([t("filter.pipeline"), ...heads], rows, "numbers"));
}
