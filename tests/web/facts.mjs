// Facts as the API tells them, with what the page says of them in English and in Korean.

/** The page's module `facts.js` in this language; a process has one language alone. */
export async function factsIn(language) {
  Object.assign(globalThis, { location: { href: "http://localhost/ui/" }, document: { documentElement: {} } });
  const { choices } = await import("../../background/web/static/js/base/dom.js");
  choices.set("language", language);
  return import("../../background/web/static/js/base/facts.js");
}

const error = { type: "RuntimeError", message: "a. b." };
const names = { 1: "fail(1)", 2: "xsum", 3: "flaky(2)" };
const many = {
  count: 64,
  tasks: [
    { id: "4", name: "echo", times: 60 },
    { id: "5", name: "add", times: 1 },
  ],
};
const one = { count: 1, tasks: [{ id: "6", name: "finalize", times: 1 }] };
const none = { count: 0, tasks: [] };
const run = (reason, more) => ({
  status: "FAILURE",
  verdict: "The API's own sentence.",
  progress: { completed: 1, total: 3 },
  reason: reason && { names, ...reason },
  ...more,
});

const limited = (facts) => ({ run_at: "2026-01-01", waiting: { code: "concurrency_limit", limit: 2, ...facts } });

/** [what the API tells, English, Korean], for `runSentence`. */
export const RUNS = [
  [run(null, { status: "SUCCESS" }), "All 3 tasks succeeded.", "태스크 3개가 모두 성공했습니다."],
  [
    run(null, { status: "SUCCESS", progress: { completed: 1, total: 1 } }),
    "The task succeeded.",
    "태스크가 성공했습니다.",
  ],
  [
    run({ code: "results_expired", results_expired: true }, { status: "SUCCESS" }),
    "All 3 tasks succeeded. Celery's own results have expired; this is the record.",
    "태스크 3개가 모두 성공했습니다. Celery 자체의 결과는 만료되었고, 이것은 여기에 남은 기록입니다.",
  ],
  [
    run({ code: "revoked", never: one, completed: 1, total: 3 }, { status: "REVOKED" }),
    "Revoked. finalize never ran. 1 of 3 tasks are done.",
    "취소되었습니다. 실행되지 않은 태스크: finalize. 태스크 3개 중 1개 완료.",
  ],
  [
    run({ code: "revoked", how: "late", failed: "1", error, completed: 1, total: 2 }, { status: "REVOKED" }),
    "Cancelled when every task had begun. fail(1) failed: RuntimeError: a. b. 1 of 2 tasks are done.",
    "모든 태스크가 이미 시작된 뒤에 취소되었습니다. fail(1) 실패: RuntimeError: a. b. 태스크 2개 중 1개 완료.",
  ],
  [
    run({ code: "killed", culprit: "2", failed: "1", error, others: 1, callback: "3", stopped: one, killed: one }),
    "xsum was killed while it ran. fail(1) failed: RuntimeError: a. b. So flaky(2), the callback of its chord, did not run. Not tried again: finalize. Killed while running: finalize. 1 more task failed.",
    "xsum 강제 종료: 실행 중에 종료되었습니다. fail(1) 실패: RuntimeError: a. b. 그래서 chord의 콜백이 실행되지 않았습니다: flaky(2). 재시도하지 않는 태스크: finalize. 실행 중에 강제 종료된 태스크: finalize. 이 밖에 태스크 1개가 더 실패했습니다.",
  ],
  [
    run({ code: "expired", how: "retried", culprit: "3", error, retries: 10, expired: one }, { status: "REVOKED" }),
    "flaky(2) failed 10 times (RuntimeError: a. b) and had expired before its next try (expires). Expired: finalize.",
    "flaky(2) 만료: 10번 실패했고(RuntimeError: a. b), 다음 시도 전에 유효 시간(expires)이 지났습니다. 만료된 태스크: finalize.",
  ],
  [
    run({ code: "failed", culprit: "1", error, others: 2, tries: 3 }),
    "fail(1) failed: RuntimeError: a. b. 2 more tasks failed. It was begun 3 times.",
    "fail(1) 실패: RuntimeError: a. b. 이 밖에 태스크 2개가 더 실패했습니다. 모두 3번 시도했습니다.",
  ],
  [
    run({ code: "failed", culprit: "1", error, waiting: one }, { status: "STARTED" }),
    "fail(1) failed: RuntimeError: a. b. Not begun yet: finalize.",
    "fail(1) 실패: RuntimeError: a. b. 아직 시작하지 않은 태스크: finalize.",
  ],
  [
    run({ code: "failed", culprit: "1", error, has_result: true }),
    "fail(1) failed: RuntimeError: a. b. Its result is there all the same: nothing of it waits for that.",
    "fail(1) 실패: RuntimeError: a. b. 결과는 그대로 있습니다. 이 실패를 기다리지 않는 결과입니다.",
  ],
  [
    run({ code: "chain_stopped", culprit: "1", error, step: 2, never: many }),
    "fail(1) failed: RuntimeError: a. b. The chain stopped at step 2. echo (60 times), add and 3 more never ran.",
    "fail(1) 실패: RuntimeError: a. b. 체인은 2단계에서 멈췄습니다. 실행되지 않은 태스크: echo 60개, add 외 3개.",
  ],
  [
    run({ code: "callback_skipped", culprit: "1", error, callback: "2", ran: one, never: one, results_expired: true }),
    "fail(1) failed: RuntimeError: a. b. So xsum, the callback of its chord, did not run. In the same header still ran: finalize. finalize never ran either. Celery's own results have expired; this is the record.",
    "fail(1) 실패: RuntimeError: a. b. 그래서 chord의 콜백이 실행되지 않았습니다: xsum. 같은 헤더에서 그대로 실행된 태스크: finalize. 그 밖에 실행되지 않은 태스크: finalize. Celery 자체의 결과는 만료되었고, 이것은 여기에 남은 기록입니다.",
  ],
  [
    run({
      code: "callback_skipped",
      culprit: "1",
      error,
      callback: "2",
      ran: none,
      never: none,
      running: one,
      called: one,
    }),
    "fail(1) failed: RuntimeError: a. b. So xsum, the callback of its chord, did not run. Called for the error: finalize. finalize still runs.",
    "fail(1) 실패: RuntimeError: a. b. 그래서 chord의 콜백이 실행되지 않았습니다: xsum. 호출된 오류 콜백: finalize. 아직 실행 중: finalize.",
  ],
  [
    run({ code: "lost", culprit: "2", how: "worker", worker: "w1@host", never: one }),
    "xsum was lost: the worker w1@host died while it ran this. finalize never ran.",
    "xsum 유실: 실행하던 워커가 죽었습니다(w1@host). 실행되지 않은 태스크: finalize.",
  ],
  [run({ code: "lost", culprit: "2", how: "magic", never: none }), "xsum was lost.", "xsum 유실."],
  [
    run({ code: "cancelled", never: many, running: one }),
    "Cancelled: finalize may still finish. echo (60 times), add and 3 more will not run.",
    "취소되었지만 아직 실행 중이라 끝까지 실행될 수 있습니다: finalize. 실행되지 않을 태스크: echo 60개, add 외 3개.",
  ],
  [
    run({ code: "callback_unneeded", never: one }),
    "All went well; finalize, for the case of an error, did not have to run.",
    "모두 성공했습니다. 오류에 대비한 태스크는 실행할 필요가 없었습니다: finalize.",
  ],
  [
    run({ code: "waiting_for_worker", queued: 1, workers: 2, completed: 0, total: 3 }),
    "Waiting for a worker: 1 message is in the queue, 2 alive.",
    "워커를 기다립니다. 큐에 메시지 1개, 살아 있는 워커 2개.",
  ],
  [
    run({ code: "retrying", node: "3", error, retries: 2, completed: 1, total: 3 }),
    "flaky(2) failed and is tried again (retry 2): RuntimeError: a. b. 1 of 3 tasks are done.",
    "재시도 2회째: flaky(2), RuntimeError: a. b. 태스크 3개 중 1개 완료.",
  ],
  [run({ code: "a_new_one", culprit: "1" }), "The API's own sentence.", "The API's own sentence."],
  [run(null), "The API's own sentence.", "The API's own sentence."],
];

