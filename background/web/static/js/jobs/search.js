// What is looked for, as text: `tag:nightly param.customer:7 error:"no luck"`; words without a name are of the error.

import { now } from "../base/api.js";

/** Names of what may be looked for, as the API has them; `last` is how long ago a job was made at most. */
export const NAMES = [
  "status",
  "pipeline",
  "tag",
  "queue",
  "worker",
  "schedule_id",
  "error",
  "created_after",
  "created_before",
  "last",
];
export const SPANS = { "1h": 3_600_000, "1d": 86_400_000, "7d": 604_800_000 };
const TERM = /(?:([a-z_]+(?:\.[^\s:"]+)*):)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g;

const isName = (name) => NAMES.includes(name) || /^param\../.test(name);

/**
 * The terms of a text.
 * @param {string} text
 * @returns {{ name: string, value: string }[]}
 */
export function terms(text = "") {
  const found = [];
  const loose = [];
  for (const [whole, name, quoted, plain] of text.matchAll(TERM)) {
    const value = quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1");
    if (name && isName(name)) found.push({ name, value });
    else loose.push(name ? whole : value);
  }
  if (loose.length) found.push({ name: "error", value: loose.join(" ") });
  return found;
}

/** What the filter of a list, `{ status, pipeline, before, q }`, means to the API: names and values. */
export function pairs({ q, ...plain }) {
  const found = Object.entries(plain).filter(([, value]) => value !== undefined && value !== "");
  for (const { name, value } of terms(q)) {
    if (name !== "last") found.push([name, value]);
    else if (value in SPANS) found.push(["created_after", new Date(now() - SPANS[value]).toISOString()]);
  }
  return found;
}

/** The query of `GET /jobs`. */
export const query = (filter) => new URLSearchParams(pairs(filter).map(([name, value]) => [name, String(value)]));

/**
 * Whether a job is what this text looks for, as far as the page has it: large params are known to the API alone.
 * @param {Job} job
 * @param {string} [text]
 */
export function matches(job, text) {
  const found = terms(text);
  const named = (name) => found.filter((term) => term.name === name).map((term) => term.value);
  const params = new Set(found.map((term) => term.name).filter((name) => name.startsWith("param.")));
  const statuses = named("status");
  return (
    (!statuses.length || statuses.includes(job.status)) &&
    named("tag").every((tag) => job.tags.includes(tag)) &&
    ["pipeline", "queue", "worker", "schedule_id"].every((name) =>
      named(name).every((value) => String(job[name]) === value),
    ) &&
    named("error").every((part) => (job.error ?? "").toLowerCase().includes(part.toLowerCase())) &&
    [...params].every((name) => job.params === null || named(name).some((value) => isParam(job, name, value))) &&
    named("created_after").every((time) => Date.parse(job.created_at) >= Date.parse(time)) &&
    named("created_before").every((time) => Date.parse(job.created_at) < Date.parse(time)) &&
    named("last").every((span) => !(span in SPANS) || now() - Date.parse(job.created_at) <= SPANS[span])
  );
}

function isParam(job, name, value) {
  const found = name
    .slice("param.".length)
    .split(".")
    .reduce((part, key) => part?.[key], job.params);
  if (found === undefined || (found !== null && typeof found === "object")) return false;
  return typeof found === "number" ? value !== "" && found === Number(value) : String(found) === value;
}
