// What the list of jobs is made of, apart from its rows: heading, filters, table, selection, empty and error states.
import { asCurl } from "../api.js";
import { h, icon, say, set } from "../dom.js";
import { counted, t } from "../i18n.js";
import { STATUSES, may, roleOf } from "../job.js";
import { code, empty, failure, skeleton } from "../parts.js";
import { go, href } from "../router.js";
import { COLUMNS } from "../row.js";

/** Fill `main`; gives the parts that change, as functions. `view` does what the buttons ask for. */
export function page(main, view) {
  const button = (action, attributes, ...children) =>
    h("button", { type: "button", "data-action": action, ...attributes }, ...children);
  const newJob = button("new", { class: "button primary", onclick: () => view.submit() }, icon("plus"), t("new"));
  const total = h("span", { class: "count" });
  const chips = new Map(["", ...STATUSES].map((status) => [status, chip(status)]));
  const status = h(
    "select",
    {
      name: "status",
      "aria-label": t("filter.status"),
      class: "phone-only",
      onchange: () => choose({ status: status.value }),
    },
    [...chips.keys()].map((each) => h("option", { value: each }, each ? t(`status.${each}`) : t("all"))),
  );
  const pipeline = h(
    "select",
    { name: "pipeline", "aria-label": t("filter.pipeline"), onchange: () => choose({ pipeline: pipeline.value }) },
    h("option", { value: "" }, t("filter.pipelines")),
  );
  const clear = button("clear", { class: "button small", onclick: () => go(href("jobs")) }, t("filter.clear"));
  const newest = h("a", { class: "button small", href: "#/jobs", "data-action": "newest" }, icon("up"), t("newest"));
  const news = button("show-new", { class: "news", hidden: true, onclick: () => view.renew() });
  const all = h("input", {
    type: "checkbox",
    "aria-label": t("select.all"),
    onchange: () => view.selectAll(all.checked),
  });
  const body = h("tbody", { role: "rowgroup" });
  const table = h(
    "table",
    { class: "jobs", role: "table", "aria-label": t("section.jobs") },
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row", "aria-rowindex": "1" },
        COLUMNS.map((name) => head(name, all)),
      ),
    ),
    body,
  );
  const state = h("div");
  const foot = h("div", { class: "list-foot" });
  const selected = h("span");
  const bulk = new Map(
    ["cancel", "retry", "delete"].map((name) => [
      name,
      button(name, { class: name === "delete" ? "button danger" : "button", onclick: () => view.actOnSelection(name) }),
    ]),
  );
  const selection = h(
    "div",
    { class: "selection", role: "group", "aria-label": t("selection"), hidden: true },
    selected,
    [...bulk.values()],
    button("select-none", { class: "button quiet", onclick: () => view.selectNone() }, t("select.none")),
  );
  let filter = {};

  const choose = (more) => go(href("jobs", { status: filter.status, pipeline: filter.pipeline, ...more }));

  main.append(
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.jobs")), total, newJob),
    h(
      "div",
      { class: "filters", role: "group", "aria-label": t("filters") },
      h(
        "div",
        { class: "chips" },
        [...chips.values()].map((each) => each.link),
      ),
      status,
      pipeline,
      newest,
      clear,
    ),
    h("div", { class: "news-line" }, news),
    table,
    state,
    foot,
    selection,
  );

  return {
    body,
    columns: COLUMNS.length,
    filter(now) {
      filter = now;
      for (const [name, each] of chips) {
        set(each.link, "href", href("jobs", { status: name, pipeline: now.pipeline }));
        set(each.link, "aria-current", (now.status ?? "") === name ? "true" : null);
      }
      status.value = now.status ?? "";
      pipeline.value = now.pipeline ?? "";
      clear.hidden = !now.status && !now.pipeline;
      newest.hidden = !now.before;
    },
    pipelines(found, chosen) {
      pipeline.replaceChildren(pipeline.firstChild, ...found.map(({ name }) => h("option", { value: name }, name)));
      pipeline.value = chosen ?? "";
    },
    counts(stats, { pipeline: chosen }) {
      if (!stats) return;
      const counts = chosen ? (stats.pipelines[chosen] ?? {}) : stats.status;
      const sum = Object.values(counts).reduce((one, other) => one + other, 0);
      const about = (name) => (name ? stats.estimated.includes(name) : stats.estimated.length > 0);
      for (const [name, each] of chips) say(each.count, counted(name ? (counts[name] ?? 0) : sum, about(name)));
      say(total, t("jobs.total", { n: counted(sum, about("")) }));
    },
    news(list) {
      const text = list.arrivals.size
        ? t("news", { n: list.arrivals.size })
        : list.gone
          ? t("news.gone", { n: list.gone })
          : "";
      news.hidden = !text;
      if (news.textContent !== text) news.replaceChildren(icon("up"), text);
    },
    state(name, { error, retry }) {
      table.hidden = name !== "rows";
      if (state.dataset.state === name && name !== "failed") return;
      state.dataset.state = name;
      state.replaceChildren(
        ...{
          rows: [],
          loading: [skeleton(8)],
          failed: [error && failure(error, retry)],
          empty: [nothing(filter, view)],
        }[name],
      );
    },
    foot(list) {
      const more = list.more && !list.full;
      const rest = list.more && list.full;
      set(table, "aria-rowcount", list.more ? -1 : list.ids.length + 1);
      foot.replaceChildren(
        ...(more ? [button("older", { class: "button", onclick: () => view.older() }, t("older"))] : []),
        ...(rest
          ? [
              h(
                "a",
                {
                  class: "button",
                  "data-action": "older-page",
                  href: href("jobs", { ...list.filter, before: list.oldest }),
                },
                t("older"),
              ),
            ]
          : []),
        ...(!list.more && list.ids.length > 10 ? [h("span", { class: "muted" }, t("end"))] : []),
      );
    },
    selection(jobs, shown) {
      selection.hidden = jobs.length === 0;
      document.documentElement.classList.toggle("selecting", jobs.length > 0);
      all.checked = jobs.length > 0 && jobs.length >= shown;
      all.indeterminate = jobs.length > 0 && jobs.length < shown;
      say(selected, t("selected", { n: jobs.length }));
      for (const [name, each] of bulk) {
        const able = jobs.filter(may[name]).length;
        say(each, t(`do.${name}.n`, { n: able }));
        each.disabled = able === 0;
      }
    },
  };
}

