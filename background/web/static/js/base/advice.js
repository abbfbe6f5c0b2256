// What to do about what happened or may happen, for each code that the API gives as a reason, a warning, or why a job waits.
import { has, t } from "./i18n.js";

const DOCS = "https://docs.celeryq.dev/en/stable";
const GUIDE = `${DOCS}/userguide`;
const SEMIPREDICATES = `${GUIDE}/tasks.html#semipredicates`;
const REVOKE = `${GUIDE}/workers.html#revoke-revoking-tasks`;
const START = `${GUIDE}/workers.html#starting-the-worker`;
const ERRORS = `${GUIDE}/canvas.html#error-handling`;
const REDIS = `${DOCS}/getting-started/backends-and-brokers/redis.html`;

/** Where Celery's documentation is about a reason. */
const READ = {
  no_worker: START,
  broker_down: REDIS,
  waiting_for_worker: `${GUIDE}/workers.html#concurrency`,
  due_later: `${GUIDE}/calling.html#eta-and-countdown`,
  waiting_in_queue: `${GUIDE}/routing.html`,
  running: `${GUIDE}/tasks.html#states`,
  retrying: `${GUIDE}/tasks.html#retrying`,
  worker_silent: `${GUIDE}/workers.html`,
  failed: ERRORS,
  chain_stopped: ERRORS,
  callback_skipped: ERRORS,
  lost: `${REDIS}#visibility-timeout`,
  cancelled: REVOKE,
  revoked: REVOKE,
  killed: REVOKE,
  expired: `${GUIDE}/calling.html#expiration`,
  ignored: SEMIPREDICATES,
  rejected: SEMIPREDICATES,
  callback_unneeded: `${GUIDE}/calling.html#linking-callbacks-errbacks`,
  results_expired: `${GUIDE}/configuration.html#result-expires`,
};

/** What is mended by a retry, which is taken once nothing of the run can change any more. */
const RETRIED = new Set(["failed", "chain_stopped", "callback_skipped", "lost", "revoked", "killed"]);

/**
 * What to do about the reason of a run: `{ text, url }`, or null for a code that is none of those here.
 * @param {{ reason: Facts | null, ready: boolean }} run
 */
export function advice({ reason, ready }) {
  if (!reason || !has(`advice.${reason.code}`)) return null;
  return { text: t(keyOf(reason, ready)), url: READ[reason.code] ?? null };
}

/**
 * @param {Facts} reason
 * @param {boolean} ready
 */
function keyOf({ code, called }, ready) {
  if (!ready && RETRIED.has(code)) return "advice.unfinished";
  // Who has an error callback already is not told to give it one.
  return called?.count && has(`advice.${code}.called`) ? `advice.${code}.called` : `advice.${code}`;
}

/** What to do about a warning, or about why a job waits; null where there is nothing to say. */
export const remedy = (scope, code) => (has(`${scope}.advice.${code}`) ? t(`${scope}.advice.${code}`) : null);
