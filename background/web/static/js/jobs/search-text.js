// The text of a search as it is written and completed, and what it means for an action.
import { NAMES, pairs, SPANS, terms } from "./search.js";

const LISTS = new Set(["status", "tag"]);

/** A text of these terms. */
export const written = (found) =>
  found.map(({ name, value }) => `${name}:${/^[^\s"\\]+$/.test(value) ? value : quoted(value)}`).join(" ");

const quoted = (value) => `"${value.replace(/["\\]/g, "\\$&")}"`;

/** The text with one more term, in the place of others of that name; without a value they are only taken out. */
export function put(text, name, value) {
  const others = terms(text).filter((term) => term.name !== name);
  return written(value ? [...others, { name, value }] : others);
}

/**
 * What may come next behind a text that is being typed: the whole texts.
 * @param {string} text
 * @param {{ name: string, params: { properties?: object } }[]} pipelines
 */
export function completions(text, pipelines) {
  const [, before, last] = /^(.*?)([^\s]*)$/s.exec(text) ?? [];
  const [name, value] = last.includes(":") ? last.split(":") : [last, null];
  const params = new Set(pipelines.flatMap((each) => Object.keys(each.params.properties ?? {})));
  const values = {
    status: ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"],
    pipeline: pipelines.map((each) => each.name),
    last: Object.keys(SPANS),
  };
  const next =
    value === null
      ? [...NAMES.map((each) => `${each}:`), ...[...params].map((each) => `param.${each}:`)]
      : (values[name] ?? []).map((each) => `${name}:${each}`);
  return next.filter((each) => each.startsWith(last) && each !== last).map((each) => before + each);
}

/** One status and one pipeline have places of their own in the filter of a list. */
export function apart(text) {
  const more = { q: text };
  for (const name of ["status", "pipeline"]) {
    const [one, ...others] = terms(text).filter((term) => term.name === name);
    if (one && !others.length) Object.assign(more, { [name]: one.value, q: put(more.q, name) });
  }
  return more;
}

/** The filter of `POST /jobs/actions`. */
export function asJson(filter) {
  const found = {};
  for (const [name, value] of pairs(filter)) {
    if (LISTS.has(name) || name.startsWith("param.")) found[name] = [...(found[name] ?? []), value];
    else found[name] = name === "schedule_id" ? Number(value) : value;
  }
  return found;
}
