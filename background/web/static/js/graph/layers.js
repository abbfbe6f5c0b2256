// Layers for what is neither in series nor side by side: longest paths decide the layer, two barycentre sweeps the
// order within it (Sugiyama, Tagawa, Toda 1981). An edge over several layers gets a row of its own in each between.

/**
 * Places parts that know their `length`, `breadth` and `axis`; `edges` are pairs of indices without circles.
 * Gives length, breadth and axis of the whole, `spots` [main, cross] of the parts, `routes` of the edges as
 * main, cross, main, cross …; slanted lines stand only in the gaps between layers.
 */
export function layers(parts, edges, { gap, laneGap }) {
  const layer = longestPaths(parts.length, edges);
  const slots = parts.map((part, i) => ({ part, layer: layer[i], next: [], last: [] }));
  const paths = edges.map(([from, to]) => pathOf(slots, from, to, laneGap));
  const columns = [];
  for (const slot of slots) (columns[slot.layer] ??= []).push(slot);
  for (const column of columns) column.forEach((slot, order) => (slot.order = order));
  for (const column of columns.slice(1)) arrange(column, (slot) => slot.last);
  for (const column of columns.slice(0, -1).reverse()) arrange(column, (slot) => slot.next);
  const breadth = Math.max(...columns.map((column) => across(column, laneGap)));
  let at = 0;
  for (const column of columns) {
    let cross = (breadth - across(column, laneGap)) >> 1;
    const length = Math.max(...column.map((slot) => slot.part.length));
    for (const slot of column) {
      Object.assign(slot, { at, cross, end: at + length });
      cross += slot.part.breadth + laneGap;
    }
    at += length + gap;
  }
  const spots = slots.slice(0, parts.length).map((slot) => [slot.at, slot.cross]);
  return { length: at - gap, breadth, axis: breadth >> 1, spots, routes: paths.map(routeOf) };
}

function longestPaths(number, edges) {
  const after = Array.from({ length: number }, () => []);
  const waits = new Array(number).fill(0);
  for (const [from, to] of edges) {
    after[from].push(to);
    waits[to] += 1;
  }
  const layer = new Array(number).fill(0);
  const ready = [...layer.keys()].filter((i) => waits[i] === 0);
  for (const i of ready) {
    for (const to of after[i]) {
      layer[to] = Math.max(layer[to], layer[i] + 1);
      if (--waits[to] === 0) ready.push(to);
    }
  }
  return layer;
}

/** The slots that an edge goes through; those between its ends are made here, rows for the edge alone. */
function pathOf(slots, from, to, breadth) {
  const path = [slots[from]];
  for (let layer = slots[from].layer + 1; layer < slots[to].layer; layer += 1) {
    const row = { part: { length: 0, breadth, axis: breadth >> 1 }, layer, next: [], last: [] };
    slots.push(row);
    path.push(row);
  }
  path.push(slots[to]);
  path.slice(1).forEach((slot, i) => {
    path[i].next.push(slot);
    slot.last.push(path[i]);
  });
  return path;
}

function arrange(column, neighbours) {
  for (const slot of column) {
    const found = neighbours(slot);
    slot.weight = found.length ? found.reduce((total, each) => total + each.order, 0) / found.length : slot.order;
  }
  column.sort((a, b) => a.weight - b.weight || a.order - b.order);
  column.forEach((slot, order) => (slot.order = order));
}

const across = (column, gap) => column.reduce((total, slot) => total + slot.part.breadth, gap * (column.length - 1));

function routeOf(path) {
  const points = [];
  path.forEach((slot, i) => {
    const cross = slot.cross + slot.part.axis;
    if (i > 0) points.push(slot.at, cross);
    if (i < path.length - 1) points.push(slot.at + (i ? 0 : slot.part.length), cross, slot.end, cross);
  });
  return points;
}
