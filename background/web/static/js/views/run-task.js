// One task of a run: what it was given, what came of it, and why it did not run.
import { h } from "../dom.js";
import { links } from "../graph/links.js";
import { nameOf } from "../graph/node.js";
import { reduce } from "../graph/reduce.js";
import { culpritOf, roleOf } from "../graph/states.js";
import { clock, duration, number, t } from "../i18n.js";
import { badge, copyButton, json } from "../parts.js";
import { openReport, reportIn } from "../report.js";

/** Elements that tell of this task; `choose(id)` leads to another one. */
export function inspect(node, run, { choose }) {
  const state = badge();
  state.update(roleOf(node), t(`state.${node.state}`), node.state);
  const known = [
    ["began", node.started_at && clock(Date.parse(node.started_at))],
    ["ended", node.finished_at && clock(Date.parse(node.finished_at))],
    [
      "ran",
      node.started_at && node.finished_at && duration(Date.parse(node.finished_at) - Date.parse(node.started_at)),
    ],
    ["retries", node.retries > 0 && number(node.retries)],
    ["worker", node.worker],
  ].filter(([, value]) => value);
  return [
    h("div", { class: "row" }, h("h2", { tabindex: "-1", "data-node": node.id }, nameOf(node)), state.element),
    why(node, run, choose),
    reportButton(node),
    node.error
      ? h("p", { class: "error-line role-fail", lang: "en" }, `${node.error.type}: ${node.error.message}`)
      : null,
    known.length
      ? h(
          "dl",
          { class: "facts small" },
          known.map(([name, value]) => h("div", {}, h("dt", {}, t(`facts.${name}`)), h("dd", {}, value))),
        )
      : null,
    h("h3", {}, t("run.args")),
    node.args.length ? json(node.args, { label: t("run.args") }) : h("p", { class: "muted" }, t("run.args.none")),
    ...(node.state === "SUCCESS" ? [h("h3", {}, t("result")), json(node.result, { label: t("result") })] : []),
    h("h3", {}, t("facts.task")),
    h("p", { class: "row task-id" }, h("code", {}, node.id), copyButton(node.id, t("copy.task"))),
  ].filter(Boolean);
}

function reportButton(node) {
  const path = node.state === "SUCCESS" ? reportIn(node.result) : null;
  if (!path) return null;
  const open = () => openReport(path);
  return h(
    "button",
    { type: "button", class: "button primary", "data-action": "report", onclick: open },
    t("report.read"),
  );
}

/** Why a task waits, or never ran, with the way to whoever is to blame. */
function why(node, run, choose) {
  const states = new Map(run.graph.nodes.map((each) => [each.id, each]));
  const { before } = links(reduce(run.graph));
  const called = run.graph.nodes.find((each) => each.on_error === node.id);
  const button = (id, text) =>
    h("button", { type: "button", class: "button small", "data-action": "culprit", onclick: () => choose(id) }, text);
  if (node.state === "SKIPPED") {
    const culprit = culpritOf(before(node.id), states, before);
    if (called && states.get(called.id).state === "SUCCESS")
      return h("p", {}, t("why.task.unneeded", { name: nameOf(called) }));
    if (!culprit) return h("p", {}, t("why.task.skipped"));
    const joined = before(node.id).length > 1;
    const name = nameOf(states.get(culprit));
    return h(
      "div",
      { class: "stack" },
      h("p", {}, t(joined ? "why.task.header" : "why.task.blame", { name })),
      button(culprit, t("why.task.show", { name })),
    );
  }
  if (node.state !== "PENDING" || run.ready) return null;
  const open = before(node.id).filter((id) => states.get(id).state !== "SUCCESS");
  if (called) return h("p", {}, t("why.task.onError", { name: nameOf(called) }));
  const after = run.graph.nodes.find((each) => each.on_success === node.id);
  if (after) return h("p", {}, t("why.task.onSuccess", { name: nameOf(after) }));
  if (!open.length) return h("p", {}, t("why.task.worker"));
  return h("p", {}, t("why.task.waits", { n: open.length, name: nameOf(states.get(open[0])) }));
}
