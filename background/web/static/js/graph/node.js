// One task in the picture: its glyph, its name, and one detail that says most at that moment.
import { now } from "../api.js";
import { icon, say, set, svg } from "../dom.js";
import { briefly, t } from "../i18n.js";
import { NODE } from "./sizes.js";
import { roleOf } from "./states.js";

const TEXT = 36; // where the words begin
const ROOM = NODE.width - TEXT - 10;
const WIDE = /[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/;

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

/** As much of a text as fits a width; letters are taken to be `letter` wide, ideographs and Hangul twice as much. */
function clipped(text, letter, room = ROOM) {
  let width = 0;
  let found = "";
  for (const each of text) {
    width += WIDE.test(each) ? 1.75 * letter : letter;
    if (width > room) return `${found}…`;
    found += each;
  }
  return found;
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
      say(task, clipped(nameOf(node), 7.3));
      say(detail, clipped(detailOf(node), 6.5));
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
