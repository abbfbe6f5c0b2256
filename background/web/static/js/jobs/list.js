// The jobs that a list holds: which are shown in which order, which have come since, and which no longer belong.

import { matches } from "./search.js";

/** So many jobs are held; older ones are on a page of their own. */
export const HELD = 2000;

export class JobList {
  /** `filter` is `{ status, pipeline, before, q }`, each undefined for all; `q` is a text of search.js. */
  constructor(filter) {
    this.filter = filter;
    /** @type {Map<number, Job>} */
    this.jobs = new Map();
    /** @type {number[]} */
    this.ids = [];
    /** @type {Map<number, Job>} */
    this.arrivals = new Map();
    this.more = false;
    this._forgetSurplus();
  }

  /** How many jobs wait to be let in. */
  get news() {
    return this.arrivals.size + this.surplus;
  }

  // More arrivals than a list holds are counted alone: once let in, the oldest of them would be on a page of its own.
  _forgetSurplus() {
    this.surplus = 0;
    this.surplusUpTo = 0;
  }

  _boundArrivals() {
    if (this.arrivals.size <= HELD) return;
    let oldest = Infinity;
    for (const id of this.arrivals.keys()) oldest = Math.min(oldest, id);
    this.arrivals.delete(oldest);
    this.surplus += 1;
    this.surplusUpTo = Math.max(this.surplusUpTo, oldest);
  }

  get full() {
    return this.ids.length >= HELD;
  }

  get oldest() {
    return this.ids.at(-1);
  }

  /** How many of the shown rows no longer belong. */
  get gone() {
    return this.ids.filter((id) => !this.belongs(this.jobs.get(id))).length;
  }

  get(id) {
    return this.jobs.get(id) ?? this.arrivals.get(id);
  }

  /** @param {Job} job */
  belongs(job) {
    const { status, pipeline, before, q } = this.filter;
    return (
      !job.gone &&
      (!status || job.status === status) &&
      (!pipeline || job.pipeline === pipeline) &&
      (!before || job.id < before) &&
      (!q || matches(job, q))
    );
  }

  /**
   * A newer state of a job. Gives `row` when a shown row has changed, `arrival` when a job waits to be let in,
   * null when it is none of this list's business. `ifNewer` keeps what is shown when it is newer.
   * @param {Job} job
   */
  apply(job, { ifNewer = false } = {}) {
    const known = this.get(job.id);
    if (known && ifNewer && known.updated_at > job.updated_at) return null;
    if (this.jobs.has(job.id)) {
      this.jobs.set(job.id, job);
      return "row";
    }
    if (!this.belongs(job)) {
      this.arrivals.delete(job.id);
      return known ? "arrival" : null;
    }
    if (this.more && job.id < this.oldest) return null;
    if (job.id <= this.surplusUpTo && !this.arrivals.has(job.id)) return null;
    this.arrivals.set(job.id, job);
    this._boundArrivals();
    return "arrival";
  }

  /** Let in what has come meanwhile; gives how many rows are new. */
  admit() {
    const count = this.arrivals.size;
    if (!count) return 0;
    for (const [id, job] of this.arrivals) this.jobs.set(id, job);
    this.arrivals.clear();
    this._forgetSurplus();
    this._sort();
    return count;
  }

  /** Take out what no longer belongs. */
  tidy() {
    for (const [id, job] of this.jobs) if (!this.belongs(job)) this.jobs.delete(id);
    this._sort();
  }

  /** The newest page as just read. What it should hold and does not is marked `gone`; rows themselves stay put. */
  refresh(page, more) {
    const first = this.ids.length === 0;
    const below = more ? page.at(-1).id : 0;
    const found = new Set(page.map((job) => job.id));
    for (const id of this.ids) {
      if (id < below) break;
      if (!found.has(id)) this.jobs.set(id, { ...this.jobs.get(id), gone: true });
    }
    for (const job of page) this.apply(job, { ifNewer: true });
    if (first) {
      this.more = more;
      this.admit();
    }
  }

  /** An older page. */
  append(page, more) {
    for (const job of page) if (!this.jobs.has(job.id)) this.jobs.set(job.id, job);
    this.more = more;
    this._sort();
  }

  remove(id) {
    this.jobs.delete(id);
    this.arrivals.delete(id);
    this._sort();
  }

  _sort() {
    this.ids = [...this.jobs.keys()].sort((one, other) => other - one);
    for (const id of this.ids.splice(HELD)) {
      this.jobs.delete(id);
      this.more = true;
    }
  }
}
