// The list of jobs. Hooks for tests: rows `tr[data-job-id][data-status]`, with `data-gone` where a row no longer belongs;
// filters `a[data-filter]` and `select[name=pipeline]`; `[data-action]`: new, show-new, older, clear, cancel, retry, delete.
import { act, actOnAll } from "../actions.js";
import { get, request } from "../api.js";
import { set } from "../dom.js";
import { toast } from "../frame.js";
import { t } from "../i18n.js";
import { cancelling, ended, may, readPipelines } from "../job.js";
import { JobList } from "../list.js";
import { openMenu } from "../menu.js";
import { poke, pulse } from "../pulse.js";
import { go, href, remember, replace } from "../router.js";
import { jobRow } from "../row.js";
import { Rows } from "../rows.js";
import { follow } from "../stream.js";
import { openSubmit } from "../submit.js";
import { page } from "./jobs-page.js";

const PAGE = 100;
const BUSY_EVENTS = 200; // A second. Above that rows are written four times a second.
const FLUSH_MS = 8;
const RECHECK_MS = 10_000;

let kept = null; // The list as it was left, so that Back shows it at once.

export const show = (main, route, { back }) => new JobsView(main, route, back);

class JobsView {
  constructor(main, route, back) {
    this.selected = new Set();
    this.dirty = new Set();
    this.burst = { since: 0, events: 0, busy: false };
    this.parts = page(main, this);
    this.rows = new Rows({ body: this.parts.body, columns: this.parts.columns, make: (id) => this._row(id) });
    this.keys = shortcuts(this);
    this.onPulse = () => this.parts.counts(pulse.stats, this.list.filter);
    this.onScroll = () => this._scrolled();
    pulse.addEventListener("change", this.onPulse);
    window.addEventListener("scroll", this.onScroll, { passive: true });
    this.timers = [setInterval(() => this._tick(), 1000), setInterval(() => this._recheck(), RECHECK_MS)];
    readPipelines().then(
      (found) => {
        this.parts.pipelines(found, this.list.filter.pipeline);
        this.rows.update([...this.rows.rows.keys()]);
      },
      () => {},
    );
    this._open(route, back);
  }

  update(route, { back }) {
    this._leave();
    this._open(route, back);
    return true;
  }

  close() {
    this._leave();
    this.timers.forEach(clearInterval);
    pulse.removeEventListener("change", this.onPulse);
    window.removeEventListener("scroll", this.onScroll);
    this.rows.close();
  }

  _open({ rest, params }, back) {
    const filter = {
      status: params.status,
      pipeline: params.pipeline,
      before: params.before ? Number(params.before) : undefined,
    };
    const same = kept && JSON.stringify(kept.filter) === JSON.stringify(filter);
    const place = history.state;
    this.list = same ? kept : new JobList(filter);
    this.selected.clear();
    this.failed = null;
    this.loaded = same;
    this.parts.filter(filter);
    this.onPulse();
    this._draw();
    if (same && back && place?.scroll) window.scrollTo(0, place.scroll);
    else window.scrollTo(0, 0);
    if (same && back && place?.focus) this.rows.focus(this.list.ids.indexOf(place.focus));
    this.stop = follow("events", {
      open: () => this._snapshot(),
      retry: () => this._snapshot().catch(() => {}),
      event: (kind, job, { early }) => this._event(kind, job, early),
    });
    if (rest[0] === "new") this.submit();
  }

