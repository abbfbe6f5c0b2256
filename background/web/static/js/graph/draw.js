// The picture of a run's graph. It is laid out once; states recolour it in place. Only what is in view is made, at
// most 300 tasks; where more are in view, each is a plain block of its colour.
import { h, say, set, svg } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { layout } from "./layout.js";
import { nameOf, nodeElement } from "./node.js";
import { links } from "./shape.js";
import { NODE } from "./sizes.js";
import { culpritOf, isCall, roleOf } from "./states.js";
import { tileView } from "./tile.js";
import { step } from "./walk.js";
import { drawn, line, WIRE_STATES } from "./wires.js";
import { Zoom } from "./zoom.js";

const MOST_NODES = 300;
const ROLES = ["skip", "wait", "ok", "stop", "retry", "run", "fail", "plan"];
let pictures = 0;

/**
 * A picture of `graph` (as in the API). `narrow`: from top to bottom, where that takes less width. `onSelect(id)` when a task is chosen,
 * `onOpen(id)` when it is asked for (Enter, double click), `onLanes(ids)` to see all lanes of a folded group.
 */
export class Picture {
  /**
   * @param {Graph} graph
   * @param {{ narrow?: boolean, onSelect?: (id: string) => void, onOpen?: (id: string) => void,
   *   onLanes?: (ids: string[]) => void }} options
   */
  constructor(graph, { narrow = false, onSelect = () => {}, onOpen = () => {}, onLanes = () => {} } = {}) {
    this.onSelect = onSelect;
    this.onOpen = onOpen;
    this.name = `graph-${++pictures}`;
    const [across, down] = [false, narrow].map((each) => layout(graph, { down: each }));
    this.down = down.width < across.width;
    this.plan = this.down ? down : across;
    this.links = links(this.plan.root);
    this.states = new Map(graph.nodes.map((node) => [node.id, node]));
    this.selected = null;
    this.pointed = new Set();
    this.elements = new Map();
    this.tiles = this.plan.tiles.map((tile) => tileView(tile, { onLanes }));
    this.tileOf = new Map(this.tiles.flatMap((view) => view.tile.lanes.flat().map((id) => [id, view])));
    this.build();
    this.update(graph.nodes);
  }

  build() {
    const group = (name) => svg("g", { class: name });
    this.layers = {
      frames: group("frames"),
      tiles: group("tiles"),
      wires: group("wires"),
      stems: group("stems"),
      blocks: group("blocks"),
      nodes: group("nodes"),
      cuts: group("cuts"),
    };
    this.sheet = svg(
      "svg",
      { class: "graph-sheet", viewBox: `0 0 ${this.plan.width} ${this.plan.height}` },
      Object.values(this.layers),
    );
    this.layers.tiles.append(...this.tiles.map((view) => view.element));
    this.frames = this.plan.frames.map((frame) => this.frame(frame));
    for (const wire of this.plan.wires) if (isCall(wire.kind)) this.sayWhen(wire);
    this.lines = Object.fromEntries(
      WIRE_STATES.map((name) => [
        name,
        [svg("path", { class: `wire ${name}` }), svg("path", { class: `head ${name}` })],
      ]),
    );
    this.layers.wires.append(...Object.values(this.lines).flat());
    this.blocks = Object.fromEntries(ROLES.map((role) => [role, svg("path", { class: "block", "data-role": role })]));
    this.layers.blocks.append(...Object.values(this.blocks));
    this.stems = this.plan.wires
      .filter((wire) => wire.kind === "stem")
      .map((wire) => ({ wire, element: svg("path", { class: "stem", d: line(wire.points) }) }));
    this.layers.stems.append(...this.stems.map((stem) => stem.element));
    const hint = this.plan.nodes.length + this.tileOf.size;
    this.view = h(
      "div",
      {
        class: "graph-view",
        tabindex: "0",
        role: "application",
        "aria-label": t("graph.label", { n: hint }),
        "aria-roledescription": t("graph.kind"),
      },
      this.sheet,
    );
    const button = (sign, key, action) =>
      h(
        "button",
        { type: "button", class: "graph-zoom", tabindex: "-1", title: t(key), "aria-label": t(key), onclick: action },
        sign,
      );
    const bar = h(
      "div",
      { class: "graph-bar" },
      button("−", "graph.out", () => this.zoom.out()),
      button("+", "graph.in", () => this.zoom.in()),
      button("⤢", "graph.fit", () => this.zoom.fit()),
    );
    this.element = h("div", { class: this.down ? "graph graph-down" : "graph", "data-graph": "" }, this.view, bar);
    const { width, height } = this.plan;
    this.zoom = new Zoom({ view: this.view, sheet: this.sheet, width, height, changed: () => this.soon() });
    this.listen();
  }

