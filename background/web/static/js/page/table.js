// A table that is read and not worked in: heads, and rows of cells.
import { h } from "../base/dom.js";

/**
 * @param {(string | HTMLElement)[]} heads
 * @param {HTMLElement[]} rows made by `row`
 * @param {string} [kind] of which there are styles
 */
export const table = (heads, rows, kind) =>
  h(
    "table",
    { class: kind ? `plain ${kind}` : "plain" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    h("tbody", {}, rows),
  );

/** A row; what is no cell yet, text or an element, becomes one. */
export const row = (cells, attributes = {}) =>
  h(
    "tr",
    attributes,
    cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : h("td", {}, cell))),
  );

/** The head of a row. */
export const rowHead = (...content) => h("th", { scope: "row" }, content);
