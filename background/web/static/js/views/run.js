// One run. Hooks for tests: `[data-run][data-status]` on the article, `[data-verdict]`, tabs `[data-tab=graph|outline|timeline|
// data]`, `[data-graph] .node[data-id][data-state]`, `.stem[data-state]`, `.cut[data-culprit]`, `[role=treeitem][data-id]`,
// `[data-inspector]`, `[data-action]`: cancel, terminate, retry, copy-run, delete.
import { get, now } from "../api.js";
import { h, say, set, throttle } from "../dom.js";
import { runSentence } from "../facts.js";
import { setSection, toast } from "../frame.js";
import { ago, duration, moment, t } from "../i18n.js";
import { badge, copyButton, empty, failure, skeleton, tell } from "../parts.js";
import { go, href, replace } from "../router.js";
import { act, cancelling, may, name, role, statusWord, took } from "../run.js";
import { brief } from "../graph/node.js";
import { follow } from "../stream.js";
import { panel } from "./run-panel.js";

const READ_MS = 300;
const ACTIONS = ["cancel", "terminate", "retry", "delete"];

export const show = (main, route) => new RunView(main, route);

class RunView {
  constructor(main, route) {
    this.main = main;
    this.read = throttle(() => this._read().catch(() => {}), READ_MS);
    this.timer = setInterval(() => this._tick(), 1000);
    this.keys = {
      "Shift+KeyR": () => this._try("retry"),
      "Shift+KeyC": () => this._try("cancel"),
      Delete: () => this._try("delete"),
      KeyF: () => this.parts?.panel?.nextFailure() ?? false,
      Escape: () => go(href("runs")),
    };
    this._open(route);
  }

  update(route) {
    if (route.rest[0] === this.id) {
      this.params = route.params;
      if (this.run) this._draw();
      return true;
    }
    this._leave();
    this.main.replaceChildren();
    this._open(route);
    this.main.querySelector("h1")?.focus();
    return true;
  }

  close() {
    this.id = null; // What is still on its way is for nobody.
    this._leave();
    clearInterval(this.timer);
  }

  _leave() {
    this.stop?.();
    this.read.cancel();
    this.parts?.panel?.close();
    this.parts = this.run = null;
  }

  _open({ rest, params }) {
    this.id = rest[0];
    this.params = params;
    this.main.append(h("h1", { tabindex: "-1" }, t("run")), skeleton(6));
    setSection("runs", t("run"));
    this._follow();
  }

  _follow() {
    this.stop?.();
    this.stop = follow(`result/${this.id}/events`, {
      open: () => this._read(),
      retry: () => this._read().catch(() => {}),
      event: (kind, found) => (found.cut ? this.read() : this._found(found)), // What is too large is left out of it.
      end: () => this.read(),
    });
  }

  async _read() {
    const id = this.id;
    try {
      const found = await get(`result/${id}`);
      if (id === this.id) this._found(found);
    } catch (error) {
      if (id !== this.id) return;
      if (error.status === 404 || error.status === 422) this._missing();
      else if (!this.run)
        this.main.replaceChildren(
          h("h1", { tabindex: "-1" }, t("run")),
          failure(error, () => this._follow()),
        );
      throw error;
    }
  }

  /** The id may be a run's, that of one of its tasks, or a job's. */
  _found(found) {
    if (found.type === "job") replaceWith(href(`jobs/${found.job_id}`));
    else if (found.run_id && found.run_id !== found.task_id)
      replaceWith(href(`runs/${found.run_id}`, { node: found.task_id }));
    else this._take(found);
  }

