// Wires as SVG path data: all of one state in one path, so that a thousand of them are a handful of elements.
import { wireState } from "./states.js";

export const WIRE_STATES = ["off", "waiting", "released"];

/** Lines and arrow heads by state, `{off: {line, head}, …}`, and where wires are cut: [{wire, x, y}]. */
export function drawn(wires, states) {
  const paths = Object.fromEntries(WIRE_STATES.map((name) => [name, { line: [], head: [] }]));
  const cuts = [];
  for (const wire of wires) {
    const state = wireState(wire, states);
    if (state === "cut" && isMain(wire)) cuts.push({ wire, ...middle(wire.points) });
    const path = paths[state === "cut" ? "off" : state];
    path.line.push(line(wire.points));
    if (wire.arrow) path.head.push(head(wire.points));
  }
  return { paths, cuts };
}

/** Whether it is the one wire between what comes before and what comes after; stubs and bars only lead to it. */
const isMain = ({ kind }) => kind === "link" || kind === "stem";

export function line(points) {
  let path = `M${points[0]} ${points[1]}`;
  for (let i = 2; i < points.length; i += 2) path += `L${points[i]} ${points[i + 1]}`;
  return path;
}

function head(points) {
  const [x0, y0, x, y] = points.slice(-4);
  const [dx, dy] = [Math.sign(x - x0), x === x0 ? Math.sign(y - y0) : 0];
  const [backX, backY] = [x - 7 * dx, y - 7 * dy];
  return `M${x} ${y}L${backX - 4 * dy} ${backY - 4 * dx}L${backX + 4 * dy} ${backY + 4 * dx}Z`;
}

function middle(points) {
  const [x0, y0, x, y] = points.slice(-4);
  return { x: (x0 + x) / 2, y: (y0 + y) / 2 };
}
