// From a graph as the API gives it (`nodes`, `edges`) back to its shape: what runs in series, what side by side.
//
// In a canvas, whatever ends one step of a chain is joined with whatever begins the next: n before, m after, n × m
// edges. Each such complete bipartite join becomes one point and each task an arc between two points; that graph
// is then reduced as usual, series and parallel (Valdes, Tarjan, Lawler 1982). All of it is linear in the edges.

/**
 * The shape of a graph, or null if it has no nodes. Blocks are
 *   {kind: "task", id, called}      called: [{when, block}] for its callbacks, when: success or error
 *   {kind: "series", parts}         one after the other, two or more
 *   {kind: "parallel", parts}       side by side, two or more, in order of definition
 *   {kind: "mesh", parts, edges}    what cannot be reduced; edges are pairs of indices into parts, and a part
 *                                   {kind: "join"} stands for n + m edges instead of n × m
 * Every node is in it once. Edges that name no node, or that would close a circle, are left out.
 */
export function reduce({ nodes, edges }) {
  const arrows = arrowsOf(nodes, edges);
  const blocks = nodes.map((node, first) => ({ kind: "task", id: node.id, called: [], first }));
  for (const { task, when, callback } of arrows.callbacks) blocks[task].called.push({ when, block: blocks[callback] });
  const shown = blocks.filter((block) => !arrows.apart[block.first]);
  return shown.length === 0 ? null : new Reduction(shown, arrows.after).run();
}

/** Indices instead of ids: `after[i]` follow i, without doubles, but for the callbacks, for which nothing waits. */
function arrowsOf(nodes, edges) {
  const index = new Map(nodes.map((node, i) => [node.id, i]));
  const callbacks = [];
  const apart = new Uint8Array(nodes.length);
  nodes.forEach((node, i) => {
    for (const when of ["success", "error"]) {
      const callback = index.get(node[`on_${when}`]);
      if (!(callback > i) || apart[callback]) continue;
      callbacks.push({ task: i, when, callback });
      apart[callback] = 1;
    }
  });
  const given = nodes.map(() => []);
  let [lastId, from] = [undefined, undefined];
  for (const [fromId, toId] of edges) {
    if (fromId !== lastId) [lastId, from] = [fromId, index.get(fromId)];
    const to = index.get(toId);
    if (from === undefined || to === undefined || from === to || apart[from] || apart[to]) continue;
    given[from].push(to);
  }
  const seen = new Int32Array(nodes.length).fill(-1);
  const after = given.map((list, i) => list.filter((to) => seen[to] !== i && ((seen[to] = i), true)));
  return { callbacks, apart, after: acyclic(after) ? after : after.map((list, i) => list.filter((to) => to > i)) };
}

function acyclic(after) {
  const waits = new Int32Array(after.length);
  for (const list of after) for (const to of list) waits[to] += 1;
  const ready = [...waits.keys()].filter((i) => waits[i] === 0);
  for (const i of ready) for (const to of after[i]) if (--waits[to] === 0) ready.push(to);
  return ready.length === after.length;
}

const START = 0;
const END = 1;

class Reduction {
  constructor(blocks, after) {
    this.points = [point(), point()];
    this.pairs = new Map(); // "from, to" → the arc that runs side by side with whatever comes there
    this.after = after;
    const [outOf, into] = this.join(blocks, after);
    this.ends = new Map(); // for joins that are not complete: which arc begins or ends with a task
    this.todo = [];
    for (const block of blocks) this.add({ block, from: into[block.first] ?? START, to: outOf[block.first] ?? END });
  }

  /** Points, by union of the tasks' ends and beginnings along the edges; what is not complete is marked so. */
  join(blocks, after) {
    const n = after.length;
    const parent = Int32Array.from({ length: 2 * n }, (_, i) => i);
    const root = (i) => {
      while (parent[i] !== i) i = parent[i] = parent[parent[i]];
      return i;
    };
    after.forEach((list, i) => {
      for (const to of list) parent[root(n + to)] = root(i);
    });
    const found = new Map();
    const of = (i) => {
      const key = root(i);
      if (!found.has(key)) {
        found.set(key, this.points.length);
        this.points.push(point());
      }
      return found.get(key);
    };
    const [outOf, into] = [[], []];
    const preceded = new Uint8Array(n);
    for (const list of after) for (const to of list) preceded[to] = 1;
    for (const { first: i } of blocks) {
      if (after[i].length) {
        const end = this.points[(outOf[i] = of(i))];
        end.before += 1;
        end.edges += after[i].length;
      }
      if (preceded[i]) this.points[(into[i] = of(n + i))].after += 1;
    }
    for (const each of this.points) each.complete = each.edges === each.before * each.after;
    return [outOf, into];
  }

