// Graphs as the API gives them, with their trees: those that tests write down, and random ones.

/** A small generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const task = (calls = {}) => ({ task: "add", ...calls });
export const chain = (...parts) => ({ chain: parts });
export const group = (...members) => ({ group: members });
export const chord = (header, body) => ({ chord: { header, body } });
export const times = (number, make) => Array.from({ length: number }, (_, i) => make(i));

/** A tree of about `size` tasks, nested up to eight deep; a chain has a group as its last part only. */
export function randomTree(random, size, depth = 8) {
  if (size <= 1 || depth <= 1) return task(randomCalls(random, depth));
  const number = Math.floor(random() * Math.min(size, random() < 0.3 ? 400 : 8)) + 1;
  const share = () => Math.floor((size / number) * (0.5 + random() * 0.6));
  const kind = random();
  if (kind < 0.4)
    return chain(
      ...times(number, () => randomTree(random, share(), depth - 1)).map((part, i, { length }) =>
        part.group && i < length - 1 ? chord(part.group, task()) : part,
      ),
    );
  const members = times(number, () => randomTree(random, share(), depth - 1));
  return kind < 0.65 ? group(...members) : chord(members, randomTree(random, 1 + Math.floor(random() * 3), depth - 1));
}

function randomCalls(random, depth) {
  const calls = { link: 0.04, link_error: 0.05, spawned: 0.02 };
  const chosen = Object.keys(calls).filter((name) => random() < calls[name]);
  const some = () => times(1 + Math.floor(random() * 2), () => randomTree(random, random() < 0.8 ? 1 : 5, depth - 2));
  return Object.fromEntries(chosen.map((name) => [name, some()]));
}

const CALLS = ["link", "link_error", "spawned"];

/** The graph of a tree: nodes numbered in the order of definition, edges, and the tree with their ids. */
export function graphOf(written) {
  const nodes = [];
  const edges = [];
  const join = (before, after) => {
    for (const from of before) for (const to of after) edges.push([from, to]);
  };
  const numbered = (tree) => {
    if (tree.group) return { group: tree.group.map(numbered) };
    if (tree.chain) {
      const parts = tree.chain.map(numbered);
      for (const [i, part] of parts.slice(1).entries()) join(ends(parts[i], -1), ends(part, 0));
      return { chain: parts };
    }
    if (tree.chord) {
      const header = tree.chord.header.map(numbered);
      const body = numbered(tree.chord.body);
      join(ends({ group: header }, -1), ends(body, 0));
      return { chord: { header, body } };
    }
    const id = `00000000-0000-4000-8000-${String(nodes.length).padStart(12, "0")}`;
    nodes.push({ id, task: "background.task.test_tasks.add", args: [1, 2], kwargs: {}, state: "PENDING" });
    const found = { task: id };
    for (const name of CALLS) {
      if (!tree[name]) continue;
      found[name] = tree[name].map(numbered);
      for (const each of found[name]) join([id], ends(each, 0));
    }
    return found;
  };
  const tree = numbered(written);
  return { nodes, edges, tree };
}

/** The ids that a tree begins with, `side` 0, or ends with, `side` -1. */
function ends(tree, side) {
  if (tree.task) return [tree.task];
  if (tree.chain) return ends(tree.chain.at(side), side);
  if (tree.group) return tree.group.flatMap((each) => ends(each, side));
  return side ? ends(tree.chord.body, side) : tree.chord.header.flatMap((each) => ends(each, side));
}
