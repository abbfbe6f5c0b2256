// One job. Hooks for tests: `[data-job-id][data-status]` on the article, `[data-sentence]`, tabs `[data-tab=steps|events|data]`,
// lines of the picture `[data-step][data-attempt][data-role]`, `[data-action]`: cancel, retry, restart, delete, older (events).
import { act } from "../actions.js";
import { get } from "../api.js";
import { h, icon, say, set, throttle } from "../dom.js";
import { setSection, toast } from "../frame.js";
import { t } from "../i18n.js";
import { cancelling, currentStep, ended, may, readPipelines } from "../job.js";
import { badge, empty, failure, skeleton, stepBar, tabs, tell } from "../parts.js";
import { go, href, replace } from "../router.js";
import { connection, follow } from "../stream.js";
import { openRestart } from "../submit.js";
import { facts, fullSentence } from "./job-parts.js";
import { panel } from "./job-tabs.js";

const READ_MS = 300;
const RECHECK_MS = 5000;
const ACTIONS = ["cancel", "retry", "restart", "delete"];
const TABS = ["steps", "events", "data"];

export const show = (main, route) => new JobView(main, route);

/** The newest events behind those that were read before, unless something between the two may be missing. */
function joined(known, events) {
  const first = events[0]?.number;
  const meets = known.some((event) => event.number >= first - 1);
  return meets ? [...known.filter((event) => event.number < first), ...events] : events;
}

class JobView {
  constructor(main, route) {
    this.main = main;
    this.read = throttle(() => this._read().catch(() => {}), READ_MS);
    this.timers = [setInterval(() => this._tick(), 1000), setInterval(() => this._recheck(), RECHECK_MS)];
    this.keys = {
      "Shift+KeyR": () => this._try("retry"),
      "Shift+KeyC": () => this._try("cancel"),
      Delete: () => this._try("delete"),
      KeyF: () => this._nextFailure(),
      Escape: () => go(href("jobs")),
    };
    this._open(route);
  }

  update(route) {
    if (route.rest[0] === String(this.id)) {
      this.params = route.params;
      if (this.job) this._draw();
      return true;
    }
    this.stop?.();
    this.main.replaceChildren();
    this._open(route);
    this.main.querySelector("h1")?.focus();
    return true;
  }

  close() {
    this.id = null; // What is still on its way is for nobody.
    this.stop?.();
    this.read.cancel();
    this.timers.forEach(clearInterval);
  }

  _open({ rest, params }) {
    this.id = /^\d+$/.test(rest[0]) ? Number(rest[0]) : rest[0];
    this.params = params;
    this.job = null;
    this.element = null;
    this.main.append(h("h1", { tabindex: "-1" }, t("job", { id: this.id })), skeleton(6));
    setSection("jobs", t("job", { id: this.id }));
    readPipelines().then(
      () => this.id !== null && this.job && this._draw(),
      () => {},
    );
    this._follow();
  }

  _follow() {
    this.stop?.();
    if (this.id === null) return;
    this.stop = follow(`jobs/${this.id}/events`, {
      open: () => this._read(),
      retry: () => this._read().catch(() => {}),
      event: (kind, job, { early }) => this._event(kind, job, early),
      end: () => this.read(),
    });
  }

  async _read() {
    const id = this.id;
    try {
      const job = await get(`jobs/${id}`);
      if (id === this.id) this._take(job);
    } catch (error) {
      if (id !== this.id) return;
      if (error.status === 404 || error.status === 422) this._missing();
      else if (!this.job)
        this.main.replaceChildren(
          h("h1", { tabindex: "-1" }, t("job", { id })),
          failure(error, () => this._follow()),
        );
      throw error;
    }
  }

  _event(kind, job, early) {
    if (kind === "cancel_requested") cancelling.add(job.id);
    // What is too large is left out of it, and this view shows it.
    if (job.cut.length) return this.read();
    if (!early || !this.job || job.updated_at >= this.job.updated_at)
      this._take({ events: this.job?.events ?? [], ...job });
    this.read();
  }

  _take(job) {
    if (job.id !== this.id || this.job?.updated_at > job.updated_at) return;
    const before = this.job;
    const { refused } = this;
    this.job = { ...job, events: joined(before?.events ?? [], job.events) };
    this.refused = false;
    if (ended(job)) cancelling.delete(job.id);
    else if (this.job.events.at(-1)?.kind === "cancel_requested") cancelling.add(job.id);
    this._draw();
    if (!ended(job)) return;
    this.stop?.(); // Nothing more will come until somebody retries it.
    if (before && !ended(before) && !refused)
      toast(t(`ended.${job.status}`, { id: job.id }), { kind: job.status === "COMPLETED" ? "ok" : "fail" });
  }

