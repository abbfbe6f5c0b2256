// One job. Hooks for tests: `[data-job-id][data-status]` on the article, `[data-sentence]`, tabs `[data-tab=steps|compare|events|data]`,
// lines of the picture `[data-step][data-attempt][data-role]`, `[data-action]`: cancel, retry, restart, delete, report, older
// (events), show-all.

import { remedy } from "../base/advice.js";
import { get, now } from "../base/api.js";
import { h, hide, refill, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { nameLink, pipelineHref } from "../base/links.js";
import { connection } from "../base/stream.js";
import { openReport, reportIn } from "../documents/report.js";
import { FollowedView } from "../page/followed.js";
import { toast } from "../page/frame.js";
import { clamped, copyLinkButton, tabs } from "../page/parts.js";
import { Replaying } from "../page/replaying.js";
import { go, href } from "../page/router.js";
import { explain } from "../page/terms.js";
import { act } from "./actions.js";
import { jobBadge, jobState, stepBar } from "./badge.js";
import { calls } from "./calls.js";
import { facts } from "./facts.js";
import { currentStep, ended, fullSentence, may, readPipelines } from "./job.js";
import { openRestart } from "./submit.js";
import { panel } from "./tabs.js";

const RECHECK_MS = 5000;
const ACTIONS = ["cancel", "retry", "restart", "delete"];
const TABS = ["steps", "compare", "events", "data"];

export const show = (main, route) => new JobView(main, route);

/** The newest events behind those that were read before, unless something between the two may be missing. */
function joined(known, events) {
  const first = events[0]?.number;
  const meets = known.some((event) => event.number >= first - 1);
  return meets ? [...known.filter((event) => event.number < first), ...events] : events;
}

class JobView extends FollowedView {
  constructor(main, route) {
    super(main, route, { section: "jobs", missing: "job.missing" });
    this.timers.push(setInterval(() => this._recheck(), RECHECK_MS));
    this.keys = {
      "Shift+KeyR": () => this._try("retry"),
      "Shift+KeyC": () => this._try("cancel"),
      Delete: () => this._try("delete"),
      KeyF: () => this._nextFailure(),
      Escape: () => go(href("jobs")),
    };
  }

  open(route) {
    super.open(route);
    readPipelines().then(
      () => this.thing && this.draw(),
      () => {},
    );
  }

  heading() {
    return t("job", { id: this.id });
  }

  path(id) {
    return `jobs/${id}`;
  }

  /** What is no number names no job, though the API may have something there: `jobs/stats`. */
  follow() {
    if (typeof this.id === "string") this.showMissing();
    else super.follow();
  }

  left() {
    this.parts?.replaying.close();
  }

  heard(_kind, job, { early }) {
    // What is too large is left out of it, and this view shows it.
    if (job.cut.length) return this.read();
    if (!early || !this.thing || job.updated_at >= this.thing.updated_at)
      this.take({ events: this.thing?.events ?? [], ...job });
    this.read();
  }

  take(job) {
    if (job.id !== this.id || this.thing?.updated_at > job.updated_at) return;
    const before = this.thing;
    const { refused } = this;
    this.thing = { ...job, events: joined(before?.events ?? [], job.events) };
    this.refused = false;
    this.draw();
    if (!ended(job)) return;
    this.stop?.(); // Nothing more will come until somebody retries it.
    if (before && !ended(before) && !refused)
      toast(t(`ended.${job.status}`, { id: job.id }), { kind: job.status === "COMPLETED" ? "ok" : "fail" });
  }

  // A waiting job's reason changes without an event; an ended one may have been retried elsewhere.
  async _recheck() {
    if (document.visibilityState !== "visible" || connection.state === "paused") return;
    if (!this.thing || this.thing.status === "IN_PROGRESS") return;
    const was = ended(this.thing);
    await this.readNow().catch(() => {});
    if (was && this.thing && !ended(this.thing)) this.follow();
  }

  _build() {
    const button = (name) =>
      h(
        "button",
        {
          type: "button",
          class: { delete: "button danger", retry: "button primary" }[name] ?? "button",
          "data-action": name,
          onclick: () => this._try(name),
        },
        t(`do.${name}`),
      );
    this.parts = {
      state: jobBadge(),
      pipeline: nameLink(pipelineHref),
      actions: new Map(ACTIONS.map((name) => [name, button(name)])),
      sentence: h("p", { "data-sentence": "" }),
      advice: h("p", { class: "advice", hidden: true }),
      detail: clamped(),
      report: h(
        "button",
        {
          type: "button",
          class: "button report-button",
          "data-action": "report",
          onclick: () => openReport(reportIn(this.thing.result)),
        },
        t("report.read"),
      ),
      bar: stepBar(),
      facts: h("dl", { class: "facts" }),
      calls: calls(),
      tabs: tabs(TABS, {
        label: t("tabs"),
        words: (name) => t(`tab.${name}`),
        choose: (tab) => this.choose({ tab: tab === "steps" ? null : tab }),
      }),
      panel: panel({
        choose: (more) => this.choose(more),
        restart: (from) => this._restart(from),
        older: () => this._older(),
        now: () => this.parts?.replaying.time ?? now(),
      }),
      replaying: this._replaying(),
    };
    const {
      state,
      pipeline,
      actions,
      sentence,
      advice,
      detail,
      report,
      bar,
      facts: list,
      tabs: chosen,
      panel: shown,
    } = this.parts;
    const { label } = this.parts.replaying;
    const said = [label, sentence, detail.element, advice, report, bar.element];
    this.sentenceBox = h("div", { class: "sentence" }, said);
    this.element = h(
      "article",
      { class: "job" },
      h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/jobs" }, t("section.jobs"))),
      h(
        "div",
        { class: "head" },
        h("h1", { tabindex: "-1" }, t("job", { id: this.id })),
        state.element,
        pipeline.element,
        h("div", { class: "row" }, [
          ...actions.values(),
          h(
            "button",
            { type: "button", class: "button", "data-action": "replay", onclick: () => this.choose({ at: "0" }) },
            t("do.replay"),
          ),
          copyLinkButton(),
        ]),
      ),
      this.sentenceBox,
      list,
      this.parts.calls.element,
      this.parts.replaying.element,
      chosen.element,
      shown.element,
    );
    refill(this.main, this.element);
  }

  _replaying() {
    return new Replaying({
      read: (module) => this._record(module),
      show: () => this._panel(),
      tick: () => this.parts.panel.tick(),
      choose: (at) => this.choose({ at }),
      stateOf: jobState,
    });
  }

  draw() {
    if (!this.parts) this._build();
    const { thing: job, parts } = this;
    const sentence = fullSentence(job);
    set(this.element, "data-job-id", job.id);
    set(this.element, "data-status", job.status);
    parts.state.update(job);
    parts.pipeline.update(job.pipeline);
    for (const [name, button] of parts.actions) {
      hide(button, !may[name](job));
    }
    this.sentenceBox.className = `sentence role-${sentence.role}`;
    explain(parts.sentence, sentence);
    parts.detail.update(sentence.detail);
    hide(parts.report, !reportIn(job.result));
    this._advise();
    parts.bar.update(job);
    facts(parts.facts, job);
    parts.calls.update(job);
    const comparable = job.attempt > 1;
    const asked = TABS.includes(this.params.tab) ? this.params.tab : "steps";
    const tab = asked === "compare" && !comparable ? "steps" : asked;
    parts.tabs.select(tab);
    parts.tabs.element.querySelector('[data-tab="compare"]').hidden = !comparable;
    parts.replaying.update(this.params.at, `${job.id} ${job.updated_at}`, ended(job));
    this._panel(tab);
  }

  /** The job as it is, or as it was. */
  _panel(tab = TABS.includes(this.params.tab) ? this.params.tab : "steps") {
    const { panel, replaying } = this.parts;
    panel.update(replaying.thing ?? this.thing, { ...this.params, tab }, this.thing.step_names);
    if (replaying.thing) panel.tick();
  }

  async _record({ jobRecord }) {
    while (this.thing?.events[0]?.number > 1 && (await this._older()));
    return jobRecord(this.thing);
  }

  /** What to do while it waits. */
  _advise() {
    const { advice } = this.parts;
    const code = this.thing.waiting?.code;
    const text = code ? remedy("waiting", code) : null;
    hide(advice, !text);
    set(advice, "data-advice", text ? code : null);
    explain(advice, { text: text ?? "", known: true });
  }

  tick() {
    if (!this.thing || !this.parts) return;
    explain(this.parts.sentence, fullSentence(this.thing));
    facts(this.parts.facts, this.thing);
    if (!this.parts.replaying.thing) this.parts.panel.tick();
    // A report of progress is an event now and then; the step has all of them.
    if (currentStep(this.thing)?.progress && this.thing.status === "IN_PROGRESS" && connection.state === "live")
      this.read();
  }

  // Events before those that are there; gives whether there were any.
  async _older() {
    const { id } = this;
    const { events } = await get(`jobs/${id}?events_before=${this.thing.events[0].number}`);
    if (id !== this.id || !this.thing) return false;
    this.thing = { ...this.thing, events: [...events, ...this.thing.events] };
    this.draw();
    return events.length > 0;
  }

  async _try(action) {
    const { thing: job } = this;
    if (!job || !may[action](job)) return false;
    if (action === "restart") return this._restart();
    const changed = (_, after) => {
      if (this.id !== job.id) return;
      if (after !== null) return this._again(after);
      this.leave();
      go(href("jobs"));
    };
    await act(action, () => this.thing, changed);
  }

  _nextFailure() {
    const all = [...(this.element?.querySelectorAll('.gantt-line:is([data-role="fail"], [data-role="retry"])') ?? [])];
    if (!all.length) return false;
    const line = all[(all.indexOf(document.activeElement) + 1) % all.length];
    line.focus();
    line.click();
  }

  _restart(from) {
    const { id } = this;
    const sent = (after) => id === this.id && this._again(after);
    openRestart(this.thing, { from, sent });
  }

  _again(after) {
    this.refused = !after; // The reason is being read; the state that comes now says the same.
    if (after) this.take({ events: this.thing.events, ...after });
    else this.read();
    this.follow();
  }
}
