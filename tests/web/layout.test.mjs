import assert from "node:assert/strict";
import { test } from "node:test";

import { layout } from "../../background/web/static/js/graph/layout.js";
import { NODE, TILE } from "../../background/web/static/js/graph/sizes.js";
import { tileContent } from "../../background/web/static/js/graph/tiles.js";
import { chain, chord, graphOf, group, randomTree, seeded, task, times } from "./canvases.mjs";

const CELL = 256;

/** Everything that takes up room: nodes, folded groups and what they show. */
function boxes(found) {
  const tiles = found.tiles.map((tile) => ({ ...tile, tile: true }));
  return [...found.nodes.map((node) => ({ ...node, ...NODE })), ...tiles];
}

/** Calls `visit(a, b)` for pairs of boxes that share a cell of a coarse grid, so that 1,000 are soon compared. */
function neighbours(items, boundsOf, visit) {
  const grid = new Map();
  for (const item of items) {
    const [x1, y1, x2, y2] = boundsOf(item).map((value) => Math.floor(value / CELL));
    for (let x = x1; x <= x2; x += 1) {
      for (let y = y1; y <= y2; y += 1) {
        const cell = grid.get(`${x},${y}`) ?? [];
        for (const other of cell) visit(other, item);
        cell.push(item);
        grid.set(`${x},${y}`, cell);
      }
    }
  }
}

const bounds = ({ x, y, width, height }) => [x, y, x + width, y + height];

function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** Whether a line goes through the inside of a box (Liang, Barsky 1984). */
function through([x1, y1, x2, y2], { x, y, width, height }) {
  let [enter, leave] = [0, 1];
  for (const [delta, room] of [
    [x1 - x2, x1 - x - 0.5],
    [x2 - x1, x + width - 0.5 - x1],
    [y1 - y2, y1 - y - 0.5],
    [y2 - y1, y + height - 0.5 - y1],
  ]) {
    if (delta === 0 && room < 0) return false;
    if (delta < 0) enter = Math.max(enter, room / delta);
    if (delta > 0) leave = Math.min(leave, room / delta);
  }
  return enter < leave;
}

function check(graph, found, name) {
  for (const { x, y, width, height } of [...boxes(found), ...found.frames]) {
    assert.ok([x, y, width, height].every(Number.isInteger), `${name}: whole numbers`);
    assert.ok(x >= 0 && y >= 0 && x + width <= found.width && y + height <= found.height, `${name}: within the sheet`);
  }
  const lines = found.wires.flatMap(({ points }) =>
    points.slice(2).flatMap((_, i) => (i % 2 ? [] : [points.slice(i, i + 4)])),
  );
  const items = [...boxes(found), ...lines];
  const boundsOf = (item) =>
    Array.isArray(item)
      ? [Math.min(item[0], item[2]), Math.min(item[1], item[3]), Math.max(item[0], item[2]), Math.max(item[1], item[3])]
      : bounds(item);
  neighbours(items, boundsOf, (a, b) => {
    if (Array.isArray(a) && Array.isArray(b)) return;
    if (Array.isArray(a) || Array.isArray(b))
      assert.ok(
        !(Array.isArray(a) ? through(a, b) : through(b, a)),
        `${name}: a wire through ${JSON.stringify([a, b])}`,
      );
    else assert.ok(!overlap(a, b), `${name}: ${JSON.stringify([a, b])} overlap`);
  });
  checkNested(found, name);
  checkComplete(graph, found, name);
}

/** Frames lie within each other or apart. */
function checkNested({ frames, tiles }, name) {
  const all = [...frames, ...tiles];
  const inside = (a, b) =>
    a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width && a.y + a.height <= b.y + b.height;
  neighbours(all, bounds, (a, b) => assert.ok(!overlap(a, b) || inside(a, b) || inside(b, a), `${name}: frames cross`));
}

/** Every task is there once, and every edge once, but for those within a folded group. */
function checkComplete(graph, found, name) {
  const tileOf = new Map(found.tiles.flatMap((tile) => tile.lanes.flat().map((id) => [id, tile])));
  assert.deepEqual(
    [...found.nodes.map(({ id }) => id), ...tileOf.keys()].sort(),
    graph.nodes.map(({ id }) => id).sort(),
    name,
  );
  const drawn = found.wires.filter(({ kind }) => kind !== "stub" && kind !== "bar");
  const pairs = drawn.flatMap(({ from, to }) => from.flatMap((a) => to.map((b) => `${a} ${b}`)));
  const wanted = graph.edges.filter(([a, b]) => !tileOf.has(a) || tileOf.get(a) !== tileOf.get(b));
  assert.deepEqual(pairs.sort(), wanted.map((pair) => pair.join(" ")).sort(), `${name}: edges`);
}

