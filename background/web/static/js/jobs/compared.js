// What two attempts of a job have in common. Pure; times are in ms.
import { spans } from "./tries.js";

/** The numbers of the attempts that have begun a step, in order. */
export const attemptsOf = (steps) =>
  [...new Set(steps.flatMap((step) => step.tries.map((one) => one.attempt)))]
    .filter((each) => each !== null)
    .sort((a, b) => a - b);

/**
 * `{ rows, totals }`: of each step what the two attempts made of it, null where one did not come to it, and how long it
 * ran; and how long all steps of each ran together.
 * @param {TriedStep[]} steps
 * @param {number} left
 * @param {number} right
 * @param {number} now
 */
export function compared(steps, left, right, now) {
  const rows = steps.map(({ number, name, tries }) => {
    const sides = [left, right].map((attempt) => tries.findLast((one) => one.attempt === attempt) ?? null);
    return { number, name, sides, ran: sides.map((one) => (one ? spans(one, now).ran : null)) };
  });
  const total = (i) => {
    const known = rows.map(({ ran }) => ran[i]).filter((each) => each !== null);
    return known.length ? known.reduce((sum, each) => sum + each, 0) : null;
  };
  return { rows, totals: [total(0), total(1)] };
}
