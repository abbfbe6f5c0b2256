import assert from "node:assert/strict";
import { test } from "node:test";

import { EXAMPLES, exampleOf } from "../../background/web/static/js/base/examples.js";
import {
  added,
  moved,
  pathOf,
  pretty,
  removed,
  rowsOf,
  unwrapped,
  wrapped,
} from "../../background/web/static/js/canvas/model.js";
import en from "../../background/web/static/js/words/en.js";

const [a, b, c] = ["a", "b", "c"].map((task) => ({ task }));
const chord = { chord: { header: [a, b], body: c } };

test("an outline has a row for each part, the header, and an error callback", () => {
  const rows = rowsOf({ chain: [a, { ...b, link_error: c }, chord] });
  assert.deepEqual(
    rows.map(({ kind, level }) => `${level} ${kind}`),
    ["1 chain", "2 task", "2 task", "3 task", "2 chord", "3 header", "4 task", "4 task", "3 task"],
  );
  assert.deepEqual(rows.map(({ role }) => role).filter(Boolean), ["link_error", "body"]);
  assert.deepEqual(rows.at(-1).path, ["chain", 2, "chord", "body"]);
});

test("adding: after a task, at the end of what is chosen, or beside what stands alone", () => {
  assert.deepEqual(added({ chain: [a, c] }, ["chain", 0], b), { canvas: { chain: [a, b, c] }, path: ["chain", 1] });
  assert.deepEqual(added({ group: [a] }, [], b), { canvas: { group: [a, b] }, path: ["group", 1] });
  assert.deepEqual(added(chord, ["chord", "header"], c).canvas.chord.header, [a, b, c]);
  assert.deepEqual(added(chord, ["chord", "body"], a), {
    canvas: { chord: { header: [a, b], body: { chain: [c, a] } } },
    path: ["chord", "body", "chain", 1],
  });
  assert.deepEqual(added(a, [], b), { canvas: { chain: [a, b] }, path: ["chain", 1] });
});

test("wrapping and unwrapping undo each other", () => {
  for (const kind of ["chain", "group"]) {
    const there = wrapped({ chain: [a, b] }, ["chain", 1], kind);
    assert.deepEqual(there.canvas, { chain: [a, { [kind]: [b] }] });
    assert.deepEqual(unwrapped(there.canvas, there.path).canvas, { chain: [a, b] });
  }
  assert.deepEqual(wrapped(a, [], "chord").canvas, { chord: { header: [a], body: { task: "finalize" } } });
  assert.deepEqual(unwrapped(chord, []).canvas, { chain: [{ group: [a, b] }, c] });
  assert.equal(unwrapped({ group: [a, b] }, []), null);
  assert.equal(wrapped(chord, ["chord", "header"], "group"), null);
});

test("moving and removing", () => {
  assert.deepEqual(moved({ chain: [a, b, c] }, ["chain", 0], 1), { canvas: { chain: [b, a, c] }, path: ["chain", 1] });
  assert.equal(moved({ chain: [a, b] }, ["chain", 0], -1), null);
  assert.deepEqual(removed({ chain: [a, b] }, ["chain", 1]), { canvas: { chain: [a] }, path: ["chain", 0] });
  assert.deepEqual(removed({ chain: [a, { group: [b] }] }, ["chain", 1, "group", 0]), {
    canvas: { chain: [a] },
    path: ["chain", 0],
  });
  assert.deepEqual(
    removed({ chain: [{ chord: { header: [a], body: b } }, c] }, ["chain", 0, "chord", "header", 0]).canvas,
    { chain: [c] },
  );
  assert.deepEqual(removed({ ...a, link_error: b }, ["link_error"]), { canvas: a, path: [] });
  assert.equal(removed(chord, ["chord", "body"]), null);
  const before = { chain: [a, b] };
  removed(before, ["chain", 0]);
  assert.deepEqual(before, { chain: [a, b] }, "nothing is changed in place");
});

