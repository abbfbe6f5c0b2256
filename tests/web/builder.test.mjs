import assert from "node:assert/strict";
import { test } from "node:test";
import { isKept, parse } from "../../background/web/static/js/base/exact.js";
import { inJson, inPython } from "../../background/web/static/js/canvas/complete.js";
import {
  added,
  at,
  BEGINNINGS,
  calling,
  grown,
  kindOf,
  partAt,
  pretty,
  recast,
  removed,
  replaced,
  rowsOf,
  withField,
} from "../../background/web/static/js/canvas/model.js";
import { scan } from "../../background/web/static/js/canvas/scan.js";
import { seeded, times } from "./canvases.mjs";

const a = { task: "a" };
const OPTIONS = {
  args: (random) => times(Math.floor(random() * 3), () => value(random)),
  kwargs: (random) => ({ x: value(random), '한 "quoted"': null }),
  immutable: (random) => random() < 0.5,
  countdown: (random) => Math.floor(random() * 100) / 4,
  eta: () => "2030-01-31T12:00:00Z",
  expires: () => 60,
  retries: (random) => Math.floor(random() * 10),
  ignore_result: (random) => random() < 0.5,
  queue: () => "slow",
  priority: () => 0,
  time_limit: () => 5.5,
  of_a_later_release: value,
};

function value(random, depth = 2) {
  const plain = [null, true, -1.5, 0, 1e300, "", "한글 😀 \n\\", '"]}'];
  const kind = depth ? random() : 0;
  if (kind < 0.7) return plain[Math.floor(random() * plain.length)];
  const inner = () => value(random, depth - 1);
  return kind < 0.85 ? [inner(), inner()] : { a: inner(), __proto: inner() };
}

/** A canvas with any of what `POST /canvas` takes, in any order of its fields. */
function canvas(random, depth = 4) {
  const kind = depth > 1 ? random() : random() * 0.4;
  const part = () => canvas(random, depth - 1);
  const parts = () => times(1 + Math.floor(random() * 3), part);
  const items = { task: "a", it: [value(random)] };
  if (kind < 0.1) return { map: items };
  if (kind < 0.15) return { starmap: items };
  if (kind < 0.2) return { chunks: { ...items, n: 2 } };
  const shape = kind < 0.4 ? a : kind < 0.6 ? { chain: parts() } : kind < 0.8 ? { group: parts() } : null;
  const fields = Object.entries(shape ?? { chord: { header: parts(), body: part() } });
  if (shape === a)
    for (const [name, make] of Object.entries(OPTIONS)) if (random() < 0.3) fields.push([name, make(random)]);
  const task = () => ({ task: "a", retries: 1, ...(random() < 0.2 ? { link: { task: "b" } } : {}) });
  for (const name of ["link", "link_error"])
    if (random() < 0.2) fields.push([name, random() < 0.5 ? task() : [task(), task()]]);
  return Object.fromEntries(fields.sort(() => random() - 0.5));
}

const canvases = times(300, (seed) => canvas(seeded(seed)));

test("what is pasted comes out unchanged, to the order of its fields", () => {
  for (const each of canvases) {
    const text = JSON.stringify(each);
    assert.equal(JSON.stringify(parse(text)), text);
    assert.equal(JSON.stringify(parse(pretty(parse(text)))), text);
  }
});

test("a field that is changed and changed back leaves the canvas as it was, whichever part it is of", () => {
  for (const each of canvases) {
    for (const { path, kind, part } of rowsOf(each)) {
      if (kind !== "task") continue;
      const text = JSON.stringify(each);
      for (const name of [...Object.keys(OPTIONS), "link"]) {
        const there = replaced(each, path, withField(part, name, "changed")).canvas;
        assert.equal(at(there, path)[name], "changed");
        assert.deepEqual(replaced(there, path, withField(at(there, path), name, part[name])).canvas, each);
        assert.equal(JSON.stringify(each), text, "nothing is changed in place");
      }
    }
  }
});

