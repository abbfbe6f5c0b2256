import assert from "node:assert/strict";
import { test } from "node:test";

import { factsIn } from "./facts.mjs";

await factsIn("en");
const { fullSentence } = await import("../../background/web/static/js/jobs/job.js");

test("a job of one step is told of as one", () => {
  const job = { id: 1, status: "COMPLETED", attempt: 1, running_seconds: 2, step_names: ["work"], steps: [] };
  assert.equal(fullSentence(job).text, "Its one step completed in 2.0s.");
  assert.equal(fullSentence({ ...job, running_seconds: null }).text, "Its one step completed.");
  assert.equal(fullSentence({ ...job, attempt: 2 }).text, "Its one step completed; the last attempt took 2.0s.");
  assert.equal(fullSentence({ ...job, step_names: ["work", "rest"] }).text, "All 2 steps completed in 2.0s.");
});
