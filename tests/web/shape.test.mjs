import assert from "node:assert/strict";
import { test } from "node:test";

import { itemsOf, opened } from "../../background/web/static/js/graph/items.js";
import { ends, links, shape } from "../../background/web/static/js/graph/shape.js";
import { chain, chord, graphOf, group, randomTree, seeded, task, times } from "./canvases.mjs";

const t = () => task();
const number = (id) => Number(id.slice(-4));
const SIGNS = { success: "?", error: "!", spawned: "+" };

/** A block as a short text, tasks by the end of their id. */
function told(block) {
  if (block.kind === "task")
    return number(block.id) + block.called.map((each) => SIGNS[each.when] + told(each.block)).join("");
  const inner = block.parts.map(told).join(" ");
  return { series: `(${inner})`, parallel: `[${inner}]` }[block.kind];
}

const shaped = (tree) => shape(graphOf(tree).tree);

test("a tree as blocks: what follows one another in one series, a header like a group", () => {
  const of = (tree) => told(shaped(tree));
  assert.equal(of(t()), "0");
  assert.equal(of(chain(t(), t(), t())), "(0 1 2)");
  assert.equal(of(chain(t())), "0");
  assert.equal(of(chain(t(), chain(t(), chain(t())))), "(0 1 2)");
  assert.equal(of(group(t(), t())), "[0 1]");
  assert.equal(of(group(t())), "[0]");
  assert.equal(of(chord([t(), t()], t())), "([0 1] 2)");
  assert.equal(of(chord([t()], t())), "([0] 1)");
  assert.equal(of(chain(t(), chord([t(), t()], chain(t(), t())), t())), "(0 [1 2] 3 4 5)");
  assert.equal(of(chord([chain(t(), group(t(), t())), t()], group(t()))), "([(0 [1 2]) 3] [4])");
  assert.equal(
    of(chain(task({ link: [t()], link_error: [t(), t()], spawned: [chain(t(), t())] }), t())),
    "(0?1!2!3+(4 5) 6)",
  );
});

test("500 random trees: every task once, no series in a series, neighbours as the edges say", () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = seeded(seed);
    const graph = graphOf(randomTree(random, 1 + Math.floor(1000 * random() ** 3)));
    const root = shape(graph.tree);
    const found = [];
    const visit = (block) => {
      if (block.id) found.push(block.id);
      assert.ok(
        block.kind !== "series" || (block.parts.length > 1 && block.parts.every(({ kind }) => kind !== "series")),
      );
      for (const each of block.parts ?? block.called.map((call) => call.block)) visit(each);
    };
    visit(root);
    assert.deepEqual(
      found,
      graph.nodes.map(({ id }) => id),
      `seed ${seed}`,
    );
    const { before, after } = links(root);
    const pairs = (of, turned) =>
      found.flatMap((id) => of(id).map((other) => (turned ? `${other} ${id}` : `${id} ${other}`)));
    const wanted = graph.edges.map((pair) => pair.join(" ")).sort();
    assert.deepEqual(pairs(after).sort(), wanted, `seed ${seed}`);
    assert.deepEqual(pairs(before, true).sort(), wanted, `seed ${seed}`);
  }
});

test("500 lanes into 500 share their lists", () => {
  const root = shaped(chord(times(500, t), chord(times(500, t), t())));
  const { before } = links(root);
  const [, second] = root.parts;
  assert.equal(before(second.parts[0].id), before(second.parts[499].id));
  assert.equal(before(second.parts[0].id).length, 500);
});

test("why a task is called", () => {
  const root = shaped(
    chain(task({ link: [chain(t(), t())], link_error: [t()], spawned: [group(t(), t())] }), chord([t()], t())),
  );
  const { when } = links(root);
  const ids = times(8, (i) => graphOf(group(...times(8, t))).nodes[i].id);
  assert.deepEqual(
    ids.map((id) => when(id)),
    [null, "success", "link", "error", "spawned", "spawned", "link", "body"],
  );
  assert.deepEqual(ends(root, 0).map(number), [0]);
  assert.deepEqual(ends(root, -1).map(number), [7]);
});

test("the shape in Celery's words: a group takes what follows as its body", () => {
  const words = (item) =>
    (item.when ? SIGNS[item.when] : "") +
    (item.kind === "task" ? number(item.id) : item.kind) +
    (item.children.length ? `(${item.children.map(words).join(" ")})` : "");
  const of = (tree) => words(itemsOf(shaped(tree)));
  assert.equal(of(t()), "0");
  assert.equal(of(group(t())), "group(0)");
  assert.equal(of(chord([t()], t())), "chord(header(0) 1)");
  assert.equal(of(chain(t(), group(t(), chain(t(), t())))), "chain(0 group(1 chain(2 3)))");
  assert.equal(of(chain(t(), chord([t(), t()], t()), t())), "chain(0 chord(header(1 2) 3) 4)");
  assert.equal(of(chord([t(), t()], chord([t(), t()], t()))), "chord(header(0 1) chord(header(2 3) 4))");
  assert.equal(of(chain(task({ link_error: [t()], spawned: [chain(t(), t())] }), t())), "chain(0(!1 +chain(2 3)) 4)");
});

test("closed items hide what is in them", () => {
  const root = itemsOf(shaped(chord([t(), t()], t())));
  assert.equal(opened(root, new Set()).length, 5);
  assert.deepEqual(
    opened(root, new Set([root.children[0].key])).map(({ kind }) => kind),
    ["chord", "header", "task"],
  );
  assert.deepEqual(root.children[0].ids.length, 2);
});
