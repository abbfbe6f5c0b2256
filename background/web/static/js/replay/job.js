// A job as a record (see record.js): what its events say of it after each of them.
import { isHandedOn, tries } from "../jobs/tries.js";
import { API, kept, QUEUE, timeOf, UNKNOWN } from "./record.js";

/** What ends a step without completing it, and what the job is then. */
const STOPS = {
  step_failed: "PENDING",
  lost: "PENDING",
  handed_back: "PENDING",
  retry_later: "PENDING",
  failed: "FAILED",
  cancelled: "CANCELLED",
};
/** Those of them that are an error of the job. */
const FAILURES = new Set(["step_failed", "lost", "failed"]);
const ASKED = new Set(["created", "retried", "cancel_requested"]);
const BEGIN = {
  status: "PENDING",
  attempt: 0,
  worker: null,
  error: null,
  cause: null,
  cancel_requested: false,
  finished_at: null,
  steps: [],
};

/** @param {Job} job with all of its events */
export function jobRecord(job) {
  const moments = job.events.map((event) => ({ ...event, at: timeOf(event.at) }));
  const known = [];
  for (const index of job.events.keys()) known.push(after(known.at(-1) ?? BEGIN, job, index));
  const start = moments[0]?.number === 1 ? timeOf(job.created_at) : (moments[0]?.at ?? timeOf(job.created_at));
  return {
    source: { kind: "job", job },
    start,
    end: Math.max(start, moments.at(-1)?.at ?? start),
    moments,
    spans: spansOf(job),
    marks: moments.filter(({ kind }) => ASKED.has(kind)),
    at: kept((index) => jobAt(job, known, index)),
  };
}

function jobAt(job, known, index) {
  if (index >= job.events.length - 1) return job;
  return {
    ...job,
    ...(known[index] ?? BEGIN),
    ...{ result: null, waiting: null, waiting_for: null, running_seconds: null },
    updated_at: job.events[index]?.at ?? job.created_at,
    events: job.events.slice(0, index + 1),
  };
}

/** What is known of a job after one more event. */
function after(before, job, index) {
  const event = job.events[index];
  const { kind, at, attempt, worker, message, cause } = event;
  const number = place(job, event);
  if (kind === "created") return BEGIN;
  if (kind === "started")
    return { ...before, status: "IN_PROGRESS", attempt, worker, steps: begun(before.steps, job, number, event) };
  if (kind === "cancel_requested") return { ...before, cancel_requested: before.status === "IN_PROGRESS" };
  if (kind === "progress")
    return { ...before, steps: before.steps.map((row) => (row.step_number === number ? { ...row, message } : row)) };
  if (kind === "step_completed" || kind === "completed") {
    const steps = ended(before.steps, job, number, event, "COMPLETED");
    if (kind === "completed")
      return { ...before, status: "COMPLETED", cancel_requested: false, finished_at: at, steps };
    if (isHandedOn(job, index)) return { ...before, status: "PENDING", steps };
    return { ...before, steps: begun(steps, job, number + 1, event) };
  }
  if (kind in STOPS) {
    const steps = ended(before.steps, job, number, event, "FAILED");
    const failure = FAILURES.has(kind) ? { error: message, cause } : {};
    const status = STOPS[kind];
    const finished_at = status === "PENDING" ? null : at;
    return { ...before, ...failure, status, cancel_requested: false, finished_at, steps };
  }
  if (kind === "retried")
    return {
      ...before,
      status: "PENDING",
      error: null,
      cause: null,
      finished_at: null,
      steps: number === null ? before.steps : before.steps.filter((row) => row.step_number < number),
    };
  return before;
}

/** Where its step stands in the present plan. */
const place = (job, { step, step_name: name }) => (name ? job.step_names.indexOf(name) + 1 || step : step);

/** The steps, of which one has begun now. */
function begun(steps, job, number, { at, attempt }) {
  if (!number || number > job.step_names.length) return steps;
  const row = { id: null, step_number: number, name: job.step_names[number - 1], status: "IN_PROGRESS", message: "" };
  const more = { attempt, progress: 0, output: null, error: null, started_at: at, completed_at: null };
  return [...steps.filter((each) => each.step_number !== number), { ...row, ...more }].sort(
    (one, other) => one.step_number - other.step_number,
  );
}

/** The steps, of which the one that ran has ended; what came of it, its own row says as long as no other try followed. */
function ended(steps, job, number, { at, attempt, message, error }, status) {
  return steps.map((row) => {
    if (row.step_number !== number || row.status !== "IN_PROGRESS") return row;
    const last = job.steps.find((each) => each.step_number === number && each.attempt === attempt);
    if (last && last.status === status) return last;
    return { ...row, status, message: message ?? "", error, completed_at: at };
  });
}

/** What waited and what ran, as its picture has it. */
function spansOf(job) {
  const lane = (worker) => worker ?? UNKNOWN;
  const enders = new Map(job.events.filter(({ worker }) => worker).map(({ at, worker }) => [Date.parse(at), worker]));
  return tries(job, job.step_names).flatMap(({ number, name, tries: all }) =>
    all.flatMap(({ wait, from, to = null, role, worker, reason }) => {
      const own = { id: number, name };
      const asked = reason === "created" || reason === "retried";
      const sender = asked ? API : lane(enders.get(wait));
      const waited = {
        ...own,
        lane: QUEUE,
        from: wait,
        to: from,
        role: "wait",
        sender,
        taker: from ? lane(worker) : null,
      };
      const ran = { ...own, lane: lane(worker), from, to, role };
      return [...(wait === null ? [] : [waited]), ...(from === null ? [] : [ran])];
    }),
  );
}
