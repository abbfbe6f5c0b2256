// The queues: what waits and runs in each, who serves it, its limits, and pauses. Hooks for tests: `[data-queue][data-paused]`,
// `[data-action]`: pause, resume, limits; the dialog `data-dialog=limits` with fields `[data-field]`.
import { get, request } from "../base/api.js";
import { h, renew } from "../base/dom.js";
import { fault } from "../base/facts.js";
import { exactly, number, t } from "../base/i18n.js";
import { openDialog } from "../page/dialog.js";
import { field, markAll } from "../page/form.js";
import { complain, scroller } from "../page/parts.js";
import { href } from "../page/router.js";
import { row, table } from "../page/table.js";
import "../jobs/queue-words.js";

const MOST = 1_000_000;
/** The limits of a queue, as fields of the dialog. */
const FIELDS = {
  concurrency: { type: "integer", minimum: 1, maximum: MOST, default: null },
  count: { type: "integer", minimum: 1, maximum: MOST, default: null },
  seconds: { type: "number", exclusiveMinimum: 0, default: null },
};

/** A part of a view: `element`, and `read()`, which asks anew and shows what has changed. */
export class Queues {
  constructor() {
    this.element = h("div", { "data-queues": "" });
    this.known = "";
  }

  async read() {
    const queues = await get("queues").catch(() => null); // The banner says it.
    const text = JSON.stringify(queues);
    if (!queues || text === this.known) return;
    this.known = text;
    const heads = ["name", "workers", "waiting", "running", "limits", "act"].map((name) => t(`queue.${name}`));
    const rows = queues.map((queue) => this.row(queue));
    renew(this.element, scroller(`${t("queues")}: ${t("as.table")}`, table(heads, rows, "numbers")));
  }

  row(queue) {
    const { name, workers, waiting, running, paused } = queue;
    const button = (action, act) =>
      h("button", { type: "button", class: "button small", "data-action": action, onclick: act }, t(`queue.${action}`));
    const cells = [
      h("a", { href: href("jobs", { q: `queue:${name}` }), lang: "" }, name),
      workers ? number(workers) : h("strong", {}, t("queue.nobody")),
      paused ? h("strong", {}, t("queue.waiting.paused", { n: waiting })) : number(waiting),
      number(running),
      limitsOf(queue),
      h(
        "span",
        { class: "row" },
        paused
          ? button("resume", () => this.change(name, { paused: false }))
          : button("pause", () => this.change(name, { paused: true })),
        button("limits", () => this.ask(queue)),
      ),
    ];
    return row(cells, { "data-queue": name, "data-key": name, "data-paused": String(paused) });
  }

  async change(name, changes) {
    try {
      await request("PATCH", `queues/${encodeURIComponent(name)}`, { body: changes });
    } catch (error) {
      complain(error);
    }
    this.read();
  }

  ask(queue) {
    const given = { concurrency: queue.concurrency, ...queue.rate };
    const fields = new Map(
      Object.entries(FIELDS).map(([name, property]) => [
        name,
        field(name, property, {
          value: given[name] ?? undefined,
          label: t(`queue.${name}`),
          hint: t(`queue.${name}.hint`),
        }),
      ]),
    );
    const save = h("button", { type: "submit", class: "button primary", "data-action": "save" }, t("queue.save"));
    const form = h(
      "form",
      { class: "fields", novalidate: true },
      [...fields.values()].map((each) => each.element),
      save,
    );
    const dialog = openDialog({
      title: t("queue.limits.of", { name: queue.name }),
      name: "limits",
      content: form,
      closed: () => this.read(),
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [concurrency, count, seconds] = [...fields.values()].map((each) => each.read() ?? null);
      const rate = count === null && seconds === null ? null : { count, seconds };
      try {
        await request("PATCH", `queues/${encodeURIComponent(queue.name)}`, { body: { concurrency, rate } });
        dialog.close();
      } catch (error) {
        const wrong = markAll(fields, (error.errors ?? []).map(toField));
        if (wrong) wrong.focus();
        else complain(error);
      }
    });
    fields.get("concurrency").control.focus();
  }
}

/** An error of a request as `markAll` takes it: its place ends in the name of a field, and it is worded. */
const toField = (error) => ({ loc: error.loc.slice(-1), ...fault(error) });

function limitsOf({ concurrency, rate }) {
  const told = [];
  if (concurrency) told.push(t("queue.at-once", { n: concurrency }));
  if (rate) told.push(t("queue.per", { n: rate.count, time: exactly(rate.seconds) }));
  return told.join(", ") || "–";
}
