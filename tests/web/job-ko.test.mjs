import assert from "node:assert/strict";
import { test } from "node:test";

import { factsIn } from "./facts.mjs";

await factsIn("ko");
const { fullSentence } = await import("../../background/web/static/js/jobs/job.js");

test("a job of one step is told of as one in Korean, too", () => {
  const job = { id: 1, status: "COMPLETED", attempt: 1, running_seconds: 2, step_names: ["work"], steps: [] };
  assert.equal(fullSentence(job).text, "단계를 2.0초 만에 완료했습니다.");
  assert.equal(fullSentence({ ...job, step_names: ["a", "b"] }).text, "단계 2개를 모두 2.0초 만에 완료했습니다.");
});
