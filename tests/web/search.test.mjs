import assert from "node:assert/strict";
import { test } from "node:test";

Object.assign(globalThis, { location: { href: "http://localhost/ui/" }, document: { documentElement: {} } });
const { readClock } = await import("../../background/web/static/js/base/api.js");
const { matches, query, terms } = await import("../../background/web/static/js/jobs/search.js");
const { asJson, completions, put, written } = await import("../../background/web/static/js/jobs/search-text.js");

const job = (more = {}) =>
  /** @type {any} */ ({
    id: 1,
    status: "FAILED",
    pipeline: "demo",
    queue: "celery",
    worker: "celery@vm",
    schedule_id: 3,
    tags: ["nightly", "two words"],
    params: { customer: 7, name: "7", address: { city: "서울" }, dry: true, note: null },
    error: "ValueError: No luck",
    created_at: "2026-03-01T10:00:00Z",
    ...more,
  });

test("a text is taken apart, and put together again", () => {
  const text = 'status:FAILED tag:"two words" param.address.city:서울 no luck http://x error:"say \\"no\\""';
  const found = [
    { name: "status", value: "FAILED" },
    { name: "tag", value: "two words" },
    { name: "param.address.city", value: "서울" },
    { name: "error", value: 'say "no"' },
    { name: "error", value: "no luck http://x" },
  ];
  assert.deepEqual(terms(text), found);
  assert.deepEqual(terms(written(found)), found);
  assert.deepEqual(terms('param.:7 unknown:7 tag: "'), [{ name: "error", value: 'param.:7 unknown:7 tag: "' }]);
  assert.equal(put("tag:a last:1h", "last", "7d"), "tag:a last:7d");
  assert.equal(put("tag:a last:1h", "last"), "tag:a");
});

test("a job matches as the API says", () => {
  for (const text of [
    "tag:nightly status:FAILED status:PENDING",
    "param.customer:7 param.name:7 param.dry:true param.note:null",
    "param.customer:8 param.customer:7",
    "param.address.city:서울",
    "error:LUCK queue:celery schedule_id:3",
    "created_after:2026-03-01T19:00:00+09:00 created_before:2026-03-01T10:00:01Z",
  ])
    assert.ok(matches(job(), text), text);
  for (const text of [
    "tag:nightly tag:other",
    "status:PENDING",
    "param.customer:8",
    "param.customer.id:7",
    "param.address:서울",
    "error:boom",
    "queue:reports",
    "created_before:2026-03-01T10:00:00Z",
    "last:1h",
  ])
    assert.ok(!matches(job(), text), text);
  assert.ok(matches(job({ params: null }), "param.customer:8"), "the API alone knows large params");
});

test("the API is asked the same in a query and for an action", () => {
  const filter = {
    status: "FAILED",
    pipeline: undefined,
    q: "tag:a tag:b param.x:1 param.x:2 schedule_id:3",
    limit: 5,
  };
  const { limit, ...wanted } = filter;
  assert.equal(query(filter).toString(), "status=FAILED&limit=5&tag=a&tag=b&param.x=1&param.x=2&schedule_id=3");
  assert.deepEqual(asJson(wanted), { status: ["FAILED"], tag: ["a", "b"], "param.x": ["1", "2"], schedule_id: 3 });
  const [[name, since]] = [...query({ q: "last:1h" })];
  assert.equal(name, "created_after");
  assert.ok(Math.abs(Date.now() - Date.parse(since) - 3_600_000) < 60_000);
});

test("the last hour is that of the server, whose time is in its answers", () => {
  const there = Date.now() - 7_200_000;
  readClock({ headers: new Headers({ Date: new Date(there).toUTCString() }) });
  const [[, since]] = [...query({ q: "last:1h" })];
  assert.ok(Math.abs(there - Date.parse(since) - 3_600_000) < 60_000);
  assert.ok(matches(job({ created_at: new Date(there).toISOString() }), "last:1h"));
  readClock({ headers: new Headers({ Date: new Date().toUTCString() }) });
});

test("names and values are completed", () => {
  const pipelines = [{ name: "demo", params: { properties: { step_seconds: {} } } }];
  assert.deepEqual(completions("tag:a sta", pipelines), ["tag:a status:"]);
  assert.deepEqual(completions("status:FA", pipelines), ["status:FAILED"]);
  assert.deepEqual(completions("param.", pipelines), ["param.step_seconds:"]);
  assert.deepEqual(completions("pipeline:", pipelines), ["pipeline:demo"]);
  assert.ok(completions("", pipelines).includes("error:"));
});
