import assert from "node:assert/strict";
import { test } from "node:test";

import { canvasOf, draftOf } from "../../background/web/static/js/canvas/python.js";

test("a Celery expression becomes the canvas that was sent", () => {
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
    link_error: { task: "echo" },
  });
});

test("a callback on success was on the group, a header's too", () => {
  const members = [
    { task: "echo", args: [1] },
    { task: "echo", args: [2] },
  ];
  const link = { task: "echo", args: ["done"] };
  const first = "echo.s(1).set(ignore_result=True, link=echo.si('done'))";
  const linked = { group: [{ ...members[0], ignore_result: true }, members[1]], link };
  assert.deepEqual(canvasOf(`group(${first}, echo.s(2))`), linked);
  assert.deepEqual(canvasOf(`chord([${first}, echo.s(2)], finalize.s())`), { chain: [linked, { task: "finalize" }] });
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
    assert.throws(() => draftOf(code), SyntaxError, code);
  }
});
