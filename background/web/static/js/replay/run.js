// A run as a record (see record.js): its history says when each task changed, and the run itself what came of it.
import { links, shape } from "../graph/shape.js";
import { roleOf } from "../graph/states.js";
import { API, indexAt, kept, QUEUE, timeOf, UNKNOWN } from "./record.js";

const ENDS = { success: "SUCCESS", failure: "FAILURE", revoked: "REVOKED" };
const ASKED = new Set(["created", "cancelled", "run_again"]);
const LEFT_OUT = new Set(["FAILURE", "REVOKED", "SKIPPED"]);
const NOT_BEGUN = {
  state: "PENDING",
  result: null,
  error: null,
  started_at: null,
  finished_at: null,
  retries: 0,
  starts: 0,
};

/**
 * @param {Run} run as it is now, read after its history
 * @param {RunEvent[]} history oldest first
 */
export function runRecord(run, history) {
  const fold = new Fold(
    run,
    history.findLast(({ kind }) => kind === "run_again"),
  );
  for (const event of inOrder(run, history)) fold.add(event);
  return fold.record(history);
}

/** The history by time; a start that could not be written into it stands in its task's row. */
function inOrder(run, history) {
  const begun = new Set(history.filter(({ kind }) => kind === "started").map(({ task_id }) => task_id));
  const missing = run.graph.nodes
    .filter(({ id, started_at }) => started_at && !begun.has(id))
    .map(({ id, started_at, worker }) => ({ kind: "started", at: started_at, task_id: id, worker }));
  return [...history, ...missing].map((event) => ({ ...event, at: timeOf(event.at) })).sort((a, b) => a.at - b.at);
}

/** What is known after some of the events. */
class Fold {
  /**
   * @param {Run} run
   * @param {RunEvent} [again] with which its last try began
   */
  constructor(run, again) {
    this.run = run;
    this.lastTry = again ? timeOf(again.at) : -Infinity;
    this.links = links(shape(run.graph.tree));
    this.rows = new Map(run.graph.nodes.map((node) => [node.id, node]));
    this.nodes = new Map();
    this.changes = new Map(run.graph.nodes.map(({ id }) => [id, []]));
    this.statuses = [];
    this.moments = [];
    this.spans = [];
    this.marks = [];
    this.waiting = new Map();
    this.running = new Map();
    this.status = "PENDING";
    this.cancelled = false;
    for (const node of run.graph.nodes) this.set(node.id, { ...node, ...NOT_BEGUN, worker: null });
  }

  add({ at, kind, task_id: id, worker }) {
    if (id !== null && !this.rows.has(id)) return; // It was of a try whose tasks are gone.
    const on = kind === "started" ? this.beginner(id, worker) : (this.running.get(id)?.lane ?? null);
    this.moments.push({ at, kind, id, node: this.rows.get(id), worker: on });
    if (ASKED.has(kind)) this.marks.push({ at, kind });
    if (kind in ENDS) this.ended(id, ENDS[kind], at);
    else this[`on_${kind}`]?.(at, id, on);
    this.statuses.push(this.status);
  }

  set(id, node) {
    this.nodes.set(id, node);
    this.changes.get(id).push({ at: this.moments.length - 1, node });
  }

  change(id, more) {
    this.set(id, { ...this.nodes.get(id), ...more });
  }

  state(id) {
    return this.nodes.get(id).state;
  }

  /** Who began it: where the event does not say so, the task's row knows the last one. */
  beginner(id, worker) {
    const row = this.rows.get(id);
    const isLast = row.starts === undefined || this.nodes.get(id).starts + 1 >= row.starts;
    return worker ?? (isLast ? row.worker : null) ?? UNKNOWN;
  }

  on_created(at) {
    this.send(at);
  }

  on_sent(at, id) {
    const [caller] = this.links.before(id);
    this.wait(id, at, this.running.get(caller)?.lane ?? UNKNOWN);
  }

  on_started(at, id, worker) {
    this.over(id, at, null); // It had begun, and nobody wrote how that ended.
    this.taken(id, at, worker);
    this.running.set(id, this.span(id, worker, at, "run"));
    const { started_at } = this.nodes.get(id);
    const more = { worker: worker || null, finished_at: null, starts: this.nodes.get(id).starts + 1 };
    this.change(id, { ...more, state: "STARTED", started_at: started_at ?? iso(at) });
    this.status = "STARTED";
  }

  on_retried(at, id, worker) {
    this.over(id, at, "retry");
    this.change(id, { state: "RETRY", retries: this.nodes.get(id).retries + 1 });
    this.wait(id, at, worker ?? UNKNOWN);
    this.status = "RETRY";
  }

  on_found(_at, id) {
    this.change(id, { state: "PENDING", finished_at: null });
    this.status = "STARTED";
  }

  /** What had not begun never does. */
  on_cancelled(at) {
    this.cancelled = true;
    for (const [id, { state }] of this.nodes)
      if (state === "PENDING" || state === "RETRY") this.ended(id, "REVOKED", at);
  }

