// The shape of a graph, from the API's tree: what runs in series, what side by side, and who waits for whom.

const CALLS = { success: "link", error: "link_error", spawned: "spawned" };

/**
 * A tree as blocks:
 *   {kind: "task", id, called}   called: [{when, block}], when: success, error, or spawned, which it sent while it ran
 *   {kind: "series", parts}      one after the other, two or more; none of them is a series
 *   {kind: "parallel", parts}    side by side, one or more: a group, or the header of a chord, whose body comes next
 */
export function shape(tree) {
  if (tree.task) return { kind: "task", id: tree.task, called: calledBy(tree) };
  if (tree.group) return { kind: "parallel", parts: tree.group.map(shape) };
  const { header, body } = tree.chord ?? {};
  const steps = (tree.chain ?? [{ group: header }, body]).map(shape);
  const parts = steps.flatMap((step) => (step.kind === "series" ? step.parts : [step]));
  return parts.length === 1 ? parts[0] : { kind: "series", parts };
}

const calledBy = (task) =>
  Object.entries(CALLS).flatMap(([when, key]) => (task[key] ?? []).map((each) => ({ when, block: shape(each) })));

/** The ids that a block begins with, `side` 0, or ends with, `side` -1. */
export function ends(block, side) {
  const name = side ? "lasts" : "firsts";
  block[name] ??=
    block.kind === "task"
      ? [block.id]
      : block.kind === "series"
        ? ends(block.parts.at(side), side)
        : block.parts.flatMap((part) => ends(part, side));
  return block[name];
}

/**
 * `before(id)` and `after(id)`: the ids next to a task, where a callback comes after its task; lists are shared, so n × m
 * edges cost n + m. `when(id)`: why it is called: link, body (of a chord), success, error, spawned; null for the first.
 */
export function links(root) {
  const [before, after, whens] = [new Map(), new Map(), new Map()];
  const join = (from, to, when) => {
    for (const id of from) after.set(id, after.has(id) ? [...after.get(id), ...to] : to);
    for (const id of to) before.set(id, from);
    for (const id of to) whens.set(id, when);
  };
  const visit = ({ id, kind, parts = [], called = [] }) => {
    for (const [i, part] of parts.entries()) {
      visit(part);
      const last = kind === "series" ? parts[i - 1] : null;
      if (last) join(ends(last, -1), ends(part, 0), last.kind === "parallel" ? "body" : "link");
    }
    for (const { when, block } of called) {
      visit(block);
      join([id], ends(block, 0), when);
    }
  };
  visit(root);
  return {
    before: (id) => before.get(id) ?? [],
    after: (id) => after.get(id) ?? [],
    when: (id) => whens.get(id) ?? null,
  };
}
