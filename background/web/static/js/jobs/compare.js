// Two attempts of a job side by side. Hooks for tests: `select[name=left|right]`, rows `[data-step]`.
import { now } from "../base/api.js";
import { h, renew, set } from "../base/dom.js";
import { causeSentence } from "../base/facts.js";
import { duration, t } from "../base/i18n.js";
import { workerLink } from "../base/links.js";
import { badge, clamped, scroller } from "../page/parts.js";
import { row, rowHead, table } from "../page/table.js";
import { attemptsOf, compared } from "./compared.js";
import { outcome, shade } from "./tries.js";

/** Gives `{ element, update(steps, params) }`; `choose({ left, right })` says which are compared. */
export function comparison({ choose }) {
  const [left, right] = ["left", "right"].map((name) =>
    h("select", {
      name,
      "aria-label": t(`compare.${name}`),
      onchange: (event) => choose({ [name]: event.target.value }),
    }),
  );
  const table = scroller(t("tab.compare"));
  const chosen = h("div", { class: "row" }, left, h("span", { class: "muted" }, t("compare.and")), right);
  const element = h("div", { class: "stack" }, chosen, table);

  function update(steps, params) {
    const numbers = attemptsOf(steps);
    chosen.hidden = numbers.length < 2; // So it is in a replay of what was before.
    if (chosen.hidden) return table.replaceChildren(h("p", { class: "muted" }, t("compare.none")));
    const known = (value, fallback) => (numbers.includes(Number(value)) ? Number(value) : fallback);
    const pair = [known(params.left, numbers.at(-2)), known(params.right, numbers.at(-1))];
    for (const [i, select] of [left, right].entries()) {
      const options = numbers.map((each) => h("option", { value: each }, t("attempt.one", { n: each })));
      if (select.options.length !== options.length) select.replaceChildren(...options);
      select.value = String(pair[i]);
    }
    renew(table, tableOf(compared(steps, pair[0], pair[1], now()), pair));
  }
  return { element, update };
}

function tableOf({ rows, totals }, chosen) {
  const heads = [t("facts.step"), ...chosen.map((each) => t("attempt.one", { n: each })), t("compare.difference")];
  const all = [...totals.map((each) => (each === null ? "–" : duration(each))), difference(totals)];
  const total = row([rowHead(t("compare.all")), ...all], { "data-step": "all" });
  return table(heads, [...rows.map(rowOf), total], "compare");
}

const rowOf = ({ number, name, sides, ran }) => {
  const told = sides.map((one, i) => (one ? side(one, ran[i]) : h("span", { class: "muted" }, t("compare.not"))));
  return row([rowHead(t("step", { number, name })), ...told, difference(ran)], { "data-step": number });
};

function side(one, ran) {
  const state = badge();
  state.update(one.role, t(outcome(one)), one.kind);
  const worker = one.worker ? workerLink(one.worker) : null;
  const failed = ["fail", "retry", "stop"].includes(one.role);
  return h(
    "div",
    { class: "compare-side" },
    h("div", { class: "row" }, state.element, h("b", {}, ran === null ? "" : duration(ran))),
    worker,
    failed && one.message ? clamped(causeSentence(one.cause, one.message), { role: shade(one.kind) }).element : null,
  );
}

/** By how much the right one took longer. */
function difference([one, other]) {
  if (one === null || other === null) return h("td", { class: "muted" }, "–");
  const longer = other - one;
  const cell = h("td", {}, `${longer < 0 ? "−" : "+"}${duration(Math.abs(longer))}`);
  set(cell, "data-longer", longer > 0);
  return cell;
}
