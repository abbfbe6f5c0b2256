// The tasks of a run as graph, outline or time line, and the one that is chosen beside them.
import { asCurl, now } from "../base/api.js";
import { h, renew } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { Picture } from "../graph/draw.js";
import { Outline } from "../graph/outline.js";
import { Timeline } from "../graph/timeline.js";
import { code, json, tabs } from "../page/parts.js";
import { hasResult } from "./run.js";
import { inspect } from "./task.js";

const TABS = ["graph", "outline", "timeline", "data"];
const WIDE = matchMedia("(width >= 40em)");

/**
 * `choose(params)` changes the route, `now()` is the time that is shown; `saved`: there is no server to ask.
 * @param {Run} run
 * @param {{ choose: (params: object) => void, now?: () => number, saved?: boolean }} options
 */
export class RunPanel {
  constructor(run, { choose, now: time = now, saved = false }) {
    this.run = run;
    this.choose = choose;
    this.now = time;
    this.saved = saved;
    this.bar = tabs(TABS, {
      label: t("run.tabs"),
      words: (name) => t(`run.tab.${name}`),
      choose: (tab) => choose({ tab }),
    });
    this.stage = h("div", { class: "run-stage" });
    this.inspector = h("section", { class: "inspector", "aria-label": t("run.inspector"), "data-inspector": "" });
    this.split = h("div", { class: "steps" }, this.stage, this.inspector);
    this.data = h("div", { class: "stack" });
    this.element = h("div", { class: "panel stack" }, this.bar.element, this.split, this.data, python(run));
    this.shown = null; // { tab, tree, view, selected } on the stage
    this.chosen = null;
    this.told = "";
    this.turned = () => this.shown?.tab === "graph" && this._present("graph", this.shown.tree);
    WIDE.addEventListener("change", this.turned);
  }

  close() {
    this.shown?.view.close();
    WIDE.removeEventListener("change", this.turned);
  }

  /** Time has gone on, which the graph does not show. */
  tick() {
    if (this.shown && this.shown.tab !== "graph") this.shown.view.update([]);
  }

  update(run, params) {
    this.run = run;
    const tab = TABS.includes(params.tab) ? params.tab : WIDE.matches ? "graph" : "outline";
    this.bar.select(tab);
    this.split.hidden = tab === "data";
    this.data.hidden = tab !== "data";
    if (tab === "data") return this._raw();
    const id = run.graph.nodes.some((node) => node.id === params.node) ? params.node : null;
    const tree = JSON.stringify(run.graph.tree); // It changes when a task sends another, and by a retry.
    if (this.shown?.tab !== tab || this.shown.tree !== tree) this._present(tab, tree);
    else this.shown.view.update(run.graph.nodes);
    // Until somebody chooses a task, it is the one that says most, without moving the view while the run goes on.
    const wanted = id ?? telling(run);
    if (wanted !== this.chosen || this.shown.selected !== wanted) {
      this.chosen = this.shown.selected = wanted;
      if (id || run.ready) this.shown.view.select(wanted);
      else this.shown.view.mark(wanted);
    }
    this._tell();
  }

  nextFailure() {
    const failed = this.run.graph.nodes.filter((node) => node.state === "FAILURE").map((node) => node.id);
    if (!failed.length || !this.shown) return false;
    this._pick(failed[(failed.indexOf(this.chosen) + 1) % failed.length]);
    return true;
  }

  _present(tab, tree) {
    this.shown?.view.close();
    const options = {
      onSelect: (id) => this._selected(id),
      onOpen: (id) => this._opened(id),
      onLanes: (ids) => this._lanes(ids),
      now: this.now,
      narrow: !WIDE.matches,
      begun: Date.parse(this.run.created_at),
    };
    const View = { graph: Picture, outline: Outline, timeline: Timeline }[tab];
    const view = new View(this.run.graph, options);
    this.shown = { tab, tree, view, selected: null };
    this.stage.replaceChildren(view.element);
    view.update([]);
  }

  _selected(id) {
    if (id === this.chosen && this.shown.selected === id) return;
    this.chosen = this.shown.selected = id;
    this.choose({ node: id });
    this._tell();
  }

  _opened(id) {
    this._selected(id);
    this.inspector.scrollIntoView({ block: "nearest" });
    this.inspector.querySelector("h2")?.focus();
  }

  /** All lanes of a folded group: in the outline, where there is room for them. */
  _lanes(ids) {
    this.choose({ tab: "outline" });
    this.shown.view.show(ids);
  }

  _pick(id) {
    this.shown.view.select(id);
    this._selected(id);
  }

  /** From the inspector itself: who asked there goes on there. */
  _blame(id) {
    this._pick(id);
    this.inspector.querySelector("h2")?.focus({ preventScroll: true });
  }

  _raw() {
    if (this.rawOf === this.run) return;
    this.rawOf = this.run;
    renew(this.data, raw(this.run, this.saved));
  }

  _tell() {
    const node = this.run.graph.nodes.find((each) => each.id === this.chosen);
    // What one waits for changes with the others.
    const text = JSON.stringify([node, this.run.status, node?.state === "PENDING" && this.run.updated_at]);
    if (text === this.told) return;
    this.told = text;
    const same = this.toldOf === this.chosen;
    this.toldOf = this.chosen;
    renew(this.inspector, node ? inspect(node, this.run, { choose: (id) => this._blame(id), saved: this.saved }) : [], {
      same,
    });
  }
}

function python(run) {
  const text = code(run.code, { label: t("run.code"), lang: "en" });
  text.classList.add("wrap");
  return h("div", {}, h("h2", { class: "run-code" }, t("run.code")), text);
}

/** What a reader looks for first: what failed, what runs, who is to blame, else the last one. */
function telling({ graph: { nodes }, reason }) {
  const first = ["FAILURE", "STARTED", "RETRY"].map((state) => nodes.find((node) => node.state === state));
  const culprit = nodes.find((node) => node.id === reason?.culprit); // It was killed, or had expired.
  return [...first, culprit, nodes.at(-1)].find(Boolean)?.id;
}

function raw(run, saved) {
  const curl = () => [h("h2", {}, t("as.curl")), code(asCurl("GET", `result/${run.task_id}`), { label: "curl" })];
  return [
    h("h2", {}, t("result")),
    hasResult(run) ? json(run.result, { label: t("result") }) : h("p", { class: "muted" }, t("run.result.none")),
    ...(saved ? [] : curl()),
    h("details", { class: "fold" }, h("summary", {}, t("run.raw")), json(run, { label: t("run.raw") })),
  ];
}
