import assert from "node:assert/strict";
import { test } from "node:test";

import { canvasOf } from "../../background/web/static/js/canvas/python.js";

test("a Celery expression becomes a canvas", () => {
  assert.deepEqual(canvasOf("add.s(2, 3)"), { task: "add", args: [2, 3] });
  assert.deepEqual(canvasOf("chain(add.s(1, -2.5), echo.si('x'), group(echo.s(), echo.s()))"), {
    chain: [
      { task: "add", args: [1, -2.5] },
      { task: "echo", args: ["x"], immutable: true },
      { group: [{ task: "echo" }, { task: "echo" }] },
    ],
  });
  assert.deepEqual(canvasOf("chord([add.s(1, 1), add.s(2, 2)], chain(xsum.s(), finalize.s()))"), {
    chord: {
      header: [
        { task: "add", args: [1, 1] },
        { task: "add", args: [2, 2] },
      ],
      body: { chain: [{ task: "xsum" }, { task: "finalize" }] },
    },
  });
  assert.deepEqual(canvasOf("flaky.s(2).set(countdown=2.0, headers={'playground_retries': 3}).on_error(echo.s())"), {
    task: "flaky",
    args: [2],
    countdown: 2,
    retries: 3,
    link_error: [{ task: "echo" }],
  });
});

test("keyword arguments, options and callbacks", () => {
  assert.deepEqual(canvasOf("add.s(2, y=3).set(countdown=5, queue='x', priority=3, expires=60, time_limit=5.5)"), {
    task: "add",
    args: [2],
    kwargs: { y: 3 },
    countdown: 5,
    queue: "x",
    priority: 3,
    expires: 60,
    time_limit: 5.5,
  });
  assert.deepEqual(canvasOf("echo.s().set(ignore_result=True, link=finalize.si(1))"), {
    task: "echo",
    ignore_result: true,
    link: { task: "finalize", args: [1], immutable: true },
  });
  assert.deepEqual(canvasOf("echo.s().set(link=[finalize.s(), echo.s()]).on_error(echo.s()).on_error(finalize.s())"), {
    task: "echo",
    link: [{ task: "finalize" }, { task: "echo" }],
    link_error: [{ task: "echo" }, { task: "finalize" }],
  });
});

test("callbacks of a chain, of a chord and of a map, and a group of a list", () => {
  assert.deepEqual(canvasOf("chord([fail.s('no')], chain(echo.s(), echo.s()).on_error(finalize.s()))").chord.body, {
    chain: [{ task: "echo" }, { task: "echo" }],
    link_error: [{ task: "finalize" }],
  });
  assert.deepEqual(canvasOf("chord([echo.s(1)], xsum.s()).on_error(echo.s()).on_error(fail.s())").link_error, [
    { task: "echo" },
    { task: "fail" },
  ]);
  const mapped = { chain: [{ map: { task: "xsum", it: [[1]] } }], link: { task: "echo" } };
  assert.deepEqual(canvasOf("chain(xsum.map([[1]]).set(link=echo.s()))"), mapped);
  assert.deepEqual(canvasOf("chord([xsum.map([[1]]).set(link=echo.s())], echo.s())").chord.header, [mapped]);
  assert.deepEqual(canvasOf("chain(echo.s(1), xsum.map([[1]]).set(link=echo.s()))").chain[1], mapped);
  assert.deepEqual(canvasOf("chain(group([group(echo.s(1))]))"), {
    chain: [{ group: [{ group: [{ task: "echo", args: [1] }] }] }],
  });
});

test("one task over a list", () => {
  assert.deepEqual(canvasOf("xsum.map([[1, 2], [3]])"), { map: { task: "xsum", it: [[1, 2], [3]] } });
  assert.deepEqual(canvasOf("chain(add.starmap([(1, 2), [3, 4]]), echo.s())").chain[0], {
    starmap: {
      task: "add",
      it: [
        [1, 2],
        [3, 4],
      ],
    },
  });
  assert.deepEqual(canvasOf("add.chunks([[1, 2]], 2)"), { chunks: { task: "add", it: [[1, 2]], n: 2 } });
});

test("values as Python writes them", () => {
  const args = (text) => canvasOf(`echo.s(${text})`).args;
  assert.deepEqual(args("None, True, False, 1e+16, [], {}"), [null, true, false, 1e16, [], {}]);
  assert.deepEqual(args(String.raw`{'a': [1, {'b': "it's"}], 'c\n': 'x\x1by\u2028\U0001f600\\'}`), [
    { a: [1, { b: "it's" }], "c\n": "x\u001by\u2028😀\\" },
  ]);
  assert.deepEqual(args("'한글, (or) [not]'"), ["한글, (or) [not]"]);
});

test("what is no canvas is refused", () => {
  for (const code of [
    "",
    "add",
    "add.s(",
    "chain(add.s(1, 2)",
    "add.s(1) + 2",
    "add.s(x)",
    "chord(add.s(1, 1), echo.s())",
  ]) {
    assert.throws(() => canvasOf(code), SyntaxError, code);
  }
});