  run() {
    while (this.todo.length) this.inSeries(this.todo.pop());
    const arcs = [...new Set(this.points.flatMap((each) => [...each.out]))];
    const lanes = arcs.length === 1 ? arcs.map((arc) => arc.block) : this.meshes(arcs);
    return sorted(lanes.length === 1 ? lanes[0] : { kind: "parallel", parts: lanes, first: 0 });
  }

  add(arc) {
    const { from, to, block } = arc;
    const key = from * this.points.length + to;
    const beside = this.points[from].complete && this.points[to].complete && this.pairs.get(key);
    if (beside) {
      beside.block = inParallel(beside.block, block);
      this.look(from, to);
      return;
    }
    this.pairs.set(key, arc);
    this.points[from].out.add(arc);
    this.points[to].in.add(arc);
    this.look(from, to);
  }

  look(...points) {
    for (const i of points)
      if (i > END && this.points[i].in.size === 1 && this.points[i].out.size === 1) this.todo.push(i);
  }

  inSeries(i) {
    const here = this.points[i];
    if (here.in.size !== 1 || here.out.size !== 1) return;
    const [[before], [after]] = [here.in, here.out];
    this.remove(before);
    this.remove(after);
    this.add({ block: inSeries(before.block, after.block), from: before.from, to: after.to });
  }

  remove(arc) {
    this.points[arc.from].out.delete(arc);
    this.points[arc.to].in.delete(arc);
    const key = arc.from * this.points.length + arc.to;
    if (this.pairs.get(key) === arc) this.pairs.delete(key);
  }

  /** What is left: one mesh for each part that hangs together, and lanes that are free of them. */
  meshes(arcs) {
    const group = new Map();
    const reach = (name) => {
      const found = [name];
      for (const i of found) {
        if (i <= END || group.has(i)) continue;
        group.set(i, name);
        for (const arc of this.points[i].in) found.push(arc.from);
        for (const arc of this.points[i].out) found.push(arc.to);
      }
    };
    const members = new Map();
    for (const arc of arcs) {
      const inner = arc.from > END ? arc.from : arc.to;
      reach(inner);
      const name = group.get(inner) ?? arc;
      if (!members.has(name)) members.set(name, []);
      members.get(name).push(arc);
    }
    const found = [...members.values()].map((list) =>
      list[0].from === START && list[0].to === END ? list[0].block : this.mesh(list),
    );
    return found
      .flatMap((block) => (block.kind === "parallel" ? block.parts : [block]))
      .sort((a, b) => a.first - b.first);
  }

  mesh(arcs) {
    arcs.sort((a, b) => a.block.first - b.block.first);
    const parts = arcs.map((arc) => arc.block);
    const number = new Map(arcs.map((arc, i) => [arc, i]));
    const starts = new Map(arcs.map((arc, i) => [tip(arc.block, 0).first, i]));
    const edges = [];
    for (const i of new Set(arcs.map((arc) => arc.to))) {
      const { in: before, out: after, complete } = this.points[i];
      if (complete && before.size > 1 && after.size > 1) {
        for (const arc of before) edges.push([number.get(arc), parts.length]);
        for (const arc of after) edges.push([parts.length, number.get(arc)]);
        parts.push({ kind: "join", first: Math.min(...[...after].map((arc) => arc.block.first)) });
      } else if (complete) {
        for (const arc of before) for (const next of after) edges.push([number.get(arc), number.get(next)]);
      } else {
        for (const arc of before)
          for (const to of this.after[tip(arc.block, -1).first]) edges.push([number.get(arc), starts.get(to)]);
      }
    }
    return { kind: "mesh", parts, edges, first: parts[0].first };
  }
}

const point = () => ({ in: new Set(), out: new Set(), before: 0, after: 0, edges: 0, complete: true });

const tip = (block, at) => (block.kind === "series" ? block.parts.at(at) : block);

function inParallel(a, b) {
  if (a.kind !== "parallel") return { kind: "parallel", parts: [a, b], first: Math.min(a.first, b.first) };
  a.parts.push(b);
  a.first = Math.min(a.first, b.first);
  return a;
}

function inSeries(a, b) {
  const [parts, more] = [a, b].map((each) => (each.kind === "series" ? each.parts : [each]));
  return { kind: "series", parts: append(parts, more), first: Math.min(a.first, b.first) };
}

/** The longer list takes the other one in, so that a long chain is not copied at every step. */
function append(before, after) {
  if (before.length < after.length) {
    after.unshift(...before);
    return after;
  }
  before.push(...after);
  return before;
}

function sorted(block) {
  if (block.kind === "parallel") block.parts.sort((a, b) => a.first - b.first);
  for (const part of block.parts ?? []) sorted(part);
  return block;
}
