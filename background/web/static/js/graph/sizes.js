// The measures of a graph, in its own units.
export const NODE = { width: 168, height: 44 };
export const GAP = 56; // between what follows one another
export const LANE_GAP = 12; // between what runs side by side
export const MARGIN = 16;
export const CALLBACK_GAP = 20; // between a task and its callbacks
export const INDENT = 24; // by which these stand further in
export const LABEL = 26; // the row of a frame's words
export const PAD = 12;
export const STUB = 20; // from a frame's edge to its lanes
/** A tile: how many lanes it shows; from its upper edge the bar, the counts, the lanes; below them the foot. */
export const TILE = { lanes: 8, bar: 30, counts: 54, head: 68, foot: 40, gap: 32, least: 252 };
