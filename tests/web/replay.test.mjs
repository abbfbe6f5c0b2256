import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../background/web/static/js/replay/clock.js";
import { jobRecord } from "../../background/web/static/js/replay/job.js";
import { during, lanesOf } from "../../background/web/static/js/replay/lanes.js";
import { API, indexAt, QUEUE, timeOf, UNKNOWN } from "../../background/web/static/js/replay/record.js";
import { runRecord } from "../../background/web/static/js/replay/run.js";
import { chain, chord, graphOf, group, task, times } from "./canvases.mjs";

const at = (ms) => `2026-01-01T00:00:00.${String(ms).padStart(3, "0")}000Z`;
const LETTERS = { P: "PENDING", R: "STARTED", S: "SUCCESS", F: "FAILURE", T: "RETRY", V: "REVOKED", K: "SKIPPED" };
const letters = (nodes) =>
  nodes.map(({ state }) => Object.keys(LETTERS).find((each) => LETTERS[each] === state)).join("");

/**
 * A run of this canvas that has come to these states, a letter for each task, by a history of `[ms, kind, task, worker]`; the
 * tasks' rows say what its last start and its last end were.
 */
function run(canvas, states, history, more = {}) {
  const graph = graphOf(canvas);
  const ids = graph.nodes.map(({ id }) => id);
  const ends = ["success", "failure", "revoked"];
  for (const [i, node] of graph.nodes.entries()) {
    const own = history.filter(([, , index]) => index === i);
    const started = own.find(([, kind]) => kind === "started");
    const ended = own.findLast(([, kind]) => ends.includes(kind));
    const isOver = "SFV".includes(states[i]);
    Object.assign(node, {
      state: LETTERS[states[i]],
      result: states[i] === "S" ? i : null,
      error: states[i] === "F" ? { type: "E", message: "no" } : null,
      started_at: started ? at(started[0]) : null,
      finished_at: isOver ? at((ended ?? history.at(-1))[0]) : null,
      worker: own.findLast(([, , , worker]) => worker)?.[3] ?? null,
      retries: own.filter(([, kind]) => kind === "retried").length,
      starts: own.filter(([, kind]) => kind === "started").length,
    });
  }
  const events = history.map(([ms, kind, index = null, worker = null], i) => {
    return { number: i + 1, kind, at: at(ms), task_id: index === null ? null : ids[index], worker };
  });
  const progress = { completed: 0, total: ids.length };
  return [{ task_id: ids.at(-1), status: "SUCCESS", created_at: at(0), progress, graph, ...more }, events];
}

/** The states of all tasks after each moment. */
const film = (record) => record.moments.map((_, index) => letters(record.at(index).graph.nodes));

const one = () => task();
const CHORD = chord([one(), one()], one());

test("a chord that failed, moment by moment", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "started", 1, "b@h"],
    [30, "success", 0],
    [40, "retried", 1],
    [50, "started", 1, "a@h"],
    [60, "failure", 1],
    [61, "ended"],
  ];
  const [told, events] = run(CHORD, "SFK", history);
  const record = runRecord(told, events);
  assert.deepEqual(film(record), ["PPP", "RPP", "RRP", "SRP", "STP", "SRP", "SFP", "SFK"]);
  assert.equal(letters(record.at(-1).graph.nodes), "PPP");
  assert.equal(record.at(7), told, "its end is the run itself");
  assert.deepEqual([record.start, record.end], [Date.parse(at(0)), Date.parse(at(61))]);
  // Of a result or an error nothing is told before it was there, nor of an earlier try what the last one said.
  assert.deepEqual(
    [2, 3].map((index) => record.at(index).graph.nodes[0].result),
    [null, 0],
  );
  assert.deepEqual(
    [4, 6].map((index) => record.at(index).graph.nodes[1].error?.message),
    [undefined, "no"],
  );
  assert.deepEqual(
    [2, 5].map((index) => record.at(index).graph.nodes[1].worker),
    ["b@h", "a@h"],
  );
  assert.equal(record.at(4).status, "RETRY");
  // What did not change is the same object: a picture leaves it as it is.
  assert.equal(record.at(4).graph.nodes[0], record.at(5).graph.nodes[0]);
});

