import assert from "node:assert/strict";
import { test } from "node:test";
import { shade, tries } from "../../background/web/static/js/jobs/tries.js";

const at = (second) => `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;

function job(status, kinds, steps) {
  const events = kinds.map(([kind, step, attempt, name = null], index) => {
    return { kind, step, step_name: name, attempt, at: at(index), worker: "w" };
  });
  return { status, attempt: 1, created_at: at(0), step_names: ["a", "b"], steps, events };
}

test("a step that the worker does not have waits for another one", () => {
  const done = [{ step_number: 1, name: "a", status: "COMPLETED", attempt: 1 }];
  const events = [
    ["created", null, 0],
    ["started", 1, 1],
    ["step_completed", 1, 1],
  ];
  const [, waits] = tries(job("PENDING", events, done), ["a", "b"]);
  assert.deepEqual([waits.tries.length, waits.tries[0].from, waits.tries[0].wait], [1, null, Date.parse(at(2))]);
  const [, runs] = tries(job("IN_PROGRESS", events, done), ["a", "b"]);
  assert.deepEqual([runs.tries[0].from, runs.tries[0].wait], [Date.parse(at(2)), null]);
  const [, went] = tries(job("IN_PROGRESS", [...events, ["started", 2, 2]], done), ["a", "b"]);
  assert.deepEqual([went.tries[0].from, went.tries[0].wait], [Date.parse(at(3)), Date.parse(at(2))]);
});

test("after a change of plan each try stands at the step that it was of", () => {
  const events = [
    ["created", null, 0],
    ["started", 1, 1, "a"],
    ["step_completed", 1, 1, "a"],
    ["step_failed", 2, 1, "gone"],
    ["started", 2, 2, "gone"],
    ["cancelled", 2, 2, "gone"],
    ["retried", 1, 2, "new"],
    ["started", 1, 3, "new"],
    ["step_completed", 1, 3, "new"],
    ["completed", 3, 3, "b"],
  ];
  const done = ["new", "a", "b"].map((name, index) => ({
    step_number: index + 1,
    name,
    status: "COMPLETED",
    attempt: name === "a" ? 1 : 3,
  }));
  const found = tries(job("COMPLETED", events, done), ["new", "a", "b"]);
  assert.deepEqual(
    found.map((step) => [step.name, step.tries.map((one) => [one.attempt, one.role])]),
    [
      ["new", [[3, "ok"]]],
      ["a", [[1, "ok"]]],
      ["b", [[3, "ok"]]],
    ],
  );
});

test("a job waits at the first step that is not completed, also where a new plan has put it in front", () => {
  const events = [
    ["created", null, 0],
    ["started", 1, 1, "a"],
    ["step_completed", 1, 1, "a"],
    ["failed", 2, 1, "gone"],
    ["retried", null, 1],
  ];
  const done = [{ step_number: 2, name: "a", status: "COMPLETED", attempt: 1 }];
  const waits = tries(job("PENDING", events, done), ["new", "a"]).map((step) => step.tries.filter(({ from }) => !from));
  assert.deepEqual(
    waits.map((each) => each.length),
    [1, 0],
  );
});

test("what a kind says already is not said again, and nothing is cut out of what was said", () => {
  const later = { kind: "retry_later", step: 1, attempt: 1, message: "To be run again later: 429", reason: "429" };
  const failed = { kind: "step_failed", step: 1, attempt: 2, message: "To be run again later: 429", reason: null };
  const ran = job("FAILED", [["created", null, 0]], []);
  for (const event of [later, failed]) {
    const { attempt } = event;
    ran.events.push({ ...event, kind: "started", at: at(attempt * 2) }, { ...event, at: at(attempt * 2 + 1) });
  }
  const said = tries(ran, ["a", "b"])[0].tries.map(({ message }) => message);
  assert.deepEqual(said, ["429", "To be run again later: 429"]);
});

test("only what is an error has the colour of one", () => {
  const kinds = ["step_failed", "failed", "lost", "handed_back", "retry_later", "cancelled", "progress", "created"];
  assert.deepEqual(kinds.map(shade), ["fail", "fail", "fail", "retry", "retry", "stop", null, null]);
});
