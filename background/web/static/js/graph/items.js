// A graph's shape in the words of Celery: chains, groups, chords with header and body. For the outline.
import { ends } from "./shape.js";

/**
 * The items of a shape (see shape.js): {kind, key, parent, level, children, ids, lanes}; kind: task (with `id`), chain,
 * group, chord, or header, whose next sibling is the body. `ids`: all tasks within; `lanes`: of groups and headers, the
 * ids each lane ends with; `when`: its parent, a task, calls it: on success, on error, or spawned.
 */
export const itemsOf = (root) => numbered(itemOf(root), { key: "0", parent: null, level: 1 });

function itemOf(block) {
  if (block.kind === "task") {
    const children = block.called.map(({ when, block: callback }) => ({ ...itemOf(callback), when }));
    return { kind: "task", id: block.id, children };
  }
  if (block.kind === "parallel") return lanesOf("group", block);
  const children = [];
  for (let i = 0; i < block.parts.length; ) {
    const [item, next] = stepOf(block.parts, i);
    children.push(item);
    i = next;
  }
  return children.length === 1 ? children[0] : { kind: "chain", children };
}

/** The item that begins with part `i` of a series, and where the next one begins: a group takes a body in. */
function stepOf(parts, i) {
  if (parts[i].kind !== "parallel" || i === parts.length - 1) return [itemOf(parts[i]), i + 1];
  const [body, next] = stepOf(parts, i + 1);
  return [{ kind: "chord", children: [lanesOf("header", parts[i]), body] }, next];
}

const lanesOf = (kind, block) => ({
  kind,
  children: block.parts.map(itemOf),
  lanes: block.parts.map((part) => ends(part, -1)),
});

function numbered(item, { key, parent, level }) {
  Object.assign(item, { key, parent, level });
  for (const [i, child] of item.children.entries())
    numbered(child, { key: `${key}.${i}`, parent: item, level: level + 1 });
  item.ids = [...(item.id ? [item.id] : []), ...item.children.flatMap((child) => child.ids)];
  return item;
}

/** The items that are to be seen, from above, where those in `closed` (keys) hide what is in them. */
export function opened(item, closed, found = []) {
  found.push(item);
  if (!closed.has(item.key)) for (const child of item.children) opened(child, closed, found);
  return found;
}