test("messages are sent, wait, and are taken: by whom, and when", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "started", 1, "b@h"],
    [30, "success", 0],
    [40, "retried", 1],
    [50, "started", 1, "a@h"],
    [60, "success", 1],
    [75, "started", 2, "b@h"],
    [80, "success", 2],
  ];
  const record = runRecord(...run(CHORD, "SSS", history));
  const ms = (time) => time && time - record.start;
  const waits = record.spans.filter(({ lane }) => lane === QUEUE);
  assert.deepEqual(
    waits.map(({ from, to, sender, taker }) => [ms(from), ms(to), sender, taker]),
    [
      [0, 10, API, "a@h"],
      [0, 20, API, "b@h"],
      [40, 50, "b@h", "a@h"],
      [60, 75, "a@h", "b@h"], // The body, once the last of its header had ended: nobody wrote a time before.
    ],
  );
  const ran = record.spans.filter(({ lane }) => lane !== QUEUE);
  assert.deepEqual(
    ran.map(({ lane, from, to, role }) => [lane, ms(from), ms(to), role]),
    [
      ["a@h", 10, 30, "ok"],
      ["b@h", 20, 40, "retry"],
      ["a@h", 50, 60, "ok"],
      ["b@h", 75, 80, "ok"],
    ],
  );
  assert.deepEqual(
    lanesOf(record.spans).map(({ lane, rows }) => [lane, rows]),
    [
      [API, 1],
      [QUEUE, 2],
      ["a@h", 1],
      ["b@h", 1],
    ],
  );
  assert.deepEqual(
    [0, 10, 39, 40, 60, 90].map((time) => during(waits, record.start + time).length),
    [2, 1, 0, 1, 1, 0],
  );
});

test("a task that began twice: nobody wrote how the first time ended", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [50, "started", 0, "b@h"],
    [60, "success", 0],
  ];
  const { spans } = runRecord(...run(task(), "S", history));
  const ran = spans.filter(({ lane }) => lane !== QUEUE);
  assert.deepEqual(
    ran.map(({ lane, open = false, role }) => [lane, open, role]),
    [
      ["a@h", true, "run"],
      ["b@h", false, "ok"],
    ],
  );
  assert.equal(spans.length - ran.length, 1, "and no message was seen in between");
});

test("a worker that an earlier release did not write is known of the last start alone", () => {
  const [told, events] = run(task(), "S", [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "retried", 0],
    [30, "started", 0, "b@h"],
    [40, "success", 0],
  ]);
  for (const event of events) event.worker = null;
  const lanes = runRecord(told, events).spans.map(({ lane }) => lane);
  assert.deepEqual(lanes, [QUEUE, UNKNOWN, QUEUE, "b@h"]);
});

test("a run that was tried again keeps what had succeeded", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "success", 0],
    [30, "started", 1, "a@h"],
    [40, "failure", 1],
    [41, "ended"],
    [100, "run_again"],
    [110, "started", 1, "a@h"],
    [120, "success", 1],
    [130, "started", 2, "a@h"],
    [140, "success", 2],
  ];
  const record = runRecord(...run(chain(one(), one(), one()), "SSS", history));
  assert.deepEqual(film(record), ["PPP", "RPP", "SPP", "SRP", "SFP", "SFK", "SPP", "SRP", "SSP", "SSR", "SSS"]);
  assert.deepEqual(
    record.marks.map(({ kind }) => kind),
    ["created", "run_again"],
  );
  assert.equal(record.at(4).graph.nodes[1].error, null, "the error of a try that is gone is not told");
  assert.equal(record.at(5).status, "FAILURE");
});

test("a cancellation revokes what had not begun", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "cancelled"],
    [30, "success", 0],
    [31, "ended"],
  ];
  const [told, events] = run(group(one(), one()), "SVV".slice(0, 2), history, { status: "REVOKED" });
  told.graph.nodes[1].finished_at = at(20);
  assert.deepEqual(film(runRecord(told, events)), ["PP", "RP", "RV", "SV", "SV"]);
});

test("an error callback is sent by a failure, a plain one by a success", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "failure", 0],
    [30, "started", 2, "b@h"],
    [40, "success", 2],
    [41, "ended"],
  ];
  const record = runRecord(...run(task({ link: [one()], link_error: [one()] }), "FKS", history));
  assert.deepEqual(film(record), ["PPP", "RPP", "FPP", "FPR", "FPS", "FKS"]);
  const called = record.spans.filter(({ lane, sender }) => lane === QUEUE && sender !== API);
  assert.deepEqual(
    called.map(({ sender, taker }) => [sender, taker]),
    [["a@h", "b@h"]],
  );
});

