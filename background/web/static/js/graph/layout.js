// Where everything of a graph stands. Positions come from the shape alone, never from states, so nothing moves
// while a run goes on; only which lanes a folded group shows depends on states (see tiles.js).
//
// Work is done along a main axis (the way of the flow) and a cross axis (side by side), and turned at the end:
// left to right on wide screens, top to bottom on phones. What follows one another shares one axis line, so that
// every connection is a straight line in a row or a gap that nothing else uses.
import { ends, shape } from "./shape.js";
import { CALLBACK_GAP, GAP, INDENT, LABEL, LANE_GAP, MARGIN, NODE, PAD, STUB } from "./sizes.js";
import { tileOf } from "./tiles.js";

/**
 * The layout of a graph's `tree`, as in the API, all numbers whole:
 *   width, height, root (see shape.js)
 *   nodes   [{id, x, y}]                     the upper left corners; each is as large as NODE
 *   frames  [{x, y, width, height, lanes, chord}]   of groups; lanes: the ids each ends with; chord: it has a body
 *   wires   [{kind, from, to, points, arrow}]   kind: link, stem (out of a group), stub and bar (within one), or when
 *           what it leads to is called: success, error, spawned; from and to are ids: it means that each of `to` waits
 *           for all of `from`; points: x, y, x, y …; top: where what is called begins
 *   tiles   groups of more than `foldAbove` lanes, folded (see tiles.js)
 */
export function layout({ tree }, { down = false, foldAbove = 24 } = {}) {
  const root = shape(tree);
  const sheet = new Sheet(down, foldAbove);
  sheet.measure(root);
  sheet.place(root, { at: MARGIN, across: MARGIN, before: null, after: null, chord: false });
  const [width, height] = sheet.turned(root.length + 2 * MARGIN, root.breadth + 2 * MARGIN);
  const { nodes, frames, wires, tiles } = sheet;
  return { root, width, height, nodes, frames, wires, tiles };
}

class Sheet {
  constructor(down, foldAbove) {
    this.down = down;
    this.foldAbove = foldAbove;
    this.nodes = [];
    this.frames = [];
    this.wires = [];
    this.tiles = [];
    this.node = this.turned(NODE.width, NODE.height);
    this.pad = down
      ? { start: LABEL + STUB, end: STUB, before: PAD, after: PAD }
      : { start: STUB, end: STUB, before: LABEL, after: PAD };
  }

  /** Main and cross as x and y, or the other way round; also back again. */
  turned(main, cross) {
    return this.down ? [cross, main] : [main, cross];
  }

  /** Gives every block its `length` (main), `breadth` (cross) and `axis`: where, across, wires come in and go out. */
  measure(block) {
    if (block.kind === "parallel" && block.parts.length > this.foldAbove) block.tile = tileOf(block.parts);
    if (block.tile) {
      const [length, breadth] = this.turned(block.tile.width, block.tile.height);
      Object.assign(block, { length, breadth, axis: breadth >> 1 });
    } else {
      for (const part of block.parts ?? []) this.measure(part);
      this[`measure_${block.kind}`](block);
    }
  }

  measure_task(block) {
    const [length, breadth] = this.node;
    Object.assign(block, { length, breadth, axis: breadth >> 1 });
    for (const { block: callback } of block.called) {
      this.measure(callback);
      block.length = Math.max(block.length, INDENT + callback.length);
      block.breadth += CALLBACK_GAP + callback.breadth;
    }
  }

  measure_series(block) {
    block.length = sum(block.parts, (part) => part.length) + GAP * (block.parts.length - 1);
    block.axis = most(block.parts, (part) => part.axis);
    block.breadth = block.axis + most(block.parts, (part) => part.breadth - part.axis);
  }

  measure_parallel(block) {
    const { start, end, before, after } = this.pad;
    const { parts } = block;
    block.length = start + most(parts, (part) => part.length) + end;
    let across = before;
    for (const part of parts) {
      part.across = across;
      across += part.breadth + LANE_GAP;
    }
    block.breadth = across - LANE_GAP + after;
    block.axis = (parts[0].across + parts[0].axis + parts.at(-1).across + parts.at(-1).axis) >> 1;
  }

  /** Puts a block down; `before` and `after`: the ids that come before and after it, or null; `chord`: it has a body. */
  place(block, where) {
    if (block.tile) this.place_tile(block, where);
    else this[`place_${block.kind}`](block, where);
  }

