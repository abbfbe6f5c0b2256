import assert from "node:assert/strict";
import { test } from "node:test";

Object.assign(globalThis, { location: { href: "http://localhost/ui/" }, document: { documentElement: {} } });
const { HELD, JobList } = await import("../../background/web/static/js/jobs/list.js");

const job = (id, more = {}) => ({ id, status: "PENDING", pipeline: "demo", updated_at: "2026-01-01", ...more });
const listOf = (...ids) => {
  const list = new JobList({});
  list.refresh(
    ids.map((id) => job(id)),
    false,
  );
  return list;
};

test("what comes while nobody looks takes no more room than a list, and is counted all the same", () => {
  const list = listOf(3, 2, 1);
  for (let id = 4; id < 4 + HELD + 50; id += 1) list.apply(job(id));
  assert.equal(list.arrivals.size, HELD);
  assert.equal(list.news, HELD + 50);
  // One that is only counted is not counted again when it changes; one that waits is.
  assert.equal(list.apply(job(10, { status: "FAILED" })), null);
  assert.equal(list.apply(job(4 + HELD, { status: "FAILED" })), "arrival");
  assert.equal(list.news, HELD + 50);
  list.admit();
  const newest = 3 + HELD + 50;
  assert.deepEqual(
    list.ids,
    Array.from({ length: HELD }, (_, i) => newest - i),
  );
  assert.deepEqual([list.news, list.more, list.full], [0, true, true]);
});

test("the newest stay, in whichever order they come", () => {
  const list = listOf(1);
  const page = Array.from({ length: HELD }, (_, i) => job(HELD + 100 - i));
  for (let id = 2; id < 50; id += 1) list.apply(job(id));
  list.refresh(page, true);
  assert.equal(Math.max(...list.arrivals.keys()), HELD + 100);
  assert.equal(Math.min(...list.arrivals.keys()), 101);
});

test("an arrival that no longer belongs is no news", () => {
  const list = new JobList({ status: "PENDING" });
  list.apply(job(1));
  assert.equal(list.news, 1);
  list.apply(job(1, { status: "FAILED" }));
  assert.equal(list.news, 0);
});
