// When each task of a run was at work: a line for each, in order of definition. Long idle stretches are cut out.
import { h, icon, say, set } from "../base/dom.js";
import { duration, t, when } from "../base/i18n.js";
import { scale } from "../page/scale.js";
import { RowWindow } from "../page/window.js";
import { detailOf, dueAt, nameOf } from "./node.js";
import { links, shape } from "./shape.js";
import { roleOf } from "./states.js";

const ROW = 32;

/** Rows are buttons `[data-id][data-role]`; `onSelect(id)` when one is chosen. Only those in sight are made. */
export class Timeline {
  /**
   * @param {Graph} graph
   * @param {{ begun: number, onSelect?: (id: string) => void, now?: () => number }} options
   */
  constructor(graph, { begun, onSelect = () => {}, now = () => Date.now() }) {
    this.onSelect = onSelect;
    this.now = now;
    this.begun = begun;
    this.before = links(shape(graph.tree)).before;
    this.states = new Map(graph.nodes.map((node) => [node.id, node]));
    this.selected = null;
    this.list = h("div", { class: "when-rows" });
    this.axis = h("div", { class: "when-axis", "aria-hidden": "true" }, h("span"), h("span"));
    this.view = h(
      "div",
      { class: "when-view", role: "group", "aria-label": t("when.label"), tabindex: "-1" },
      this.list,
    );
    this.element = h("div", { class: "when", "data-timeline": "" }, this.view, this.axis);
    this.window = new RowWindow({
      list: this.list,
      view: this.view,
      height: ROW,
      make: (id) => this.make(id),
      paint: () => this.paint(),
    });
    this.window.keys = graph.nodes.map((node) => node.id);
  }

  close() {
    this.window.close();
  }

  update(nodes) {
    for (const node of nodes) this.states.set(node.id, node);
    this.window.soon();
  }

  /** Show a task as the chosen one where it stands. */
  mark(id) {
    this.selected = id;
    this.window.soon();
  }

  select(id) {
    this.selected = id;
    const top = this.window.keys.indexOf(id) * ROW;
    const { scrollTop, clientHeight } = this.view;
    if (clientHeight && (top < scrollTop || top + ROW > scrollTop + clientHeight))
      this.view.scrollTop = top - clientHeight / 2;
    this.window.soon();
  }

  paint() {
    const time = this.now();
    this.ends = new Map(); // when the last of some tasks had ended
    this.scale = scale(
      [{ tries: [...this.states.values()].map((node) => this.span(node, time)).filter(Boolean) }],
      time,
    );
    this.window.layout();
    for (const [id, row] of this.window.rows) this.fill(id, row, time);
    say(this.axis.firstChild, when(this.scale.start));
    say(this.axis.lastChild, when(this.scale.end));
  }

  /** As `scale` takes it; null for what has not begun. */
  span(node, time) {
    if (!node.started_at) return null;
    const from = Date.parse(node.started_at);
    return {
      wait: Math.min(this.open(node), from),
      from,
      to: node.finished_at ? Date.parse(node.finished_at) : time,
    };
  }

  /** Since when a worker could have taken it: what comes before had ended, and its countdown had passed. */
  open(node) {
    const before = this.before(node.id);
    if (!this.ends.has(before)) {
      const ended = before.map((id) => Date.parse(this.states.get(id)?.finished_at)).filter((each) => each > 0);
      this.ends.set(
        before,
        ended.reduce((one, other) => Math.max(one, other), this.begun),
      );
    }
    return Math.max(this.ends.get(before), dueAt(node) || 0);
  }

  make(id) {
    const parts = {
      glyph: h("span", { class: "when-glyph" }),
      name: h("span", { class: "when-name" }),
      wait: h("span", { class: "when-wait" }),
      bar: h("span", { class: "when-bar" }),
      text: h("span", { class: "when-text" }),
    };
    const element = h(
      "button",
      { type: "button", class: "when-row", "data-id": id, onclick: () => this.chosen(id) },
      parts.glyph,
      parts.name,
      h("span", { class: "when-track" }, parts.wait, parts.bar),
      parts.text,
    );
    return { element, parts };
  }

  chosen(id) {
    this.select(id);
    this.onSelect(id);
  }

  fill(id, { element, parts }, time) {
    const node = this.states.get(id);
    const role = roleOf(node);
    if (element.dataset.role !== role) {
      parts.glyph.replaceChildren(icon(role));
      set(element, "data-role", role);
    }
    set(element, "aria-pressed", String(id === this.selected));
    say(parts.name, nameOf(node));
    set(parts.name, "title", nameOf(node));
    const span = this.span(node, time);
    this.put(parts.wait, span && span.from > span.wait ? [span.wait, span.from] : null);
    this.put(parts.bar, span && [span.from, span.to]);
    say(
      parts.text,
      span
        ? t(node.finished_at ? "when.took" : "when.running", {
            waited: duration(span.from - span.wait),
            ran: duration(span.to - span.from),
          })
        : detailOf(node),
    );
  }

  /** Draw a bar over this time, or none. */
  put(bar, time) {
    bar.hidden = !time;
    if (!time) return;
    const [left, right] = time.map((each) => this.scale.place(each));
    bar.style.left = `${left * 100}%`;
    bar.style.width = `${(right - left) * 100}%`;
  }
}