  place_task(block, { at, across }) {
    const [x, y] = this.turned(at, across);
    this.nodes.push({ id: block.id, x, y });
    const rail = at + INDENT / 2;
    const begin = across + this.node[1];
    let next = begin;
    for (const { when, block: callback } of block.called) {
      next += CALLBACK_GAP;
      const axis = next + callback.axis;
      this.wire(when, {
        from: [block.id],
        to: ends(callback, 0),
        points: [rail, begin, rail, axis, at + INDENT + this.entry(callback), axis],
        arrow: isTask(callback),
        top: next,
      });
      this.place(callback, { at: at + INDENT, across: next, before: null, after: null, chord: false });
      next += callback.breadth;
    }
  }

  place_series(block, { at, across, before, after }) {
    const axis = across + block.axis;
    block.parts.forEach((part, i) => {
      const last = block.parts[i - 1];
      const next = block.parts[i + 1];
      if (last) {
        const points = [at - GAP - this.exit(last), axis, at + this.entry(part), axis];
        const kind = last.kind === "parallel" ? "stem" : "link";
        this.wire(kind, { from: ends(last, -1), to: ends(part, 0), points, arrow: isTask(part) });
      }
      this.place(part, {
        at,
        across: axis - part.axis,
        before: last ? ends(last, -1) : before,
        after: next ? ends(next, 0) : after,
        chord: Boolean(next),
      });
      at += part.length + GAP;
    });
  }

  place_parallel(block, { at, across, before, after, chord }) {
    this.frame(block, { at, across, chord });
    const start = at + this.pad.start;
    const [first, last] = [block.parts[0], block.parts.at(-1)].map((part) => across + part.across + part.axis);
    if (before) {
      const bar = at + this.entry(block);
      this.wire("bar", { from: before, to: ends(block, 0), points: [bar, first, bar, last] });
    }
    for (const part of block.parts) {
      const axis = across + part.across + part.axis;
      if (before)
        this.stub(before, ends(part, 0), [at + this.entry(block), axis, start + this.entry(part), axis], isTask(part));
      this.place(part, { at: start, across: across + part.across, before, after, chord: false });
      if (after)
        this.stub(ends(part, -1), [], [start + part.length - this.exit(part), axis, at + block.length, axis], false);
    }
    if (after) this.bracket(block, { at, across, after });
  }

  place_tile(block, { at, across, after, chord }) {
    const [x, y] = this.turned(at, across);
    this.tiles.push({ ...block.tile, x, y, ends: block.parts.map((part) => ends(part, -1)), chord });
    if (after) this.bracket(block, { at, across, after });
  }

  /** How far inside a block's bounds the wire into it ends. */
  entry(block) {
    if (block.kind === "series") return this.entry(block.parts[0]);
    return block.kind === "parallel" && !block.tile && this.down ? LABEL : 0;
  }

  /** How far before the end of a block's bounds the wire out of it begins: callbacks reach further than their task. */
  exit(block) {
    if (block.kind === "series") return this.exit(block.parts.at(-1));
    return block.kind === "task" ? block.length - this.node[0] : 0;
  }

  stub(from, to, points, arrow) {
    this.wire("stub", { from, to, points, arrow });
  }

  /** The far edge of a group's frame, where its lanes come together. */
  bracket(block, { at, across, after }) {
    const [far, end, hook] = [at + block.length, across + block.breadth, 8];
    this.wire("bar", {
      from: ends(block, -1),
      to: after,
      points: [far - hook, across, far, across, far, end, far - hook, end],
    });
  }

  frame(block, { at, across, chord }) {
    const [x, y] = this.turned(at, across);
    const [width, height] = this.turned(block.length, block.breadth);
    this.frames.push({ x, y, width, height, lanes: block.parts.map((part) => ends(part, -1)), chord });
  }

  wire(kind, { points, arrow = false, ...more }) {
    if (this.down) for (let i = 0; i < points.length; i += 2) [points[i], points[i + 1]] = [points[i + 1], points[i]];
    this.wires.push({ kind, points, arrow, ...more });
  }
}

/** Whether a wire into this block ends at a task. */
const isTask = (block) => (block.kind === "series" ? isTask(block.parts[0]) : block.kind === "task");

const sum = (list, of) => list.reduce((total, each) => total + of(each), 0);
const most = (list, of) => list.reduce((found, each) => Math.max(found, of(each)), 0);
