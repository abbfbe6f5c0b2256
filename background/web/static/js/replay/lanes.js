// Who did what when, as lanes: the API, the queue, and each worker. Pure.
import { API, QUEUE, UNKNOWN } from "./record.js";

const ORDER = { [API]: 0, [QUEUE]: 1, [UNKNOWN]: 3 };
const rank = (lane) => ORDER[lane] ?? 2;

/** `[{ lane, rows, spans: [{ …span, row }] }]`, in the order in which they stand; what overlaps has a row of its own. */
export function lanesOf(spans) {
  const names = new Set([API, QUEUE, ...spans.map(({ lane }) => lane)]);
  const order = [...names].sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
  return order.map((lane) => {
    const ends = [];
    const own = spans.filter((each) => each.lane === lane).sort((one, other) => one.from - other.from);
    const placed = own.map((span) => {
      const free = ends.findIndex((end) => end <= span.from);
      const row = free < 0 ? ends.length : free;
      ends[row] = span.to ?? Infinity;
      return { ...span, row };
    });
    return { lane, rows: Math.max(1, ends.length), spans: placed };
  });
}

/** The spans that go on at a time; what has begun at that very moment does, what has ended does not. */
export const during = (spans, time) => spans.filter(({ from, to }) => from <= time && (to === null || to > time));
