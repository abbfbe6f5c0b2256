// The tasks of a run as graph, outline or time line, and the one that is chosen beside them.
import { asCurl, now } from "../api.js";
import { h } from "../dom.js";
import { Picture } from "../graph/draw.js";
import { Outline } from "../graph/outline.js";
import { Timeline } from "../graph/timeline.js";
import { t } from "../i18n.js";
import { code, json, tabs } from "../parts.js";
import { inspect } from "./run-task.js";

const TABS = ["graph", "outline", "timeline", "data"];
const WIDE = matchMedia("(width >= 640px)");

/** Gives `{ element, update(run, params), tick(), nextFailure(), close() }`; `choose(params)` changes the route. */
export function panel(first, { choose }) {
  const bar = tabs(TABS, {
    label: t("run.tabs"),
    words: (name) => t(`run.tab.${name}`),
    choose: (tab) => choose({ tab }),
  });
  const stage = h("div", { class: "run-stage" });
  const inspector = h("section", { class: "inspector", "aria-label": t("run.inspector"), "data-inspector": "" });
  const python = h(
    "div",
    {},
    h("h2", { class: "run-code" }, t("run.code")),
    code(first.code, { label: t("run.code"), lang: "en" }),
  );
  python.lastChild.classList.add("wrap");
  const split = h("div", { class: "steps" }, stage, inspector);
  const data = h("div", { class: "stack" });
  const element = h("div", { class: "panel stack" }, bar.element, split, data, python);
  let run = first;
  let shown = null; // { tab, tree, view } on the stage
  let chosen = null;
  let told = "";

  WIDE.addEventListener("change", turned);
  return { element, update, tick: () => shown?.view.update([]), nextFailure, close };

  function update(newer, params) {
    run = newer;
    const tab = TABS.includes(params.tab) ? params.tab : WIDE.matches ? "graph" : "outline";
    bar.select(tab);
    split.hidden = tab === "data";
    data.hidden = tab !== "data";
    if (tab === "data") return data.replaceChildren(...raw(run));
    const id = run.graph.nodes.some((node) => node.id === params.node) ? params.node : null;
    const tree = JSON.stringify(run.graph.tree); // It changes when a task sends another, and by a retry.
    if (shown?.tab !== tab || shown.tree !== tree) present(tab, tree);
    else shown.view.update(run.graph.nodes);
    // Until somebody chooses a task, it is the one that says most, without moving the view while the run goes on.
    const wanted = id ?? telling(run.graph.nodes);
    if (wanted !== chosen || shown.selected !== wanted) {
      chosen = shown.selected = wanted;
      if (id || run.ready) shown.view.select(wanted);
      else shown.view.mark(wanted);
    }
    tell();
  }

  function present(tab, tree) {
    shown?.view.close();
    const options = {
      onSelect: selected,
      onOpen: opened,
      onLanes: lanes,
      now,
      down: !WIDE.matches,
      begun: Date.parse(run.created_at),
    };
    const View = { graph: Picture, outline: Outline, timeline: Timeline }[tab];
    const view = new View(run.graph, options);
    shown = { tab, tree, view, selected: null };
    stage.replaceChildren(view.element);
    view.update([]);
  }

  function turned() {
    if (shown?.tab === "graph") present("graph", shown.tree);
  }

  function selected(id) {
    if (id === chosen && shown.selected === id) return;
    chosen = shown.selected = id;
    choose({ node: id });
    tell();
  }

  function opened(id) {
    selected(id);
    inspector.scrollIntoView({ block: "nearest" });
    inspector.querySelector("h2")?.focus();
  }

  /** All lanes of a folded group: in the outline, where there is room for them. */
  function lanes(ids) {
    choose({ tab: "outline" });
    shown.view.show(ids);
  }

  function tell() {
    const node = run.graph.nodes.find((each) => each.id === chosen);
    const text = JSON.stringify([node, run.status]);
    if (text === told) return;
    told = text;
    inspector.replaceChildren(...(node ? inspect(node, run, { choose: pick }) : []));
  }

  function pick(id) {
    shown.view.select(id);
    selected(id);
  }

  function nextFailure() {
    const failed = run.graph.nodes.filter((node) => node.state === "FAILURE").map((node) => node.id);
    if (!failed.length || !shown) return false;
    pick(failed[(failed.indexOf(chosen) + 1) % failed.length]);
    return true;
  }

  function close() {
    shown?.view.close();
    WIDE.removeEventListener("change", turned);
  }
}

/** What a reader looks for first: what failed, what runs, else the last one. */
function telling(nodes) {
  return (
    ["FAILURE", "STARTED", "RETRY"].map((state) => nodes.find((node) => node.state === state)).find(Boolean)?.id ??
    nodes.at(-1)?.id
  );
}

function raw(run) {
  return [
    h("h2", {}, t("result")),
    run.successful ? json(run.result, { label: t("result") }) : h("p", { class: "muted" }, t("run.result.none")),
    h("h2", {}, t("as.curl")),
    code(asCurl("GET", `result/${run.task_id}`), { label: "curl" }),
    h("details", { class: "fold" }, h("summary", {}, t("run.raw")), json(run, { label: t("run.raw") })),
  ];
}
