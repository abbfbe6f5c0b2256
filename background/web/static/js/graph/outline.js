// The tasks of a graph as a tree of words: the same that the picture shows, for screen readers and small screens.
// The one that has the tab stop is always in the document.
import { h, icon, say, set } from "../base/dom.js";
import { duration, number, t } from "../base/i18n.js";
import { RowWindow } from "../page/window.js";
import { itemsOf, opened } from "./items.js";
import { detailOf, nameOf } from "./node.js";
import { links, shape } from "./shape.js";
import { culpritOf, roleOf } from "./states.js";
import { counted } from "./tiles.js";

const ROW = 36;
const FOLD_ABOVE = 24;
const INDENT = 18;

/** `onSelect(id)` when a task is chosen; rows are `[role=treeitem][data-id][data-state]`, or have `data-kind`. */
export class Outline {
  /**
   * @param {Graph} graph
   * @param {{ onSelect?: (id: string) => void, now?: () => number }} options
   */
  constructor(graph, { onSelect = () => {}, now = () => Date.now() } = {}) {
    this.onSelect = onSelect;
    this.now = now;
    const root = shape(graph.tree);
    this.root = itemsOf(root);
    this.before = links(root).before;
    this.states = new Map(graph.nodes.map((node) => [node.id, node]));
    this.selected = null;
    this.closed = new Set();
    this.items = new Map();
    for (const item of opened(this.root, new Set())) {
      if (item.id) this.items.set(item.id, item);
      if (item.lanes?.length > FOLD_ABOVE) this.closed.add(item.key);
    }
    this.list = h("div", {
      class: "outline-rows",
      role: "tree",
      "aria-label": t("outline.label", { n: graph.nodes.length }),
    });
    this.element = h("div", { class: "outline-view", "data-outline": "" }, this.list);
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.window = new RowWindow({
      list: this.list,
      view: this.element,
      height: ROW,
      make: (key) => this.make(this.shown[this.place.get(key)]),
      paint: () => this.paint(),
    });
    this.arrange();
  }

  close() {
    this.window.close();
  }

  /** New states, by id. */
  update(nodes) {
    for (const node of nodes) this.states.set(node.id, node);
    this.window.soon();
  }

  /** Show a task as the chosen one where it stands. */
  mark(id) {
    this.selected = id;
    this.window.soon();
  }

  /** Choose a task; what hides it is opened. */
  select(id) {
    const item = this.items.get(id);
    if (!item) return;
    this.open(item);
    this.go(item, { focus: false });
  }

  /** Open all that hides these tasks, and their common group. */
  show(ids) {
    this.open(this.items.get(ids[0]));
    this.go(this.items.get(ids[0]), { focus: true });
  }

  open(item) {
    const before = this.closed.size;
    for (let above = item?.parent; above; above = above.parent) this.closed.delete(above.key);
    if (this.closed.size !== before) this.arrange();
  }

  /** Which rows there are now. */
  arrange() {
    this.shown = opened(this.root, this.closed);
    this.place = new Map(this.shown.map((item, i) => [item.key, i]));
    this.window.keys = [...this.place.keys()];
    this.current = this.shown[this.place.get(this.current?.key) ?? 0];
    this.window.soon();
  }

  paint() {
    this.window.layout([this.current.key]);
    for (const [key, row] of this.window.rows) this.fill(this.shown[this.place.get(key)], row);
  }

  make(item) {
    const parts = {
      caret: h("span", { class: "outline-caret" }),
      glyph: h("span", { class: "outline-glyph" }),
      name: h("span", { class: "outline-name" }),
      detail: h("span", { class: "outline-detail" }),
      time: h("span", { class: "outline-time" }),
    };
    const element = h(
      "div",
      {
        class: "outline-row",
        role: "treeitem",
        "aria-level": item.level,
        "data-kind": item.kind,
        onclick: () => this.clicked(item),
      },
      Object.values(parts),
    );
    const siblings = item.parent?.children ?? [item];
    set(element, "aria-setsize", siblings.length);
    set(element, "aria-posinset", siblings.indexOf(item) + 1);
    element.style.paddingInlineStart = `${(Math.min(item.level, 12) - 1) * INDENT + 8}px`;
    return { element, parts };
  }

