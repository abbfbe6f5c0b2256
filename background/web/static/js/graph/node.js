// One task in the picture: its glyph, its name, and one detail that says most at that moment.
import { now } from "../base/api.js";
import { icon, say, set, svg } from "../base/dom.js";
import { briefly, t } from "../base/i18n.js";
import { NODE } from "./sizes.js";
import { roleOf } from "./states.js";

const TEXT = 36; // where the words begin
const ROOM = NODE.width - TEXT - 10;
const LONGEST = 60; // letters that may fit

/** `add`; of Celery's own tasks over a list `add.starmap`. */
export function nameOf({ task, args }) {
  const name = task.slice(task.lastIndexOf(".") + 1);
  return task.startsWith("celery.") ? `${args[0]}.${name}` : name;
}

/** When a task may begin, in ms, where it waits for a countdown; else null. */
export const dueAt = ({ state, due_at }) => (state === "PENDING" && due_at ? Date.parse(due_at) : null);

/** A value as one short line of JSON. */
export function brief(value) {
  const text = JSON.stringify(value) ?? "";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** Arguments as Python writes them: `2, y=3`. */
export const given = ({ args, kwargs = {} }) =>
  [...args.map(brief), ...Object.entries(kwargs).map(([name, value]) => `${name}=${brief(value)}`)].join(", ");

/** The word of a task's state, and what there is to say beside it. */
export function detailOf(node) {
  if (node.state === undefined) return given(node) ? `(${given(node)})` : "";
  if (node.state === "SUCCESS") return node.result === null ? t("state.SUCCESS") : `= ${brief(node.result)}`;
  if (node.state === "FAILURE") return node.error?.type ?? t("state.FAILURE");
  if (dueAt(node) > now()) return t("graph.due", { time: briefly(dueAt(node)) });
  if (node.state === "RETRY") return t("graph.retry", { n: node.retries });
  if (node.state === "STARTED" && node.retries) return t("graph.again", { n: node.retries + 1 });
  return t(`state.${node.state}`);
}

/** For a screen reader: `mul, Failed, ValueError`. */
function labelOf(node) {
  const state = node.state === undefined ? null : t(`state.${node.state}`);
  const detail = detailOf(node);
  return [nameOf(node), state, detail === state ? null : detail].filter(Boolean).join(", ");
}

let pen = null;
let family = "";
/** As much of a text as fits into a task's box, in the page's letters of this size and weight (see graph.css). */
function clipped(text, weight, size) {
  pen ??= document.createElement("canvas").getContext("2d");
  family ||= getComputedStyle(document.body).fontFamily;
  pen.font = `${weight} ${size}px ${family}`;
  const wide = (part) => pen.measureText(part).width;
  const letters = [...text.slice(0, LONGEST)];
  const whole = wide(letters.join(""));
  if (text.length <= LONGEST && whole <= ROOM) return text;
  letters.splice(Math.ceil((letters.length * ROOM) / whole) + 1);
  while (letters.length && wide(`${letters.join("")}…`) > ROOM) letters.pop();
  return `${letters.join("")}…`;
}

/** An element that shows a task; `update(node)` changes only what is different. `id` is for aria-activedescendant. */
export function nodeElement(id) {
  const task = svg("text", { class: "node-task", x: TEXT, y: 19 });
  const detail = svg("text", { class: "node-detail", x: TEXT, y: 35 });
  const glyph = svg("g", { transform: "translate(12 14)" });
  const size = { width: NODE.width, height: NODE.height, rx: 6 };
  const inner = svg("rect", {
    class: "node-inner",
    x: 3,
    y: 3,
    width: NODE.width - 6,
    height: NODE.height - 6,
    rx: 3.5,
  });
  const ring = svg("rect", { class: "node-ring", x: -4, y: -4, width: NODE.width + 8, height: NODE.height + 8, rx: 9 });
  const element = svg(
    "g",
    { class: "node", id, role: "img" },
    ring,
    svg("rect", { class: "node-box", ...size }),
    inner,
    glyph,
    task,
    detail,
  );
  let shown = {};
  const update = (node, { x, y, selected }) => {
    const role = node.state === undefined ? "plan" : roleOf(node);
    if (shown.role !== role) {
      glyph.replaceChildren(symbol(role));
      set(element, "data-role", role);
    }
    if (shown.node !== node) {
      say(task, clipped(nameOf(node), 600, 13));
      say(detail, clipped(detailOf(node), 400, 12));
      set(task, "y", detail.textContent ? 19 : 27);
      set(element, "aria-label", labelOf(node));
      set(element, "data-id", node.id);
      set(element, "data-state", node.state);
    }
    if (shown.x !== x || shown.y !== y) set(element, "transform", `translate(${x} ${y})`);
    if (shown.selected !== selected) element.classList.toggle("selected", selected);
    shown = { role, node, x, y, selected };
  };
  return { element, update };
}

/** A state's glyph at the origin, 16 × 16. */
export function symbol(role) {
  const found = icon(role === "plan" ? "wait" : role);
  set(found, "width", 16);
  set(found, "height", 16);
  return found;
}
