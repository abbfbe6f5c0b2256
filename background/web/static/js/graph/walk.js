// Arrow keys in a graph: along the wires, and across to what stands beside.
import { NODE } from "./sizes.js";
import { rank } from "./states.js";

/**
 * The task that an arrow key leads to from `id`, or null. `spots`: Map of id → {x, y} of all that is shown;
 * `standIn(id)`: what is shown in place of a task that is not, or undefined.
 */
export function step(key, id, { spots, standIn, before, after, states, down }) {
  const here = spots.get(id);
  if (!here) return null;
  const [forth, back] = down ? ["ArrowDown", "ArrowUp"] : ["ArrowRight", "ArrowLeft"];
  if (key === forth) return nearest(shown(after(id)), null);
  if (key === back) return nearest(shown(before(id)), (each) => rank(states.get(each)));
  return beside(key);

  function shown(ids) {
    return [...new Set(ids.map((each) => (spots.has(each) ? each : standIn(each))))].filter(
      (each) => each !== undefined && each !== id,
    );
  }

  function nearest(ids, weight) {
    const far = (each) => Math.abs(spots.get(each).x - here.x) + Math.abs(spots.get(each).y - here.y);
    const better = (a, b) => (weight && weight(a) !== weight(b) ? weight(a) < weight(b) : far(a) < far(b));
    return ids.reduce((best, each) => (best === null || better(each, best) ? each : best), null);
  }

  function beside(pressed) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[pressed] ?? [0, 0];
    let [best, cost] = [null, Infinity];
    for (const [each, { x, y }] of spots) {
      const ahead = (x - here.x) * dx + (y - here.y) * dy;
      const aside = dx ? Math.abs(y - here.y) / NODE.height : Math.abs(x - here.x) / NODE.width;
      const found = ahead + 1000 * aside;
      if (ahead > 0 && found < cost) [best, cost] = [each, found];
    }
    return best;
  }
}
