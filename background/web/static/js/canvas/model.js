// A canvas as JSON, and changes to it. A path is a list of keys, as in JSON: ["chord", "header", 0]. Nothing is changed in
// place: every change gives {canvas, path}, the new one and where the chosen part is now, or null if it makes no sense.
import { isKept } from "../base/exact.js";

const KINDS = ["task", "chain", "group", "chord", "map", "starmap", "chunks"];
const CALLBACKS = ["link", "link_error"];
const OVER = ["map", "starmap", "chunks"];
export const FIRST = { task: "add", args: [2, 3] };
const NEXT = { task: "echo" }; // It takes what came before.
const SECOND = { task: "multiply", args: [2, 3] };
const LAST = { task: "finalize" };

/** What a canvas may begin with. */
export const BEGINNINGS = {
  task: FIRST,
  chain: { chain: [FIRST, LAST] },
  group: { group: [FIRST, SECOND] },
  chord: { chord: { header: [FIRST, SECOND], body: LAST } },
};

/** Which kind of part this is; null for what has not the form of one. */
export function kindOf(part) {
  const kind = KINDS.find((each) => part !== null && typeof part === "object" && Object.hasOwn(part, each)) ?? null;
  const members = kind === "chord" ? part.chord?.header : part?.[kind];
  return !["chain", "group", "chord"].includes(kind) || Array.isArray(members) ? kind : null;
}

export const at = (canvas, path) => path.reduce((found, key) => found?.[key], canvas);

/** Rows of an outline, depth first: {path, kind, level, part, role}; a chord's header is one; role: body, link, link_error. */
export function rowsOf(canvas, path = [], level = 1, role = null) {
  const kind = kindOf(canvas);
  const rows = [{ path, kind, level, part: canvas, role }];
  const add = (list, below, deeper, as) => {
    for (const [i, each] of list.entries()) rows.push(...rowsOf(each, [...path, ...below, i], deeper, as));
  };
  if (kind === "chain" || kind === "group") add(canvas[kind], [kind], level + 1);
  if (kind === "chord") {
    const { header, body } = canvas.chord;
    rows.push({ path: [...path, "chord", "header"], kind: "header", level: level + 1, part: header, role: null });
    add(header, ["chord", "header"], level + 2);
    rows.push(...rowsOf(body, [...path, "chord", "body"], level + 1, "body"));
  }
  for (const name of kind ? CALLBACKS : []) {
    const called = canvas[name];
    if (Array.isArray(called)) add(called, [name], level + 1, name);
    else if (called) rows.push(...rowsOf(called, [...path, name], level + 1, name));
  }
  return rows;
}

/** Whether this is one task over a list. */
export const isOver = (kind) => OVER.includes(kind);

/** Whether what stands at `path` is handed the result of what came before. */
function isFed(path) {
  const key = path.at(-1);
  if (key === undefined) return false;
  if (key === "body" || CALLBACKS.includes(key)) return true;
  const above = path.slice(0, -1);
  return (typeof key === "number" && key > 0 && above.at(-1) === "chain") || isFed(above);
}

/** One more task: one that takes what came before, or one that has arguments of its own where nothing did. */
export function grown(canvas, path) {
  const found = added(canvas, path, NEXT);
  return isFed(found.path) ? found : added(canvas, path, FIRST);
}

/** One more callback of the chosen part, `name` being link or link_error. */
export function calling(canvas, path, name) {
  const part = at(canvas, path);
  const kind = kindOf(part);
  if (!kind || isOver(kind)) return null;
  const given = part[name];
  if (given === undefined) return replaced(canvas, path, { ...part, [name]: NEXT }, [...path, name]);
  const before = Array.isArray(given) ? given : [given];
  return replaced(canvas, path, { ...part, [name]: [...before, NEXT] }, [...path, name, before.length]);
}

/** A part with another value in one of its fields; without it where the value is undefined. */
export function withField(part, name, value) {
  if (value !== undefined) return { ...part, [name]: value };
  const { [name]: _, ...rest } = part;
  return rest;
}

/** A task with its arguments as one over a list of them, or the other way; null where more than these would be lost. */
export function recast(part, kind) {
  const from = kindOf(part);
  if (kind === from) return part;
  const { task, it, args = it, n = 1, ...lost } = isOver(from) ? (part[from] ?? {}) : part;
  const more = Object.keys(lost).length + (isOver(from) ? Object.keys(part).length - 1 : 0);
  if (more || !(from === "task" || isOver(from))) return null;
  if (kind === "task") return args === undefined ? { task } : { task, args };
  const items = { task, it: args ?? [1] };
  return { [kind]: kind === "chunks" ? { ...items, n } : items };
}

/** A task after the chosen one, or at the end of the chosen chain, group or header. */
export function added(canvas, path, task) {
  const list = listIn(canvas, path);
  if (list)
    return changed(
      canvas,
      list,
      (items) => items.push(task),
      (items) => [...list, items.length - 1],
    );
  if (inList(path))
    return changed(
      canvas,
      path.slice(0, -1),
      (items) => items.splice(path.at(-1) + 1, 0, task),
      () => [...path.slice(0, -1), path.at(-1) + 1],
    );
  const both = [at(canvas, path), task];
  if (CALLBACKS.includes(path.at(-1))) return replaced(canvas, path, both, [...path, 1]);
  return replaced(canvas, path, { chain: both }, [...path, "chain", 1]);
}

