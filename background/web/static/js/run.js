// What a run's fields mean to a reader: its role, its words, what may be done with it.
import { now, post, remove } from "./api.js";
import { confirmed } from "./dialog.js";
import { h } from "./dom.js";
import { toast } from "./frame.js";
import { t } from "./i18n.js";
import { roleOf } from "./job.js";
import { complain } from "./parts.js";

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
  delete: (run) => run.ready,
};

const CALLS = {
  cancel: (id) => post(`result/${id}/cancel`),
  terminate: (id) => post(`result/${id}/cancel?terminate=true`),
  retry: (id) => post(`result/${id}/retry`),
  delete: (id) => remove(`result/${id}`),
};

const question = {
  title: t("ask.run.delete"),
  content: [h("p", {}, t("ask.run.delete.what"))],
  action: t("documents.delete"),
  danger: true,
};

/** Do `action` to a run; gives the answer, null when the API refused, undefined when a person thought better of it. */
export async function act(action, run) {
  if (action === "delete" && !(await confirmed(question))) return undefined;
  if (action === "cancel" || action === "terminate") cancelling.add(run.task_id);
  try {
    const after = await CALLS[action](run.task_id);
    toast(t(`done.run.${action}`), { kind: "ok" });
    return after;
  } catch (error) {
    cancelling.delete(run.task_id);
    complain(error);
    return null;
  }
}

/** How long it has been at work, or was, in ms; null before its first task has begun. */
export function took({ started_at, finished_at, ready }) {
  if (!started_at) return null;
  return (ready && finished_at ? Date.parse(finished_at) : now()) - Date.parse(started_at);
}
