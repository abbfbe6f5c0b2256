// What a run's fields mean to a reader: its role, its words, what may be done with it.
import { now, post } from "./api.js";
import { toast } from "./frame.js";
import { t } from "./i18n.js";
import { roleOf } from "./job.js";
import { errorText } from "./parts.js";

export const TYPES = ["single", "chain", "group", "chord", "canvas"];
export const STATUSES = ["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"];
const RETRYABLE = new Set(["FAILURE", "REVOKED"]);

/** Runs that were asked to stop and have not yet; the API does not tell, so this page remembers. */
export const cancelling = new Set();

export const role = (run) => roleOf(run.status);
export const name = (run) => `${t(`type.${run.type}`)} ${run.task_id.slice(0, 8)}`;
export const statusWord = (run) =>
  t(!run.ready && cancelling.has(run.task_id) ? "status.cancelling" : `state.${run.status}`);

export const may = {
  cancel: (run) => !run.ready && !cancelling.has(run.task_id),
  terminate: (run) => !run.ready,
  retry: (run) => RETRYABLE.has(run.status),
};

const CALLS = {
  cancel: (id) => post(`result/${id}/cancel`),
  terminate: (id) => post(`result/${id}/cancel?terminate=true`),
  retry: (id) => post(`result/${id}/retry`),
};

/** Do `action` to a run; gives its new state, or null when the API refused. */
export async function act(action, run) {
  if (action === "retry") cancelling.delete(run.task_id);
  else cancelling.add(run.task_id);
  try {
    const after = await CALLS[action](run.task_id);
    toast(t(`done.run.${action}`), { kind: "ok" });
    return after;
  } catch (error) {
    cancelling.delete(run.task_id);
    toast(errorText(error), { kind: "fail" });
    return null;
  }
}

/** How long it has been at work, or was, in ms; null before its first task has begun. */
export function took(run) {
  const times = (field) => run.graph.nodes.map((node) => Date.parse(node[field])).filter((time) => !Number.isNaN(time));
  const begun = times("started_at");
  if (!begun.length) return null;
  const end = run.ready ? Math.max(...times("finished_at"), Math.min(...begun)) : now();
  return end - Math.min(...begun);
}