  /** Which tasks it says never run: those behind one that did not succeed. */
  on_skipped(at) {
    const last = at >= this.lastTry;
    for (let found = true; found; ) {
      found = false;
      for (const [id, { state }] of this.nodes) {
        if (state !== "PENDING" || !this.blocked(id) || (last && this.rows.get(id).state !== "SKIPPED")) continue;
        this.ended(id, "SKIPPED", at);
        found = true;
      }
    }
  }

  blocked(id) {
    const before = this.links.before(id).map((each) => this.state(each));
    if (this.links.when(id) === "error") return before[0] === "SUCCESS" || before[0] === "SKIPPED";
    return this.links.when(id) !== "spawned" && before.some((state) => LEFT_OUT.has(state));
  }

  on_ended(at) {
    for (const [id, { state }] of this.nodes) if (state === "PENDING") this.ended(id, "SKIPPED", at);
    const states = new Set([...this.nodes.values()].map(({ state }) => state));
    const stopped = this.cancelled || states.has("REVOKED");
    this.status = states.has("FAILURE") && !this.cancelled ? "FAILURE" : stopped ? "REVOKED" : "SUCCESS";
  }

  /** What had succeeded stays so; its row is still the one from before. */
  on_run_again(at) {
    this.cancelled = false;
    this.status = "PENDING";
    for (const id of [...this.running.keys()]) this.over(id, at, null);
    for (const id of [...this.waiting.keys()]) this.taken(id, at, null);
    for (const [id, row] of this.rows) {
      const stays = this.state(id) === "SUCCESS" && row.state === "SUCCESS" && timeOf(row.finished_at) <= at;
      if (!stays) this.set(id, { ...row, ...NOT_BEGUN, worker: null });
    }
    this.send(at);
  }

  /** A client has sent all that waits for nobody, or only for what had succeeded before. */
  send(at) {
    for (const id of this.nodes.keys()) {
      const when = this.links.when(id);
      const free = when === null || (when !== "error" && when !== "spawned" && this.allSucceeded(id));
      if (free && this.state(id) === "PENDING") this.wait(id, at, API);
    }
  }

  allSucceeded(id) {
    return this.links.before(id).every((each) => this.state(each) === "SUCCESS");
  }

  ended(id, state, at) {
    const lane = this.running.get(id)?.lane ?? UNKNOWN;
    const row = this.rows.get(id);
    const isLast = row.state === state && row.finished_at && timeOf(row.finished_at) === at;
    const known = isLast ? { result: row.result, error: row.error } : {};
    this.change(id, { ...known, state, finished_at: state === "SKIPPED" ? null : iso(at) });
    this.over(id, at, roleOf({ state }));
    this.taken(id, at, null);
    for (const next of this.links.after(id)) {
      const when = this.links.when(next);
      const calls = when === "error" ? state === "FAILURE" : state === "SUCCESS" && when !== "spawned";
      if (calls && this.state(next) === "PENDING" && (when === "error" || this.allSucceeded(next)))
        this.wait(next, at, lane);
    }
  }

  span(id, lane, from, role, more = {}) {
    const span = { id, node: this.rows.get(id), lane, from, to: null, role, ...more };
    this.spans.push(span);
    return span;
  }

  wait(id, at, sender) {
    if (!this.waiting.has(id)) this.waiting.set(id, this.span(id, QUEUE, at, "wait", { sender, taker: null }));
  }

  taken(id, at, taker) {
    const span = this.waiting.get(id);
    if (span) Object.assign(span, { to: at, taker });
    this.waiting.delete(id);
  }

  /** It runs no more; `role` is null where nobody wrote how it ended. */
  over(id, at, role) {
    const span = this.running.get(id);
    if (span) Object.assign(span, role ? { to: at, role } : { to: at, open: true });
    this.running.delete(id);
  }

  record(history) {
    const { moments, spans, marks, run } = this;
    const start = history.length && history[0].number > 1 ? timeOf(history[0].at) : timeOf(run.created_at);
    const end = Math.max(start, moments.at(-1)?.at ?? start);
    const source = { kind: "run", run, history };
    return { source, start, end, moments, spans, marks, at: kept((index) => this.runAt(index)) };
  }

  runAt(index) {
    const { run, moments } = this;
    if (index >= moments.length - 1) return run;
    const nodes = run.graph.nodes.map(({ id }) => {
      const own = this.changes.get(id);
      return own[indexAt(own, Math.max(-1, index))].node;
    });
    const status = this.statuses[index] ?? "PENDING";
    const completed = nodes.filter(({ state }) => state === "SUCCESS").length;
    return {
      ...run,
      status,
      ...{ ready: false, successful: false, failed: false, result: null, error: null, reason: null, verdict: "" },
      progress: { ...run.progress, completed },
      graph: { ...run.graph, nodes },
      updated_at: iso(moments[index]?.at ?? timeOf(run.created_at)),
      finished_at: null,
    };
  }
}

const iso = (at) => new Date(at).toISOString();
