// A folded group in the picture: how many lanes there are, a bar of their states, counts, and eight of them.
import { say, svg } from "../base/dom.js";
import { number, t } from "../base/i18n.js";
import { symbol } from "./node.js";
import { NODE, PAD, TILE } from "./sizes.js";
import { counted, lanesShown, tileContent } from "./tiles.js";

/** The view of a tile of layout.js: `element`, `content` (nodes and wires to be drawn), `update`, `show`. */
export function tileView(tile, { onLanes }) {
  const { x, y, width, height, lanes } = tile;
  const ids = lanes.flat();
  const words = svg("text", { class: "frame-words", x: x + PAD, y: y + 18 });
  const bar = svg("g", { class: "tile-bar" });
  const counts = svg("g", { class: "tile-counts" });
  const names = svg("g", { class: "tile-names" });
  const all = svg("text", { class: "tile-all", x: x + PAD, y: y + height - 15, "data-action": "lanes" });
  all.addEventListener("click", () => onLanes(ids));
  const frame = svg("rect", { class: "frame tile-frame", x, y, width, height, rx: 8 });
  const view = {
    tile,
    element: svg("g", { class: "tile" }, frame, words, bar, counts, names, all),
    content: { nodes: [], wires: [] },
    update,
    show,
  };
  let shown = [];
  let pinned = null;
  let told = "";
  return view;

  function update(states) {
    shown = lanesShown(lanes, states, shown, pinned);
    view.content = tileContent(tile, shown, states);
    nameLanes();
    const planned = states.get(ids[0])?.state === undefined;
    const numbers = planned ? [] : counted(ids, states);
    if (told === String(numbers) && words.textContent) return;
    told = String(numbers);
    const done = tile.ends.filter((last) => last.every((id) => states.get(id)?.state === "SUCCESS")).length;
    say(
      words,
      t(`graph.${tile.chord ? "header" : "group"}${planned ? ".planned" : ""}`, { done, total: lanes.length }),
    );
    say(all, t("graph.lanes", { n: lanes.length }));
    bar.replaceChildren(...barOf(numbers, tile, ids.length));
    counts.replaceChildren(...countsOf(numbers, tile));
  }

  /** The number of each lane beside it, where there is room. */
  function nameLanes() {
    const spots = width - 2 * PAD - NODE.width > 40 && tile.steps === 1 ? view.content.nodes : [];
    names.replaceChildren(
      ...spots.map((spot) =>
        svg("text", { class: "tile-lane", x: spot.x + NODE.width + 10, y: spot.y + 27 }, `#${number(spot.lane + 1)}`),
      ),
    );
  }

  /** The lane of this task is among those that are shown, from the next update on. */
  function show(id) {
    pinned = lanes.findIndex((each) => each.includes(id));
  }
}

/** How many tasks are in each state, as a bar. */
function barOf(numbers, { x, y, width }, all) {
  const room = width - 2 * PAD;
  const least = 4; // so that one failure among a thousand is seen
  let at = x + PAD;
  return numbers.map(([role, n]) => {
    const size = least + ((room - least * numbers.length) * n) / all;
    at += size;
    return svg("rect", { "data-role": role, x: at - size, y: y + TILE.bar, width: size, height: 8 });
  });
}

function countsOf(numbers, { x, y }) {
  let at = x + PAD;
  return numbers.map(([role, n]) => {
    const transform = `translate(${at} ${y + TILE.counts - 10})`;
    at += 30 + 8 * String(n).length;
    return svg("g", { "data-role": role, transform }, symbol(role), svg("text", { x: 20, y: 12 }, number(n)));
  });
}