test("200 random trees: nothing overlaps, no wire through a task, nothing missing, the same again", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seeded(seed);
    const graph = graphOf(randomTree(random, 1 + Math.floor(1000 * random() ** 2)));
    for (const options of [{}, { down: true, foldAbove: 6 }, { foldAbove: Infinity }]) {
      const found = layout(graph, options);
      check(graph, found, `seed ${seed} ${JSON.stringify(options)}`);
      assert.deepEqual(layout(structuredClone(graph), options), found, "deterministic");
    }
  }
});

const kinds = ({ wires }) => wires.map(({ kind }) => kind);

test("a chord has one stem into its body, from the edge of its header", () => {
  const found = layout(
    graphOf(
      chord(
        times(3, () => task()),
        task(),
      ),
    ),
  );
  const stems = found.wires.filter(({ kind }) => kind === "stem");
  assert.equal(stems.length, 1);
  assert.equal(stems[0].from.length, 3);
  const [frame] = found.frames;
  const body = found.nodes.at(-1);
  assert.deepEqual(stems[0].points, [
    frame.x + frame.width,
    body.y + NODE.height / 2,
    body.x,
    body.y + NODE.height / 2,
  ]);
  assert.equal(body.x - frame.x - frame.width, 56);
  assert.equal(found.nodes[1].y - found.nodes[0].y, NODE.height + 12);
});

test("a header into a header is one stem and n + m stubs", () => {
  const found = layout(
    graphOf(
      chord(
        times(20, () => task()),
        chord(
          times(20, () => task()),
          task(),
        ),
      ),
    ),
  );
  assert.equal(kinds(found).filter((kind) => kind === "stem").length, 2);
  assert.equal(kinds(found).filter((kind) => kind === "stub").length, 60);
  assert.ok(found.wires.length < 70);
});

test("a group and a chord of one have a frame of one lane", () => {
  const [alone, lone] = [layout(graphOf(group(task()))), layout(graphOf(chord([task()], task())))];
  for (const found of [alone, lone]) {
    assert.deepEqual(
      found.frames.map(({ lanes, height }) => [lanes.length, height]),
      [[1, 26 + NODE.height + 12]],
    );
    check(graphOf(found === alone ? group(task()) : chord([task()], task())), found, "of one");
  }
  assert.deepEqual(kinds(lone), ["stub", "bar", "stem"]);
  const [a, b] = lone.nodes;
  assert.equal(a.y, b.y);
});

test("what a task calls stands below it: callbacks, and what it sent while it ran", () => {
  const called = { link: [task()], link_error: [chain(task(), task())], spawned: [group(task(), task())] };
  for (const down of [false, true]) {
    const graph = graphOf(chain(task(called), task()));
    const found = layout(graph, { down });
    check(graph, found, "callbacks");
    assert.deepEqual(
      kinds(found).filter((kind) => kind !== "stub" && kind !== "bar"),
      ["success", "error", "link", "spawned", "link"],
    );
  }
});

test("on phones it goes from top to bottom", () => {
  const found = layout(graphOf(chain(task(), task())), { down: true });
  const [a, b] = found.nodes;
  assert.deepEqual([a.x, b.y - a.y], [b.x, NODE.height + 56]);
});

test("more than 24 lanes are folded, whatever their states", () => {
  assert.equal(layout(graphOf(group(...times(24, () => task())))).tiles.length, 0);
  const found = layout(
    graphOf(
      chord(
        times(1000, () => task()),
        task(),
      ),
    ),
  );
  assert.equal(found.tiles.length, 1);
  assert.equal(found.nodes.length, 1);
  const [tile] = found.tiles;
  const content = tileContent(
    tile,
    times(TILE.lanes, (i) => i),
    new Map(),
  );
  assert.equal(content.nodes.length, 8);
  for (const { x, y } of content.nodes) {
    assert.ok(
      x >= tile.x &&
        y >= tile.y &&
        x + NODE.width <= tile.x + tile.width &&
        y + NODE.height <= tile.y + tile.height - TILE.foot,
    );
  }
});
