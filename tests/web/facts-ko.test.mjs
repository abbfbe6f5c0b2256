import assert from "node:assert/strict";
import { test } from "node:test";

import { CAUSES, factsIn, OTHERS, RUNS } from "./facts.mjs";

const facts = await factsIn("ko");

test("why a run is where it is", () => {
  for (const [run, ...said] of RUNS) assert.equal(facts.runSentence(run).text, said[1]);
});

test("what may surprise, what is wrong, what was refused", () => {
  for (const [name, told, ...said] of OTHERS) assert.equal(facts[name](told).text, said[1]);
});

test("why a job failed, where the application says so itself", () => {
  for (const [cause, ...said] of CAUSES) assert.equal(facts.causeSentence(cause, "As it came.").text, said[1]);
});
