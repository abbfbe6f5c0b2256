import assert from "node:assert/strict";
import { test } from "node:test";

import en from "../../background/web/static/js/words/en.js";
import ko from "../../background/web/static/js/words/ko.js";

const SCOPES = ["reason", "more", "waiting", "warning", "refusal", "fault", "pipeline", "advice", "term", "start"];
const placeholders = (message) => [
  ...new Set(
    Object.values(typeof message === "string" ? [message] : message).flatMap((text) => text.match(/\{\w+\}/g) ?? []),
  ),
];

test("both languages have the same messages, and many of them", () => {
  assert.deepEqual(Object.keys(en).sort(), Object.keys(ko).sort());
  assert.ok(Object.keys(en).length > 400);
});

for (const scope of SCOPES) {
  test(`every ${scope} is there in both languages, with the same placeholders`, () => {
    const keys = Object.keys(en).filter((key) => key.startsWith(`${scope}.`));
    assert.deepEqual(
      keys.sort(),
      Object.keys(ko)
        .filter((key) => key.startsWith(`${scope}.`))
        .sort(),
    );
    assert.ok(keys.length > 1);
    for (const key of keys) assert.deepEqual(placeholders(en[key]).sort(), placeholders(ko[key]).sort(), key);
  });
}

test("Korean is told nothing that English is not", () => {
  for (const key of Object.keys(en))
    assert.deepEqual(
      placeholders(ko[key]).filter((name) => !placeholders(en[key]).includes(name)),
      [],
      key,
    );
});