test("a callback that is added and removed leaves the canvas as it was", () => {
  for (const each of canvases) {
    for (const { path, kind } of rowsOf(each)) {
      for (const name of ["link", "link_error"]) {
        const there = calling(each, path, name);
        if (!["task", "chain", "group", "chord"].includes(kind)) assert.equal(there, null);
        else {
          assert.equal(at(there.canvas, there.path).task, "echo");
          const given = at(each, path)[name];
          const back = removed(there.canvas, there.path).canvas;
          // One that was written without a list is in a list of one now.
          const wanted = given && !Array.isArray(given) ? replaced(each, [...path, name], [given]).canvas : each;
          assert.deepEqual(back, wanted);
        }
      }
    }
  }
});

test("a new task takes what came before, or has arguments of its own where nothing did", () => {
  const task = (canvas, path) => at(...Object.values(grown(canvas, path))).task;
  assert.equal(task({ group: [a] }, []), "add");
  assert.equal(task({ chord: { header: [a], body: a } }, []), "add");
  assert.equal(task({ chain: [a] }, []), "echo");
  assert.equal(task({ chain: [{ group: [a] }, a] }, ["chain", 0, "group", 0]), "add");
  assert.equal(task({ chain: [a, { group: [a] }] }, ["chain", 1, "group", 0]), "echo");
  assert.equal(task({ ...a, link: a }, ["link"]), "echo");
  for (const each of Object.values(BEGINNINGS)) assert.ok(kindOf(each));
});

test("a task and one over a list become each other, unless something would be lost", () => {
  const task = { task: "add", args: [[1, 2]] };
  for (const kind of ["map", "starmap", "chunks"]) assert.deepEqual(recast(recast(task, kind), "task"), task);
  assert.deepEqual(recast(a, "chunks"), { chunks: { task: "a", it: [1], n: 1 } });
  assert.equal(recast({ ...task, retries: 1 }, "map"), null);
  assert.equal(recast({ map: { task: "a", it: [1], x: 1 } }, "task"), null);
  assert.equal(recast({ chain: [task] }, "task"), null);
  assert.deepEqual(added({ map: { task: "a", it: [1] } }, [], a).canvas.chain[1], a);
});

test("a number stays as it was written where the browser can keep it", { skip: !("rawJSON" in JSON) }, () => {
  const text = '{"task":"echo","args":[1.0,12345678901234567890,-0,1E2,7,"1.0"],"countdown":2.50}';
  const found = parse(text);
  assert.equal(JSON.stringify(found), text);
  assert.equal(pretty(found).replace(/[ \n]/g, ""), text);
  assert.equal(JSON.stringify(replaced({ chain: [found, a] }, ["chain", 1], a).canvas.chain[0]), text);
  assert.deepEqual(found.args.map(isKept), [true, true, true, true, false, false]);
});

test("every value of a text has its place, and that of a part leads to it", () => {
  for (const each of canvases.slice(0, 100)) {
    const text = pretty(each);
    const { places, wrong } = scan(text);
    assert.equal(wrong, null);
    for (const { path, from, to } of places) assert.deepEqual(JSON.parse(text.slice(from, to)), at(each, path));
    const found = new Set(places.map(({ path }) => path.join(".")));
    for (const { path } of rowsOf(each)) {
      assert.ok(found.has(path.join(".")));
      assert.deepEqual(partAt(each, path), path);
    }
  }
  assert.deepEqual(partAt({ chain: [a, { task: "b", args: [[1]] }] }, ["chain", 1, "args", 0, 0]), ["chain", 1]);
});

