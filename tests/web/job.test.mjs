import assert from "node:assert/strict";
import { test } from "node:test";

import { factsIn } from "./facts.mjs";

await factsIn("en");
const { messageOf } = await import("../../background/web/static/js/jobs/job.js");

test("what a kind says already is not said again", () => {
  assert.equal(messageOf({ kind: "retry_later", message: "To be run again later: 429" }), "429");
  assert.equal(messageOf({ kind: "step_failed", message: "To be run again later: 429" }), "To be run again later: 429");
  assert.equal(messageOf({ kind: "retry_later", message: null }), undefined);
});
