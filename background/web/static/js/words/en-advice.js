// English words of what to do; part of `en.js`. Keys are the same as in `ko-advice.js`.
export default {
  "advice.title": "What to do",
  "advice.more": "Celery's documentation",
  "lesson.example": "Example: {name}",
  "lesson.expected": "What one expects",
  "lesson.truth": "What happens, and why",

  "advice.no_worker": "Start a worker: python -m background worker. Nothing is lost meanwhile.",
  "advice.broker_down": "Start Redis again, or look at what its log says. What was stored here goes on by itself.",
  "advice.waiting_for_worker": "Wait, or start another worker: each one more takes from the same queue.",
  "advice.due_later": "Wait until then, or cancel the run and run a copy without the countdown.",
  "advice.waiting_in_queue": "Start a worker for that queue (-Q), or run a copy without its queue.",
  "advice.running": "Nothing: it runs. Cancel keeps what has not begun from running.",
  "advice.retrying": "Wait: the next try comes by itself. If the error will not go away, cancel the run.",
  "advice.worker_silent":
    "Look whether that worker still lives. If it is dead, the run ends as lost in some seconds, and can be retried.",
  "advice.unfinished":
    "Wait for what still runs, or cancel it. Once it has ended it can be retried: only what did not succeed runs again.",
  "advice.failed": "Fix what the error is about, then retry: only what did not succeed runs again.",
  "advice.chain_stopped":
    "Fix what the error is about, then retry: the chain goes on at the step that failed. To be told of an error, give the chain an error callback.",
  "advice.chain_stopped.called": "Fix what the error is about, then retry: the chain goes on at the step that failed.",
  "advice.callback_skipped":
    "Fix what the error is about, then retry: the header's results are kept, and the body runs once all of them are there. A body that is to run in any case needs header tasks that catch their errors and return them.",
  "advice.lost":
    "Retry: only what did not succeed runs again. A task that must survive this should be safe to run twice.",
  "advice.cancelled": "Wait for what still runs. Retry then runs what never ran.",
  "advice.revoked": "Retry, if it was a mistake: it runs what never ran, under new ids.",
  "advice.killed": "Retry: what was killed and what waited for it run again; the other results are kept.",
  "advice.expired": "Run it again with a longer expires, or with more workers, so that one takes it in time.",
  "advice.ignored": "A task that others wait for must not raise Ignore: let it return a value or fail.",
  "advice.rejected": "A task that others wait for must not raise Reject: let it return a value, fail, or be retried.",
  "advice.callback_unneeded": "Nothing: it is only there for errors.",
  "advice.results_expired": "Nothing here: the record stays. To keep Celery's own results longer, set result_expires.",

  "waiting.advice.not_due": "Wait, or cancel it and submit it without a delay.",
  "waiting.advice.pausing":
    "Wait: it is tried again by itself. When its failures are used up it is FAILED, and can be retried.",
  "waiting.advice.retry_later": "Wait: the step waits for something, holds no worker and has not failed.",
  "waiting.advice.no_worker": "Start a worker: python -m background worker.",
  "waiting.advice.no_worker_serves_queue": "Start a worker that names this queue behind -Q.",
  "waiting.advice.no_worker_has_pipeline": "Start a worker whose PIPELINES names the module of this pipeline.",
  "waiting.advice.no_worker_has_step":
    'Start a worker of the release that has this step, or cancel it and retry it with "replan": true.',
  "waiting.advice.params_refused":
    "Start a worker of the release that takes these parameters, or cancel and retry with others.",
  "waiting.advice.broker_down": "Start Redis again. The job is safe in PostgreSQL and goes on by itself.",
  "waiting.advice.being_published": "Nothing: it takes a moment.",
  "waiting.advice.on_its_way": "Nothing: it takes a moment.",
  "waiting.advice.queue_paused": "Resume the queue under System, or by PATCH /queues with paused: false.",
  "waiting.advice.pipeline_paused": "Resume the pipeline on its page, or by PATCH /pipelines with paused: false.",
  "waiting.advice.concurrency_limit":
    "Wait until one of them has ended, or raise the limit: that of a queue is set under System.",
  "waiting.advice.rate_limit": "Wait until the time is over, or raise the limit: that of a queue is set under System.",
  "waiting.advice.no_free_worker": "Wait, or start another worker. A higher priority goes first.",

  "warning.advice.group-becomes-chord": "If that task should run once for each result, make each member a chain.",
  "warning.advice.group-of-one": "For a list of one, write a chord with that one task as its header.",
  "warning.advice.header-of-one": "If the body wants the value itself, write a chain.",
  "warning.advice.nested-group": "To keep lists apart, let a chord's body gather the inner group.",
  "warning.advice.nested-group-reversed": "Write the members side by side, or do not count on their order.",
  "warning.advice.group-ends-member": "End each member with one task, or let the body take nested lists.",
  "warning.advice.header-failure":
    "Let header tasks catch their errors and return them, if the body is to run in any case.",
  "warning.advice.ignored-header": "Do not ignore the results of a header.",
  "warning.advice.group-link": "For “when all are done” use a chord.",
  "warning.advice.group-link-error": "For one call, put the error callback on the chord's body.",
  "warning.advice.immutable": "Leave immutable out if it should be given that result; a map and chunks never are.",
  "warning.advice.ignored-result": "Keep the result, if anybody asks Celery for it by id.",
  "warning.advice.countdown": "For longer waits use a job with a delay: it waits in PostgreSQL.",
  "warning.advice.list-to-one": "Put a task in between that takes a list, such as xsum.",
  "warning.advice.message-size": "Make the group smaller, or hand over names in place of data.",
  "warning.advice.body-errback": "Let the error callback look which task it is told of.",
  "warning.advice.queue": "Start such a worker before you run this.",
  "warning.advice.time-limit": "Keep the default pool where a time limit matters.",
  "warning.advice.one-task": "For many workers use a group, or chunks.",
  "warning.advice.repeated": "Make the group and what follows a chord, or put the task into each member.",
};
