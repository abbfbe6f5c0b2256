// All jobs that match: how many, which errors they have, and what may be done with all of them. It comes where one filters.
// Hooks for tests: `[data-matching]`, its buttons `[data-action=act-on-all]` and `[data-error]`.
import { get, post } from "../base/api.js";
import { h, hide, icon, say, set } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { number, t } from "../base/i18n.js";
import { confirmed } from "../page/dialog.js";
import { toast } from "../page/frame.js";
import { openMenu } from "../page/menu.js";
import { complain } from "../page/parts.js";
import { go, href } from "../page/router.js";
import { query } from "./search.js";
import { asJson, put } from "./search-text.js";

const AT_ONCE = 500;
const SHOWN = 5;
const ERROR_CHARACTERS = 300;

/** Fills `element` for the filter of a list; `acted()` is called once something was done to the jobs. */
export class MatchingJobs {
  constructor(element, acted) {
    this.element = element;
    this.acted = acted;
    this.filter = null;
  }

  /** Read how many match, and show it. */
  async show(filter) {
    this.filter = filter;
    try {
      const { before, ...wanted } = filter;
      const found = await get(`jobs/matching?${query(wanted)}`);
      if (this.filter === filter && !this.working) this._draw(found);
    } catch {
      hide(this.element, true); // The list itself says what is wrong.
    }
  }

  /** Read again what could not be read. */
  again() {
    if (this.filter && this.element.hidden) this.show(this.filter);
  }

  hide() {
    this.filter = null;
    hide(this.element, true);
    this.element.replaceChildren();
  }

  _draw({ number: n, more, errors }) {
    const count = more ? t("matching.more", { n }) : t("matching", { n });
    const act = h(
      "button",
      {
        type: "button",
        class: "button small",
        "data-action": "act-on-all",
        "aria-haspopup": "menu",
        disabled: n === 0,
      },
      t("matching.act"),
      icon("down"),
    );
    act.addEventListener("click", () =>
      openMenu(
        act,
        ["cancel", "retry", "delete"].map((name) => ({
          name: `all-${name}`,
          text: t(`matching.${name}`, { n }),
          danger: name === "delete",
          action: () => this._act(name, n, more),
        })),
      ),
    );
    const groups = errors.length > 1 || (errors.length && !this.filter.q) ? errors.slice(0, SHOWN) : [];
    this.element.hidden = false;
    const focused = this.element.contains(document.activeElement);
    this.element.replaceChildren(
      h("div", { class: "row" }, h("span", { class: "count" }, count), act),
      groups.length
        ? h("ul", { class: "error-groups", "aria-label": t("matching.errors") }, groups.map(this._group))
        : "",
    );
    if (focused) act.focus();
  }

  _group = ({ error, number: n }) =>
    h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "as-link",
          lang: "en",
          title: error,
          "data-error": error,
          onclick: () =>
            go(href("jobs", { ...this.filter, q: put(this.filter.q, "error", error.slice(0, ERROR_CHARACTERS)) })),
        },
        `${number(n)} × ${error}`,
      ),
    );

  async _act(action, n, more) {
    const { filter } = this;
    const sure = await confirmed({
      title: t(more ? `matching.ask.${action}.more` : `matching.ask.${action}`, { n }),
      content: [h("p", {}, t(`ask.${action}.what`)), h("p", { class: "note" }, t("matching.refused"))],
      action: t(`matching.${action}`, { n }),
      danger: action !== "retry",
    });
    if (!sure) return;
    this.working = true;
    let stopped = false;
    const bar = h("progress", { max: more ? null : n, value: more ? null : 0, "aria-label": t("matching.act") });
    const text = h("span");
    const stop = h("button", { type: "button", class: "button small", "data-action": "stop" }, t("bulk.stop"));
    stop.addEventListener("click", () => {
      stopped = true;
      set(stop, "aria-disabled", "true"); // With its focus, which is handed on at the end.
    });
    this.element.replaceChildren(h("div", { class: "row" }, bar, text, stop));
    stop.focus();
    const sum = { matched: 0, done: 0, refused: 0 };
    try {
      let before = filter.before;
      do {
        const wanted = asJson({ ...filter, before });
        const came = await post("jobs/actions", { action, filter: wanted, limit: AT_ONCE });
        for (const name of Object.keys(sum)) sum[name] += came[name];
        before = came.before;
        if (!more) set(bar, "value", Math.min(n, sum.matched));
        say(text, t("matching.at", { done: sum.done, refused: sum.refused }));
      } while (before !== null && !stopped);
      toast(t(`matching.done.${action}`, { n: sum.done, refused: sum.refused }), { kind: sum.done ? "ok" : "fail" });
    } catch (error) {
      const first = refusal(error).text;
      if (sum.matched) toast(t("bulk.partly", { done: sum.done, failed: sum.refused, first }), { kind: "fail" });
      else complain(error);
    }
    this.working = false;
    this.acted();
    if (this.filter) this.show(this.filter);
  }
}
