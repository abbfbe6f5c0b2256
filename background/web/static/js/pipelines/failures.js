// Failed jobs by what they failed of. Pure.

/** A message without what differs from job to job: numbers, ids, what is quoted. */
export const kindOf = (message) =>
  message
    .split("\n", 1)[0]
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+/gi, "…")
    .replace(/(["'])(?:(?!\1).)+\1/g, "$1…$1")
    .replace(/\d+(?:[.,:]\d+)*/g, "…");

/**
 * `[{ step, message, cause, number, newest }]`, the most frequent first: all but the number are of the newest such job.
 * @param {Job[]} jobs newest first
 */
export function grouped(jobs) {
  const groups = new Map();
  for (const job of jobs) {
    const step = job.steps.findLast((each) => each.status === "FAILED")?.name ?? null;
    const message = (job.error ?? "").split("\n", 1)[0];
    const key = JSON.stringify([step, kindOf(message)]);
    const group = groups.get(key) ?? { step, message, cause: job.cause, number: 0, newest: job.id };
    group.number += 1;
    groups.set(key, group);
  }
  return [...groups.values()].sort((one, other) => other.number - one.number || other.newest - one.newest);
}
