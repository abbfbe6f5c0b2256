// One run. Hooks for tests: `[data-run][data-status]` on the article, `[data-verdict]`, tabs `[data-tab=graph|outline|timeline|
// data]`, `[data-graph] .node[data-id][data-state]`, `.stem[data-state]`, `.cut[data-culprit]`, `[role=treeitem][data-id]`,
// `[data-inspector]`, `[data-action]`: cancel, terminate, retry, copy-run, delete.
import { get, now } from "../base/api.js";
import { h, hide, refill, say, set } from "../base/dom.js";
import { runSentence } from "../base/facts.js";
import { duration, since, t } from "../base/i18n.js";
import { brief } from "../graph/node.js";
import { FollowedView } from "../page/followed.js";
import { setSection, toast } from "../page/frame.js";
import { badge, clamped, copyButton, copyLinkButton } from "../page/parts.js";
import { Replaying } from "../page/replaying.js";
import { go, href, replace } from "../page/router.js";
import { explain, labelled } from "../page/terms.js";
import { lesson } from "./lesson.js";
import { RunPanel } from "./panel.js";
import { act, hasResult, name, role, runState, took } from "./run.js";

/** The facts whose name the glossary explains, by its term. */
const EXPLAINED = { tasks: "task" };
const ACTIONS = ["cancel", "terminate", "retry", "delete"];

export const show = (main, route) => new RunView(main, route);

class RunView extends FollowedView {
  constructor(main, route) {
    super(main, route, { section: "runs", missing: "run.missing" });
    this.keys = {
      "Shift+KeyR": () => this._try("retry"),
      "Shift+KeyC": () => this._try("cancel"),
      Delete: () => this._try("delete"),
      KeyF: () => this.parts?.panel?.nextFailure() ?? false,
      Escape: () => go(href("runs")),
    };
  }

  heading() {
    return t("run");
  }

  path(id) {
    return `result/${id}`;
  }

  left() {
    this.parts?.panel?.close();
    this.parts?.replaying.close();
  }

  heard(_kind, found) {
    if (found.cut)
      this.read(); // What is too large is left out of it.
    else this.take(found);
  }

  /** The id may be a run's, that of one of its tasks, or a job's. */
  take(found) {
    if (found.type === "job") replaceWith(href(`jobs/${found.job_id}`));
    else if (found.run_id && found.run_id !== found.task_id)
      replaceWith(href(`runs/${found.run_id}`, { node: found.task_id }));
    else this._show(found);
  }

