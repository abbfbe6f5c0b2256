// The outline of a canvas, with the tools that change it. Keys in the tree: arrows, Insert adds, Delete removes, Alt with arrows
// moves, 1 2 3 wrap in chain, group, chord, 0 unwraps, 4 5 add a callback, Ctrl+Z undoes. Without a canvas there are
// buttons, `[data-begin]`, that make one.

import { h, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { brief, given } from "../graph/node.js";
import { worded } from "../page/parts.js";
import {
  at,
  BEGINNINGS,
  calling,
  grown,
  isOver,
  kindOf,
  moved,
  removed,
  replaced,
  rowsOf,
  unwrapped,
  wrapped,
} from "./model.js";
import { TaskForm } from "./task.js";

const MOST = 300; // rows that are shown
const UNDONE = 50; // changes that can be taken back
const ROLES = { body: "canvas.body", link: "outline.success", link_error: "outline.error" };
/** @type {[string, string, (canvas: object, path: any[]) => { canvas: object, path: any[] }][]} */
const TOOLS = [
  ["add", "Insert", grown],
  ["chain", "1", (canvas, path) => wrapped(canvas, path, "chain")],
  ["group", "2", (canvas, path) => wrapped(canvas, path, "group")],
  ["chord", "3", (canvas, path) => wrapped(canvas, path, "chord")],
  ["unwrap", "0", unwrapped],
  ["link", "4", (canvas, path) => calling(canvas, path, "link")],
  ["link_error", "5", (canvas, path) => calling(canvas, path, "link_error")],
  ["up", "Alt+ArrowUp", (canvas, path) => moved(canvas, path, -1)],
  ["down", "Alt+ArrowDown", (canvas, path) => moved(canvas, path, 1)],
  ["remove", "Delete", removed],
];

/** Tools that belong together. */
const GROUPS = [
  ["add", "remove", "up", "down"],
  ["chain", "group", "chord", "unwrap"],
  ["link", "link_error"],
  ["undo", "new"],
];

/**
 * `changed(canvas)` is called after each change made here, `chosen(path)` when a part is chosen, here or by `choose`, and
 * `pointed(path)` with what the mouse is on, or null. The canvas is undefined while there is none.
 */
export class CanvasOutline {
  constructor({ changed, chosen, pointed }) {
    this.changed = changed;
    this.chosen = chosen;
    this.pointed = pointed;
    this.tools = new Map(TOOLS.map(([name, keys, change]) => [name, tool(name, keys, () => this._apply(change))]));
    this.tools.set(
      "undo",
      tool("undo", "Ctrl+Z", () => this._undo()),
    );
    this.tools.set(
      "new",
      tool("new", null, () => this._apply(() => ({ canvas: undefined, path: [] }))),
    );
    this.list = h("div", {
      class: "canvas-tree",
      role: "tree",
      "aria-label": t("canvas.tree"),
      onkeydown: (event) => this._key(event),
      onmouseleave: () => pointed(null),
    });
    this.beginnings = h(
      "div",
      { class: "canvas-begin", hidden: true },
      h("p", { class: "muted" }, t("canvas.begin")),
      h(
        "div",
        { class: "row" },
        Object.keys(BEGINNINGS).map((kind) => this._beginning(kind)),
      ),
    );
    this.form = new TaskForm({ changed: (task) => this._apply((canvas, path) => replaced(canvas, path, task)) });
    this.element = h(
      "div",
      { class: "canvas-edit" },
      h(
        "div",
        { class: "canvas-tools", role: "toolbar", "aria-label": t("canvas.tools") },
        GROUPS.map((names) =>
          h(
            "div",
            { class: "tool-group" },
            names.map((name) => this.tools.get(name)),
          ),
        ),
      ),
      this.beginnings,
      this.list,
      this.form.element,
    );
    this.canvas = undefined;
    this.rows = [];
    this.path = [];
    this.errors = [];
    this.past = [];
  }

  show(canvas) {
    if (this.canvas !== undefined && JSON.stringify(canvas) !== JSON.stringify(this.canvas)) this._remember();
    this.canvas = canvas;
    if (at(canvas, this.path) === undefined) this.path = [];
    this._draw();
  }

  /** The tasks that there are, and what may be said of them: `{ tasks, models }`. */
  learn(known) {
    this.form.learn(known);
  }

  /** Mark the rows that a path as text is about, or none. */
  point(name) {
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list.children))
      set(row, "data-pointed", row.dataset.path === name);
  }

  /** Choose a part. The page is scrolled to it only if it is to be seen; the list in any case. */
  choose(path, { focus = false, seen = focus } = {}) {
    this.path = path;
    this._tell();
    const row = this._chosen();
    if (seen) row?.scrollIntoView({ block: "nearest" });
    else if (row) {
      const [place, view] = [row, this.list].map((each) => each.getBoundingClientRect());
      this.list.scrollTop += Math.min(0, place.top - view.top) + Math.max(0, place.bottom - view.bottom);
    }
    if (focus) row?.focus({ preventScroll: true });
    this.chosen(path);
  }

  /** Errors beside their rows, and in the form: [{path, field, text}]. */
  mark(errors) {
    if (JSON.stringify(errors) === JSON.stringify(this.errors)) return;
    this.errors = errors;
    this._draw();
  }

  /** While the text is no JSON, the last good outline can only be read. */
  locked(on) {
    set(this.element, "inert", on);
  }

  _draw() {
    const focused = this.list.contains(document.activeElement);
    const none = this.canvas === undefined;
    this.list.hidden = none;
    this.beginnings.hidden = !none;
    this.rows = none ? [] : rowsOf(this.canvas).slice(0, MOST);
    this.list.replaceChildren(...this.rows.map((row) => this._row(row)));
    this._tell();
    if (focused) this._focus();
  }

  /** The focus goes to the chosen part, or to what one may begin with. */
  _focus() {
    const begin = /** @type {HTMLElement | null} */ (this.beginnings.querySelector("button"));
    (this.canvas === undefined ? begin : this._chosen())?.focus({ preventScroll: true });
  }

  _row(row) {
    const name = row.path.join(".");
    const found = this.errors.filter((error) => error.path.join(".") === name);
    const element = h(
      "div",
      {
        class: "canvas-row",
        role: "treeitem",
        tabindex: "-1",
        "aria-level": row.level,
        "data-path": name,
        "data-kind": row.kind ?? "none",
        "data-invalid": found.length > 0,
        onclick: () => this.choose(row.path, { focus: true }),
        onmouseenter: () => this.pointed(row.path),
      },
      h("span", { class: "canvas-name" }, words(row)),
      row.kind === "task" ? h("code", {}, argsOf(row.part)) : null,
      isOver(row.kind) ? h("code", {}, `(${brief(row.part[row.kind]?.it)})`) : null,
      found.map((error) => h("span", { class: "field-error" }, worded(error))),
    );
    element.style.paddingInlineStart = `${(row.level - 1) * 18 + 10}px`;
    return element;
  }

  /** What the chosen row is, and which tools there are for it. */
  _tell() {
    const { canvas, path, list, tools } = this;
    const used = [...tools.values()].find((each) => each === document.activeElement);
    const name = path.join(".");
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (list.children)) {
      const chosen = row.dataset.path === name;
      set(row, "aria-selected", String(chosen));
      set(row, "tabindex", chosen ? "0" : "-1");
    }
    if (list.firstChild && !this._chosen()) set(list.firstChild, "tabindex", "0");
    const none = canvas === undefined;
    for (const [each, , change] of TOOLS) tools.get(each).disabled = none || !change(canvas, path);
    tools.get("undo").disabled = this.past.length === 0;
    tools.get("new").disabled = none;
    if (used?.disabled) this._focus(); // Else it would be nowhere.
    const part = none ? null : at(canvas, path);
    const errors = this.errors.filter((error) => error.path.join(".") === name);
    this.form.show(kindOf(part) === "task" || isOver(kindOf(part)) ? part : null, errors);
  }

  _chosen() {
    return this.list.querySelector('[aria-selected="true"]');
  }

  _remember() {
    this.past = [...this.past.slice(1 - UNDONE), { canvas: this.canvas, path: this.path }];
  }

  _apply(change) {
    const found = change(this.canvas, this.path);
    if (!found) return;
    this._remember();
    this._become(found);
  }

  _undo() {
    const last = this.past.pop();
    if (last) this._become(last);
  }

  _become({ canvas, path }) {
    this.canvas = canvas;
    this.path = path;
    this._draw();
    this.changed(canvas);
    this.chosen(path);
  }

  _beginning(kind) {
    const begin = () => {
      this._apply(() => ({ canvas: BEGINNINGS[kind], path: [] }));
      this._chosen()?.focus({ preventScroll: true });
    };
    return h(
      "button",
      { type: "button", class: "button", "data-begin": kind, onclick: begin },
      t(`canvas.begin.${kind}`),
    );
  }

  _key(event) {
    const { rows } = this;
    const here = rows.findIndex((row) => row.path.join(".") === this.path.join("."));
    const go = (i) => this.choose(rows[Math.max(0, Math.min(i, rows.length - 1))].path, { focus: true });
    const pressed = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.key === "z" ? "Z" : event.key}`;
    const walk = {
      ArrowDown: () => go(here + 1),
      ArrowUp: () => go(here - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowLeft: () => go(rows.findLastIndex((row, i) => i < here && row.level < rows[here].level)),
      "Ctrl+Z": () => this._undo(),
    };
    const found = TOOLS.find(([, keys]) => keys === pressed);
    const action = walk[pressed] ?? (found && (() => this._apply(found[2])));
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}

function tool(name, keys, action) {
  return h(
    "button",
    {
      type: "button",
      class: "button small",
      "data-do": name,
      title: keys,
      "aria-keyshortcuts": keys,
      onclick: action,
    },
    t(`canvas.do.${name}`),
  );
}

function words({ kind, part, role }) {
  const name = nameOf(kind, part);
  return role ? t(ROLES[role], { name }) : name;
}

function nameOf(kind, part) {
  if (kind === "task") return String(part.task);
  if (isOver(kind)) return `${part[kind]?.task}.${kind}`;
  return kind ? t(`canvas.kind.${kind}`) : "?";
}

/** What a task is given, and its options. */
function argsOf({ task, args = [], kwargs = {}, immutable, link, link_error, ...options }) {
  const right = Array.isArray(args) && kwargs !== null && typeof kwargs === "object";
  const more = Object.entries(options).map(([name, value]) => `${name}=${brief(value)}`);
  return [`(${right ? given({ args, kwargs }) : "?"})`, ...(immutable ? [".si"] : []), ...more].join(" ");
}
