// What the states of tasks mean for a picture: roles (see the page's tokens), wires, and who is to blame.
// `states` is a Map from id to a node of the API, or anything with `id`, `state`, `finished_at`; an unknown one waits.
import { roleOf as roleOfState } from "../page/roles.js";

/** Whether a task with this role has called what it calls; what it spawned is there because it did. */
const CALLED_AFTER = { success: (role) => role === "ok", error: (role) => role === "fail", spawned: () => true };
export const isCall = (kind) => kind in CALLED_AFTER;
const TELLING = ["fail", "run", "retry", "stop", "wait", "skip", "ok"];

export const roleOf = (node) => roleOfState(node?.state);

/** Smaller is more worth seeing. */
export const rank = (node) => TELLING.indexOf(roleOf(node));

/**
 * The state of a wire: `waiting`; `released` once everything before it has succeeded; `cut` where what comes after
 * will not run because of what came before; `off` where nothing will go along it any more.
 */
export function wireState({ kind, from, to }, states) {
  const roles = new Set(from.map((id) => roleOf(states.get(id))));
  const ahead = new Set(to.map((id) => roleOf(states.get(id))));
  if (isCall(kind)) return ahead.has("skip") ? "off" : CALLED_AFTER[kind](...roles) ? "released" : "waiting";
  if (ahead.size === 1 && ahead.has("skip")) return roles.size > 1 || !roles.has("skip") ? "cut" : "off";
  if (roles.size === 1 && roles.has("ok")) return "released";
  if (ahead.size === 1 && ahead.has("stop")) return "off";
  return to.length === 0 && [...roles].some((role) => role === "fail" || role === "skip" || role === "stop")
    ? "off"
    : "waiting";
}

/** Why a wire out of these tasks is cut: the first of them, or of those before them, that failed; else a stopped one. */
export function culpritOf(from, states, before) {
  const seen = new Set(from);
  for (const id of seen) if (roleOf(states.get(id)) === "skip") for (const each of before(id)) seen.add(each);
  const order = { fail: 0, stop: 1 };
  const ended = ({ finished_at }) => Date.parse(finished_at) || Infinity;
  const [first] = [...seen]
    .map((id) => states.get(id))
    .filter((node) => roleOf(node) in order)
    .sort((a, b) => order[roleOf(a)] - order[roleOf(b)] || (ended(a) > ended(b) ? 1 : -1));
  return first?.id ?? null;
}