test("a start that its history lacks stands in the task's row", () => {
  const [told, events] = run(task(), "S", [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "success", 0],
  ]);
  const record = runRecord(
    told,
    events.filter(({ kind }) => kind !== "started"),
  );
  assert.deepEqual(film(record), ["P", "R", "S"]);
});

test("many at once: no lane has two in one row at a time", () => {
  const history = [[0, "created"]];
  for (let i = 0; i < 300; i += 1) history.push([i, "started", i, `${i % 2}@h`], [i + 400, "success", i]);
  history.sort((one, other) => one[0] - other[0]);
  const lanes = lanesOf(runRecord(...run(chord(times(300, one), one()), `${"S".repeat(300)}P`, history)).spans);
  assert.deepEqual(
    lanes.map(({ lane, spans }) => [lane, spans.length]),
    [
      [API, 0],
      [QUEUE, 301],
      ["0@h", 150],
      ["1@h", 150],
    ],
  );
  for (const { spans, rows } of lanes) {
    const ends = Array(rows).fill(-Infinity);
    for (const { row, from, to } of spans) {
      assert.ok(ends[row] <= from);
      ends[row] = to ?? Infinity;
    }
  }
});

test("what can never run is skipped as soon as that was said, the rest at the end", () => {
  const history = [
    [0, "created"],
    [10, "started", 0, "a@h"],
    [20, "failure", 0],
    [21, "skipped"],
    [30, "started", 2, "a@h"],
    [40, "success", 2],
    [41, "ended"],
  ];
  const canvas = group(chain(one(), one()), task({ link_error: [one()] }));
  assert.deepEqual(film(runRecord(...run(canvas, "FKSK", history))), [
    "PPPP",
    "RPPP",
    "FPPP",
    "FKPP",
    "FKRP",
    "FKSP",
    "FKSK",
  ]);
});

function job(kinds, status = "COMPLETED") {
  const events = kinds.map(([ms, kind, step = null, attempt = 0, worker = null], i) => {
    const name = step && ["a", "b"][step - 1];
    return { number: i + 1, kind, at: at(ms), step, step_name: name, attempt, worker, message: kind, error: null };
  });
  const steps = [1, 2].map((number) => {
    return { step_number: number, name: "ab"[number - 1], status: "COMPLETED", attempt: number, output: number };
  });
  return { id: 1, status, attempt: 2, created_at: at(0), updated_at: at(999), step_names: ["a", "b"], steps, events };
}

const JOB = job([
  [0, "created"],
  [10, "started", 1, 1, "a@h"],
  [20, "step_completed", 1, 1, "a@h"],
  [30, "step_failed", 2, 1, "a@h"],
  [50, "started", 2, 2, "b@h"],
  [60, "completed", 2, 2, "b@h"],
]);

test("a job, moment by moment", () => {
  const record = jobRecord(JOB);
  const shown = (index) => {
    const { status, steps, events } = record.at(index);
    return [status, steps.map((step) => `${step.name}${step.status[0]}`).join(" "), events.length];
  };
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(shown), [
    ["PENDING", "", 1],
    ["IN_PROGRESS", "aI", 2],
    ["IN_PROGRESS", "aC bI", 3],
    ["PENDING", "aC bF", 4],
    ["IN_PROGRESS", "aC bI", 5],
    ["COMPLETED", "aC bC", 6],
  ]);
  assert.equal(record.at(5), JOB);
  assert.equal(record.at(2).steps[0].output, 1, "what came of a step is in its row");
  const ms = (time) => time && time - record.start;
  assert.deepEqual(
    record.spans.map((span) => [span.lane, ms(span.from), ms(span.to), span.sender, span.taker]),
    [
      [QUEUE, 0, 10, API, "a@h"],
      ["a@h", 10, 20, undefined, undefined],
      ["a@h", 20, 30, undefined, undefined],
      [QUEUE, 30, 50, "a@h", "b@h"],
      ["b@h", 50, 60, undefined, undefined],
    ],
  );
});

