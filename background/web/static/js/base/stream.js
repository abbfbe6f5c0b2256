// Server-sent events over fetch, which, unlike EventSource, can send an API key.
import { BASE, currentKey, headers, health, needKey, readClock } from "./api.js";
import { poke } from "./pulse.js";

const SILENCE_MS = 40_000; // A comment is due every 15 s.
const SLOW_MS = 3000; // A proxy that holds back what comes piece by piece may hold a stream for ever.
const RARELY_MS = 30_000; // So often is read at least what takes long, or is not answered.
const REPLAY_MS = 60_000; // After a longer absence a fresh snapshot says it all.

/** Whether the stream of this tab is `live`, `wait` (connecting), `cut` (since `asOf`), `paused`, or `off`. */
export const connection = Object.assign(new EventTarget(), { state: "off", asOf: null });

function tell(state) {
  if (state === "live" || (state === "paused" && connection.state === "live")) heard();
  if (connection.state === state) return;
  connection.state = state;
  connection.dispatchEvent(new Event("change"));
}

/** What is shown is as of now. */
function heard() {
  connection.asOf = Date.now();
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
 * `retry()` is called when a connection failed or is long in coming, to read the snapshot all the same, `end()` when the
 * server says that nothing more will come. Gives a function that stops following.
 */
export function follow(path, told) {
  const following = new Following(path, told);
  return () => following.stop();
}

class Following {
  constructor(path, told) {
    this.path = path;
    this.told = told;
    this.attempt = null;
    this.lastId = null;
    this.lostAt = 0;
    this.failures = 0;
    this.timer = 0;
    this.over = false;
    this.changed = () => this._changed();
    holders.add(this.changed);
    document.addEventListener("visibilitychange", this.changed);
    window.addEventListener("online", this.changed);
    this._changed();
  }

  stop() {
    if (this.over) return;
    this._close();
    tell("off");
  }

  get _wanted() {
    return !this.over && !paused && document.visibilityState === "visible";
  }

  async _connect() {
    const attempt = new AbortController();
    this.attempt = attempt;
    if (connection.state !== "cut") tell("wait");
    const key = currentKey();
    const slow = setTimeout(() => this.told.retry?.(), SLOW_MS);
    const late = setTimeout(() => attempt.abort(), SILENCE_MS);
    try {
      const goesOn = this.lastId !== null && Date.now() - this.lostAt < REPLAY_MS;
      const response = await fetch(new URL(this.path, BASE), {
        headers: headers({ Accept: "text/event-stream", ...(goesOn ? { "Last-Event-ID": this.lastId } : {}) }),
        cache: "no-store",
        signal: attempt.signal,
      });
      clearTimeout(slow);
      clearTimeout(late);
      readClock(response);
      if (response.status === 204) return this._finish();
      if (response.status === 401 && key === currentKey()) await needKey(key !== null);
      if (!response.ok) throw new Error(String(response.status));
      await this._read(response, attempt);
      if (!this.over) throw new Error("closed");
    } catch (error) {
      if (attempt === this.attempt && this._wanted) this._later(error);
    } finally {
      clearTimeout(slow);
      clearTimeout(late);
    }
  }

  async _read(response, attempt) {
    const waiting = [];
    let ready = false;
    const snapshot = Promise.resolve(this.told.open()).then(() => {
      if (attempt !== this.attempt) return;
      ready = true;
      this.failures = 0;
      tell("live");
      for (const each of waiting) this.told.event(each.kind, each.data, { early: true });
    });
    const parse = parser((id, kind, text) => {
      this.lastId = id ?? this.lastId;
      this.lostAt = Date.now();
      if (text === "") return; // Only where it goes on from.
      const data = JSON.parse(text);
      if (ready) this.told.event(kind, data, { early: false });
      else waiting.push({ kind, data });
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    snapshot.catch(() => reader.cancel().catch(() => {}));
    await readAll(reader, parse);
    await snapshot;
  }

  _later(error) {
    this._halt();
    if (error instanceof TypeError) poke(); // Whether the API is down is for a plain request to say.
    tell("cut");
    const full = Math.min(30_000, 1000 * 2 ** this.failures++);
    this.timer = setTimeout(() => this._connect(), full * (0.5 + Math.random() / 2));
    this.told.retry?.();
  }

  _halt() {
    clearTimeout(this.timer);
    const old = this.attempt;
    this.attempt = null;
    old?.abort();
  }

  _finish() {
    this._close();
    tell("off");
    this.told.end?.();
  }

  _changed() {
    if (this._wanted && this.attempt === null) {
      this._halt();
      this.failures = 0;
      this._connect();
    } else if (!this._wanted) {
      this._halt();
      tell(paused ? "paused" : "wait");
    }
  }

  _close() {
    this.over = true;
    holders.delete(this.changed);
    document.removeEventListener("visibilitychange", this.changed);
    window.removeEventListener("online", this.changed);
    this._halt();
  }
}

/** Hand on what comes until the stream ends, or is silent for too long. */
async function readAll(reader, take) {
  let watchdog = 0;
  const alive = () => {
    if (connection.state === "live") heard();
    clearTimeout(watchdog);
    watchdog = setTimeout(() => reader.cancel(), SILENCE_MS);
  };
  alive();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      take(value);
    }
  } finally {
    clearTimeout(watchdog);
    reader.cancel().catch(() => {});
  }
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
    } catch (error) {
      if (!over && error.name !== "AbortError") tell("cut");
    }
    clearTimeout(timer);
    if (!over) timer = setTimeout(now, Math.max(ms, Math.min(8 * (performance.now() - begun), RARELY_MS)));
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
function parser(found) {
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
