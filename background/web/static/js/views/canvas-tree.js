// The outline of a canvas, with the tools that change it. Keys in the tree: arrows, Insert adds, Delete removes, Alt with arrows
// moves, 1 2 3 wrap in chain, group, chord, 0 unwraps, Ctrl+Z undoes.
import { added, at, kindOf, moved, removed, replaced, rowsOf, unwrapped, wrapped } from "../canvas/model.js";
import { h, set } from "../dom.js";
import { brief, given } from "../graph/node.js";
import { t } from "../i18n.js";
import { worded } from "../parts.js";
import { taskForm } from "./canvas-task.js";

const MOST = 300; // rows that are shown
const OVER = ["map", "starmap", "chunks"]; // one task over a list
const ROLES = { body: "canvas.body", link: "outline.success", link_error: "outline.error" };
const TOOLS = [
  ["add", "Insert", (canvas, path) => added(canvas, path, { task: "echo" })],
  ["chain", "1", (canvas, path) => wrapped(canvas, path, "chain")],
  ["group", "2", (canvas, path) => wrapped(canvas, path, "group")],
  ["chord", "3", (canvas, path) => wrapped(canvas, path, "chord")],
  ["unwrap", "0", unwrapped],
  ["up", "Alt+ArrowUp", (canvas, path) => moved(canvas, path, -1)],
  ["down", "Alt+ArrowDown", (canvas, path) => moved(canvas, path, 1)],
  ["remove", "Delete", removed],
];

/** Gives `{ element, show, catalogue, mark, choose, locked }`; `changed(canvas)` is called after each change made here. */
export function tree({ changed }) {
  const tools = new Map(TOOLS.map(([name, keys, change]) => [name, tool(name, keys, () => apply(change))]));
  tools.set("undo", tool("undo", "Ctrl+Z", undo));
  const list = h("div", { class: "canvas-tree", role: "tree", "aria-label": t("canvas.tree"), onkeydown: key });
  const form = taskForm({ changed: (task) => apply((canvas, path) => replaced(canvas, path, task)) });
  const element = h(
    "div",
    { class: "canvas-edit" },
    h("div", { class: "canvas-tools", role: "toolbar", "aria-label": t("canvas.tools") }, [...tools.values()]),
    list,
    form.element,
  );
  let canvas = null;
  let rows = [];
  let path = [];
  let errors = [];
  let past = [];
  return { element, show, catalogue: form.catalogue, mark, choose, locked };

  function show(now) {
    if (canvas && JSON.stringify(now) !== JSON.stringify(canvas)) past = [...past.slice(-49), { canvas, path }];
    canvas = now;
    if (at(canvas, path) === undefined) path = [];
    draw();
  }

  function draw() {
    const focused = list.contains(document.activeElement);
    rows = rowsOf(canvas).slice(0, MOST);
    list.replaceChildren(...rows.map(rowElement));
    tell();
    if (focused) chosenRow()?.focus();
  }

  function rowElement(row) {
    const name = row.path.join(".");
    const found = errors.filter((error) => error.path.join(".") === name);
    const bad = found.map((error) => h("span", { class: "field-error" }, worded(error)));
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
        onclick: () => choose(row.path, { focus: true }),
      },
      h("span", { class: "canvas-name" }, words(row)),
      row.kind === "task" ? h("code", {}, argsOf(row.part)) : null,
      OVER.includes(row.kind) ? h("code", {}, `(${brief(row.part[row.kind]?.it)})`) : null,
      bad,
    );
    element.style.paddingInlineStart = `${(row.level - 1) * 18 + 10}px`;
    return element;
  }

  function words({ kind, part, role }) {
    const name =
      kind === "task"
        ? String(part.task)
        : OVER.includes(kind)
          ? `${part[kind]?.task}.${kind}`
          : kind
            ? t(`canvas.kind.${kind}`)
            : "?";
    return role ? t(ROLES[role], { name }) : name;
  }

  /** What the chosen row is, and which tools there are for it. */
  function tell() {
    const name = path.join(".");
    for (const row of list.children) {
      const chosen = row.dataset.path === name;
      set(row, "aria-selected", String(chosen));
      set(row, "tabindex", chosen ? "0" : "-1");
    }
    if (!chosenRow()) set(list.firstChild, "tabindex", "0");
    for (const [tool, , change] of TOOLS) tools.get(tool).disabled = !change(canvas, path);
    tools.get("undo").disabled = past.length === 0;
    const part = at(canvas, path);
    form.show(kindOf(part) === "task" ? part : null);
  }

  function chosenRow() {
    return list.querySelector('[aria-selected="true"]');
  }

  function choose(wanted, { focus = false } = {}) {
    path = wanted;
    tell();
    chosenRow()?.scrollIntoView({ block: "nearest" });
    if (focus) chosenRow()?.focus({ preventScroll: true });
  }

  function apply(change) {
    const found = change(canvas, path);
    if (!found) return;
    past = [...past.slice(-49), { canvas, path }];
    ({ canvas, path } = found);
    draw();
    changed(canvas);
  }

  function undo() {
    const last = past.pop();
    if (!last) return;
    ({ canvas, path } = last);
    draw();
    changed(canvas);
  }

  /** Errors beside their rows: [{path, text}]. */
  function mark(found) {
    if (JSON.stringify(found) === JSON.stringify(errors)) return;
    errors = found;
    draw();
  }

  /** While the text is no JSON, the last good outline can only be read. */
  function locked(on) {
    set(element, "inert", on);
  }

  function key(event) {
    const here = rows.findIndex((row) => row.path.join(".") === path.join("."));
    const go = (i) => choose(rows[Math.max(0, Math.min(i, rows.length - 1))].path, { focus: true });
    const pressed = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.key === "z" ? "Z" : event.key}`;
    const walk = {
      ArrowDown: () => go(here + 1),
      ArrowUp: () => go(here - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowLeft: () => go(rows.findLastIndex((row, i) => i < here && row.level < rows[here].level)),
      "Ctrl+Z": undo,
    };
    const tool = TOOLS.find(([, keys]) => keys === pressed);
    const action = walk[pressed] ?? (tool && (() => apply(tool[2])));
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
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
}

/** What a task is given, and its options. */
function argsOf({ task, args = [], kwargs, immutable, link, link_error, ...options }) {
  const more = Object.entries(options).map(([name, value]) => `${name}=${brief(value)}`);
  return [`(${Array.isArray(args) ? given({ args, kwargs }) : "?"})`, ...(immutable ? [".si"] : []), ...more].join(" ");
}