  frame({ x, y, width, height, lanes, chord }) {
    const words = svg("text", { class: "frame-words", x: x + 12, y: y + 18 });
    this.layers.frames.append(svg("rect", { class: "frame", x, y, width, height, rx: 8 }), words);
    return { lanes, chord, words };
  }

  /** Beside the wire to what a task calls: when it does; in the other direction there is no room. */
  sayWhen({ kind, points: [x], top }) {
    if (this.down) return;
    this.layers.frames.append(svg("text", { class: "when-words", x: x + 12, y: top - 6 }, t(`graph.${kind}`)));
  }

  listen() {
    this.view.addEventListener("keydown", (event) => this.key(event));
    // By keyboard: a click chooses what it is on.
    this.view.addEventListener("focus", () => {
      if (this.selected === null && this.view.matches(":focus-visible")) this.select(this.first());
    });
    this.view.addEventListener("dblclick", (event) => this.at(event) && this.onOpen(this.at(event)));
    this.view.addEventListener("click", (event) => this.at(event) && this.select(this.at(event)));
  }

  /** To be called when the picture is thrown away. */
  close() {
    this.zoom.close();
    cancelAnimationFrame(this.frameAsked);
  }

  /** New states, by id; nodes that are the same object as before cost nothing. */
  update(nodes) {
    for (const node of nodes) this.states.set(node.id, node);
    for (const view of this.tiles) view.update(this.states);
    const wires = [...this.plan.wires, ...this.tiles.flatMap((view) => view.content.wires)];
    const { paths, cuts } = drawn(wires, this.states);
    for (const [name, [path, head]] of Object.entries(this.lines)) {
      set(path, "d", paths[name].line.join(""));
      set(head, "d", paths[name].head.join(""));
    }
    this.cut(cuts);
    for (const { lanes, chord, words } of this.frames) say(words, this.counted(lanes, chord));
    this.soon();
  }

  counted(lanes, chord) {
    const planned = this.states.values().next().value?.state === undefined;
    const done = lanes.filter((ids) => ids.every((id) => roleOf(this.states.get(id)) === "ok")).length;
    return t(`graph.${chord ? "header" : "group"}${planned ? ".planned" : ""}`, { done, total: lanes.length });
  }

  cut(cuts) {
    const cutWires = new Set(cuts.map(({ wire }) => wire));
    for (const { wire, element } of this.stems) {
      const done = wire.from.every((id) => roleOf(this.states.get(id)) === "ok");
      set(element, "data-state", cutWires.has(wire) ? "cut" : done ? "released" : "waiting");
    }
    this.layers.cuts.replaceChildren(...cuts.map(({ wire, x, y }) => this.cross(wire, x, y)));
  }

  /** The mark on a wire that leads to what did not run; choosing it leads to whoever is to blame. */
  cross(wire, x, y) {
    const culprit = culpritOf(wire.from, this.states, this.links.before);
    const label = culprit ? t("graph.cut", { name: nameOf(this.states.get(culprit)) }) : t("graph.cut.none");
    const marks = [
      svg("circle", { class: "cut-field", r: 13 }),
      svg("circle", { r: 9 }),
      svg("path", { d: "M-3.5-3.5l7 7M3.5-3.5l-7 7" }),
      svg("title", {}, label),
    ];
    const element = svg(
      "g",
      { class: "cut", transform: `translate(${x} ${y})`, role: "img", "aria-label": label, "data-culprit": culprit },
      marks,
    );
    if (culprit) element.addEventListener("click", () => this.select(culprit));
    return element;
  }

