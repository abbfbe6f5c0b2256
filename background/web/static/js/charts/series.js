// What the charts of ended jobs show, from `GET /jobs/stats`. Pure.

export const RANGES = ["hour", "day", "week"];
export const ENDED = /** @type {const} */ (["completed", "failed", "cancelled"]);
export const PERCENTILES = /** @type {const} */ (["p50", "p95", "p99"]);

/** Times in seconds, as charts take them. */
export const times = (series) => series.map((each) => Date.parse(each.minute) / 1000);

/** One list of values for each of `names`. */
export const counts = (series, names) => names.map((name) => series.map((each) => each[name]));

/** Each list with those before it added: what stands on top of each other. */
export function stacked(lists) {
  const below = lists[0].map(() => 0);
  return lists.map((list) =>
    list.map((value, i) => {
      below[i] += value;
      return below[i];
    }),
  );
}

/** Percentiles of `waiting` or `running`, in seconds, one list each; null where nothing ended. */
export const percentiles = (series, name) =>
  PERCENTILES.map((which) => series.map((each) => each[name]?.[which] ?? null));

/** How many ended, and how long they waited and ran on average, in seconds; null of none. */
export function summary(series) {
  const ended = series.map((each) => each.completed + each.failed + each.cancelled);
  const number = ended.reduce((sum, each) => sum + each, 0);
  const mean = (name) => {
    const known = series.map((each, i) => [each[name], ended[i]]).filter(([value, n]) => value !== null && n);
    const weight = known.reduce((sum, [, n]) => sum + n, 0);
    return weight ? known.reduce((sum, [value, n]) => sum + value * n, 0) / weight : null;
  };
  return { number, waiting: mean("mean_waiting_seconds"), running: mean("mean_running_seconds") };
}

/** The buckets in which something happened, newest first. */
export const busy = (series) =>
  series.filter((each) => each.submitted || each.completed || each.failed || each.cancelled).toReversed();