test("a text is wrong where JSON.parse refuses it, at the first token that does not fit", () => {
  const pieces = ["{", "}", "[", "]", ",", ":", '"a"', "1", "-0.5e3", "01", "true", "nul", " ", "\n", '"\\u12"', '"x'];
  const random = seeded(7);
  let right = 0;
  for (const text of times(50_000, () =>
    times(1 + random() * 9, () => pieces[Math.floor(random() * pieces.length)]).join(""),
  )) {
    let fits = true;
    try {
      JSON.parse(text);
      right++;
    } catch {
      fits = false;
    }
    assert.equal(scan(text).wrong === null, fits, text);
  }
  assert.ok(right > 1000);
  assert.equal(scan('{"a": 1,}').wrong, 8);
  assert.equal(scan("[1 2]").wrong, 3);
  assert.equal(scan('{"a"').wrong, 4);
});

const KNOWN = {
  tasks: [
    { task: "add", parameters: ["x", "y"], description: "The sum." },
    { task: "echo", parameters: ["value"], description: "The same." },
  ],
  models: {
    TaskSpec: {
      properties: { task: {}, args: {}, kwargs: {}, immutable: { type: "boolean" }, link: {}, countdown: {} },
    },
    ChainSpec: { properties: { chain: {}, link: {} } },
    ChordParts: { properties: { header: {}, body: {} } },
    Chunked: { properties: { task: {}, it: {}, n: {} } },
  },
};

/** What is offered at `|`, and the text that it would take the place of. */
function offered(text, complete) {
  const position = text.indexOf("|");
  const whole = text.replace("|", "");
  const found = complete(whole, position, KNOWN);
  return (
    found && [whole.slice(found.from, found.to), found.options.map(({ apply, label }) => apply ?? label).join(" ")]
  );
}

test("completion of JSON: keys and values where they belong, from what the API tells", () => {
  const json = (text) => offered(text, inJson);
  const kinds = ["task", "chain", "group", "chord", "map", "starmap", "chunks"].map((name) => `"${name}": `).join(" ");
  assert.deepEqual(json("{|}"), ["", kinds]);
  assert.deepEqual(json('{"task": "a|"'), ['"a"', '"add" "echo"']);
  assert.deepEqual(json('{"task": "add", "im|"}'), [
    '"im"',
    '"args":  "kwargs":  "immutable":  "link":  "countdown": ',
  ]);
  assert.deepEqual(json('{"task": "add", "args|": []}')[1].split(" ")[0], '"args"', "the colon is there");
  assert.deepEqual(json('{"kwargs": {"x": 1, |}, "task": "add"}'), ["", '"y": ']);
  assert.deepEqual(json('{"task": "add", "immutable": |}'), ["", "true false"]);
  assert.deepEqual(json('{"chain": [|]}'), ["", '{"task": "add"} {"task": "echo"}']);
  assert.deepEqual(json('{"chord": {|}}'), ["", '"header":  "body": ']);
  assert.deepEqual(json('{"chord": {"header": [{"task": "|'), ['"', '"add" "echo"']);
  assert.deepEqual(json('{"chunks": {"task": "add", |'), ["", '"it":  "n": ']);
  assert.deepEqual(json('{"task": "add", "link": {|')[1], kinds);
  for (const nothing of ['{"task": "add"} |', '{"task": "add", "args": [|]}', '{"task": "add" |}', '{"args": [{|}]}'])
    assert.equal(json(nothing), null, nothing);
});

test("completion of an expression: tasks, their parameters, options", () => {
  const code = (text) => offered(text, inPython);
  const names = "chain( group( chord([ add.s( echo.s(";
  for (const text of ["|", "chain(|", "chord([|", "chain(add.s(1, '('), |"])
    assert.deepEqual(code(text), ["", names], text);
  assert.deepEqual(code("chain(ec|"), ["ec", names]);
  assert.deepEqual(code("add.s(1, |"), ["", "x= y="]);
  assert.deepEqual(code("add.s(1).set(c|"), ["c", "link= countdown="]);
  assert.match(code("add.|")[1], /^s\( si\(/);
});