  soon() {
    this.frameAsked ||= requestAnimationFrame(() => {
      this.frameAsked = 0;
      this.paint();
    });
  }

  /** Everything that stands somewhere now: [{id, x, y}]. */
  placed() {
    return [...this.plan.nodes, ...this.tiles.flatMap((view) => view.content.nodes)];
  }

  paint() {
    const { left, top, right, bottom } = this.zoom.window(100);
    const inView = this.placed().filter(
      ({ x, y }) => x + NODE.width > left && x < right && y + NODE.height > top && y < bottom,
    );
    const plain = inView.length > MOST_NODES;
    this.paintBlocks(plain ? inView : []);
    const wanted = plain ? inView.filter(({ id }) => id === this.selected) : inView;
    const kept = new Set(wanted.map(({ id }) => id));
    for (const [id, { element }] of this.elements) {
      if (kept.has(id)) continue;
      element.remove();
      this.elements.delete(id);
    }
    for (const { id, x, y } of wanted) this.paintNode(id, x, y);
    set(this.view, "aria-activedescendant", this.elements.has(this.selected) ? `${this.name}-${this.selected}` : null);
  }

  paintNode(id, x, y) {
    if (!this.elements.has(id)) {
      const made = nodeElement(`${this.name}-${id}`);
      this.elements.set(id, made);
      this.layers.nodes.append(made.element);
    }
    const { element, update } = this.elements.get(id);
    update(this.states.get(id), { x, y, selected: id === this.selected });
    element.classList.toggle("pointed", this.pointed.has(id));
  }

  paintBlocks(nodes) {
    const paths = Object.fromEntries(ROLES.map((role) => [role, []]));
    for (const { id, x, y } of nodes) {
      const node = this.states.get(id);
      paths[node.state === undefined ? "plan" : roleOf(node)].push(
        `M${x} ${y}h${NODE.width}v${NODE.height}h-${NODE.width}z`,
      );
    }
    for (const role of ROLES) set(this.blocks[role], "d", paths[role].join(""));
  }

  at(event) {
    return event.target.closest(".node")?.dataset.id;
  }

  first() {
    return this.placed()[0]?.id ?? null;
  }

  /** Show a task as the chosen one where it stands. */
  mark(id) {
    this.selected = id;
    this.soon();
  }

  /** Show tasks as those that are pointed at elsewhere. */
  point(ids) {
    this.pointed = new Set(ids);
    this.soon();
  }

  /** Choose a task and bring it into view; a hidden one of a folded group is brought out. */
  select(id) {
    if (!this.states.has(id)) return;
    const changed = this.selected !== id;
    this.selected = id;
    if (this.tileOf.has(id)) {
      this.tileOf.get(id).show(id);
      this.update([]);
    }
    this.reveal();
    this.soon();
    if (changed) this.onSelect(id);
  }

  reveal() {
    const spot = this.placed().find((each) => each.id === this.selected);
    if (spot) this.zoom.reveal({ ...spot, ...NODE });
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target !== this.view) return;
    const zooms = {
      "+": () => this.zoom.in(),
      "=": () => this.zoom.in(),
      "-": () => this.zoom.out(),
      0: () => this.zoom.fit(),
    };
    const moves = {
      Enter: () => this.onOpen(this.selected),
      Home: () => this.select(this.first()),
      End: () => this.select(this.placed().at(-1)?.id),
    };
    const action =
      zooms[event.key] ?? moves[event.key] ?? (event.key.startsWith("Arrow") ? () => this.walk(event.key) : null);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
    this.reveal();
  }

  walk(key) {
    const spots = new Map(this.placed().map((spot) => [spot.id, spot]));
    const standIn = (id) => this.tileOf.get(id)?.content.nodes[0]?.id;
    const next = step(key, this.selected, { spots, standIn, ...this.links, states: this.states, down: this.down });
    if (next) this.select(next);
  }
}
