// JSON without loss. A number that JavaScript would write in another way (1.0, 12345678901234567890) stays as it was
// written, where the browser can keep it; JSON.stringify writes it so again.

/** @typedef {{ rawJSON?: (text: string) => object, isRawJSON?: (value: any) => boolean }} Raw */
const raw = /** @type {Raw} */ (/** @type {unknown} */ (JSON));

/** As JSON.parse. Raises SyntaxError. */
export const parse = (text) => JSON.parse(text, raw.rawJSON ? kept : undefined);

/** As `parse`, but that 1.0 is 1: what JavaScript cannot count with alone stays as it was written. */
export const parseLarge = (text) => JSON.parse(text, raw.rawJSON ? large : undefined);

/** Whether this is a number that is kept as it was written. */
export const isKept = (value) => raw.isRawJSON?.(value) ?? false;

/** A number as it is written. */
export const numeral = (source) =>
  raw.rawJSON && String(Number(source)) !== source ? raw.rawJSON(source) : Number(source);

/** @type {any} */
const large = (_key, value, context) =>
  typeof value === "number" && !Number.isSafeInteger(Math.trunc(value)) ? raw.rawJSON(context.source) : value;

/** @type {any} */
const kept = (_key, value, context) => (typeof value === "number" ? numeral(context.source) : value);
