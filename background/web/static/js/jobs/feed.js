// Keeps a `JobList` as the API has it: snapshot, stream, older pages. What has changed is told in pieces small enough for
// a frame, at most four times a second while very much happens.
import { get, request } from "../base/api.js";
import { poke } from "../base/pulse.js";
import { follow } from "../base/stream.js";
import { HELD } from "./list.js";
import { query } from "./search.js";

const PAGE = 100;
const REREAD_PAGE = 500;
const BUSY_EVENTS = 200; // a second
const BUSY_MS = 250;
const FLUSH_MS = 8;

export class Feed {
  /**
   * `told` has `row(id)` for a row that has changed, `arrived()` for jobs that wait to be let in, and `read()` for a new
   * snapshot or an older page; `error` is then null, or why there is none.
   */
  constructor(list, told) {
    this.list = list;
    this.told = told;
    this.dirty = new Set();
    this.arrived = false;
    this.error = null;
    this.loaded = list.ids.length > 0;
    this.burst = { since: 0, events: 0, busy: false };
    this.stop = follow("events", {
      open: () => this._snapshot(),
      retry: () => this.retry(),
      event: (kind, job, { early }) => this._event(kind, job, early),
    });
  }

  close() {
    this.stop();
    this.closed = true;
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  /** Read the snapshot again; `told.read` hears how it went. */
  retry() {
    return this._snapshot().catch(() => {});
  }

  /** Read the next older page, if there is one and it has room. */
  async older() {
    if (this.reading || !this.list.more || this.list.full) return;
    this.reading = true;
    try {
      const [found, more] = await this.page({ before: this.list.oldest, limit: PAGE });
      if (this.closed) return;
      this.list.append(found, more);
      this.told.read();
    } catch {
      // The banner says it; scrolling further asks again.
    } finally {
      this.reading = false;
    }
  }

  /** A waiting job's reason changes without an event: when a worker comes, when its time has come. */
  async recheckWaiting() {
    try {
      const found = await get(`jobs?status=PENDING&limit=${PAGE}`);
      for (const job of found) if (this.list.jobs.has(job.id)) this.take(job, { ifNewer: true });
    } catch {
      // As above.
    }
  }

  /** Another state of a job, from wherever; see `JobList.apply`. */
  take(job, options) {
    const what = this.list.apply(job, options);
    if (what === "row") this.dirty.add(job.id);
    if (what === "arrival") this.arrived = true;
    if (what === null || this.frame || this.timer) return;
    if (this.burst.busy) this.timer = setTimeout(() => this._flush(), BUSY_MS);
    else this._soon();
  }

  /** Read one job again, because the API refused what was asked of it. `gone(id)` when it is no longer there. */
  async reread(id, gone) {
    try {
      this.take(await get(`jobs/${id}`));
    } catch (error) {
      if (error.status === 404) gone(id);
    }
  }

  async page(more) {
    const { data, next } = await request("GET", `jobs?${query({ ...this.list.filter, ...more })}`);
    return [data, next !== null];
  }

  // As far down as rows are held, so that after a long absence all of them are right.
  async _snapshot() {
    this.error = null;
    try {
      let [found, more] = await this.page({ limit: PAGE });
      while (more && found.at(-1).id > this.list.oldest && found.length < HELD) {
        const [page, rest] = await this.page({ before: found.at(-1).id, limit: REREAD_PAGE });
        [found, more] = [[...found, ...page], rest];
      }
      if (this.closed) return;
      this.list.refresh(found, more);
      this.loaded = true;
    } catch (error) {
      this.error = error;
      throw error;
    } finally {
      if (!this.closed) this.told.read();
    }
  }

  _event(kind, job, early) {
    if (kind !== "progress") poke();
    const { burst } = this;
    const time = performance.now();
    burst.events += 1;
    if (time - burst.since > 1000) Object.assign(burst, { busy: burst.events > BUSY_EVENTS, events: 0, since: time });
    this.take(job, { ifNewer: early });
  }

  _soon() {
    this.frame = requestAnimationFrame(() => this._flush());
  }

  _flush() {
    this.frame = this.timer = 0;
    const until = performance.now() + FLUSH_MS;
    for (const id of this.dirty) {
      this.dirty.delete(id);
      this.told.row(id);
      if (performance.now() > until) break;
    }
    if (this.dirty.size) this._soon();
    if (this.arrived) this.told.arrived();
    this.arrived = false;
  }
}
