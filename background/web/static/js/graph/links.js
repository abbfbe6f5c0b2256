// Who waits for whom, read from a graph's shape (see reduce.js): lists are shared, so n × m edges cost n + m.

/** The ids that a block begins with, `side` 0, or ends with, `side` -1. */
export function ends(block, side) {
  const name = side ? "lasts" : "firsts";
  if (block[name]) return block[name];
  if (block.kind === "task") block[name] = [block.id];
  else if (block.kind === "series") block[name] = ends(block.parts.at(side), side);
  else block[name] = block.parts.flatMap((part) => (part.kind === "join" ? [] : ends(part, side)));
  return block[name];
}

/** `{before(id), after(id)}`: the ids that come next to a task; a callback comes after its task. */
export function links(tree) {
  const [before, after] = [new Map(), new Map()];
  const note = (map, id, more) => map.set(id, map.has(id) ? [...map.get(id), ...more] : more);
  visit(tree, (from, to) => {
    for (const id of from) note(after, id, to);
    for (const id of to) note(before, id, from);
  });
  return { before: (id) => before.get(id) ?? [], after: (id) => after.get(id) ?? [] };
}

function visit(block, join) {
  if (!block) return;
  for (const part of block.parts ?? []) visit(part, join);
  if (block.kind === "series") block.parts.slice(1).forEach((part, i) => join(ends(block.parts[i], -1), ends(part, 0)));
  if (block.kind === "mesh") {
    for (const [from, to] of block.edges) {
      const into =
        block.parts[from].kind === "join" ? block.edges.filter((edge) => edge[1] === from).map(([i]) => i) : [from];
      if (block.parts[to].kind !== "join")
        join(
          into.flatMap((i) => ends(block.parts[i], -1)),
          ends(block.parts[to], 0),
        );
    }
  }
  for (const { block: callback } of block.called ?? []) {
    visit(callback, join);
    join([block.id], [callback.id]);
  }
}
