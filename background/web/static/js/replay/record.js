// What a replay is made of, whether of a run or of a job. A record is `{ source, start, end, moments, spans, marks, at(index) }`:
//   source   what the API told: of what it was made, and can be made again
//   moments  [{ at, kind, … }] what was recorded, in the order of time; `at(index)` is the run or job as it was after it
//   spans    [{ id, node or name, lane, from, to, role }] what waited and what ran; `to` is null where that goes on, `open` where its
//            end was not recorded. What waited has the lane QUEUE, and `sender` and `taker`, the lanes it came from and went to
//   marks    [{ at, kind }] what a client asked for
// Pure; times are in ms, with a fraction.

/** Lanes; any other is the name of a worker, which has an `@` in it. */
export const API = "api";
export const QUEUE = "queue";
/** A worker that was not recorded. */
export const UNKNOWN = "";

/** A time as the API tells it: its microseconds decide what came first. */
export function timeOf(text) {
  const [, below = ""] = /\.\d{3}(\d{1,3})/.exec(text) ?? [];
  return Date.parse(text) + Number(below.padEnd(3, "0")) / 1000;
}

/** The place of the last of these, in order of `at`, that is not after a time; -1 before the first. */
export function indexAt(all, time) {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle].at <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** `make(index)`, of which the last answer is kept: between two moments nothing changes. */
export function kept(make) {
  let [last, found] = [null, null];
  return (index) => {
    if (index !== last) [last, found] = [index, make(index)];
    return found;
  };
}
