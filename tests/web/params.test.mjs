import assert from "node:assert/strict";
import { test } from "node:test";

import { factsIn } from "./facts.mjs";

await factsIn("en");
const { propertiesOf } = await import("../../background/web/static/js/page/schema.js");

test("every parameter says what it takes", () => {
  const properties = {
    name: { type: "string", description: "Whose it is" },
    note: { type: "string", default: "" },
    really: { type: "boolean", default: false },
    mode: { enum: ["fast", "slow"], type: "string" },
    some: { type: "integer", minimum: 1, maximum: 9 },
    price: { type: "number", exclusiveMinimum: 0, maximum: 10 },
    share: { type: "number", minimum: 0, exclusiveMaximum: 1 },
  };
  const said = Object.fromEntries(propertiesOf({ properties }).map(({ name, hint }) => [name, hint]));
  assert.deepEqual(said, {
    name: "Whose it is, text",
    note: "text",
    really: "true or false",
    mode: "fast, slow",
    some: "whole number, 1 to 9",
    price: "number, at most 10, more than 0",
    share: "number, at least 0, less than 1",
  });
});
