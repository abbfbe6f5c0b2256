// Schedules: all, those of a pipeline, or one with its next times. Hooks for tests: `[data-schedule]` with `data-paused`;
// `[data-action]`: new, run, pause, resume, edit, delete.
import { get, now, post, remove, request } from "../base/api.js";
import { h, icon, renew, say } from "../base/dom.js";
import { duration, moment, t } from "../base/i18n.js";
import { pipelineHref } from "../base/links.js";
import { confirmed } from "../page/dialog.js";
import { setSection, toast } from "../page/frame.js";
import { clamped, complain, empty } from "../page/parts.js";
import { PolledView, unknown } from "../page/polled.js";
import { go, href } from "../page/router.js";
import { openSchedule } from "./form.js";
import { every } from "./words.js";

export const show = (main, route) => new SchedulesView(main, route);

class SchedulesView extends PolledView {
  constructor(main, route) {
    super(main, route, { section: "jobs", title: () => t("section.schedules") });
    this.keys = { KeyN: () => this.edit() };
  }

  async load() {
    const { pipeline } = this.params;
    if (!this.name)
      return get(`schedules?${new URLSearchParams({ limit: "1000", ...(pipeline ? { pipeline } : {}) })}`);
    return get(`schedules/${encodeURIComponent(this.name)}`).then(
      (found) => [found],
      (error) => {
        if (error.status === 404 || error.status === 422) return [];
        throw error;
      },
    );
  }

  none(found) {
    if (!this.name || found.length) return null;
    const back = h("a", { class: "button", href: "#/schedules" }, t("section.schedules"));
    return unknown("schedule.missing", "schedule.missing.why", back);
  }

  build() {
    this.known = "";
    this.cards = h("div", { class: "workers" });
    const { pipeline } = this.params;
    const above = this.name ? ["#/schedules", t("section.schedules")] : ["#/jobs", t("section.jobs")];
    const create = h(
      "button",
      { type: "button", class: "button primary", "data-action": "new", onclick: () => this.edit() },
      icon("plus"),
      t("schedule.new"),
    );
    this.heading = h("h1", { tabindex: "-1" }, t("section.schedules"));
    const of = pipeline ? h("a", { class: "chip", href: pipelineHref(pipeline) }, pipeline) : null;
    this.main.append(
      h(
        "div",
        { class: "job" },
        h("nav", { class: "crumb", "aria-label": t("crumb") }, h("a", { href: above[0] }, above[1])),
        h("div", { class: "head" }, this.heading, of, create),
        this.cards,
      ),
    );
  }

  draw(found) {
    const text = JSON.stringify(found);
    if (text === this.known) return;
    this.known = text;
    this.times = [];
    this.ids = new Set(found.map(({ id }) => id));
    if (this.name) {
      const title = t("schedule", { name: found[0].name });
      say(this.heading, title);
      setSection("jobs", title);
    }
    renew(this.cards, found.length ? found.map((each) => this.card(each)) : this.nothing());
  }

  tick() {
    for (const each of this.times) tellTime(each);
  }

  left() {
    this.ids.clear();
  }

  nothing() {
    return empty({ title: t("schedule.none"), text: t("schedule.none.why") });
  }

  card(schedule) {
    const { id, name, pipeline, cron, timezone, paused, declared } = schedule;
    const action = (what, words, glyph) =>
      h(
        "button",
        { type: "button", class: "button small", "data-action": what, onclick: () => this.act(what, schedule) },
        icon(glyph),
        t(words),
      );
    const rhythm = cron
      ? [h("code", {}, cron), " ", h("span", { class: "muted", lang: "en" }, timezone)]
      : every(schedule);
    return h(
      "article",
      { class: "worker", "data-schedule": String(id), "data-paused": String(paused), "data-key": String(id) },
      this.name ? null : h("h2", { lang: "" }, h("a", { href: href(`schedules/${id}`) }, name)),
      h("p", {}, h("a", { href: pipelineHref(pipeline), lang: "" }, pipeline), " · ", rhythm),
      h("p", {}, this.nextOf(schedule)),
      h("p", {}, `${t("schedule.last")}: `, lastOf(schedule)),
      schedule.catch_up ? h("p", { class: "muted" }, t("schedule.catch-up")) : null,
      declared ? h("p", { class: "muted" }, t("schedule.declared")) : null,
      schedule.last_error ? clamped(schedule.last_error).element : null,
      schedule.next_runs?.length ? runsOf(schedule) : null,
      h(
        "div",
        { class: "row" },
        action("run", "schedule.run", "play"),
        paused ? action("resume", "schedule.resume", "retry") : action("pause", "schedule.pause", "pause"),
        declared ? null : action("edit", "schedule.edit", "jobs"),
        declared ? null : action("delete", "schedule.delete", "close"),
      ),
    );
  }

  nextOf({ paused, next_at }) {
    if (!next_at) return h("strong", {}, t(paused ? "schedule.paused" : "schedule.over"));
    const time = h("time", { datetime: next_at });
    tellTime(time);
    this.times.push(time);
    return [`${t("schedule.next")}: `, time];
  }

  async act(what, schedule) {
    if (what === "edit") return this.edit(schedule);
    try {
      await this[what](schedule);
      if (what === "delete" && this.name) return;
    } catch (error) {
      complain(error);
    }
    this.polling.now();
  }

  async run({ id }) {
    const made = await post(`schedules/${id}/run`);
    const link = { text: t("job", { id: made.job_id }), href: href(`jobs/${made.job_id}`) };
    toast(t("schedule.ran", { id: made.job_id }), { kind: "ok", link });
  }

  pause({ id }) {
    return request("PATCH", `schedules/${id}`, { body: { paused: true } });
  }

  resume({ id }) {
    return request("PATCH", `schedules/${id}`, { body: { paused: false } });
  }

  async delete({ id, name }) {
    const content = h("p", {}, t("schedule.ask.delete.what"));
    const title = t("schedule.ask.delete", { name });
    const still = () => this.ids.has(id);
    if (!(await confirmed({ title, content, action: t("schedule.delete"), danger: true, still }))) return;
    const { turn } = this;
    await remove(`schedules/${id}`);
    toast(t("schedule.deleted", { name }), { kind: "ok" });
    if (!this.name || turn !== this.turn) return;
    this.polling.stop(); // It could only be missing.
    go("#/schedules");
  }

  edit(schedule) {
    openSchedule({ schedule, pipeline: this.params.pipeline, closed: () => this.polling.now() });
  }
}

function tellTime(element) {
  const time = Date.parse(element.dateTime);
  const left = time - now();
  say(element, `${moment(time)} (${left > 0 ? duration(left) : t("schedule.due")})`);
}

function lastOf({ last_job_id, last_at }) {
  if (!last_job_id) return h("span", { class: "muted" }, t("schedule.last.none"));
  return h("a", { href: href(`jobs/${last_job_id}`), title: moment(Date.parse(last_at)) }, `#${last_job_id}`);
}

function runsOf({ next_runs }) {
  const items = next_runs.map((each) => h("li", {}, h("time", { datetime: each }, moment(Date.parse(each)))));
  return h("div", {}, h("h2", {}, t("schedule.runs")), h("ol", { class: "plan" }, items));
}
