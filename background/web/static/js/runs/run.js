// What a run's fields mean to a reader: its role, its words, what may be done with it.
import { now, post, remove } from "../base/api.js";
import { h } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { nameOf } from "../graph/node.js";
import { confirmed } from "../page/dialog.js";
import { toast } from "../page/frame.js";
import { complain } from "../page/parts.js";
import { roleOf } from "../page/roles.js";

export const TYPES = ["single", "chain", "group", "chord", "canvas"];
export const STATUSES = ["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"];
const SHOWN = 3; // of what stands side by side, or one after the other, in a name
const LONGEST = 80;

/**
 * Whether what its result comes from has succeeded: callbacks may run or have failed all the same.
 * @param {Run} run
 */
export const hasResult = (run) => run.successful || run.result !== null;

/** @param {Run} run */
export const role = (run) => roleOf(run.status);
/**
 * What it is, by the names of its tasks: `chord([add, mul, …], xsum)`; without its graph by its kind and id.
 * @param {Run} run
 */
export function name({ type, task_id, graph }) {
  if (!graph) return `${t(`type.${type}`)} ${task_id.slice(0, 8)}`;
  const names = new Map(graph.nodes.map((node) => [node.id, nameOf(node)]));
  const some = (trees, between) => {
    // In place of the last one alone it can stand itself.
    const shown = trees.length > SHOWN + 1 ? SHOWN : trees.length;
    const rest = trees.length > shown ? ["…"] : [];
    return [...trees.slice(0, shown).map(written), ...rest].join(between);
  };
  const written = (/** @type {Tree} */ { task, chain, group, chord }) => {
    if (task) return names.get(task);
    if (chain) return some(chain, " | ");
    if (group) return `group(${some(group, ", ")})`;
    return `chord([${some(chord.header, ", ")}], ${written(chord.body)})`;
  };
  const text = written(graph.tree);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
/** @param {Run} run */
export const statusWord = (run) => t(run.cancel_requested ? "status.cancelling" : `state.${run.status}`);

/** The state of a run as a badge takes it. */
export const runState = (run) => [role(run), statusWord(run), run.status];

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

/**
 * Do `action` to the run that `read()` gives, as it is by now; none once it is gone. Gives the answer, null when the API
 * refused, undefined when a person thought better of it.
 * @param {"cancel" | "terminate" | "retry" | "delete"} action
 * @param {() => Run | null} read
 */
export async function act(action, read) {
  const run = read();
  const still = () => Boolean(read()?.actions.includes(action));
  if (action === "delete" && !(await confirmed({ ...question, still }))) return undefined;
  try {
    const after = await CALLS[action](run.task_id);
    toast(t(`done.run.${action}`), { kind: "ok" });
    return after;
  } catch (error) {
    complain(error);
    return null;
  }
}

/**
 * How long it has been at work, or was, in ms; null before its first task has begun.
 * @param {Run} run
 */
export function took({ started_at, finished_at, ready }) {
  if (!started_at) return null;
  return (ready && finished_at ? Date.parse(finished_at) : now()) - Date.parse(started_at);
}
