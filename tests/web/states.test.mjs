import assert from "node:assert/strict";
import { test } from "node:test";

import { layout } from "../../background/web/static/js/graph/layout.js";
import { links } from "../../background/web/static/js/graph/shape.js";
import { culpritOf, wireState } from "../../background/web/static/js/graph/states.js";
import { counted, lanesShown, tileContent } from "../../background/web/static/js/graph/tiles.js";
import { step } from "../../background/web/static/js/graph/walk.js";
import { chain, chord, graphOf, group, task, times } from "./canvases.mjs";

const one = () => task();
const LETTERS = { P: "PENDING", R: "STARTED", S: "SUCCESS", F: "FAILURE", T: "RETRY", V: "REVOKED", K: "SKIPPED" };

/** A laid out canvas and its states, a letter for each task. */
function scene(canvas, letters, options) {
  const graph = graphOf(canvas);
  const states = new Map(
    graph.nodes.map((node, i) => [
      node.id,
      { ...node, state: LETTERS[letters[i]], finished_at: new Date(1e12 - 1000 * i).toISOString() },
    ]),
  );
  const found = layout(graph, options);
  return { graph, states, found, ids: graph.nodes.map(({ id }) => id), ...links(found.root) };
}

const stemState = (canvas, letters) => {
  const { found, states } = scene(canvas, letters);
  return wireState(
    found.wires.find(({ kind }) => kind === "stem"),
    states,
  );
};

test("the stem waits for the whole header, is then released, and cut when the body never runs", () => {
  const canvas = chord([one(), one()], one());
  assert.equal(stemState(canvas, "PPP"), "waiting");
  assert.equal(stemState(canvas, "SRP"), "waiting");
  assert.equal(stemState(canvas, "FSP"), "waiting");
  assert.equal(stemState(canvas, "SSP"), "released");
  assert.equal(stemState(canvas, "SSS"), "released");
  assert.equal(stemState(canvas, "SFK"), "cut");
  assert.equal(stemState(canvas, "SVV"), "off");
});

test("a wire is cut where the failure is, not further on", () => {
  const { found, states } = scene(chain(one(), one(), one(), one()), "SFKK");
  assert.deepEqual(
    found.wires.map((wire) => wireState(wire, states)),
    ["released", "cut", "off"],
  );
});

test("the wire to what a task calls is released when it has called it", () => {
  const state = (name, letters) => {
    const { found, states } = scene(task({ [name]: [one()] }), letters);
    return wireState(found.wires[0], states);
  };
  const all = (name) => ["PP", "SK", "FS", "FP", "SP", "FK"].map((letters) => state(name, letters));
  assert.deepEqual(all("link_error"), ["waiting", "off", "released", "released", "waiting", "off"]);
  assert.deepEqual(all("link"), ["waiting", "off", "waiting", "waiting", "released", "off"]);
  assert.deepEqual(all("spawned"), ["released", "off", "released", "released", "released", "off"]);
});

test("who is to blame for a cut: the first that failed, however far before it", () => {
  const blamed = ({ found, states, before, ids }) => {
    const stem = found.wires.find(({ kind }) => kind === "stem");
    return ids.indexOf(culpritOf(stem.from, states, before));
  };
  assert.equal(blamed(scene(chord([one(), one(), one()], one()), "FFSK")), 1);
  assert.equal(blamed(scene(chord([one(), chain(one(), one(), one())], one()), "SFKKK")), 1);
  assert.equal(blamed(scene(chord([one(), one()], one()), "SVK")), 1);
  const folded = scene(
    chord(
      times(30, () => chain(one(), one(), one())),
      one(),
    ),
    `SSS${"FKK".repeat(29)}K`,
  );
  const stem = folded.found.wires.find(({ kind }) => kind === "stem");
  assert.equal(wireState(stem, folded.states), "cut");
  assert.equal(culpritOf(stem.from, folded.states, folded.before), folded.ids[87]);
  assert.equal(blamed(scene(chord([one(), one()], one()), "SSK")), -1);
  assert.equal(blamed(scene(chord([one()], one()), "FK")), 0);
});

test("a folded group shows what failed at the top, then what runs; the others keep their places", () => {
  const lanes = times(100, (i) => [`t${i}`]);
  const states = new Map(lanes.map(([id]) => [id, { state: "PENDING" }]));
  const set = (i, state) => states.set(`t${i}`, { state });
  const first = lanesShown(lanes, states);
  assert.deepEqual(first, [0, 1, 2, 3, 4, 5, 6, 7]);
  set(3, "SUCCESS");
  set(1, "STARTED");
  assert.deepEqual(lanesShown(lanes, states, first), [0, 1, 2, 8, 4, 5, 6, 7]);
  set(77, "FAILURE");
  const second = lanesShown(lanes, states, first);
  assert.deepEqual(second, [77, 0, 1, 2, 4, 5, 6, 7]);
  times(100, (i) => i !== 50 && set(i, "SUCCESS"));
  assert.deepEqual(new Set(lanesShown(lanes, states, second)), new Set([50, 0, 1, 2, 3, 4, 5, 6]));
  assert.ok(lanesShown(lanes, states, second, 99).includes(99));
  assert.deepEqual(lanesShown([["a"], ["b"]], states), [0, 1]);
  assert.deepEqual(counted(["t50", "t1", "t2"], states), [
    ["ok", 2],
    ["wait", 1],
  ]);
});

test("lanes of short chains are shown as chains, longer ones by the task that tells most", () => {
  const short = scene(group(...times(30, () => chain(one(), one()))), "").found.tiles[0];
  assert.equal(tileContent(short, [0, 1], new Map()).nodes.length, 4);
  assert.equal(tileContent(short, [0, 1], new Map()).wires.length, 2);
  const long = scene(group(...times(30, () => chain(...times(9, one)))), "SSFKKKKKK");
  const [node] = tileContent(long.found.tiles[0], [0], long.states).nodes;
  assert.equal(node.id, long.ids[2]);
});

test("arrow keys go along the wires and across the lanes", () => {
  const { found, ids, states, before, after } = scene(chain(one(), chord([one(), one(), one()], one())), "SSFSK");
  const spots = new Map(found.nodes.map((node) => [node.id, node]));
  const go = (key, from, down = false) =>
    ids.indexOf(step(key, ids[from], { spots, standIn: () => undefined, before, after, states, down }));
  assert.equal(go("ArrowRight", 0), 2);
  assert.equal(go("ArrowLeft", 4), 2, "what failed comes first");
  assert.equal(go("ArrowDown", 1), 2);
  assert.equal(go("ArrowUp", 3), 2);
  assert.equal(go("ArrowUp", 1), -1);
  assert.equal(go("ArrowLeft", 0), -1);
  assert.equal(go("ArrowDown", 0, true), 2);
});

test("from a task before a folded group an arrow leads into it", () => {
  const { found, ids, states, before, after } = scene(chord(times(100, one), one()), "");
  const { nodes } = tileContent(found.tiles[0], [0, 1], states);
  const spots = new Map([...found.nodes, ...nodes].map((node) => [node.id, node]));
  assert.equal(
    step("ArrowLeft", ids[100], { spots, standIn: () => ids[0], before, after, states, down: false }),
    ids[1],
  );
});
