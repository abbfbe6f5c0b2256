// What is to be seen of workers, as cards and by parts. Hooks for tests: `[data-worker][data-status]`.
import { now } from "../base/api.js";
import { h, icon } from "../base/dom.js";
import { ago, duration, t } from "../base/i18n.js";
import { workerLink } from "../base/links.js";
import { isAlive } from "../base/pulse.js";
import { badge, code } from "../page/parts.js";
import { href } from "../page/router.js";

/** Every worker, alive or lost, or how to start one. */
export function workersOf(workers) {
  if (!workers.length)
    return [
      h("div", { class: "note" }, h("p", {}, h("strong", {}, t("workers.none")), ". ", t("workers.none.how"))),
      code("python -m background worker", { label: t("workers") }),
    ];
  return workers.map((worker) => {
    const { state, seen } = stateOf(worker);
    return h(
      "article",
      {
        class: "worker",
        "data-worker": worker.name,
        "data-status": worker.status,
        "data-key": `${worker.name} ${worker.started_at}`,
      },
      h("div", { class: "row" }, h("h3", {}, workerLink(worker.name)), state, h("span", { class: "muted" }, seen)),
      h("p", { class: "muted" }, about(worker)),
      doing(worker),
    );
  });
}

/** The state of a worker as a badge, and since when. */
export function stateOf(worker) {
  const state = badge();
  const alive = worker.status === "alive";
  state.update(alive ? "ok" : "fail", t(`worker.${worker.status}`), worker.status);
  const seen = alive
    ? t("worker.up", { time: duration(now() - Date.parse(worker.started_at)) })
    : t("worker.seen", { ago: ago(now() - Date.parse(worker.seen_at)) });
  return { state: state.element, seen };
}

export const about = ({ pool, concurrency: n, pid, host }) => t("worker.about", { pool, n, pid: String(pid), host });

/** What it runs now; null of one that was lost with nothing. */
export function doing(worker) {
  const alive = isAlive(worker);
  if (!worker.running.length) return alive ? h("p", {}, t("worker.idle")) : null;
  const works = h(
    "ul",
    {},
    worker.running.map((each) => work(each, alive)),
  );
  return alive ? works : h("div", {}, h("p", {}, t("worker.had")), works);
}

function work({ type, id, name, step, since }, alive) {
  const ms = now() - Date.parse(since);
  const what =
    type === "job"
      ? h("a", { href: href(`jobs/${id}`) }, t("worker.job", { id, step: String(step) }))
      : h("code", {}, name);
  return h(
    "li",
    { "data-key": id },
    icon(alive ? "run" : "retry"),
    what,
    h(
      "span",
      { class: "muted" },
      type === "job" ? name : "",
      " ",
      alive ? t("worker.since", { time: duration(ms) }) : t("worker.begun", { ago: ago(ms) }),
    ),
  );
}