/** The chosen part as the only one of a chain or group, or of a chord's header. */
export function wrapped(canvas, path, kind) {
  const part = at(canvas, path);
  if (!kindOf(part) || path.slice(-2).some((key) => CALLBACKS.includes(key))) return null; // A callback is a task.
  return replaced(
    canvas,
    path,
    kind === "chord" ? { chord: { header: [part], body: { task: "finalize" } } } : { [kind]: [part] },
    path,
  );
}

/** What is in the chosen part in its place, of a chord its group and body in a chain; null where callbacks would be lost. */
export function unwrapped(canvas, path) {
  const { chain, group, chord, ...rest } = at(canvas, path) ?? {};
  if (!["chain", "group", "chord"].includes(kindOf(at(canvas, path)))) return null;
  if (chord) return replaced(canvas, path, { chain: [{ group: chord.header }, chord.body], ...rest }, path);
  const members = chain ?? group;
  if (Object.keys(rest).length) return null;
  if (inList(path))
    return changed(
      canvas,
      path.slice(0, -1),
      (items) => items.splice(path.at(-1), 1, ...members),
      () => path,
    );
  return members.length === 1 ? replaced(canvas, path, members[0], path) : null;
}

/** The chosen part one place up (-1) or down (1) among its siblings. */
export function moved(canvas, path, by) {
  if (!inList(path)) return null;
  const to = path.at(-1) + by;
  const list = path.slice(0, -1);
  if (to < 0 || to >= at(canvas, list).length) return null;
  return changed(
    canvas,
    list,
    (items) => items.splice(to, 0, ...items.splice(path.at(-1), 1)),
    () => [...list, to],
  );
}

/** Without the chosen part; what would be empty then goes with it. */
export function removed(canvas, path) {
  if (path.length === 0) return kindOf(canvas) === "task" ? null : { canvas: FIRST, path: [] };
  const list = path.slice(0, -1);
  if (CALLBACKS.includes(path.at(-1)))
    return changed(
      canvas,
      list,
      (caller) => delete caller[path.at(-1)],
      () => list,
    );
  if (path.at(-1) === "header") return removed(canvas, path.slice(0, -2));
  if (!inList(path)) return null;
  if (at(canvas, list).length === 1)
    return removed(canvas, [...CALLBACKS, "header"].includes(list.at(-1)) ? list : list.slice(0, -1));
  return changed(
    canvas,
    list,
    (items) => items.splice(path.at(-1), 1),
    (items) => [...list, Math.min(path.at(-1), items.length - 1)],
  );
}

/** Another part in place of the one at `path`. */
export function replaced(canvas, path, part, chosen = path) {
  if (path.length === 0) return { canvas: part, path: chosen };
  return changed(
    canvas,
    path.slice(0, -1),
    (holder) => (holder[path.at(-1)] = part),
    () => chosen,
  );
}

/** The part that an error's `loc` is about: its path. */
export function pathOf(canvas, loc) {
  const path = [];
  let found = canvas;
  for (const key of loc.slice(1)) {
    if (found === null || typeof found !== "object" || !(key in found)) break;
    found = found[key];
    path.push(key);
  }
  return partAt(canvas, path);
}

/** The path of the innermost part, or header, that `path` leads into. */
export function partAt(canvas, path) {
  const found = [...path];
  while (found.length && !kindOf(at(canvas, found)) && found.at(-1) !== "header") found.pop();
  return found;
}

/** JSON as one would write it: what fits stands in one line. */
export function pretty(value, indent = "") {
  const flat = inline(value);
  if (indent.length + flat.length <= 64 || isPlain(value)) return flat;
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((each) => inner + pretty(each, inner))
    : Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${pretty(each, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${items.join(",\n")}\n${indent}${close}`;
}

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (isPlain(value)) return JSON.stringify(value) ?? "null";
  return `{${Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)}: ${inline(each)}`)
    .join(", ")}}`;
}

const isPlain = (value) => value === null || typeof value !== "object" || isKept(value);

const inList = (path) => typeof path.at(-1) === "number";

/** The path of the list within the chosen part, if it has one. */
function listIn(canvas, path) {
  const part = at(canvas, path);
  if (Array.isArray(part)) return path;
  const kind = kindOf(part);
  return kind === "chain" || kind === "group"
    ? [...path, kind]
    : kind === "chord"
      ? [...path, "chord", "header"]
      : null;
}

/** Copies what leads to `path`, and shares the rest. */
function changed(canvas, path, change, chosen) {
  let found = null;
  const copy = (value, depth) => {
    const mine = Array.isArray(value) ? [...value] : { ...value };
    if (depth === path.length) {
      change(mine);
      found = mine;
    } else mine[path[depth]] = copy(value[path[depth]], depth + 1);
    return mine;
  };
  const made = copy(canvas, 0);
  return { canvas: made, path: chosen(found) };
}
