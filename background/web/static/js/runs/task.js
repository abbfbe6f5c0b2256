// One task of a run: what it was given, what came of it, and why it did not run.
import { now } from "../base/api.js";
import { h } from "../base/dom.js";
import { duration, number, sentence, t, when as timeOf } from "../base/i18n.js";
import { openReport, reportIn } from "../documents/report.js";
import { dueAt, given, nameOf } from "../graph/node.js";
import { links, shape } from "../graph/shape.js";
import { culpritOf, roleOf } from "../graph/states.js";
import { badge, clamped, copyButton, json } from "../page/parts.js";
import { explained, labelled } from "../page/terms.js";

/** The facts whose name the glossary explains, by its term. */
const EXPLAINED = { retries: "retry", worker: "worker", due: "countdown" };

/** Elements that tell of this task; `choose(id)` leads to another one; `saved`: there is no server to ask. */
export function inspect(node, run, { choose, saved = false }) {
  const state = badge();
  state.update(roleOf(node), t(`state.${node.state}`), node.state);
  const known = [
    ["due", dueAt(node) && timeOf(dueAt(node))],
    ["began", node.started_at && timeOf(Date.parse(node.started_at))],
    ["ended", node.finished_at && timeOf(Date.parse(node.finished_at))],
    [
      "ran",
      node.started_at && node.finished_at && duration(Date.parse(node.finished_at) - Date.parse(node.started_at)),
    ],
    ["starts", node.starts > 1 && number(node.starts)],
    ["retries", node.retries > 0 && number(node.retries)],
    ["worker", node.worker],
  ].filter(([, value]) => value);
  return [
    h("div", { class: "row" }, h("h2", { tabindex: "-1", "data-node": node.id }, nameOf(node)), state.element),
    why(node, run, choose),
    saved ? null : reportButton(node),
    node.error ? clamped(`${node.error.type}: ${node.error.message}`).element : null,
    known.length
      ? h(
          "dl",
          { class: "facts small" },
          known.map(([name, value]) =>
            h("div", {}, h("dt", {}, labelled(EXPLAINED[name], t(`facts.${name}`))), h("dd", {}, value)),
          ),
        )
      : null,
    h("h3", {}, t("run.args")),
    given(node)
      ? json(Object.keys(node.kwargs).length ? { args: node.args, kwargs: node.kwargs } : node.args, {
          label: t("run.args"),
        })
      : h("p", { class: "muted" }, t("run.args.none")),
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
  const { before, when: called } = links(shape(run.graph.tree));
  const [when, [caller], name] = [called(node.id), before(node.id), (id) => nameOf(states.get(id))];
  const said = (key, values) => h("p", {}, explained(sentence(`why.task.${key}`, values)));
  if (when === "spawned") return said(when, { name: name(caller) });
  if (node.state === "SKIPPED") {
    if (when === "error" && states.get(caller).state === "SUCCESS") return said("unneeded", { name: name(caller) });
    const culprit = culpritOf(before(node.id), states, before);
    if (!culprit) return said("skipped");
    const show = t("why.task.show", { name: name(culprit) });
    return h(
      "div",
      { class: "stack" },
      said(when === "body" ? "header" : "blame", { name: name(culprit) }),
      h(
        "button",
        { type: "button", class: "button small", "data-action": "culprit", onclick: () => choose(culprit) },
        show,
      ),
    );
  }
  if (node.state === "REVOKED" && !node.started_at && !node.error) return said("revoked");
  if (node.state !== "PENDING" || run.ready) return null;
  if (when === "error" || when === "success") return said(when, { name: name(caller) });
  const open = before(node.id).filter((id) => states.get(id).state !== "SUCCESS");
  if (open.length) return said(open.length > 1 ? "waits" : "waits.one", { n: open.length, name: name(open[0]) });
  return dueAt(node) > now() ? said("due", { time: timeOf(dueAt(node)) }) : said("worker");
}
