// One row of the list of jobs.
import { now } from "../base/api.js";
import { h, iconButton, say, set } from "../base/dom.js";
import { ago, duration, moment, t } from "../base/i18n.js";
import { nameLink, pipelineHref, tagLink } from "../base/links.js";
import { tell } from "../page/parts.js";
import { go } from "../page/router.js";
import { jobBadge, stepBar } from "./badge.js";
import { ran, why } from "./job.js";

export const COLUMNS = ["check", "id", "pipeline", "status", "steps", "why", "time", "age", "menu"];

const TAGS = 2; // A row has no room for more; all of them stand on the job's page.

function some(/** @type {string[]} */ tags) {
  const rest = tags.slice(TAGS);
  const more = rest.length ? [h("span", { class: "muted", title: rest.join(", ") }, `+${rest.length}`)] : [];
  return [...tags.slice(0, TAGS).map(tagLink), ...more];
}

/** A row `{ element, update() }` for `read()`, a job; `chosen()` says whether it is selected. */
export function jobRow({ id, read, chosen, select, menu, href }) {
  const box = h("input", {
    type: "checkbox",
    "aria-label": t("select", { id }),
    onclick: (event) => select(id, box.checked, event.shiftKey),
  });
  const link = h("a", { href }, `#${id}`);
  const pipeline = nameLink(pipelineHref);
  const state = jobBadge();
  const bar = stepBar();
  const reason = h("span", { class: "reason" });
  const tags = h("span", { class: "tags" });
  const time = h("span");
  const age = h("time");
  const more = iconButton("more", t("actions.for", { id }), { "aria-haspopup": "menu", onclick: () => menu(id, more) });
  const parts = {
    check: h("label", { class: "hit" }, box),
    id: link,
    pipeline: pipeline.element,
    status: state.element,
    steps: bar.element,
    why: h("div", { class: "why-line" }, reason, tags),
    time,
    age,
    menu: more,
  };
  const cells = COLUMNS.map((name) =>
    h(
      name === "id" ? "th" : "td",
      { class: `c-${name}`, role: name === "id" ? "rowheader" : "cell", scope: name === "id" ? "row" : null },
      parts[name],
    ),
  );
  const element = h("tr", { role: "row", "data-job-id": id, onclick: opened }, cells);

  function opened(event) {
    if (event.target.closest("a, button, input, label, .menu") || !getSelection().isCollapsed) return;
    if (event.ctrlKey || event.metaKey) return open(link.href);
    link.focus({ preventScroll: true });
    go(link.hash);
  }

  function update() {
    const job = read();
    if (!job) return;
    const seconds = ran(job);
    set(element, "data-status", job.status);
    set(element, "data-attempt", job.attempt);
    set(element, "data-selected", chosen());
    if (box.checked !== chosen()) box.checked = chosen();
    pipeline.update(job.pipeline);
    state.update(job);
    bar.update(job);
    tell(reason, why(job));
    set(reason, "title", reason.textContent);
    set(reason, "data-role", job.status === "FAILED" ? "fail" : null);
    if (!tags.childElementCount) tags.append(...some(job.tags));
    say(time, seconds === null ? "" : duration(seconds));
    const made = Date.parse(job.created_at);
    say(age, ago(now() - made));
    set(age, "datetime", job.created_at);
    set(age, "title", moment(made));
  }
  return { element, update };
}
