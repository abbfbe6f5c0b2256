import assert from "node:assert/strict";
import { test } from "node:test";

import { cell, csv } from "../../background/web/static/js/base/csv.js";
import { allPages } from "../../background/web/static/js/base/pages.js";
import { busy, percentiles, stacked, summary } from "../../background/web/static/js/charts/series.js";
import { attemptsOf, compared } from "../../background/web/static/js/jobs/compared.js";
import { grouped, kindOf } from "../../background/web/static/js/pipelines/failures.js";

const bucket = (more) => ({
  ...{
    minute: "2026-03-01T12:00:00Z",
    submitted: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    waiting: null,
    running: null,
  },
  ...{ mean_waiting_seconds: null, mean_running_seconds: null },
  ...more,
});

test("no cell is a formula, and all text is read back as it was", () => {
  for (const text of ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
    assert.match(cell(text), /^"?'/, JSON.stringify(text));
  assert.equal(cell(-5), "-5");
  assert.equal(cell(null), "");
  assert.equal(cell('a "b", c'), '"a ""b"", c"');
  assert.equal(cell("two\nlines"), '"two\nlines"');
  assert.equal(cell({ a: [1] }), '"{""a"":[1]}"');
  assert.equal(csv(["id", "오류"], [{ id: 1, 오류: "없음" }]), "\ufeffid,오류\r\n1,없음\r\n");
});

test("a list is read page by page, up to a limit, and says whether there is more", async () => {
  const asked = [];
  const page = async (before) => {
    asked.push(before);
    const from = Number(before ?? 10);
    return {
      data: [from - 1, from - 2, from - 3].filter((each) => each > 0),
      next: from > 4 ? String(from - 3) : null,
    };
  };
  assert.deepEqual(await allPages(() => false, page, 100), { found: [9, 8, 7, 6, 5, 4, 3, 2, 1], more: false });
  assert.deepEqual(asked, [null, "7", "4"]);
  assert.deepEqual(await allPages(() => false, page, 4), { found: [9, 8, 7, 6], more: true });
  assert.deepEqual(await allPages(() => true, page, 100), { found: [9, 8, 7], more: true });
});

test("bars stand on each other, and a mean is weighed by what ended", () => {
  assert.deepEqual(
    stacked([
      [1, 2],
      [3, 0],
      [0, 5],
    ]),
    [
      [1, 2],
      [4, 2],
      [4, 7],
    ],
  );
  const series = [
    bucket({ completed: 3, mean_running_seconds: 1, running: { p50: 1, p95: 2, p99: 3 } }),
    bucket({}),
    bucket({ failed: 1, mean_running_seconds: 5, running: { p50: 5, p95: 5, p99: 5 } }),
  ];
  assert.deepEqual(summary(series), { number: 4, waiting: null, running: 2 });
  assert.deepEqual(percentiles(series, "running"), [
    [1, null, 5],
    [2, null, 5],
    [3, null, 5],
  ]);
  assert.deepEqual(busy(series), [series[2], series[0]]);
});

test("failures are of one kind whatever number, id or name they tell", () => {
  assert.equal(kindOf("Timeout: 12.5 s of 30\nmore"), "Timeout: … s of …");
  assert.equal(kindOf("KeyError: 'a'"), kindOf("KeyError: 'b c'"));
  assert.equal(kindOf("no 2f1c8f60-6f0f-4a52-8e84-0123456789ab"), "no …");
  const failed = (id, error, step) => ({
    id,
    error,
    cause: null,
    steps: [
      { name: "one", status: "COMPLETED" },
      { name: step, status: "FAILED" },
    ],
  });
  const jobs = [
    failed(4, "Boom: 9", "two"),
    failed(3, "Other", "two"),
    failed(2, "Boom: 1", "two"),
    failed(1, "Boom: 1", "three"),
  ];
  assert.deepEqual(grouped(jobs), [
    { step: "two", message: "Boom: 9", cause: null, number: 2, newest: 4 },
    { step: "two", message: "Other", cause: null, number: 1, newest: 3 },
    { step: "three", message: "Boom: 1", cause: null, number: 1, newest: 1 },
  ]);
  assert.deepEqual(grouped([{ id: 1, error: null, cause: null, steps: [] }]), [
    { step: null, message: "", cause: null, number: 1, newest: 1 },
  ]);
});

test("two attempts are compared step by step, also where one of them never came to a step", () => {
  const one = (attempt, from, to) => ({ attempt, from, to, wait: null, role: to === null ? "run" : "ok" });
  const steps = [
    { number: 1, name: "a", tries: [one(1, 0, 100)] },
    { number: 2, name: "b", tries: [one(1, 100, 400), one(2, 1000, 1100)] },
    {
      number: 3,
      name: "c",
      tries: [one(2, 1100, null), { attempt: null, from: null, to: null, wait: 5, role: "retry" }],
    },
  ];
  assert.deepEqual(attemptsOf(steps), [1, 2]);
  const { rows, totals } = compared(steps, 1, 2, 1250);
  assert.deepEqual(
    rows.map(({ ran }) => ran),
    [
      [100, null],
      [300, 100],
      [null, 150],
    ],
  );
  assert.deepEqual(totals, [400, 250]);
  assert.deepEqual(compared(steps, 7, 7, 1250).totals, [null, null]);
});