  _leave() {
    this.stop?.();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.pause);
    clearTimeout(this.remembering);
    this.frame = this.pause = 0;
    this.dirty.clear();
    kept = this.list.ids.length ? this.list : null;
  }

  async _read(more = {}) {
    const { status, pipeline, before } = this.list.filter;
    const query = Object.entries({ status, pipeline, before, limit: PAGE, ...more }).filter(
      ([, value]) => value !== undefined,
    );
    const { data, next } = await request("GET", `jobs?${new URLSearchParams(query)}`);
    return [data, next !== null];
  }

  async _snapshot() {
    const list = this.list;
    try {
      const [found, more] = await this._read();
      if (list !== this.list) return;
      list.refresh(found, more);
      this.loaded = true;
      this.failed = null;
    } catch (error) {
      if (list === this.list && !list.ids.length) this.failed = error;
      throw error;
    } finally {
      if (list === this.list) {
        if (this._quiet()) list.tidy();
        this._admitQuietly();
        this._draw();
      }
    }
  }

  async older() {
    if (this.reading || !this.list.more || this.list.full) return;
    this.reading = true;
    const list = this.list;
    try {
      const [found, more] = await this._read({ before: list.oldest });
      list.append(found, more);
      if (list === this.list) this._draw();
    } catch {
      // The banner says it; scrolling further asks again.
    } finally {
      this.reading = false;
    }
  }

  _tick() {
    if (document.visibilityState !== "visible") return;
    this.rows.update([...this.rows.rows.keys()]);
    this.parts.news(this.list);
  }

  // A waiting job's reason changes without an event: when a worker comes, when its time has come.
  async _recheck() {
    if (
      document.visibilityState !== "visible" ||
      ![...this.rows.rows.keys()].some((id) => this.list.get(id)?.status === "PENDING")
    )
      return;
    try {
      const found = await get(`jobs?status=PENDING&limit=${PAGE}`);
      for (const job of found) if (this.list.jobs.has(job.id)) this._changed(job, { ifNewer: true });
    } catch {
      // As above.
    }
  }

  _event(kind, job, early) {
    if (kind === "cancel_requested") cancelling.add(job.id);
    if (ended(job)) cancelling.delete(job.id);
    if (kind !== "progress") poke();
    const { burst } = this;
    const time = performance.now();
    burst.events += 1;
    if (time - burst.since > 1000) Object.assign(burst, { busy: burst.events > BUSY_EVENTS, events: 0, since: time });
    this._changed(job, { ifNewer: early });
  }

  _changed(job, options) {
    const what = this.list.apply(job, options);
    if (what === null) return;
    if (what === "row") this.dirty.add(job.id);
    else this.arrived = true;
    if (this.frame || this.pause) return;
    if (this.burst.busy) this.pause = setTimeout(() => this._flush(), 250);
    else this.frame = requestAnimationFrame(() => this._flush());
  }

  _flush() {
    this.frame = this.pause = 0;
    const until = performance.now() + FLUSH_MS;
    for (const id of this.dirty) {
      this.dirty.delete(id);
      this.rows.update([id]);
      if (performance.now() > until) break;
    }
    if (this.dirty.size) this.frame = requestAnimationFrame(() => this._flush());
    if (!this.arrived) return;
    this.arrived = false;
    if (!this._admitQuietly()) this.parts.news(this.list);
  }

  // Nothing moves under the pointer: rows come in by themselves only where nobody is at work in the table.
  _quiet() {
    return (
      !this.selected.size &&
      this.rows.focused() < 0 &&
      !this.parts.body.matches(":hover") &&
      scrollY <= 8 &&
      !document.querySelector(".menu")
    );
  }

  _admitQuietly() {
    if (!this._quiet()) return false;
    if (this.list.admit()) this._draw();
    return true;
  }

  /** Let in what is new and take out what no longer belongs. */
  renew() {
    this.list.admit();
    this.list.tidy();
    window.scrollTo(0, 0);
    this._draw();
  }

  _draw() {
    const { list } = this;
    this.parts.state(list.ids.length ? "rows" : this.failed ? "failed" : this.loaded ? "empty" : "loading", {
      filter: list.filter,
      error: this.failed,
      retry: () => this._snapshot().catch(() => {}),
    });
    this.rows.show(list.ids);
    this.rows.update([...this.rows.rows.keys()]);
    this.parts.news(list);
    this.parts.foot(list);
    this.showSelection();
  }

  _row(id) {
    const row = jobRow({
      id,
      href: href(`jobs/${id}`),
      read: () => this.list.get(id),
      chosen: () => this.selected.has(id),
      select: (...asked) => this.select(...asked),
      menu: (...asked) => this._menu(...asked),
    });
    row.element.addEventListener("focusin", () => remember({ focus: id }));
    row.element.addEventListener("click", () => remember({ focus: id, scroll: scrollY }), { capture: true }); // It may lead away.
    const update = () => {
      row.update();
      const job = this.list.get(id);
      set(row.element, "data-gone", job !== undefined && !this.list.belongs(job));
    };
    return { element: row.element, update };
  }

  _scrolled() {
    if (scrollY <= 8 && this.list.arrivals.size) this._admitQuietly();
    if (scrollY + innerHeight > document.documentElement.scrollHeight - 1500) this.older();
  }

  _menu(id, button) {
    const job = this.list.get(id);
    const item = (name) =>
      may[name](job) && { name, text: t(`do.${name}`), danger: name === "delete", action: () => this.act(name, id) };
    openMenu(button, [
      { name: "open", text: t("do.open"), action: () => go(href(`jobs/${id}`)) },
      item("cancel"),
      item("retry"),
      item("delete"),
    ]);
  }

  /** Change one job; the focus goes on to the next row when its row goes. */
  async act(action, id) {
    const job = this.list.get(id);
    if (!job) return;
    if (!may[action](job)) return toast(t(`bulk.none.${action}`), { kind: "fail" });
    const index = this.list.ids.indexOf(id);
    const done = await act(action, job, (...news) => this._acted(...news));
    if (done && action === "delete") this.rows.focus(index);
  }

  _acted(id, job) {
    if (job === null) {
      this.list.remove(id);
      this.selected.delete(id);
      this._draw();
    } else if (job) this._changed(job, { ifNewer: true });
    else
      get(`jobs/${id}`).then(
        (found) => this._changed(found),
        (error) => error.status === 404 && this._acted(id, null),
      );
    poke();
  }

  async actOnSelection(action) {
    const jobs = [...this.selected].map((id) => this.list.get(id)).filter(Boolean);
    if (await actOnAll(action, jobs, (...news) => this._acted(...news))) this.selectNone();
  }

  select(id, on, range = false) {
    const ids = this.list.ids;
    const [from, to] =
      range && this.lastSelected ? [ids.indexOf(this.lastSelected), ids.indexOf(id)].sort((a, b) => a - b) : [];
    const meant = from >= 0 ? ids.slice(from, to + 1) : [id];
    for (const each of meant)
      if (on) this.selected.add(each);
      else this.selected.delete(each);
    this.lastSelected = id;
    this.rows.update(meant);
    this.showSelection();
  }

  selectAll(on) {
    this.selected = new Set(on ? this.list.ids : []);
    this.rows.update([...this.rows.rows.keys()]);
    this.showSelection();
  }

  selectNone() {
    this.selectAll(false);
  }

  showSelection() {
    const jobs = [...this.selected].map((id) => this.list.get(id)).filter(Boolean);
    this.parts.selection(jobs, this.list.ids.length);
  }

  submit() {
    const back = href("jobs", this.list.filter);
    openSubmit({
      closed: (id) => (id ? go(href(`jobs/${id}`)) : location.hash.startsWith("#/jobs/new") && replace(back)),
    });
  }
}

function shortcuts(view) {
  const focused = () => Number(document.activeElement?.closest("tr[data-job-id]")?.dataset.jobId) || null;
  const step = (by) => () => view.rows.focus(view.rows.focused() < 0 ? 0 : view.rows.focused() + by);
  const one = (action) => () =>
    view.selected.size ? view.actOnSelection(action) : focused() ? view.act(action, focused()) : false;
  const select = (range) => () =>
    focused() ? view.select(focused(), range || !view.selected.has(focused()), range) : false;
  return {
    KeyJ: step(1),
    KeyK: step(-1),
    KeyX: select(false),
    "Shift+KeyX": select(true),
    KeyN: () => view.submit(),
    "Shift+KeyR": one("retry"),
    "Shift+KeyC": one("cancel"),
    Delete: one("delete"),
    Escape: () => (view.selected.size ? view.selectNone() : false),
    KeyF: () => {
      const { ids } = view.list;
      const at = ids.findIndex((id, index) => index > view.rows.focused() && view.list.get(id).status === "FAILED");
      return at < 0 ? false : view.rows.focus(at);
    },
  };
}
