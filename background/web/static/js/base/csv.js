// Tables as CSV that a spreadsheet opens as it is. Pure.

const BOM = "\ufeff"; // Without it Excel takes UTF-8 for the local code page.

/**
 * A cell. What a spreadsheet would take for a formula gets an apostrophe before it, which it takes for text
 * (OWASP, "CSV Injection"); a number stays one.
 */
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const line = (cells) => `${cells.map(cell).join(",")}\r\n`;

/** The heads, and each record's value for each of them. */
export const csv = (columns, records) =>
  BOM + line(columns) + records.map((record) => line(columns.map((name) => record[name]))).join("");
