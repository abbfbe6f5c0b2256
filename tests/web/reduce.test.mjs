import assert from "node:assert/strict";
import { test } from "node:test";

import { itemsOf, opened } from "../../background/web/static/js/graph/items.js";
import { reduce } from "../../background/web/static/js/graph/reduce.js";
import { chain, chord, graphOf, group, randomCanvas, rewritten, seeded, task, times } from "./canvases.mjs";

/** A block as a short text, tasks by the end of their id. */
function told(block) {
  if (block.kind === "task")
    return (
      Number(block.id.slice(-4)) +
      block.called.map((each) => (each.when === "error" ? "!" : "?") + told(each.block)).join("")
    );
  const inner = block.parts?.map(told).join(" ");
  return { series: `(${inner})`, parallel: `[${inner}]`, mesh: `{${inner}}`, join: "+" }[block.kind];
}

/** What the tree of a canvas says about itself, in the same words; a group of one looks like its member. */
function expected(canvas, counter = { next: 0 }) {
  if (canvas.task) {
    const name = String(counter.next++);
    const called = (each, sign) => (each ? sign + expected(each, counter).text : "");
    return { text: name + called(canvas.on_success, "?") + called(canvas.on_error, "!"), series: null };
  }
  if (canvas.group?.length === 1) return expected(canvas.group[0], counter);
  if (canvas.group)
    return { text: `[${canvas.group.map((part) => expected(part, counter).text).join(" ")}]`, series: null };
  const parts = canvas.chain
    ? canvas.chain.map((part) => expected(part, counter))
    : [
        { text: `[${canvas.header.map((part) => expected(part, counter).text).join(" ")}]` },
        expected(canvas.body, counter),
      ];
  const series = parts.flatMap((part) => part.series ?? [part.text]);
  return { text: `(${series.join(" ")})`, series };
}

const shape = (canvas) => told(reduce(graphOf(canvas)));
const t = () => task();

test("a graph gives back the shape of its canvas", () => {
  assert.equal(shape(t()), "0");
  assert.equal(shape(chain(t(), t(), t())), "(0 1 2)");
  assert.equal(shape(group(t(), t())), "[0 1]");
  assert.equal(shape(chord([t(), t()], t())), "([0 1] 2)");
  assert.equal(shape(chain(t(), group(t(), t()))), "(0 [1 2])");
  assert.equal(shape(chain(group(t(), t()), group(t(), t(), t()), t())), "([0 1] [2 3 4] 5)");
  assert.equal(shape(chord([chain(t(), group(t(), t())), t()], t())), "([(0 [1 2]) 3] 4)");
  assert.equal(shape(chain(task("add", task("fail", t())), t())), "(0!1!2 3)");
  assert.equal(shape(chord([task("add", t()), t()], t())), "([0!1 2] 3)");
});

test("500 random canvases give back their shapes", () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = seeded(seed);
    const canvas = randomCanvas(random, 1 + Math.floor(1000 * random() ** 3));
    assert.equal(shape(canvas), expected(rewritten(canvas)).text, `seed ${seed}`);
  }
});

test("what is not in series and not side by side is left as a mesh, the rest is still reduced", () => {
  const ids = [..."abcdefg"];
  const graph = (edges) => ({
    nodes: ids.map((id) => ({ id: `000${ids.indexOf(id)}` })),
    edges: edges.map((pair) => [...pair].map((id) => `000${ids.indexOf(id)}`)),
  });
  const found = reduce(graph(["ac", "ad", "bd", "de", "df", "eg", "fg"]));
  assert.equal(told(found), "{0 1 2 (3 [4 5] 6)}");
  assert.deepEqual(found.edges, [
    [0, 2],
    [0, 3],
    [1, 3],
  ]);
  assert.equal(told(reduce(graph(["ac", "ad", "bd"]))), "[{0 1 2 3} 4 5 6]");
});

test("doubles, circles and unknown ids do no harm", () => {
  const nodes = [{ id: "0000" }, { id: "0001" }, { id: "0002" }];
  assert.equal(
    told(
      reduce({
        nodes,
        edges: [
          ["0000", "0001"],
          ["0000", "0001"],
          ["0001", "0002"],
          ["0002", "0000"],
          ["0001", "0001"],
          ["0001", "x"],
        ],
      }),
    ),
    "(0 1 2)",
  );
  assert.equal(reduce({ nodes: [], edges: [] }), null);
});

test("a many-to-many join of 500 and 500 is one join", () => {
  assert.equal(reduce(graphOf(chain(group(...times(500, t)), group(...times(500, t))))).parts.length, 2);
});

test("the shape in Celery's words: a group takes what follows as its body", () => {
  const words = (item) =>
    (item.kind === "task" ? `${item.when ? "!" : ""}${Number(item.id.slice(-4))}` : item.kind) +
    (item.children.length ? `(${item.children.map(words).join(" ")})` : "");
  const of = (canvas) => words(itemsOf(reduce(graphOf(canvas))));
  assert.equal(of(task()), "0");
  assert.equal(of(chain(t(), group(t(), chain(t(), t())))), "chain(0 group(1 chain(2 3)))");
  assert.equal(of(chain(t(), group(t(), t()), t(), t())), "chain(0 chord(header(1 2) 3) 4)");
  assert.equal(of(chain(group(t(), t()), group(t(), t()), t())), "chord(header(0 1) chord(header(2 3) 4))");
  assert.equal(of(chain(task("add", task()), t())), "chain(0(!1) 2)");
});

test("closed items hide what is in them", () => {
  const root = itemsOf(reduce(graphOf(chord([t(), t()], t()))));
  assert.equal(opened(root, new Set()).length, 5);
  assert.deepEqual(
    opened(root, new Set([root.children[0].key])).map(({ kind }) => kind),
    ["chord", "header", "task"],
  );
  assert.deepEqual(root.children[0].ids.length, 2);
});