test("callbacks of any part have rows; one more makes a list, the last one takes the field with it", () => {
  const linked = { chord: chord.chord, link: [a, b], link_error: c };
  assert.deepEqual(
    rowsOf(linked).map(({ path, role }) => [path.join("."), role]),
    [
      ["", null],
      ["chord.header", null],
      ["chord.header.0", null],
      ["chord.header.1", null],
      ["chord.body", "body"],
      ["link.0", "link"],
      ["link.1", "link"],
      ["link_error", "link_error"],
    ],
  );
  assert.deepEqual(added({ ...a, link: b }, ["link"], c), { canvas: { ...a, link: [b, c] }, path: ["link", 1] });
  assert.deepEqual(removed(linked, ["link", 1]).canvas.link, [a]);
  assert.deepEqual(removed({ ...a, link: [b] }, ["link", 0]), { canvas: a, path: [] });
  assert.equal(wrapped(linked, ["link", 0], "chain"), null, "a callback is a task");
});

test("no change loses a field that it does not know", () => {
  const rich = { ...a, kwargs: { y: 1 }, queue: "slow", eta: "2030-01-01T00:00:00Z", link: [b] };
  const map = { map: { task: "a", it: [1, 2] } };
  for (const part of [rich, map, { chain: [a], link: [b] }]) {
    for (const kind of ["chain", "group"]) {
      const there = wrapped(part, [], kind);
      assert.deepEqual(there.canvas, { [kind]: [part] });
      assert.deepEqual(unwrapped(there.canvas, []).canvas, part);
    }
    assert.deepEqual(added(part, [], c).canvas, part.chain ? { ...part, chain: [a, c] } : { chain: [part, c] });
    assert.deepEqual(moved({ group: [part, c], link: [b] }, ["group", 0], 1).canvas, { group: [c, part], link: [b] });
  }
  assert.equal(unwrapped({ group: [a], link: [b] }, []), null, "its callback would be lost");
  assert.deepEqual(unwrapped({ ...chord, link: [b] }, []).canvas, { chain: [{ group: [a, b] }, c], link: [b] });
});

test("errors find the part that they are about", () => {
  assert.deepEqual(pathOf({ chain: [a, b] }, ["body", "chain", 1, "countdown"]), ["chain", 1]);
  assert.deepEqual(pathOf(chord, ["body", "chord", "header"]), ["chord", "header"]);
  assert.deepEqual(pathOf({ chain: [a, 7] }, ["body", "chain", 1]), []);
  assert.deepEqual(pathOf(chord, ["body", "chord", "body", "args", 0]), ["chord", "body"]);
});

test("JSON is written as one would, and stays the same", () => {
  assert.equal(pretty(a), '{"task": "a"}');
  assert.equal(
    pretty({ chain: [{ task: "add", args: [1, 2] }, { task: "a rather long name", args: ["{ [ , ] }"] }, a] }).split(
      "\n",
    ).length,
    7,
  );
  for (const canvas of Object.values(EXAMPLES)) assert.deepEqual(JSON.parse(pretty(canvas)), canvas);
});

test("what has not the form of a canvas is a row that cannot be changed, but removed", () => {
  for (const odd of [7, null, "x", [], {}, { chain: 5 }, { chord: null }, { chord: { header: {} } }]) {
    const canvas = { chain: [odd, a] };
    assert.deepEqual(
      rowsOf(canvas).map(({ kind }) => kind),
      ["chain", null, "task"],
    );
    assert.equal(wrapped(canvas, ["chain", 0], "group"), null);
    assert.equal(unwrapped(canvas, ["chain", 0]), null);
    assert.deepEqual(removed(canvas, ["chain", 0]).canvas, { chain: [a] });
    assert.equal(rowsOf(odd).length, 1);
  }
});

test("every example has its words", () => {
  for (const name of Object.keys(EXAMPLES))
    for (const end of ["", ".expected", ".truth"]) assert.ok(en[`example.${name}${end}`], name);
});

test("an example is known by its canvas, also as the API keeps it", () => {
  for (const [name, canvas] of Object.entries(EXAMPLES)) assert.equal(exampleOf(structuredClone(canvas)), name);
  const { chain } = EXAMPLES["error-callback"];
  const [first, ...rest] = chain;
  const { link_error, ...bare } = first;
  assert.equal(exampleOf({ chain: [{ link_error: [link_error], ...bare }, ...rest] }), "error-callback");
  for (const other of [null, {}, { task: "add", args: [1, 2] }, { chain: rest }]) assert.equal(exampleOf(other), null);
});
