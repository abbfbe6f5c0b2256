// When each task of a run was at work: a line for each, in order of definition. Long idle stretches are cut out.
import { h, icon, say, set } from "../dom.js";
import { clock, duration, t } from "../i18n.js";
import { scale } from "../timeline.js";
import { detailOf, nameOf } from "./node.js";
import { roleOf } from "./states.js";

const ROW = 32;
const AHEAD = 10;

/** Rows are buttons `[data-id][data-role]`; `onSelect(id)` when one is chosen. Only those in sight are made. */
export class Timeline {
  constructor(graph, { begun, onSelect = () => {}, now = () => Date.now() }) {
    Object.assign(this, { onSelect, now, begun });
    this.order = graph.nodes.map((node) => node.id);
    this.states = new Map(graph.nodes.map((node) => [node.id, node]));
    this.selected = null;
    this.rows = new Map();
    this.list = h("div", { class: "when-rows" });
    this.axis = h("div", { class: "when-axis", "aria-hidden": "true" }, h("span"), h("span"));
    this.view = h(
      "div",
      { class: "when-view", role: "group", "aria-label": t("when.label"), tabindex: "-1" },
      this.list,
    );
    this.element = h("div", { class: "when", "data-timeline": "" }, this.view, this.axis);
    this.view.addEventListener("scroll", () => this.soon());
    this.resized = new ResizeObserver(() => this.soon());
    this.resized.observe(this.view);
  }

  close() {
    this.resized.disconnect();
    cancelAnimationFrame(this.asked);
  }

  update(nodes) {
    for (const node of nodes) this.states.set(node.id, node);
    this.soon();
  }

  /** Show a task as the chosen one where it stands. */
  mark(id) {
    this.selected = id;
    this.soon();
  }

  select(id) {
    this.selected = id;
    const top = this.order.indexOf(id) * ROW;
    const { scrollTop, clientHeight } = this.view;
    if (clientHeight && (top < scrollTop || top + ROW > scrollTop + clientHeight))
      this.view.scrollTop = top - clientHeight / 2;
    this.soon();
  }

  soon() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.paint();
    });
  }

  paint() {
    const time = this.now();
    this.scale = scale(
      [{ tries: [...this.states.values()].map((node) => this.span(node, time)).filter(Boolean) }],
      time,
    );
    const { scrollTop, clientHeight } = this.view;
    const [from, to] = [
      Math.floor(scrollTop / ROW) - AHEAD,
      Math.ceil((scrollTop + (clientHeight || 600)) / ROW) + AHEAD,
    ];
    const focused = document.activeElement?.dataset?.id;
    this.list.style.height = `${this.order.length * ROW}px`;
    const kept = new Set(this.order.filter((id, i) => (i >= from && i <= to) || id === focused));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    for (const id of kept) this.fill(id, this.rows.get(id) ?? this.make(id), time);
    say(this.axis.firstChild, clock(this.scale.start));
    say(this.axis.lastChild, clock(this.scale.end));
  }

  /** As `scale` of the jobs' timeline takes it; null for what has not begun. */
  span(node, time) {
    if (!node.started_at) return null;
    return {
      wait: this.begun,
      from: Date.parse(node.started_at),
      to: node.finished_at ? Date.parse(node.finished_at) : time,
    };
  }

  make(id) {
    const parts = {
      glyph: h("span", { class: "when-glyph" }),
      name: h("span", { class: "when-name" }),
      bar: h("span", { class: "when-bar" }),
      text: h("span", { class: "when-text" }),
    };
    const element = h(
      "button",
      { type: "button", class: "when-row", "data-id": id, onclick: () => this.chosen(id) },
      parts.glyph,
      parts.name,
      h("span", { class: "when-track" }, parts.bar),
      parts.text,
    );
    element.style.top = `${this.order.indexOf(id) * ROW}px`;
    const row = { element, parts };
    this.rows.set(id, row);
    const after = [...this.list.children].find((each) => this.order.indexOf(each.dataset.id) > this.order.indexOf(id));
    this.list.insertBefore(element, after ?? null);
    return row;
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
    const span = this.span(node, time);
    parts.bar.hidden = !span;
    if (span) {
      const [left, right] = [this.scale.place(span.from), this.scale.place(span.to)];
      parts.bar.style.left = `${left * 100}%`;
      parts.bar.style.width = `${(right - left) * 100}%`;
    }
    say(
      parts.text,
      span
        ? t(node.finished_at ? "when.took" : "when.running", {
            waited: duration(Math.max(0, span.from - this.begun)),
            ran: duration(span.to - span.from),
          })
        : detailOf(node),
    );
  }
}