  fill(item, { element, parts }) {
    const node = item.id ? this.states.get(item.id) : null;
    const shut = this.closed.has(item.key);
    const role = node ? (node.state === undefined ? "plan" : roleOf(node)) : null;
    if (element.dataset.role !== (role ?? undefined)) {
      parts.glyph.replaceChildren(...(role ? [icon(role === "plan" ? "wait" : role)] : []));
      set(element, "data-role", role);
    }
    set(element, "tabindex", item === this.current ? "0" : "-1");
    set(element, "aria-selected", String(item.id !== undefined && item.id === this.selected));
    set(element, "aria-expanded", item.children.length ? String(!shut) : null);
    set(element, "data-id", item.id);
    set(element, "data-state", node?.state);
    say(parts.caret, item.children.length ? (shut ? "▸" : "▾") : "");
    const name = node ? nameOf(node) : this.words(item);
    say(parts.name, item.when ? t(`outline.${item.when}`, { name }) : name);
    say(parts.detail, node ? this.detail(node, role) : shut ? this.summary(item) : "");
    say(parts.time, node ? this.took(node) : "");
  }

  words(item) {
    const planned = this.states.get(item.ids[0])?.state === undefined;
    const done = (item.lanes ?? []).filter((ids) => ids.every((id) => roleOf(this.states.get(id)) === "ok")).length;
    const name = item.kind === "header" ? "graph.header" : "graph.group";
    return item.lanes
      ? t(`${name}${planned ? ".planned" : ""}`, { done, total: item.lanes.length })
      : t(`outline.${item.kind}`);
  }

  detail(node, role) {
    if (role === "fail" && node.error) return `${node.error.type}: ${node.error.message}`;
    if (role === "skip") return this.blame(node) ?? detailOf(node);
    return detailOf(node);
  }

  /** Because of whom a task never ran. */
  blame(node) {
    const culprit = culpritOf(this.before(node.id), this.states, this.before);
    return culprit ? t("outline.blame", { name: nameOf(this.states.get(culprit)) }) : null;
  }

  summary(item) {
    return counted(item.ids, this.states)
      .map(([role, n]) => `${t(`role.${role}`)} ${number(n)}`)
      .join(" · ");
  }

  took(node) {
    if (!node.started_at) return "";
    const end = node.finished_at ? Date.parse(node.finished_at) : this.now();
    return node.finished_at || node.state === "STARTED" ? duration(end - Date.parse(node.started_at)) : "";
  }

  clicked(item) {
    if (item.id) this.go(item);
    else this.toggle(item);
  }

  toggle(item, shut = !this.closed.has(item.key)) {
    if (!item.children.length) return;
    if (shut) this.closed.add(item.key);
    else this.closed.delete(item.key);
    this.current = item;
    this.arrange();
    this.go(item);
  }

  /** The row that has the tab stop; a task's is chosen with it. */
  go(item, { focus = true } = {}) {
    if (!item) return;
    this.current = item;
    const top = this.place.get(item.key) * ROW;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
    const changed = item.id && item.id !== this.selected;
    if (item.id) this.selected = item.id;
    this.paint();
    if (focus) this.window.rows.get(item.key).element.focus({ preventScroll: true });
    if (changed && focus) this.onSelect(item.id);
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const item = this.current;
    const at = this.place.get(item.key);
    const shut = this.closed.has(item.key);
    const actions = {
      ArrowDown: () => this.go(this.shown[at + 1]),
      ArrowUp: () => this.go(this.shown[at - 1]),
      Home: () => this.go(this.shown[0]),
      End: () => this.go(this.shown.at(-1)),
      ArrowRight: () => (shut ? this.toggle(item, false) : this.go(item.children[0])),
      ArrowLeft: () => (item.children.length && !shut ? this.toggle(item, true) : this.go(item.parent)),
      Enter: () => this.clicked(item),
      " ": () => this.clicked(item),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }
}
