// What the states of tasks mean for a picture: roles (see the page's tokens), wires, and who is to blame.
// `states` is a Map from id to a node of the API, or anything with `state`, `finished_at`; an unknown one waits.

const ROLES = {
  PENDING: "wait",
  STARTED: "run",
  SUCCESS: "ok",
  FAILURE: "fail",
  REVOKED: "stop",
  RETRY: "retry",
  SKIPPED: "skip",
};
const TELLING = ["fail", "run", "retry", "stop", "wait", "skip", "ok"];

export const roleOf = (node) => ROLES[node?.state] ?? "wait";

/** Smaller is more worth seeing. */
export const rank = (node) => TELLING.indexOf(roleOf(node));

/**
 * The state of a wire: `waiting`; `released` once everything before it has succeeded; `cut` where what comes after
 * will not run because of what came before; `off` where nothing will go along it any more.
 */
export function wireState({ kind, from, to }, states) {
  if (kind === "success" || kind === "error") return callbackState(kind, from[0], to[0], states);
  const roles = new Set(from.map((id) => roleOf(states.get(id))));
  const ahead = new Set(to.map((id) => roleOf(states.get(id))));
  if (ahead.size === 1 && ahead.has("skip")) return roles.size > 1 || !roles.has("skip") ? "cut" : "off";
  if (roles.size === 1 && roles.has("ok")) return "released";
  if (ahead.size === 1 && ahead.has("stop")) return "off";
  return to.length === 0 && [...roles].some((role) => role === "fail" || role === "skip" || role === "stop")
    ? "off"
    : "waiting";
}

function callbackState(when, task, callback, states) {
  if (roleOf(states.get(callback)) === "skip") return "off";
  return roleOf(states.get(task)) === (when === "error" ? "fail" : "ok") ? "released" : "waiting";
}

/** Why a wire out of these tasks is cut: the first of them, or of those before them, that failed; else a stopped one. */
export function culpritOf(from, states, before) {
  const seen = new Set(from);
  const found = [];
  for (const id of seen) {
    const role = roleOf(states.get(id));
    if (role === "fail" || role === "stop") found.push(id);
    if (role === "skip") for (const each of before(id)) seen.add(each);
  }
  const order = (id) => [
    roleOf(states.get(id)) === "fail" ? 0 : 1,
    Date.parse(states.get(id).finished_at ?? "") || Infinity,
  ];
  const earlier = (a, b) => {
    const [[kindA, timeA], [kindB, timeB]] = [order(a), order(b)];
    return kindA !== kindB ? kindA < kindB : timeA < timeB;
  };
  return found.reduce((best, id) => (best === null || earlier(id, best) ? id : best), null);
}