/** [facts, English, Korean], for `causeSentence`. */
export const CAUSES = [
  [
    { code: "timed_out", step: 2, seconds: 1.5 },
    "Step 2 took longer than the 1.5 s it may take.",
    "2단계가 제한 시간 1.5초를 넘겼습니다.",
  ],
  [{ code: "lost" }, "The worker was lost: its lease ran out.", "워커의 연결이 끊겨 리스가 만료되었습니다."],
  [
    { code: "output_too_large", size: 2_097_152, limit: 1_048_576 },
    "The step returned 2,097,152 bytes as JSON; MAX_OUTPUT_BYTES allows 1,048,576.",
    "단계의 반환값이 JSON으로 2,097,152바이트입니다. MAX_OUTPUT_BYTES의 한도는 1,048,576바이트입니다.",
  ],
  [
    { code: "blocked", job: 12345, step: 1 },
    "Step 1 of job 12345 blocks the event loop of its worker.",
    "12345번 작업의 1단계가 워커의 이벤트 루프를 막고 있습니다.",
  ],
  [{ code: "a_new_one" }, "As it came.", "As it came."],
];

const UNKNOWN = { values: {}, message: "As it came.", msg: "As it came." };

/** The same for `warning`, `fault` and `refusal`, by the name of the function. */
export const OTHERS = [
  [
    "warning",
    { code: "list-to-one", values: { task: "add" } },
    "add is given a list of results, and expects one value.",
    "add: 값 하나를 기대하지만 결과 목록을 받습니다.",
  ],
  [
    "fault",
    { type: "arguments", values: { task: "add", parameters: ["x", "y"], takes: 2, given: 3, before: true } },
    "add(x, y) takes 2, but is given 3 with the result that comes before it",
    "add(x, y): 인자 2개가 필요한데 앞의 결과까지 3개를 받습니다",
  ],
  [
    "fault",
    { type: "arguments", values: { task: "add", parameters: ["x", "y"], takes: 2, given: 1, before: false } },
    "add(x, y) takes 2, but is given 1",
    "add(x, y): 인자 2개가 필요한데 1개를 받습니다",
  ],
  [
    "fault",
    { type: "too_short", values: { field_type: "List", min_length: 1, actual_length: 0 } },
    "must have at least 1 item",
    "항목이 1개 이상이어야 합니다",
  ],
  [
    "refusal",
    { status: 409, code: "run_ended", values: { status: "REVOKED" } },
    "The run has ended (Revoked); it cannot be cancelled any more.",
    "실행이 이미 끝나 취소할 수 없습니다(취소됨).",
  ],
  [
    "refusal",
    { status: 409, code: "job_not_retryable", values: { id: 12345, why: "step_too_far", step: 3, done: 1 } },
    "Job 12345 cannot go on from step 3: 1 of its steps are completed.",
    "12345번 작업은 완료된 단계가 1개라 3단계부터 실행할 수 없습니다.",
  ],
  [
    "refusal",
    { status: 404, code: "not_found", values: { what: "planet", id: "x" } },
    "There is nothing with the id x.",
    "그런 ID가 없습니다: x.",
  ],
  [
    "refusal",
    {
      status: 422,
      code: "invalid",
      message: "Not valid: query.status.",
      errors: [{ loc: ["query", "status"], type: "enum", values: { expected: "'A' or 'B'" }, msg: "Input …" }],
    },
    "status: must be 'A' or 'B'",
    "status: 다음 가운데 하나여야 합니다: 'A' or 'B'",
  ],
  [
    "refusal",
    { status: 413, code: "body_too_large", values: { bytes: 500 } },
    "More than 500 bytes are not taken.",
    "500바이트보다 큰 요청은 받지 않습니다.",
  ],
  ["refusal", { status: 0 }, "The API does not answer.", "API가 응답하지 않습니다."],
  [
    "refusal",
    { status: 0, code: "no_answer", values: {} },
    "The API does not answer. What it was asked to do may have been done all the same.",
    "API가 응답하지 않습니다. 요청한 일은 이미 처리되었을 수 있습니다.",
  ],
  [
    "described",
    { name: "demo", description: "As the API describes it.", built_in: true },
    "Three steps that only take their time, and fail when asked to.",
    "시간만 보내는 세 단계이며, 원하면 실패하게 할 수 있습니다.",
  ],
  // One's own may have the name of one that comes with the application, or of something else that the page says.
  ["described", { name: "demo", description: "My own.", built_in: false }, "My own.", "My own."],
  ["described", { name: "nobody", description: "Asks nobody.", built_in: true }, "Asks nobody.", "Asks nobody."],
  [
    "waitingSentence",
    limited({ queue: "mail", of: "queue mail", holders: [7, 9] }),
    "Its turn has not come: 2 at once of the queue mail, now jobs 7, 9.",
    "아직 차례가 아닙니다. mail 큐에서는 동시에 2개까지 실행할 수 있습니다(지금 차지한 작업: 7, 9).",
  ],
  [
    "waitingSentence",
    // The words of the API are not read: `of` says what it likes.
    limited({ pipeline: "mail", key: "customer", value: "A with B", of: "a limit", holders: [7] }),
    'Its turn has not come: 2 at once of the pipeline mail with customer "A with B", now jobs 7 and others.',
    '아직 차례가 아닙니다. mail 파이프라인(customer: "A with B")에서는 동시에 2개까지 실행할 수 있습니다(지금 차지한 작업: 7 등).',
  ],
  [
    "waitingSentence",
    limited({ code: "rate_limit", pipeline: "mail", key: "customer", value: null, of: "", per_seconds: 60 }),
    "Its turn has not come: at most 2 of the pipeline mail with customer null may begin in 60 s.",
    "아직 차례가 아닙니다. mail 파이프라인(customer: null)에서는 60초 동안 2개까지만 시작할 수 있습니다.",
  ],
  ...["warning", "fault", "refusal"].map((name) => [
    name,
    { code: "new", type: "new", status: 409, ...UNKNOWN },
    "As it came.",
    "As it came.",
  ]),
];
