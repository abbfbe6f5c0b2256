// A folded group: a bar of its states, counts, and the eight lanes that tell most.
import { LANE_GAP, NODE, PAD, TILE } from "./sizes.js";
import { rank, roleOf } from "./states.js";

const LONGEST = 3; // a lane of that many tasks is shown as it is, a longer one by the task that tells most

/**
 * The tile of lanes (blocks of shape.js): width, height and `lanes`, the ids of each, in order of definition.
 * `steps`: how many tasks of a lane are shown, where all lanes are equally short chains; else 1, the telling one.
 */
export function tileOf(parts) {
  const lanes = parts.map((part) => tasksOf(part, []));
  const plain = parts.map((part) => (part.kind === "series" ? part.parts : [part]));
  const steps = plain[0].length;
  const alike =
    steps <= LONGEST &&
    plain.every((list) => list.length === steps && list.every((each) => each.kind === "task" && !each.called.length));
  const shown = alike ? steps : 1;
  const width = Math.max(TILE.least, shown * NODE.width + (shown - 1) * TILE.gap + 2 * PAD);
  const height = TILE.head + TILE.lanes * (NODE.height + LANE_GAP) - LANE_GAP + TILE.foot;
  return { width, height, lanes, steps: shown, whole: alike };
}

function tasksOf(block, found) {
  if (block.kind === "task") found.push(block.id);
  for (const { block: callback } of block.called ?? []) tasksOf(callback, found);
  for (const part of block.parts ?? []) tasksOf(part, found);
  return found;
}

/**
 * The numbers of the lanes to show: failed ones first, then running ones, then in order of definition. A lane that
 * was shown before (`last`) and still belongs to them keeps its place, but for the failed ones, which go to the top;
 * the one that is `pinned` is always shown.
 */
export function lanesShown(lanes, states, last = [], pinned = null) {
  const ranked = lanes.map((ids, i) => [i === pinned ? -1 : Math.min(...ids.map((id) => rank(states.get(id)))), i]);
  const best = ranked
    .sort(([a, i], [b, k]) => a - b || i - k)
    .slice(0, TILE.lanes)
    .map(([, i]) => i);
  const wanted = new Set(best);
  const found = last.map((i) => (wanted.delete(i) ? i : null));
  const rest = best.filter((i) => wanted.has(i));
  for (let slot = 0; slot < best.length; slot += 1) found[slot] ??= rest.shift();
  const failed = (i) => lanes[i].some((id) => roleOf(states.get(id)) === "fail");
  return found.slice(0, best.length).sort((i, k) => failed(k) - failed(i));
}

/** What a tile draws for these lanes: nodes [{id, x, y, lane}] and wires as in layout.js. */
export function tileContent(tile, shown, states) {
  const nodes = [];
  const wires = [];
  shown.forEach((lane, slot) => {
    const ids = tile.whole ? tile.lanes[lane] : [telling(tile.lanes[lane], states)];
    const y = tile.y + TILE.head + slot * (NODE.height + LANE_GAP);
    ids.forEach((id, step) => {
      const x = tile.x + PAD + step * (NODE.width + TILE.gap);
      nodes.push({ id, x, y, lane });
      const middle = y + NODE.height / 2;
      if (step)
        wires.push({
          kind: "link",
          from: [ids[step - 1]],
          to: [id],
          points: [x - TILE.gap, middle, x, middle],
          arrow: true,
        });
    });
  });
  return { nodes, wires };
}

/** The task of a lane that says most about it. */
export function telling(ids, states) {
  return ids.reduce((best, id) => (rank(states.get(id)) < rank(states.get(best)) ? id : best), ids[0]);
}

/** How many tasks are in each role, in a fixed order: [["ok", 812], …]. */
export function counted(ids, states) {
  const found = { fail: 0, run: 0, retry: 0, stop: 0, ok: 0, wait: 0, skip: 0 };
  for (const id of ids) found[roleOf(states.get(id))] += 1;
  return Object.entries(found).filter(([, number]) => number > 0);
}