function chip(status) {
  const count = h("span", { class: "chip-count" });
  const word = status ? [icon(roleOf(status)), t(`status.${status}`)] : [t("all")];
  return {
    count,
    link: h(
      "a",
      { class: status ? `chip role-${roleOf(status)}` : "chip", "data-filter": status || "all" },
      word,
      count,
    ),
  };
}

function head(name, all) {
  const hidden = name === "menu" || name === "steps";
  const content =
    name === "check"
      ? h("label", { class: "hit" }, all)
      : h("span", { class: hidden && name === "menu" ? "off-screen" : null }, t(`column.${name}`));
  return h("th", { class: `c-${name}`, role: "columnheader", scope: "col" }, content);
}

function nothing(filter, view) {
  if (filter.status || filter.pipeline || filter.before) {
    return empty({
      title: t("empty.filtered"),
      text: t("empty.filtered.how"),
      actions: [h("a", { class: "button", href: "#/jobs" }, t("filter.clear"))],
    });
  }
  const make = h(
    "button",
    { type: "button", class: "button primary", "data-action": "new-first", onclick: () => view.submit() },
    icon("plus"),
    t("new"),
  );
  return empty({
    title: t("empty.jobs"),
    text: t("empty.jobs.how"),
    actions: [make],
    extra: code(asCurl("POST", "jobs"), { label: "curl" }),
  });
}
