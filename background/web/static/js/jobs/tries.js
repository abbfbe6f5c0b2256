// What a job's history says of its steps: every try of every step, with its wait before it. Pure; times are in ms.

/** @type {Record<string, Role>} */
const CLOSES = {
  step_failed: "retry",
  lost: "retry",
  handed_back: "retry",
  retry_later: "retry",
  failed: "fail",
  cancelled: "stop",
};
/** What an event says beyond its kind, for which the page has words of its own. */
export const messageOf = ({ message, reason }) => reason ?? message;

/** The role of what an event says: only some of it is an error. */
const SHADES = {
  step_failed: "fail",
  failed: "fail",
  lost: "fail",
  handed_back: "retry",
  retry_later: "retry",
  cancelled: "stop",
};
export const shade = (kind) => SHADES[kind] ?? null;

const OWN_WORDS = ["lost", "handed_back", "retry_later"];

/**
 * `[{ number, name, tries }]` in the order of the steps. A try is `{ step, attempt, worker, wait, from, to, role, kind,
 * message, cause, error }`: `wait` is since when it waited (null for a step that followed at once), `to` is null while it runs,
 * `role` how it ended. A wait that goes on is a try whose `from` is null.
 * @param {Job} job
 * @param {string[]} names of the steps
 * @returns {TriedStep[]}
 */
export function tries(job, names) {
  const history = new History(job, names);
  for (const index of job.events.keys()) history.add(index);
  history.goOn();
  return history.steps;
}

const NOT_BEGUN = { worker: null, from: null, to: null, kind: null, message: null, cause: null, error: null };

/** The tries up to some event: one of them may be open, or a wait. */
class History {
  /**
   * @param {Job} job
   * @param {string[]} names
   */
  constructor(job, names) {
    this.job = job;
    this.names = names;
    /** @type {Try | null} */
    this.open = null;
    this.reason = "created";
    /** @type {TriedStep[]} */
    this.steps = names.map((name, index) => ({ number: index + 1, name, tries: [] }));
    // Of a long history only the newest events are there.
    this.waiting = job.events[0]?.number > 1 ? null : Date.parse(job.created_at);
  }

  add(index) {
    const event = this.job.events[index];
    switch (event.kind) {
      case "started":
        this.begin(event, this.place(event), this.waiting);
        this.waiting = null;
        break;
      case "step_completed":
        this.end(event, "ok");
        this.next(event, index);
        break;
      case "completed":
        this.end(event, "ok");
        break;
      case "cancelled":
        // Asked to stop, it ended after a step that did complete, or in the middle of one.
        this.end(event, finished(this.job, this.place(event), event) ? "ok" : "stop");
        this.waiting = null;
        break;
      case "retried":
        this.wait(event);
        break;
      default:
        if (!(event.kind in CLOSES)) break;
        this.end(event, CLOSES[event.kind]);
        this.wait(event);
        if (event.kind === "failed") this.waiting = null;
    }
  }

  begin(event, number, wait) {
    const { attempt, worker } = event;
    this.open = {
      ...NOT_BEGUN,
      step: number,
      attempt,
      worker,
      wait,
      reason: this.reason,
      from: Date.parse(event.at),
      role: "run",
    };
    if (number) this.at(number).tries.push(this.open);
  }

  end(event, role) {
    if (!this.open) return;
    const { kind, cause, error } = event;
    Object.assign(this.open, { to: Date.parse(event.at), role, kind, message: messageOf(event), cause, error });
    this.open = null;
  }

  wait(event) {
    this.waiting = Date.parse(event.at);
    this.reason = event.kind;
  }

  /** The step that follows begins at once where the worker has it as well. */
  next(event, index) {
    if (isHandedOn(this.job, index)) return this.wait(event);
    const later = this.job.events.slice(index + 1).find((one) => one.step_name);
    const number = later ? this.place(later) : this.place(event) + 1;
    if (number <= this.steps.length) this.begin(event, number, null);
  }

  /** A wait that goes on. */
  goOn() {
    const { job, waiting, reason } = this;
    if (job.status !== "PENDING" || waiting === null) return;
    const completed = new Set(job.steps.filter(({ status }) => status === "COMPLETED").map(({ name }) => name));
    const step = this.names.findIndex((name) => !completed.has(name)) + 1;
    const role = job.attempt ? "retry" : "wait";
    this.at(step).tries.push({ ...NOT_BEGUN, step, attempt: null, wait: waiting, reason, role });
  }

  at(number) {
    const name = this.job.steps[number - 1]?.name ?? "";
    this.steps[number - 1] ??= { number, name, tries: [] };
    return this.steps[number - 1];
  }

  /** Where its step stands in the present plan; null where it does not: then it has no place in the picture. */
  place(event) {
    return event.step_name ? this.names.indexOf(event.step_name) + 1 || null : event.step;
  }
}

/** Whether another worker was to go on after this event: the one that ended the step did not have the next. */
export const isHandedOn = (job, index) =>
  index + 1 < job.events.length ? job.events[index + 1].kind === "started" : job.status === "PENDING";

const finished = (job, number, event) =>
  job.steps.some(
    (step) => step.step_number === number && step.attempt === event.attempt && step.status === "COMPLETED",
  );

/**
 * `{ waited, ran }` of a try in ms.
 * @param {Try} one
 * @param {number} now
 */
export function spans(one, now) {
  const begun = one.from ?? now;
  return {
    waited: one.wait === null ? 0 : Math.max(0, begun - one.wait),
    ran: one.from === null ? null : Math.max(0, (one.to ?? now) - one.from),
  };
}

/**
 * The word for how a try ended: its own where it is still to come, where a worker was lost or stopped, or it asked for it, else that of its role.
 * @param {Try} one
 */
export function outcome({ from, kind, role }) {
  if (from === null && role === "retry") return "try.next";
  return `try.${OWN_WORDS.includes(kind ?? "") ? kind : role}`;
}
