// Requests to the API: the key, problem+json as errors, the server's clock, and whether it answers at all.
import { choices } from "./dom.js";
import { parseLarge } from "./exact.js";

/** Where the API is: one above the page, whatever prefix a proxy puts before both. */
export const BASE = new URL("../", location.href.replace(/[?#].*/, ""));

/** `health` tells `change` when the API stops or starts answering; `down` is then why, as `report` was told, or null. */
export const health = Object.assign(new EventTarget(), { down: null, since: null });

/** Asks for an API key; rejects when a person declines. The page sets it at its start. */
export const keys = { ask: async (/** @type {{ refused?: boolean }} */ _why) => {} };

class ApiError extends Error {
  /**
   * `status` is 0 when no answer came; `problem` is what the API said: detail, code and values, and errors of a 422.
   * @param {number} status
   * @param {{ detail: string, code?: string, values?: object, errors?: any[] }} problem
   */
  constructor(status, { detail, code, values, errors }) {
    super(detail);
    this.status = status;
    this.code = code;
    this.values = values;
    this.errors = errors ?? [];
  }
}

/** The key of this tab, or null. */
export const currentKey = () => choices.get("api-key", "sessionStorage");

export function headers(more = {}) {
  const key = currentKey();
  return key ? { ...more, "X-API-Key": key } : more;
}

const ANSWER_MS = 20_000; // The API answers within 5 s, also without PostgreSQL: after so long nobody is there.
const WHOLE_MS = 60_000; // 3 MB of a slow network.
const DONE_MS = 60_000; // Hundreds of jobs are changed at once, and no proxy waits for longer.

/** The writes that have no answer yet, by what they ask for, and how many there have been at all. */
const writes = new Map();
export const written = { count: 0 };

/**
 * One request; `body` is sent as JSON, but a FormData as it is; `as` says how the answer is read: json, text or blob.
 * Gives `{ data, next }`, `next` from the `Link` header. Raises `ApiError`, or AbortError. What is to change is asked for once:
 * the same, asked for again before it is answered, is that one.
 * @param {string} method
 * @param {string} path
 * @param {{ body?: any, more?: object, signal?: AbortSignal, as?: "json" | "text" | "blob" }} [options]
 */
export function request(method, path, options = {}) {
  const { body, more, signal } = options;
  if (onlyRead(method, signal) || body instanceof FormData) return ask(method, path, options);
  const same = JSON.stringify([method, path, body, more]);
  if (!writes.has(same)) {
    written.count += 1;
    writes.set(
      same,
      ask(method, path, options).finally(() => writes.delete(same)),
    );
  }
  return writes.get(same);
}

/** What may be left before it is answered changes nothing: a preview is asked for by POST. */
const onlyRead = (method, signal) => method === "GET" || Boolean(signal);

/** @type {typeof request} */
async function ask(method, path, { body, more, signal, as = "json" } = {}) {
  const key = currentKey();
  const isForm = body instanceof FormData;
  let response;
  let data;
  try {
    ({ response, data } = await answered(new URL(path, BASE), as, {
      method,
      signal,
      cache: "no-store",
      headers: headers({
        Accept: "application/json",
        ...(body === undefined || isForm ? {} : { "Content-Type": "application/json" }),
        ...more,
      }),
      body: body === undefined || isForm ? body : JSON.stringify(body),
    }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    unread.clear();
    report("network");
    throw new ApiError(0, {
      detail: "network",
      ...(onlyRead(method, signal) ? {} : { code: "no_answer", values: {} }),
    });
  }
  readClock(response);
  if (response.status === 401) {
    if (key === currentKey()) await needKey(key !== null);
    return ask(method, path, { body, more, signal, as });
  }
  if (!response.ok || data === undefined) {
    const error = data
      ? new ApiError(response.status, { detail: String(response.status), ...data })
      : stranger(response);
    if (method === "GET" && (!error.status || NOT_NOW.includes(error.status))) {
      unread.add(place(path)).add(ALWAYS_READ);
      report(error);
    }
    throw error;
  }
  // What needs nothing of a part that is away is answered meanwhile, too.
  if (!unread.size || unread.has(place(path))) {
    unread.clear();
    report(null);
  }
  return { data, next: nextOf(response.headers.get("Link")) };
}

const NOT_NOW = [429, 503];

/** The error for an answer that the API does not give: that of a proxy, say, before an API that is away. */
const stranger = ({ status }) =>
  new ApiError(0, {
    detail: `${status} was answered, and not by the API.`,
    code: "not_the_api",
    values: { answer: status },
  });

/** What the API could not read, for lack of a part: that it is back only these can tell. */
const unread = new Set();
const ALWAYS_READ = "jobs/stats"; // It needs every part but the broker.
const place = (/** @type {string} */ path) => path.split("?", 1)[0];

/** The addresses that are being read, and those that are being deleted: what is read of these could only be missing. */
const reads = new Map();
const removals = new Set();
const isOf = (address, thing) =>
  address === thing || address.startsWith(`${thing}/`) || address.startsWith(`${thing}?`);

/**
 * The response and what it says, undefined for what is not of the kind that was asked for. It is waited for so long, and its
 * last byte, but a file's, too; the end of that is no AbortError. A file that is sent may last.
 * @param {URL} address
 * @param {"json" | "text" | "blob"} as
 * @param {RequestInit} options
 */
async function answered(address, as, { signal, ...options }) {
  const waiting = new AbortController();
  if (options.method === "GET") {
    reads.set(waiting, address.href);
    if ([...removals].some((thing) => isOf(address.href, thing))) waiting.abort();
  }
  const leave = () => waiting.abort(signal.reason);
  const late = () => waiting.abort(new DOMException("", "TimeoutError"));
  const patience = options.method === "GET" ? ANSWER_MS : DONE_MS;
  let timer = options.body instanceof FormData ? 0 : setTimeout(late, patience);
  if (signal?.aborted) leave();
  signal?.addEventListener("abort", leave, { once: true });
  try {
    const response = await fetch(address, { ...options, signal: waiting.signal });
    clearTimeout(timer);
    if (as !== "blob") timer = setTimeout(late, WHOLE_MS);
    return { response, data: await said(response, response.ok ? as : "json") };
  } finally {
    clearTimeout(timer);
    reads.delete(waiting);
  }
}

/** Have a new key, or raise `ApiError` 401; once a person has declined, only the banner asks again. */
export async function needKey(refused = false) {
  try {
    if (health.down === "key") throw new Error("declined");
    await keys.ask({ refused });
  } catch {
    report("key");
    throw new ApiError(401, { detail: "key" });
  }
}

/** @param {Parameters<typeof request>[2]} [options] */
export const get = async (path, options) => (await request("GET", path, options)).data;
/** What is to be changed and sent back: an id of 19 digits stays what it is. */
export const getExactly = async (path) => parseLarge(await get(path, { as: "text" }));
/**
 * @param {string} path
 * @param {any} [body]
 * @param {object} [more]
 * @param {Parameters<typeof request>[2]} [options]
 */
export const post = async (path, body, more, options) => (await request("POST", path, { body, more, ...options })).data;

/** Delete it; until that is answered, reads of it or below it end with an AbortError. */
export async function remove(path) {
  const thing = new URL(path, BASE).href;
  removals.add(thing);
  for (const [waiting, address] of reads) if (isOf(address, thing)) waiting.abort();
  try {
    return await request("DELETE", path);
  } finally {
    removals.delete(thing);
  }
}

let heard = Date.now();

/** Remember whether the API answers: null for yes, else `network`, `key`, or the `ApiError` that says what it lacks. */
export function report(down) {
  if (down === null) heard = Date.now();
  if (down === health.down || (down?.message && down.message === health.down?.message)) return;
  health.since = down === null ? null : (health.since ?? heard);
  health.down = down;
  health.dispatchEvent(new Event("change"));
}

async function said(response, as) {
  if (response.status === 204) return null;
  if (as !== "json") return response[as]();
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function nextOf(link) {
  const found = /<([^>]+)>;\s*rel="next"/.exec(link ?? "");
  return found ? new URL(found[1], BASE).searchParams.get("before") : null;
}

// `Date` has whole seconds, so only a difference of more than that says anything.
let offset = 0;

export function readClock(response) {
  const server = Date.parse(response.headers.get("Date") ?? "");
  const difference = server + 500 - Date.now();
  if (!Number.isNaN(server)) offset = Math.abs(difference) > 2000 ? difference : 0;
}

let stopped = null;
/** In a saved file it is always the time up to which it was recorded. */
export const stopClock = (/** @type {number} */ time) => {
  stopped = time;
};

/** The server's time in ms. */
export const now = () => stopped ?? Date.now() + offset;

/** The same request for a terminal. */
export function asCurl(method, path, body) {
  const words = ["curl"];
  if (method !== "GET") words.push("-X", method);
  words.push(quoted(new URL(path, BASE).href));
  if (currentKey()) words.push("-H", '"X-API-Key: $API_KEY"');
  if (body !== undefined)
    words.push("-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(body)));
  return words.join(" ");
}

const quoted = (text) => (/^[\w:/.@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