  // A waiting job's reason changes without an event; an ended one may have been retried elsewhere.
  async _recheck() {
    if (document.visibilityState !== "visible" || connection.state === "paused") return;
    if (!this.job || this.job.status === "IN_PROGRESS") return;
    const was = ended(this.job);
    await this._read().catch(() => {});
    if (was && this.job && !ended(this.job)) this._follow();
  }

  _missing() {
    this.stop?.();
    this.job = this.element = null;
    this.main.replaceChildren(
      h("h1", { tabindex: "-1" }, t("job", { id: this.id })),
      empty({
        title: t("job.missing", { id: this.id }),
        text: t("job.missing.why"),
        actions: [h("a", { class: "button", href: "#/jobs" }, t("section.jobs"))],
      }),
    );
    this.main.querySelector("h1").focus();
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
      state: badge(),
      pipeline: h("span", { class: "count" }),
      actions: new Map(ACTIONS.map((name) => [name, button(name)])),
      sentence: h("p", { "data-sentence": "" }),
      bar: stepBar(),
      facts: h("dl", { class: "facts" }),
      tabs: tabs(TABS, {
        label: t("tabs"),
        words: (name) => t(`tab.${name}`),
        choose: (tab) => this._choose({ tab: tab === "steps" ? null : tab }),
      }),
      panel: panel({
        choose: (more) => this._choose(more),
        restart: (from) => this._restart(from),
        older: () => this._older(),
      }),
    };
    const { state, pipeline, actions, sentence, bar, facts: list, tabs: chosen, panel: shown } = this.parts;
    this.sentenceBox = h("div", { class: "sentence" }, sentence, bar.element);
    this.element = h(
      "article",
      { class: "job" },
      h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/jobs" }, t("section.jobs"))),
      h(
        "div",
        { class: "head" },
        h("h1", { tabindex: "-1" }, t("job", { id: this.id })),
        state.element,
        pipeline,
        h("div", { class: "row" }, [...actions.values()]),
      ),
      this.sentenceBox,
      list,
      chosen.element,
      shown.element,
    );
    this.main.replaceChildren(this.element);
    this.main.querySelector("h1").focus({ preventScroll: true });
  }

  _draw() {
    if (!this.element) this._build();
    const { job, parts } = this;
    const sentence = fullSentence(job);
    set(this.element, "data-job-id", job.id);
    set(this.element, "data-status", job.status);
    parts.state.job(job);
    say(parts.pipeline, job.pipeline);
    for (const [name, button] of parts.actions) {
      button.hidden = !may[name](job);
      if (document.activeElement === button && button.hidden) this.main.querySelector("h1").focus();
    }
    this.sentenceBox.className = `sentence role-${sentence.role}`;
    tell(parts.sentence, sentence);
    parts.bar.update(job);
    facts(parts.facts, job);
    const tab = TABS.includes(this.params.tab) ? this.params.tab : "steps";
    parts.tabs.select(tab);
    parts.panel.update(job, { ...this.params, tab }, job.step_names);
  }

  _tick() {
    if (!this.job || !this.element || document.visibilityState !== "visible") return;
    say(this.parts.sentence, fullSentence(this.job).text);
    facts(this.parts.facts, this.job);
    if (!ended(this.job)) this.parts.panel.tick();
    // A report of progress is an event now and then; the step has all of them.
    if (currentStep(this.job)?.progress && this.job.status === "IN_PROGRESS" && connection.state === "live") this.read();
  }

  // Events before those that are there; gives whether there were any.
  async _older() {
    const { id } = this;
    const { events } = await get(`jobs/${id}?events_before=${this.job.events[0].number}`);
    if (id !== this.id || !this.job) return false;
    this.job = { ...this.job, events: [...events, ...this.job.events] };
    this._draw();
    return events.length > 0;
  }

  _choose(more) {
    this.params = { ...this.params, ...more };
    replace(href(`jobs/${this.id}`, this.params));
    this._draw();
  }

  async _try(action) {
    const { job } = this;
    if (!job || !may[action](job)) return false;
    if (action === "restart") return this._restart();
    await act(action, job, (_, after) => {
      if (this.id !== job.id) return;
      if (after === null) go(href("jobs"));
      else this._again(after);
    });
  }

  _nextFailure() {
    const all = [...(this.element?.querySelectorAll('.gantt-line:is([data-role="fail"], [data-role="retry"])') ?? [])];
    if (!all.length) return false;
    const line = all[(all.indexOf(document.activeElement) + 1) % all.length];
    line.focus();
    line.click();
  }

  _restart(from) {
    openRestart(this.job, this.job.step_names, { from, sent: (after) => this._again(after) });
  }

  _again(after) {
    this.refused = !after; // The reason is being read; the state that comes now says the same.
    if (after) this._take({ events: this.job.events, ...after });
    else this.read();
    this._follow();
  }
}
