import assert from "node:assert/strict";
import { test } from "node:test";

import { CAUSES, factsIn, OTHERS, RUNS } from "./facts.mjs";

const facts = await factsIn("en");

test("why a run is where it is", () => {
  for (const [run, ...said] of RUNS) assert.equal(facts.runSentence(run).text, said[0]);
});

test("what may surprise, what is wrong, what was refused", () => {
  for (const [name, told, ...said] of OTHERS) assert.equal(facts[name](told).text, said[0]);
});

test("what the page does not know is the API's own, and is marked so", () => {
  assert.deepEqual(
    RUNS.map(([run]) => facts.runSentence(run).known),
    RUNS.map(([, text]) => !text.startsWith("The API")),
  );
});

test("why a job failed, where the application says so itself", () => {
  for (const [cause, ...said] of CAUSES) assert.deepEqual(facts.causeSentence(cause, "As it came.").text, said[0]);
  assert.deepEqual(facts.causeSentence(null, "E: x"), { text: "E: x", known: false });
});

test("an error as a line of its own keeps its full stop", () => {
  assert.equal(facts.line("ValueError: No. Never.\n"), "ValueError: No. Never.");
  assert.equal(facts.line("One.\nTwo."), "One…");
});

test("what others have said is blank in what the page itself says", () => {
  const error = { type: "E", message: "the task lost its worker" };
  const run = {
    status: "FAILURE",
    reason: { code: "chain_stopped", culprit: "1", names: { 1: "chain" }, error, step: 2 },
  };
  const { text, own } = facts.runSentence({ ...run, progress: { total: 2 } });
  assert.equal(text, "chain failed: E: the task lost its worker. The chain stopped at step 2.");
  assert.equal(own.replace(/\0+/g, "_"), "_ failed: _. The chain stopped at step _.");
  assert.equal(own.length, text.length);
});

test("what turns text around turns nothing that stands behind it", () => {
  const error = { type: "E", message: "a\u202eb" };
  const run = {
    status: "FAILURE",
    reason: { code: "failed", culprit: "1", names: { 1: "x" }, error },
    progress: { total: 1 },
  };
  assert.equal(facts.runSentence(run).text, "x failed: E: a\\u202eb.");
});

test("what is long is cut in a sentence", () => {
  const failed = (message, how) => {
    const reason = { code: "failed", culprit: "1", names: {}, error: { type: "E", message } };
    const { text, detail } = facts.runSentence({ status: "FAILURE", reason }, how);
    return [text, detail];
  };
  const long = "x".repeat(2000);
  assert.deepEqual(failed(long), [`1 failed: E: ${"x".repeat(117)}….`, `E: ${long}`]);
  assert.deepEqual(failed("one.\ntwo."), ["1 failed: E: one….", "E: one.\ntwo."]);
  assert.deepEqual(failed("short."), ["1 failed: E: short.", ""]);
  assert.deepEqual(failed("one.\ntwo.", { apart: true }), ["1 failed: E.", "E: one.\ntwo."]);
});

test("a waiting job's time goes on without the API", () => {
  const job = (ms, more) => ({ attempt: 0, error: null, run_at: new Date(Date.now() + ms).toISOString(), ...more });
  const said = (ms, more) => facts.waitingSentence(job(ms, more)).text;
  const due = { waiting: { code: "not_due", seconds: 30 }, waiting_for: "It is not due yet: it may begin in 30 s." };
  assert.match(said(20_400, due), /^It is not due yet: it may begin in 20s, at .*\d:\d\d:\d\d.*\.$/);
  assert.equal(said(-10, due), "It is due; a worker takes it in a moment.");
  assert.equal(said(3_000, { attempt: 1, error: "E: x" }), "It pauses for another 3.0s after an error: E: x");
  const late = { attempt: 1, error: "TimedOut: …", cause: { code: "timed_out", step: 2, seconds: 30 } };
  const pause = "It pauses for another 3.0s after an error: Step 2 took longer than the 30 s it may take";
  assert.equal(said(3_000, late), pause);
  const waiting = { code: "no_free_worker", queued: 3, workers: 2 };
  assert.equal(said(-10, { waiting }), "It waits for a free worker: 2 alive.");
  assert.equal(said(-10, { waiting: { code: "new" }, waiting_for: "As it came." }), "As it came.");
  assert.equal(said(-10, { waiting: null, waiting_for: null }), "");
});

test("who has an error callback is not told to give it one", async () => {
  const { advice } = await import("../../background/web/static/js/base/advice.js");
  const said = (count) => advice({ reason: { code: "chain_stopped", called: { count, tasks: [] } }, ready: true }).text;
  assert.match(said(0), /^Fix what the error is about.* give the chain an error callback\.$/);
  assert.doesNotMatch(said(1), /callback/);
});

test("a retry is advised once it is taken", async () => {
  const { advice } = await import("../../background/web/static/js/base/advice.js");
  for (const code of ["failed", "chain_stopped", "callback_skipped", "lost", "revoked", "killed"]) {
    assert.match(advice({ reason: { code }, ready: false }).text, /^Wait for what still runs, or cancel it\./);
    assert.match(advice({ reason: { code }, ready: true }).text, /[Rr]etry/);
  }
  assert.match(advice({ reason: { code: "running" }, ready: false }).text, /^Nothing: it runs\./);
});

test("of a time that was set nothing is left out", async () => {
  const { exactly } = await import("../../background/web/static/js/base/i18n.js");
  const said = { 0.5: "0.5s", 1.5: "1.5s", 30: "30s", 59.7: "59.7s", 90: "1m 30s", 3600.5: "3,600.5s", 5400: "1h 30m" };
  for (const [seconds, words] of Object.entries(said)) assert.equal(exactly(Number(seconds)), words);
  assert.equal(exactly(90_061), "90,061s");
  assert.equal(exactly(31_536_000), "365d");
});