  _show(run) {
    if (this.thing && run.updated_at < this.thing.updated_at) return;
    if (run.task_id !== this.id) this._renamed(run.task_id);
    const before = this.thing;
    const { refused } = this;
    this.thing = run;
    this.refused = false;
    if (run.ready) this.stop?.(); // Nothing more will come until somebody retries it.
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      if (this.thing) this.draw();
    });
    if (before && !before.ready && run.ready && !refused)
      toast(t(`ended.run.${run.status}`), { kind: { SUCCESS: "ok", FAILURE: "fail" }[run.status] });
  }

  /** A run that is retried goes on under another id; its old one leads here, and so does its stream. */
  _renamed(id) {
    this.id = id;
    replace(href(`runs/${id}`, this.params));
  }

  _build() {
    const button = (action, kind) =>
      h(
        "button",
        { type: "button", class: `button ${kind}`, "data-action": action, onclick: () => this._try(action) },
        t(`do.run.${action}`),
      );
    const parts = {
      title: h("h1", { tabindex: "-1", lang: "en", class: "run-name" }),
      state: badge(),
      actions: new Map(
        ACTIONS.map((action) => [
          action,
          button(action, { retry: "primary", terminate: "danger", delete: "danger" }[action] ?? ""),
        ]),
      ),
      verdict: h("p", { "data-verdict": "" }),
      detail: clamped(),
      bar: h("span", { class: "bar-fill" }),
      lesson: lesson(this.thing),
      facts: h("dl", { class: "facts" }),
      // A graph that is too deep to be sent is null.
      panel:
        this.thing.graph &&
        new RunPanel(this.thing, { choose: (more) => this.choose(more), now: () => parts.replaying.time ?? now() }),
      replaying: new Replaying({
        read: (module) => this._record(module),
        show: () => this._panel(),
        tick: () => this.parts.panel.tick(),
        choose: (at) => this.choose({ at }),
        stateOf: runState,
      }),
    };
    this.parts = parts;
    const copyRun = h(
      "button",
      {
        type: "button",
        class: "button",
        "data-action": "copy-run",
        onclick: () => go(href("canvas", { draft: JSON.stringify(this.thing.canvas) })),
      },
      t("do.run.edit"),
    );
    const replay = h(
      "button",
      { type: "button", class: "button", "data-action": "replay", onclick: () => this.choose({ at: "0" }) },
      t("do.replay"),
    );
    this.bar = h("span", { class: "bar", role: "img" }, h("span", { class: "bar-part" }, parts.bar));
    this.box = h("div", { class: "sentence" }, parts.replaying.label, parts.verdict, parts.detail.element, this.bar);
    this.element = h(
      "article",
      { class: "job run" },
      h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/runs" }, t("section.runs"))),
      h(
        "div",
        { class: "head" },
        parts.title,
        parts.state.element,
        h("div", { class: "row" }, [...parts.actions.values()], copyRun, parts.panel && replay, copyLinkButton()),
      ),
      this.box,
      parts.lesson.element,
      parts.facts,
      parts.replaying.element,
      parts.panel?.element,
    );
    refill(this.main, this.element);
  }

  draw() {
    if (!this.parts) this._build();
    const { thing: run, parts } = this;
    set(this.element, "data-run", run.task_id);
    set(this.element, "data-status", run.status);
    say(parts.title, name(run));
    setSection("runs", name(run));
    parts.state.update(...runState(run));
    for (const [action, button] of parts.actions) {
      hide(button, !run.actions.includes(action));
    }
    this.box.className = `sentence role-${role(run)}`;
    const sentence = runSentence(run, { apart: true });
    explain(parts.verdict, sentence);
    parts.detail.update(sentence.detail);
    parts.lesson.update(run);
    const { completed, total } = run.progress;
    parts.bar.style.width = `${(100 * completed) / total}%`;
    set(parts.bar.parentNode, "data-role", role(run));
    set(this.bar, "aria-label", t("run.progress", { done: completed, total }));
    this._facts();
    parts.replaying.update(parts.panel && this.params.at, run.updated_at, run.ready);
    this._panel();
  }

  /** The tasks as they are, or as they were. */
  _panel() {
    const { panel, replaying } = this.parts;
    panel?.update(replaying.thing ?? this.thing, this.params);
  }

  /** What happened so far: the run itself is read last, so that it has what its history tells. */
  async _record({ runRecord }) {
    const history = await get(`result/${this.id}/history`);
    return runRecord(await get(`result/${this.id}`), history);
  }

  _facts() {
    const { thing: run, parts } = this;
    const ms = took(run);
    const created = Date.parse(run.created_at);
    const entries = [
      ["created", ...since(created, now())],
      ["took", ms === null ? "–" : duration(ms)],
      ["tasks", t("facts.tasks.of", { done: run.progress.completed, total: run.progress.total })],
      ["result", hasResult(run) ? clip(brief(run.result)) : "–"],
      ["task", run.task_id, run.task_id],
    ];
    if (!parts.facts.childElementCount) {
      parts.facts.append(
        ...entries.map(([key]) =>
          h(
            "div",
            { "data-fact": key },
            h("dt", {}, labelled(EXPLAINED[key], t(`facts.${key}`))),
            h("dd", {}, h("span"), key === "task" ? copyButton(() => this.thing.task_id, t("copy.task")) : null),
          ),
        ),
      );
    }
    entries.forEach(([, text, title], i) => {
      const value = parts.facts.children[i].querySelector("dd span");
      say(value, text);
      set(value, "title", title);
    });
  }

  tick() {
    if (!this.parts) return;
    this._facts();
    if (!this.thing.ready && !this.parts.replaying.thing) this.parts.panel?.tick();
  }

  async _try(action) {
    const { thing: run } = this;
    if (!run?.actions.includes(action)) return false;
    const after = await act(action, () => this.thing);
    if (!this.parts || after === undefined) return;
    // A snapshot that was read meanwhile may have given it its new id already.
    if (run.task_id !== this.id && after?.task_id !== this.id) return;
    if (after && action === "delete") {
      this.leave();
      return go(href("runs"));
    }
    this.refused = !after; // The reason is being read; the state that comes now says the same.
    if (after) this._show(after);
    this.follow();
  }
}

const clip = (text) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** Go on to the address that this one stands for, without leaving it in the history. */
function replaceWith(address) {
  location.replace(address);
}