  _take(run) {
    if (this.run && run.updated_at < this.run.updated_at) return;
    if (run.task_id !== this.id) this._renamed(run.task_id);
    const before = this.run;
    const { refused } = this;
    this.run = run;
    this.refused = false;
    if (run.ready) cancelling.delete(run.task_id);
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      if (this.run) this._draw();
    });
    if (before && !before.ready && run.ready && !refused)
      toast(t(`ended.run.${run.status}`), { kind: { SUCCESS: "ok", FAILURE: "fail" }[run.status] });
  }

  /** A run that is retried goes on under another id; its old one leads here, and so does its stream. */
  _renamed(id) {
    this.id = id;
    replace(href(`runs/${id}`, this.params));
  }

  _missing() {
    this.stop?.();
    this.main.replaceChildren(
      h("h1", { tabindex: "-1" }, t("run")),
      empty({
        title: t("run.missing"),
        text: t("run.missing.why"),
        actions: [h("a", { class: "button", href: "#/runs" }, t("section.runs"))],
      }),
    );
    this.main.querySelector("h1").focus();
  }

  _build() {
    const button = (action, kind) =>
      h(
        "button",
        { type: "button", class: `button ${kind}`, "data-action": action, onclick: () => this._try(action) },
        t(`do.run.${action}`),
      );
    const parts = (this.parts = {
      title: h("h1", { tabindex: "-1" }),
      state: badge(),
      actions: new Map(
        ACTIONS.map((action) => [
          action,
          button(action, { retry: "primary", terminate: "danger", delete: "danger" }[action] ?? ""),
        ]),
      ),
      verdict: h("p", { "data-verdict": "" }),
      bar: h("span", { class: "bar-fill" }),
      facts: h("dl", { class: "facts" }),
      // A graph that is too deep to be sent is null.
      panel: this.run.graph && panel(this.run, { choose: (more) => this._choose(more) }),
    });
    const copyRun = h(
      "button",
      {
        type: "button",
        class: "button",
        "data-action": "copy-run",
        onclick: () => go(href("canvas", { draft: JSON.stringify(this.run.canvas) })),
      },
      t("do.run.edit"),
    );
    this.bar = h("span", { class: "bar", role: "img" }, h("span", { class: "bar-part" }, parts.bar));
    this.box = h("div", { class: "sentence" }, parts.verdict, this.bar);
    this.element = h(
      "article",
      { class: "job run" },
      h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: "#/runs" }, t("section.runs"))),
      h(
        "div",
        { class: "head" },
        parts.title,
        parts.state.element,
        h("div", { class: "row" }, [...parts.actions.values()], copyRun),
      ),
      this.box,
      parts.facts,
      parts.panel?.element,
    );
    this.main.replaceChildren(this.element);
    parts.title.focus({ preventScroll: true });
  }

  _draw() {
    if (!this.parts) this._build();
    const { run, parts } = this;
    set(this.element, "data-run", run.task_id);
    set(this.element, "data-status", run.status);
    say(parts.title, name(run));
    setSection("runs", name(run));
    parts.state.update(role(run), statusWord(run), run.status);
    for (const [action, button] of parts.actions) {
      const off = !may[action](run);
      if (off && document.activeElement === button) parts.title.focus();
      button.hidden = off;
    }
    this.box.className = `sentence role-${role(run)}`;
    tell(parts.verdict, runSentence(run));
    const { completed, total } = run.progress;
    parts.bar.style.width = `${(100 * completed) / total}%`;
    set(parts.bar.parentNode, "data-role", role(run));
    set(this.bar, "aria-label", t("run.progress", { done: completed, total }));
    this._facts();
    parts.panel?.update(run, this.params);
  }

  _facts() {
    const { run, parts } = this;
    const ms = took(run);
    const created = Date.parse(run.created_at);
    const entries = [
      ["created", ago(now() - created), moment(created)],
      ["took", ms === null ? "–" : duration(ms)],
      ["tasks", t("facts.tasks.of", { done: run.progress.completed, total: run.progress.total })],
      ["result", run.successful ? clip(brief(run.result)) : "–"],
      ["task", run.task_id, run.task_id],
    ];
    if (!parts.facts.childElementCount) {
      parts.facts.append(
        ...entries.map(([key]) =>
          h(
            "div",
            { "data-fact": key },
            h("dt", {}, t(`facts.${key}`)),
            h("dd", {}, h("span"), key === "task" ? copyButton(() => this.run.task_id, t("copy.task")) : null),
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

  _tick() {
    if (!this.parts || !this.run || document.visibilityState !== "visible") return;
    this._facts();
    if (!this.run.ready) this.parts.panel?.tick();
  }

  _choose(more) {
    this.params = { ...this.params, ...more };
    replace(href(`runs/${this.id}`, this.params));
    this.parts.panel?.update(this.run, this.params);
  }

  async _try(action) {
    const { run } = this;
    if (!run || !may[action](run)) return false;
    const after = await act(action, run);
    if (!this.parts || run.task_id !== this.id || after === undefined) return;
    if (after && action === "delete") return go(href("runs"));
    this.refused = !after; // The reason is being read; the state that comes now says the same.
    if (after) this._take(after);
    this._follow();
  }
}

const clip = (text) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** Go on to the address that this one stands for, without leaving it in the history. */
function replaceWith(address) {
  location.replace(address);
}
