import assert from "node:assert/strict";
import { test } from "node:test";

import en from "../../background/web/static/js/en-runs.js";
import ko from "../../background/web/static/js/ko-runs.js";

test("both languages have the same messages, with the same names in them", () => {
  assert.deepEqual(Object.keys(ko), Object.keys(en));
  const names = (message) => [...new Set((message.other ?? message).match?.(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(en)) if (key !== "sentences") assert.deepEqual(names(ko[key]), names(en[key]), key);
});
