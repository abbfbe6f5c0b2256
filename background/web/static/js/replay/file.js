// The page of a saved run or job: what was recorded of it stands in the file, and nothing is asked of anybody. Hooks for tests
// are those of the page, and `[data-saved]` on the article.
import { stopClock } from "../base/api.js";
import { h, say, set } from "../base/dom.js";
import { runSentence } from "../base/facts.js";
import { moment, t } from "../base/i18n.js";
import { standAlone } from "../base/links.js";
import { jobBadge, jobState } from "../jobs/badge.js";
import { facts } from "../jobs/facts.js";
import { ended, fullSentence } from "../jobs/job.js";
import { panel as jobPanel } from "../jobs/tabs.js";
import { badge, clamped, tabs } from "../page/parts.js";
import { asItIs } from "../page/replaying.js";
import { explain } from "../page/terms.js";
import { RunPanel } from "../runs/panel.js";
import { name, role, runState } from "../runs/run.js";
import { jobRecord } from "./job.js";
import { runRecord } from "./run.js";
import { Replay } from "./view.js";

const TABS = ["steps", "compare", "events", "data"];

/** Gives `{ title, state, stateOf(thing), over, sentence, shade, above, bar, panel, show(thing) }` of a run; `clock()` is the time that is shown. */
function ofRun(run, clock) {
  const state = badge();
  state.update(...runState(run));
  let params = {};
  let shown = run;
  const show = (thing) => {
    shown = thing;
    panel.update(thing, params);
  };
  const choose = (more) => {
    params = { ...params, ...more };
    show(shown);
  };
  const panel = new RunPanel(run, { choose, now: clock, saved: true });
  const sentence = runSentence(run, { apart: true });
  return {
    title: name(run),
    state,
    stateOf: runState,
    over: run.ready,
    sentence,
    shade: role(run),
    above: [],
    bar: null,
    panel,
    show,
  };
}

function ofJob(job, clock) {
  const state = jobBadge();
  state.update(job);
  let params = { tab: "steps" };
  let shown = job;
  const shownTabs = TABS.filter((tab) => tab !== "compare" || job.attempt > 1);
  const bar = tabs(shownTabs, { label: t("tabs"), words: (tab) => t(`tab.${tab}`), choose: (tab) => choose({ tab }) });
  const show = (thing) => {
    shown = thing;
    bar.select(params.tab);
    panel.update(thing, params, job.step_names);
  };
  const choose = (more) => {
    params = { ...params, ...more };
    show(shown);
  };
  const panel = jobPanel({ choose, restart: null, older: null, now: clock });
  const list = h("dl", { class: "facts" });
  facts(list, job, { saved: true });
  const sentence = fullSentence(job);
  const title = `${t("job", { id: job.id })} · ${job.pipeline}`;
  return {
    title,
    state,
    stateOf: jobState,
    over: ended(job),
    sentence,
    shade: sentence.role,
    above: [list],
    bar: bar.element,
    panel,
    show,
  };
}

function build() {
  const { kind, run, job, history } = JSON.parse(document.getElementById("record").textContent);
  const record = kind === "run" ? runRecord(run, history) : jobRecord(job);
  stopClock(record.end);
  standAlone();
  const clock = () => replay.clock.time;
  const view = kind === "run" ? ofRun(run, clock) : ofJob(job, clock);
  const verdict = h("p", { "data-verdict": "" });
  explain(verdict, view.sentence);
  const { stateOf } = view;
  const replay = new Replay({ record, stateOf, show: (thing) => view.show(thing), tick: () => view.panel.tick() });
  const said = h("p", { class: "muted" });
  say(said, t("replay.made", { time: moment(record.end) }));
  const article = h(
    "article",
    { class: "job run", "data-saved": kind },
    h(
      "div",
      { class: "head" },
      h("h1", { tabindex: "-1", lang: kind === "run" ? "en" : null, class: "run-name" }, view.title),
      view.state.element,
    ),
    h(
      "div",
      { class: `sentence role-${view.shade}` },
      asItIs(view.over),
      verdict,
      clamped(view.sentence.detail).element,
    ),
    said,
    view.above,
    replay.element,
    view.bar,
    view.panel.element,
  );
  set(document.body, "class", "saved");
  document.body.replaceChildren(h("main", { id: "main" }, article));
  document.title = `${view.title} · Celery Playground`;
  replay.draw();
}

build();
