// Time as a place from left to right. Pure; times are in ms.

const GAP = 0.2; // Idle stretches longer than this part of the whole are cut out …
const CUT = 0.05; // … and shown as wide as this.

/**
 * Where a time lies between 0 and 1, with long idle stretches folded. Gives `{ place(time), time(place), cuts, start, end,
 * length }`, `cuts` being `{ from, to }` of what was folded, and `length` what the whole takes when these are passed over.
 */
export function scale(steps, now) {
  const all = steps.flatMap((step) => step.tries);
  const start = Math.min(...all.map((one) => one.wait ?? one.from), now);
  const end = Math.max(...all.map((one) => one.to ?? now), start + 1);
  const busy = all
    .filter((one) => one.from !== null)
    .map((one) => [one.from, one.to ?? now])
    .sort((one, other) => one[0] - other[0]);
  const cuts = [];
  let reached = start;
  for (const [from, to] of [...busy, [end, end]]) {
    if (from - reached > GAP * (end - start)) cuts.push({ from: reached, to: from });
    reached = Math.max(reached, to);
  }
  const cutTime = cuts.reduce((sum, cut) => sum + cut.to - cut.from, 0);
  const folded = busy.length ? cuts : [];
  const shown = end - start - (busy.length ? cutTime : 0);
  const width = Math.max(shown, 1) / (1 - CUT * folded.length);
  const place = (time) => {
    let passed = Math.min(Math.max(time, start), end) - start;
    let extra = 0;
    for (const cut of folded) {
      if (time <= cut.from) break;
      const inside = Math.min(time, cut.to) - cut.from;
      passed -= inside;
      extra += (inside / (cut.to - cut.from)) * CUT;
    }
    return passed / width + extra;
  };
  const time = (part) => {
    let [reached, left] = [start, part];
    for (const cut of folded) {
      const before = (cut.from - reached) / width;
      if (left <= before) break;
      left -= before;
      if (left <= CUT) return cut.from + (left / CUT) * (cut.to - cut.from);
      left -= CUT;
      reached = cut.to;
    }
    return Math.min(end, reached + left * width);
  };
  return { place, time, cuts: folded, start, end, length: width };
}
