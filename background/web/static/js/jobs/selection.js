// How many jobs of the list are chosen, and what may be done with them.
import { actionButton, h, hide, say, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { may } from "./job.js";

export class Selection {
  constructor(view) {
    this.all = h("input", {
      type: "checkbox",
      "aria-label": t("select.all"),
      onchange: () => view.selectAll(this.all.checked),
    });
    this.count = h("span");
    const kind = { delete: "button danger" };
    this.bulk = new Map(
      ["cancel", "retry", "delete"].map((name) => [
        name,
        actionButton(name, { class: kind[name] ?? "button", onclick: () => view.actOnSelection(name) }),
      ]),
    );
    this.loaded = actionButton("select-loaded", { class: "button quiet", onclick: () => view.selectAll(true) });
    const matching = { class: "button quiet", onclick: () => view.selectMatching() };
    this.matching = actionButton("select-matching", matching, t("select.matching"));
    this.none = actionButton(
      "select-none",
      { class: "button quiet", onclick: () => view.selectNone() },
      t("select.none"),
    );
    this.choice = h("div", { class: "row" }, [...this.bulk.values()], this.loaded, this.matching, this.none);
    this.working = h("div", { class: "row", hidden: true });
    this.element = h(
      "div",
      { class: "selection", role: "group", "aria-label": t("selection"), hidden: true },
      this.count,
      this.choice,
      this.working,
    );
  }

  /**
   * Something is done to the chosen jobs, one after the other; null when that is over.
   * @param {{ action: string, done: number, total?: number, stop: () => void } | null} state
   */
  work(state) {
    this.choice.hidden = this.count.hidden = state !== null;
    hide(this.working, state === null, this.none);
    if (state === null) return this.working.replaceChildren();
    if (!this.working.childElementCount) {
      const stop = actionButton("stop", { class: "button" }, t("bulk.stop"));
      stop.addEventListener("click", () => {
        set(stop, "aria-disabled", "true"); // With its focus, which is handed on at the end.
        state.stop();
      });
      this.working.append(h("progress", { "aria-label": t("selection") }), h("span"), stop);
      stop.focus();
    }
    const [bar, text] = this.working.children;
    set(bar, "max", state.total);
    set(bar, "value", state.total && state.done);
    say(text, t(`bulk.at.${state.action}`, { done: state.done, total: state.total }));
  }

  /** These jobs are chosen, of those of this list. */
  show(jobs, list) {
    const some = jobs.length > 0;
    const shown = list.ids.length;
    say(this.loaded, t("select.loaded", { n: shown }));
    hide(this.loaded, jobs.length >= shown, this.none);
    hide(this.matching, !list.more || jobs.length !== shown, this.none);
    hide(this.element, !some);
    document.documentElement.classList.toggle("selecting", some);
    this.all.checked = some && jobs.length >= shown;
    this.all.indeterminate = some && jobs.length < shown;
    say(this.count, t("selected", { n: jobs.length }));
    for (const [name, each] of this.bulk) {
      const able = jobs.filter(may[name]).length;
      say(each, t(`do.${name}.n`, { n: able }));
      each.disabled = able === 0;
    }
  }
}
