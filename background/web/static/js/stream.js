// Server-sent events over fetch, which, unlike EventSource, can send an API key.
import { BASE, currentKey, headers, health, needKey, readClock } from "./api.js";
import { poke } from "./pulse.js";

const SILENCE_MS = 40_000; // A comment is due every 15 s.
const REPLAY_MS = 60_000; // After a longer absence a fresh snapshot says it all.

/** Whether the stream of this tab is `live`, `wait` (connecting), `cut` (since `asOf`), `paused`, or `off`. */
export const connection = Object.assign(new EventTarget(), { state: "off", asOf: null });

function tell(state) {
  if (connection.state === "live" && state !== "live") connection.asOf = Date.now();
  if (connection.state === state) return;
  connection.state = state;
  connection.dispatchEvent(new Event("change"));
}

let paused = false;
const holders = new Set();

/** Stop showing changes, or go on with a new snapshot. */
export function pause(on = !paused) {
  paused = on;
  hurry();
  return paused;
}

/** Try again at once what waits to be tried again. */
export function hurry() {
  for (const each of holders) each();
}

health.addEventListener("change", () => health.down === null && hurry());

/**
 * Follow a stream while the tab is visible. `open()` is awaited once connected: the snapshot is read there, and events
 * that come meanwhile wait for it. `event(kind, data, { early })` is each event, `early` for those that waited.
 * `retry()` is called when a connection failed, to read the snapshot all the same, `end()` when the server says that
 * nothing more will come. Gives a function that stops following.
 */
export function follow(path, { open, event, retry, end }) {
  let abort = null;
  let lastId = null;
  let lostAt = 0;
  let failures = 0;
  let timer = 0;
  let over = false;

  const wanted = () => !over && !paused && document.visibilityState === "visible";

  async function connect() {
    const attempt = (abort = new AbortController());
    if (connection.state !== "cut") tell("wait");
    const key = currentKey();
    try {
      const resume = lastId !== null && Date.now() - lostAt < REPLAY_MS ? { "Last-Event-ID": lastId } : {};
      const response = await fetch(new URL(path, BASE), {
        headers: headers({ Accept: "text/event-stream", ...resume }),
        cache: "no-store",
        signal: attempt.signal,
      });
      readClock(response);
      if (response.status === 204) return finish();
      if (response.status === 401 && key === currentKey()) await needKey(key !== null);
      if (!response.ok) throw new Error(String(response.status));
      await read(response, attempt);
      if (!over) throw new Error("closed");
    } catch (error) {
      if (attempt === abort && wanted()) later(error);
    }
  }

  async function read(response, attempt) {
    const waiting = [];
    let ready = false;
    const snapshot = Promise.resolve(open()).then(() => {
      if (attempt !== abort) return;
      ready = true;
      failures = 0;
      tell("live");
      for (const each of waiting) event(each.kind, each.data, { early: true });
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser((id, kind, text) => {
      lastId = id ?? lastId;
      lostAt = Date.now();
      if (text === "") return; // Only where it goes on from.
      const data = JSON.parse(text);
      if (ready) event(kind, data, { early: false });
      else waiting.push({ kind, data });
    });
    let watchdog = 0;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => reader.cancel(), SILENCE_MS);
    };
    alive();
    snapshot.catch(() => reader.cancel());
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        alive();
        parse(value);
      }
      await snapshot;
    } finally {
      clearTimeout(watchdog);
      reader.cancel().catch(() => {});
    }
  }

  function later(error) {
    abort?.abort();
    abort = null;
    if (error instanceof TypeError) poke(); // Whether the API is down is for a plain request to say.
    tell("cut");
    const full = Math.min(30_000, 1000 * 2 ** failures++);
    timer = setTimeout(connect, full * (0.5 + Math.random() / 2));
    retry?.();
  }

  function halt() {
    clearTimeout(timer);
    const old = abort;
    abort = null;
    old?.abort();
  }

  function finish() {
    close();
    tell("off");
    end?.();
  }

  function changed() {
    if (wanted() && abort === null) {
      halt();
      failures = 0;
      connect();
    } else if (!wanted()) {
      halt();
      tell(paused ? "paused" : "wait");
    }
  }

  function close() {
    over = true;
    holders.delete(changed);
    document.removeEventListener("visibilitychange", changed);
    window.removeEventListener("online", changed);
    halt();
  }

  holders.add(changed);
  document.addEventListener("visibilitychange", changed);
  window.addEventListener("online", changed);
  changed();
  return () => {
    if (over) return;
    close();
    tell("off");
  };
}

/**
 * Where there is no stream: `read()` is awaited every `ms`, less often where it takes long, while the tab is visible and
 * nobody has paused. Gives `{ now, stop }`: read at once, and stop reading.
 */
export function poll(read, ms) {
  let timer = 0;
  let over = false;

  async function now() {
    clearTimeout(timer);
    if (over || paused || document.visibilityState !== "visible") return tell(paused ? "paused" : "wait");
    const begun = performance.now();
    try {
      await read();
      if (!over) tell("live");
    } catch {
      if (!over) tell("cut");
    }
    clearTimeout(timer);
    if (!over) timer = setTimeout(now, Math.max(ms, 8 * (performance.now() - begun)));
  }

  function stop() {
    over = true;
    clearTimeout(timer);
    holders.delete(now);
    document.removeEventListener("visibilitychange", now);
    tell("off");
  }

  holders.add(now);
  document.addEventListener("visibilitychange", now);
  tell("wait");
  now();
  return { now, stop };
}

/**
 * Feed it pieces of text; calls `found(id, kind, data)` for each event, and with empty data where an id came alone (HTML
 * standard, "Interpreting an event stream").
 */
export function parser(found) {
  let rest = "";
  let id = null;
  let told = false;
  let kind = "message";
  let data = [];
  return (piece) => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length || told) found(id, kind, data.join("\n"));
        told = false;
        kind = "message";
        data = [];
        continue;
      }
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "id") {
        id = value;
        told = true;
      } else if (name === "event") kind = value;
      else if (name === "data") data.push(value);
    }
  };
}
