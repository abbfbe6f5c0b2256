// What a job's history says of its steps: every try of every step, with its wait before it. Pure; times are in ms.

const CLOSES = { step_failed: "retry", lost: "retry", handed_back: "retry", failed: "fail", cancelled: "stop" };

/**
 * `[{ number, name, tries }]` in the order of the steps. A try is `{ step, attempt, worker, wait, from, to, role, kind,
 * message, error }`: `wait` is since when it waited (null for a step that followed at once), `to` is null while it runs,
 * `role` how it ended. A wait that goes on is a try whose `from` is null.
 */
export function tries(job, names) {
  const steps = names.map((name, index) => ({ number: index + 1, name, tries: [] }));
  const at = (number) => (steps[number - 1] ??= { number, name: job.steps[number - 1]?.name ?? "", tries: [] });
  // Where its step stands in the present plan; null where it does not: then it has no place in the picture.
  const place = (event) => (event.step_name ? names.indexOf(event.step_name) + 1 || null : event.step);
  let open = null;
  // Of a long history only the newest events are there.
  let waiting = job.events[0]?.number > 1 ? null : Date.parse(job.created_at);
  let reason = "created";

  const begin = (event, number, wait) => {
    open = {
      step: number,
      attempt: event.attempt,
      worker: event.worker,
      wait,
      reason,
      from: Date.parse(event.at),
      to: null,
      role: "run",
      kind: null,
      message: null,
      error: null,
    };
    if (number) at(number).tries.push(open);
  };
  const end = (event, role) => {
    if (!open) return;
    Object.assign(open, {
      to: Date.parse(event.at),
      role,
      kind: event.kind,
      message: event.message,
      error: event.error,
    });
    open = null;
  };

  for (const [index, event] of job.events.entries()) {
    const time = Date.parse(event.at);
    switch (event.kind) {
      case "started":
        begin(event, place(event), waiting);
        waiting = null;
        break;
      case "step_completed":
        end(event, "ok");
        if (isHandedOn(job, index)) {
          waiting = time;
          reason = event.kind;
        } else {
          const next = job.events.slice(index + 1).find((one) => one.step_name);
          const number = next ? place(next) : place(event) + 1;
          if (number <= steps.length) begin(event, number, null);
        }
        break;
      case "completed":
        end(event, "ok");
        break;
      case "cancelled":
        // Asked to stop, it ended after a step that did complete, or in the middle of one.
        end(event, finished(job, place(event), event) ? "ok" : "stop");
        waiting = null;
        break;
      case "retried":
        waiting = time;
        reason = event.kind;
        break;
      default:
        if (!(event.kind in CLOSES)) break;
        end(event, CLOSES[event.kind]);
        waiting = event.kind === "failed" ? null : time;
        reason = event.kind;
    }
  }
  if (job.status === "PENDING" && waiting !== null) {
    const next = job.steps.filter((step) => step.status === "COMPLETED").length + 1;
    at(next).tries.push({
      step: next,
      attempt: null,
      worker: null,
      wait: waiting,
      reason,
      from: null,
      to: null,
      role: job.attempt ? "retry" : "wait",
      kind: null,
      message: null,
      error: null,
    });
  }
  return steps;
}

/** Whether another worker was to go on after this event: the one that ended the step did not have the next. */
const isHandedOn = (job, index) =>
  index + 1 < job.events.length ? job.events[index + 1].kind === "started" : job.status === "PENDING";

const finished = (job, number, event) =>
  job.steps.some(
    (step) => step.step_number === number && step.attempt === event.attempt && step.status === "COMPLETED",
  );

/** `{ waited, ran }` of a try in ms. */
export function spans(one, now) {
  const begun = one.from ?? now;
  return {
    waited: one.wait === null ? 0 : Math.max(0, begun - one.wait),
    ran: one.from === null ? null : Math.max(0, (one.to ?? now) - one.from),
  };
}

const GAP = 0.2; // Idle stretches longer than this part of the whole are cut out …
const CUT = 0.05; // … and shown as wide as this.

/**
 * Where a time lies between 0 and 1, with long idle stretches folded. Gives `{ place(time), cuts, start, end }`, `cuts` being
 * `{ from, to }` of what was folded.
 */
export function scale(steps, now) {
  const all = steps.flatMap((step) => step.tries);
  const start = Math.min(...all.map((one) => one.wait ?? one.from), now);
  const end = Math.max(...all.map((one) => one.to ?? now), start + 1);
  const busy = all
    .filter((one) => one.from !== null)
    .map((one) => [one.from, one.to ?? now])
    .sort((one, other) => one[0] - other[0]);
  const cuts = [];
  let reached = start;
  for (const [from, to] of [...busy, [end, end]]) {
    if (from - reached > GAP * (end - start)) cuts.push({ from: reached, to: from });
    reached = Math.max(reached, to);
  }
  const cutTime = cuts.reduce((sum, cut) => sum + cut.to - cut.from, 0);
  const folded = busy.length ? cuts : [];
  const shown = end - start - (busy.length ? cutTime : 0);
  const width = Math.max(shown, 1) / (1 - CUT * folded.length);
  const place = (time) => {
    let passed = Math.min(Math.max(time, start), end) - start;
    let extra = 0;
    for (const cut of folded) {
      if (time <= cut.from) break;
      const inside = Math.min(time, cut.to) - cut.from;
      passed -= inside;
      extra += (inside / (cut.to - cut.from)) * CUT;
    }
    return passed / width + extra;
  };
  return { place, cuts: folded, start, end };
}

/** The word for how a try ended: its own where a worker was lost or stopped, else that of its role. */
export const outcome = (one) => `try.${one.kind === "lost" || one.kind === "handed_back" ? one.kind : one.role}`;