test("what a job has failed of is told as the API tells it, and a wait that was asked for is one", () => {
  const failing = job([
    [0, "created"],
    [10, "started", 1, 1, "a@h"],
    [20, "retry_later", 1, 1, "a@h"],
    [30, "started", 1, 2, "a@h"],
    [40, "lost", 1, 2, "a@h"],
    [50, "started", 1, 3, "a@h"],
    [60, "handed_back", 1, 3, "a@h"],
    [70, "started", 1, 4, "a@h"],
  ]);
  Object.assign(failing.events[4], { message: "The worker was lost", cause: { code: "lost" }, error: "Traceback …" });
  const record = jobRecord(failing);
  const told = (index) => {
    const { status, error, cause } = record.at(index);
    return [status, error, cause?.code];
  };
  assert.deepEqual(told(2), ["PENDING", null, undefined]);
  assert.deepEqual(told(4), ["PENDING", "The worker was lost", "lost"]);
  assert.deepEqual(told(6), ["PENDING", "The worker was lost", "lost"]);
});

test("a step whose next one another worker has is handed on", () => {
  const record = jobRecord(
    job([
      [0, "created"],
      [10, "started", 1, 1, "a@h"],
      [20, "step_completed", 1, 1, "a@h"],
      [50, "started", 2, 2, "b@h"],
      [60, "completed", 2, 2, "b@h"],
    ]),
  );
  assert.equal(record.at(2).status, "PENDING");
  assert.deepEqual(
    record.at(2).steps.map(({ name }) => name),
    ["a"],
  );
});

test("a retry from a step takes back what came after it", () => {
  const kinds = JOB.events.map(({ at: time, kind, step, attempt, worker }) => [
    Number(time.slice(20, 23)),
    kind,
    step,
    attempt,
    worker,
  ]);
  const again = [
    [70, "retried", 1, 2],
    [80, "started", 1, 3, "b@h"],
  ];
  const record = jobRecord(job([...kinds, ...again], "IN_PROGRESS"));
  assert.deepEqual([record.at(6).status, record.at(6).steps], ["PENDING", []]);
});

test("a retry that names no step keeps what was there", () => {
  const events = [
    [0, "created", null, 0],
    [10, "started", 1, 1, "a@h"],
    [20, "step_completed", 1, 1, "a@h"],
    [30, "failed", 2, 1, "a@h"],
    [40, "retried", null, 1],
    [50, "started", 2, 2, "b@h"],
  ];
  const record = jobRecord(job(events, "IN_PROGRESS"));
  const { steps } = record.at(4);
  assert.deepEqual(
    steps.map(({ name, status }) => [name, status]),
    [
      ["a", "COMPLETED"],
      ["b", "FAILED"],
    ],
  );
  assert.deepEqual(
    [2, 3, 4].map((index) => record.at(index).finished_at),
    [null, at(30), null],
  );
});

test("the clock goes on by its speed, passes over what is idle, and stops at moments", () => {
  const record = { start: 0, end: 10_000, moments: [0, 100.25, 9900, 10_000].map((each) => ({ at: each })) };
  const ran = (from, to) => ({ lane: "a@h", from, to });
  const clock = new Clock({ ...record, spans: [ran(0, 100), ran(9900, 10_000)] });
  assert.ok(clock.length < 300, "of ten seconds, of which nearly all were idle");
  assert.equal(clock.pass(50, 1).time, 50);
  assert.ok(Math.abs(clock.pass(10, 0.1).time - 51) < 1e-6);
  assert.equal(clock.step(1).time, 100.25);
  assert.equal(clock.index, 1);
  assert.equal(clock.step(1).time, 9900);
  assert.equal(clock.step(-1).time, 100.25);
  assert.deepEqual([clock.goTo(1e9).time, clock.over], [10_000, true]);
  assert.equal(clock.go(-5).time, 0);
  for (const time of [0, 60, 5000, 9950, 10_000])
    assert.ok(Math.abs(clock.go(time).goTo(clock.value).time - time) < 1e-6, `${time} there and back`);
});

test("times are told to the microsecond", () => {
  const below = ["2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123400Z", "2026-01-01T00:00:00.123Z"].map(timeOf);
  assert.ok(below[0] > below[1] && below[1] > below[2]);
  const moments = below.toSorted((one, other) => one - other).map((each) => ({ at: each }));
  assert.deepEqual(
    [below[2] - 1, below[2], below[1], below[0], below[0] + 1].map((each) => indexAt(moments, each)),
    [-1, 0, 1, 2, 2],
  );
});
