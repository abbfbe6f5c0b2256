// The list of jobs. Hooks for tests: rows `tr[data-job-id][data-status]`, with `data-gone` where a row no longer belongs;
// filters `a[data-filter]` and `select[name=pipeline]`; `[data-action]`: new, show-new, older, clear, cancel, retry, delete,
// select-loaded, select-matching, stop.

import { set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { later } from "../base/later.js";
import { poke, pulse } from "../base/pulse.js";
import { toast } from "../page/frame.js";
import { openMenu } from "../page/menu.js";
import { complain } from "../page/parts.js";
import { go, href, remember, replace } from "../page/router.js";
import { Rows } from "../page/rows.js";
import { act, actOnAll } from "./actions.js";
import { Feed } from "./feed.js";
import { may, readPipelines } from "./job.js";
import { JobList } from "./list.js";
import { shortcuts } from "./list-keys.js";
import { ListPage } from "./list-page.js";
import { jobRow } from "./row.js";
import { openSubmit } from "./submit.js";

const RECHECK_MS = 10_000;
const MATCHING_PAGE = 1000;
const AHEAD_PX = 1500; // Older jobs are read before the end of the list is in sight.

let kept = null; // The list as it was left, so that Back shows it at once.

export const show = (main, route, { back }) => new JobsView(main, route, back);

class JobsView {
  constructor(main, route, back) {
    this.selected = new Set();
    this.matching = new Map(); // jobs that are selected and not loaded
    this.matchingJobs = null; // once there is a filter
    this.parts = new ListPage(main, this);
    this.rows = new Rows({ body: this.parts.body, make: (id) => this._row(id) });
    this.keys = shortcuts(this);
    this.onPulse = () => this.parts.showCounts(pulse.stats, this.list.filter);
    this.onScroll = () => this._scrolled();
    pulse.addEventListener("change", this.onPulse);
    window.addEventListener("scroll", this.onScroll, { passive: true });
    this.timers = [setInterval(() => this._tick(), 1000), setInterval(() => this._recheck(), RECHECK_MS)];
    readPipelines().then(
      (found) => {
        this.parts.filters.showPipelines(found);
        this.rows.updateAll();
      },
      () => {},
    );
    this._open(route, back);
    this.parts.filters.showSearch().catch(() => {}); // The list is there without it.
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
    document.documentElement.classList.remove("selecting");
  }

  _open({ rest, params }, back) {
    const filter = {
      status: params.status,
      pipeline: params.pipeline,
      before: params.before ? Number(params.before) : undefined,
      q: params.q || undefined,
    };
    const same = kept && JSON.stringify(kept.filter) === JSON.stringify(filter);
    const place = history.state;
    this.list = same ? kept : new JobList(filter);
    this.selected.clear();
    this.parts.filters.show(filter);
    this._showMatching();
    this.onPulse();
    this.feed = new Feed(this.list, {
      row: (id) => this.rows.update([id]),
      arrived: () => this._admitQuietly() || this.parts.showNews(this.list),
      read: () => {
        if (this._quiet()) this.list.tidy();
        this._admitQuietly();
        this._draw();
      },
    });
    this._draw();
    if (same && back && place?.scroll) window.scrollTo(0, place.scroll);
    else window.scrollTo(0, 0);
    if (same && back && place?.focus) this.rows.focus(this.list.ids.indexOf(place.focus));
    if (rest[0] !== "new") return;
    replace(href("jobs", this.list.filter)); // What is closed is not in the history.
    this.submit();
  }

  // It has a file of its own, for those who filter.
  async _showMatching() {
    const { filter } = this.list;
    const { matching } = this.parts;
    if (!filter.status && !filter.pipeline && !filter.q) return this.matchingJobs?.hide();
    try {
      const { MatchingJobs } = await later.load();
      this.matchingJobs ??= new MatchingJobs(matching, () => {
        this.feed.retry();
        poke();
      });
    } catch {
      return; // The list is there without it.
    }
    if (this.list.filter === filter) this.matchingJobs.show(filter);
  }

  _leave() {
    this.feed.close();
    kept = this.list.ids.length ? this.list : null;
  }

  older() {
    this.feed.older();
  }

  _tick() {
    if (document.visibilityState !== "visible") return;
    this.rows.updateAll();
    this.parts.showNews(this.list);
  }

  _recheck() {
    if (document.visibilityState !== "visible") return;
    this.matchingJobs?.again();
    if (this.rows.shown().some((id) => this.list.get(id)?.status === "PENDING")) this.feed.recheckWaiting();
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
    const { list, feed } = this;
    this.parts.showState(list.ids.length ? "rows" : feed.error ? "failed" : feed.loaded ? "empty" : "loading", {
      error: feed.error,
      retry: () => feed.retry(),
    });
    this.rows.show(list.ids);
    this.rows.updateAll();
    this.parts.showNews(list);
    this.parts.showFoot(list);
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
    if (scrollY + innerHeight > document.documentElement.scrollHeight - AHEAD_PX) this.older();
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
    const done = await act(
      action,
      () => this.list.get(id),
      (...news) => this._acted(...news),
    );
    if (done && action === "delete" && this.parts.body.isConnected) this.rows.focus(index);
  }

  _acted(id, job) {
    if (job === null) this._gone(id);
    else if (job) this.feed.take(job, { ifNewer: true });
    else this.feed.reread(id, () => this._gone(id));
    poke();
  }

  _gone(id) {
    this.list.remove(id);
    this.selected.delete(id);
    this.matching.delete(id);
    this._draw();
  }

  async actOnSelection(action) {
    const jobs = this._chosen();
    const progress = (state) => this.parts.selection.work(state);
    if (await actOnAll(action, jobs, (...news) => this._acted(...news), progress)) this.selectNone();
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

  _chosen() {
    return [...this.selected].map((id) => this.list.get(id) ?? this.matching.get(id)).filter(Boolean);
  }

  /** Select what matches the filters, also what is not loaded: what matches at this moment. */
  async selectMatching() {
    let stopped = false;
    const stop = () => (stopped = true);
    const found = new Map(this.list.jobs);
    const { list, feed } = this;
    try {
      for (let before = list.oldest, more = true; more && !stopped && list === this.list; ) {
        this.parts.selection.work({ action: "select", done: found.size, stop });
        const [page, rest] = await feed.page({ before, limit: MATCHING_PAGE });
        for (const job of page) found.set(job.id, job);
        [before, more] = [page.at(-1)?.id, rest && page.length > 0];
      }
    } catch (error) {
      complain(error);
    }
    this.parts.selection.work(null);
    if (list !== this.list) return;
    this.matching = found;
    this.selected = new Set([...found].filter(([, job]) => list.belongs(job)).map(([id]) => id));
    this.rows.updateAll();
    this.showSelection();
  }

  selectAll(on) {
    this.matching.clear();
    this.selected = new Set(on ? this.list.ids : []);
    this.rows.updateAll();
    this.showSelection();
  }

  selectNone() {
    this.selectAll(false);
  }

  showSelection() {
    this.parts.selection.show(this._chosen(), this.list);
  }

  submit() {
    openSubmit({ closed: (id) => id && go(href(`jobs/${id}`)) });
  }
}
