// Where a visitor begins: what this is, how work flows here at this moment, four things to try, and the words for it.
// Hooks for tests: `[data-flow=api|queue|worker|database]`, `[data-card]`, `[data-action=job|chord|slow-job|report]`.
import { get, health, post } from "../base/api.js";
import { actionButton, h, icon, renew, say, set } from "../base/dom.js";
import { EXAMPLES } from "../base/examples.js";
import { counted, number, sentence, t } from "../base/i18n.js";
import { poke, pulse } from "../base/pulse.js";
import { follow } from "../base/stream.js";
import { code, complain } from "../page/parts.js";
import { go, href } from "../page/router.js";
import { explained, TERMS, term } from "../page/terms.js";

const SLOW_JOB = { params: { step_seconds: 20 } };
const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);

export function show(main) {
  const flow = picture();
  const kill = h("div", { class: "stack" });
  const report = h("div", { class: "row" });
  let commands = null;
  main.append(
    h(
      "div",
      { class: "start" },
      h("h1", { tabindex: "-1" }, "Celery Playground"),
      h("p", { class: "lead" }, explained(sentence("start.what"))),
      h("section", { "aria-label": t("start.picture") }, h("h2", {}, t("start.picture")), flow.element),
      h(
        "section",
        { "aria-label": t("start.try") },
        h("h2", {}, t("start.try")),
        h("div", { class: "cards" }, cards({ kill, report })),
      ),
      h(
        "section",
        { "aria-label": t("start.words") },
        h("h2", {}, t("start.words")),
        h(
          "ul",
          { class: "words" },
          TERMS.map((name) => h("li", {}, term(name))),
        ),
      ),
    ),
  );

  function draw() {
    flow.update();
    if (!pulse.workers) return;
    const alive = pulse.workers.filter((worker) => worker.status === "alive");
    const now = alive.map(({ name, pid }) => `${name} ${pid}`).join();
    if (now === commands) return; // Who is copying a command is left in peace.
    commands = now;
    renew(kill, howToKill(alive));
  }

  pulse.addEventListener("change", draw);
  health.addEventListener("change", draw);
  const stop = follow("events", { open: poke, event: (kind) => kind !== "progress" && poke() });
  const stored = get("ui/config.json").then(({ parts }) => (parts.includes("documents") ? get("documents") : []));
  stored.then(
    (found) => report.replaceChildren(reporting(found.length)),
    () => report.replaceChildren(reporting(0)),
  );
  draw();
  return {
    close() {
      stop();
      pulse.removeEventListener("change", draw);
      health.removeEventListener("change", draw);
    },
  };
}

/** From left to right the way of a job, each place with its number. */
function picture() {
  const places = new Map(
    [
      { name: "api", title: "API" },
      { name: "queue", title: term("queue") },
      { name: "worker", title: term("worker") },
      { name: "database", title: "PostgreSQL" },
    ].map(({ name, title }) => {
      const value = h("strong", { class: "figure-value" }, "–");
      const what = h("span", { class: "muted" });
      const element = h("li", { class: "figure", "data-flow": name }, h("span", {}, title), value, what);
      return [name, { element, value, what }];
    }),
  );
  const tell = (name, value, what, role = null) => {
    const place = places.get(name);
    say(place.value, value);
    say(place.what, what);
    set(place.element, "data-role", role);
  };
  const element = h(
    "ol",
    { class: "flow" },
    [...places.values()].map((place) => place.element),
  );
  return { element, update };

  function update() {
    const { stats, workers } = pulse;
    const answers = health.down !== "network" && health.down?.code !== "not_the_api"; // One that asks for a key, or lacks a part, does.
    tell("api", answers ? "✓" : "✕", t(answers ? "start.api.up" : "start.api.down"), answers ? "ok" : "fail");
    const lacks = /^database_/.test(health.down?.code ?? "");
    if (lacks) tell("database", "✕", t("start.database.down"), "fail");
    if (!stats || !workers) return;
    const depth = stats.queue_depth;
    const alive = workers.filter((worker) => worker.status === "alive");
    const running = sum(alive.map((worker) => worker.running.length));
    const kept = sum(Object.values(stats.status));
    tell(
      "queue",
      depth === null ? "–" : number(depth),
      depth === null ? t("start.queue.unknown") : t("start.queue", { n: depth }),
      depth === null ? "fail" : null,
    );
    tell(
      "worker",
      number(alive.length),
      `${t("start.workers", { n: alive.length })}, ${t("system.running", { n: running })}`,
      alive.length ? "ok" : "retry",
    );
    if (!lacks) tell("database", counted(kept, stats.estimated.length > 0), t("start.kept", { n: kept }));
    set(element, "data-busy", running > 0);
  }
}

function cards({ kill, report }) {
  return [
    card("job", "jobs", action("job", t("start.job.do"), startJob())),
    card(
      "chord",
      "canvas",
      h(
        "div",
        { class: "row" },
        action("chord", t("start.chord.do"), async () => {
          const run = await post("canvas", EXAMPLES["killed-header"]);
          go(href(`runs/${run.task_id}`));
        }),
        h("a", { href: href("canvas", { example: "header-fails" }) }, t("start.chord.other")),
      ),
    ),
    card("kill", "system", kill, action("slow-job", t("start.kill.do"), startJob(SLOW_JOB))),
    card("report", "documents", report),
  ];
}

const startJob = (body) => async () => {
  const job = await post("jobs", body);
  poke();
  go(href(`jobs/${job.job_id}`));
};

/** Without which part of the application there is nothing to try. */
const PARTS = { job: "jobs", chord: "canvas", kill: "jobs", report: "documents" };

const card = (name, glyph, ...content) =>
  h(
    "article",
    { class: "card", "data-card": name, "data-part": PARTS[name] },
    h("h3", {}, icon(glyph), t(`start.${name}`)),
    h("p", {}, explained(sentence(`start.${name}.how`))),
    content,
  );

/** A button that does one thing; what the API refuses is said. */
const action = (name, text, run) =>
  actionButton(name, { class: "button primary", onclick: () => run().catch(complain) }, text);

function howToKill(alive) {
  if (!alive.length)
    return [h("p", {}, t("start.kill.none")), code("python -m background worker", { label: t("workers") })];
  const [{ name, host, pid }] = alive;
  return [
    h("p", {}, t("start.kill.here", { name, host })),
    code(`kill -9 ${pid}`, { label: t("start.kill") }),
    h("p", { class: "muted" }, withCode(t("start.kill.up"))),
    h("p", { class: "muted" }, withCode(t("start.kill.compose"))),
  ];
}

/** A text with what stands between backticks as code. */
const withCode = (text) => text.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));

function reporting(documents) {
  if (!documents)
    return h(
      "div",
      { class: "stack" },
      h("a", { class: "button primary", href: "#/documents" }, t("start.report.none")),
      h("span", { class: "muted" }, t("start.report.samples")),
    );
  return action("report", t("start.report.do", { n: documents }), async () => {
    const run = await post("documents/report");
    go(href(`runs/${run.task_id}`, { node: run.task_id }));
  });
}
