// The builder of canvases. Hooks for tests: `[data-editor=json|python]` or, without CodeMirror, `textarea[name=json|python]`,
// `[role=tree] [role=treeitem][data-path]`, `[data-do]` in the tool bar, `[data-begin]`, `select[name=example]`,
// `[data-warning]`, `[data-error]`, `[data-graph]`, `[data-action=run]`.
import { get, post } from "../base/api.js";
import { h, icon, say } from "../base/dom.js";
import { parse } from "../base/exact.js";
import { EXAMPLES } from "../base/examples.js";
import { fault, refusal } from "../base/facts.js";
import { sentence, t } from "../base/i18n.js";
import { toast } from "../page/frame.js";
import { complain } from "../page/parts.js";
import { go, href, replace } from "../page/router.js";
import { explained } from "../page/terms.js";
import { FIRST, kindOf, partAt, pathOf, pretty } from "./model.js";
import { CanvasOutline } from "./outline.js";
import { Pane } from "./pane.js";
import { Preview } from "./preview.js";
import { canvasOf } from "./python.js";

const PREVIEW_MS = 250;
const START = { chain: [FIRST, { task: "multiply", args: [10] }, { task: "finalize" }] };

export const show = (main, route) => new Builder(main, route);

class Builder {
  constructor(main, route) {
    this.known = { tasks: [], models: {} };
    this.marks = { chosen: "", pointed: null };
    this.build(main);
    this.open(route);
    this.keys = {};
    this.learn("canvas/tasks", (tasks) => ({ tasks }));
    this.learn("openapi.json", ({ components }) => ({ models: components.schemas }));
  }

  /** What a canvas may say is what the API tells. Without it the builder still works, and offers less. */
  async learn(path, read) {
    try {
      const found = read(await get(path));
      this.known = { ...this.known, ...found };
      this.tree.learn(this.known);
    } catch {
      // The API is away; the banner says so.
    }
  }

  update(route) {
    if (route.params.draft !== this.draft || route.params.example) this.open(route);
    return true;
  }

  close() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.preview.close();
    this.text.close();
    this.python.close();
  }

  build(main) {
    this.examples = h(
      "select",
      {
        name: "example",
        "aria-label": t("canvas.examples"),
        onchange: () => this.examples.value && go(href("canvas", { example: this.examples.value })),
      },
      h("option", { value: "" }, t("canvas.examples.none")),
      Object.keys(EXAMPLES).map((name) => h("option", { value: name }, t(`example.${name}`))),
    );
    this.run = h(
      "button",
      {
        type: "button",
        class: "button primary",
        "data-action": "run",
        onclick: () => this.send(),
        title: "Ctrl+Enter",
      },
      icon("play"),
      t("canvas.run"),
    );
    this.note = h("div", { class: "note example", hidden: true });
    this.trouble = h("p", { class: "field-error", id: "canvas-trouble", role: "alert", hidden: true });
    this.pythonTrouble = h("p", { class: "field-error", id: "python-trouble", role: "alert", hidden: true });
    this.panes();
    const both = h(
      "div",
      { class: "canvas-both" },
      h("section", { "aria-label": t("canvas.outline") }, h("h2", {}, t("canvas.outline")), this.tree.element),
      h("section", { "aria-label": t("canvas.json") }, h("h2", {}, t("canvas.json")), this.text.element, this.trouble),
    );
    this.element = h(
      "div",
      { class: "canvas" },
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, t("section.canvas")), this.examples, this.run),
      this.note,
      both,
      this.preview.element,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    main.append(this.element);
  }

  /** The four that show the canvas: text, outline, picture, expression. Each tells what is chosen and pointed at in it. */
  panes() {
    const chosen = (path, how) => path && this.tree.choose(partAt(this.canvas, path), how);
    const pointed = (path) => this.mark({ pointed: path && partAt(this.canvas, path).join(".") });
    const both = { chosen, pointed, known: () => this.known };
    this.text = new Pane({
      name: "json",
      label: t("canvas.paste"),
      described: "canvas-trouble",
      changed: () => this.typed(),
      ...both,
    });
    this.python = new Pane({
      name: "python",
      label: t("canvas.python"),
      described: "python-trouble",
      changed: () => this.typedPython(),
      ...both,
    });
    this.tree = new CanvasOutline({
      changed: (canvas) => this.edited(canvas),
      chosen: (path) => this.mark({ chosen: path.join(".") }),
      pointed,
    });
    const python = h("div", { class: "pane-and-fault" }, this.python.element, this.pythonTrouble);
    this.preview = new Preview({ python, copied: () => this.python.value, chosen, pointed });
  }

  /** The same part is marked in all four. */
  mark(marks) {
    this.marks = { ...this.marks, ...marks };
    const { chosen, pointed } = this.marks;
    this.tree.point(pointed);
    this.preview.point(pointed);
    this.preview.choose(chosen);
    this.text.mark(this.marks);
    this.python.mark(this.marks);
  }

  open({ params }) {
    const example = EXAMPLES[params.example] ? params.example : null;
    this.draft = params.draft;
    this.examples.value = example ?? "";
    this.note.hidden = !example;
    if (example)
      this.note.replaceChildren(
        ...["expected", "truth"].map((key) =>
          h("p", {}, h("strong", {}, t(`canvas.${key}`)), " ", explained(sentence(`example.${example}.${key}`))),
        ),
      );
    const given = example ? pretty(EXAMPLES[example]) : (params.draft ?? pretty(START));
    this.text.value = given;
    this.typed({ keep: true });
    if (kindOf(this.canvas) && !example) this.text.value = pretty(this.canvas);
  }

  /** The text was changed: JSON, or a Celery expression, which becomes JSON. Else the last good one stays, to be read. */
  typed({ keep = false } = {}) {
    const { canvas, error, python } = read(this.text.value);
    if (error) {
      this.tree.locked(true);
      return this.refuse(this.text, this.trouble, { error, words: "canvas.lastGood" });
    }
    if (python) this.text.value = pretty(canvas);
    this.take(canvas, { keep });
  }

  /** The expression was changed. It is written anew by the API only when nobody writes in it. */
  typedPython() {
    try {
      const canvas = canvasOf(this.python.value);
      this.text.value = pretty(canvas);
      this.take(canvas);
    } catch (error) {
      this.refuse(this.python, this.pythonTrouble, { error, words: "canvas.noPython" });
    }
  }

  /** What is written is no canvas: nothing runs until it is. */
  refuse(pane, trouble, { error, words }) {
    const text = t(words, { error: error.message });
    trouble.hidden = false;
    say(trouble, text);
    pane.complain([{ at: error.at ?? pane.wrong, text }]);
    this.drop();
    this.run.disabled = true;
  }

  /** The outline was changed. */
  edited(canvas) {
    this.text.value = canvas === undefined ? "" : pretty(canvas);
    this.take(canvas);
  }

  take(canvas, { keep = false } = {}) {
    this.canvas = canvas;
    for (const trouble of [this.trouble, this.pythonTrouble]) trouble.hidden = true;
    for (const pane of [this.text, this.python]) pane.complain([]);
    this.tree.show(canvas);
    this.tree.locked(false);
    if (!keep) {
      this.draft = JSON.stringify(canvas);
      this.note.hidden = true;
      this.examples.value = "";
      replace(href("canvas", { draft: this.draft }));
    }
    this.mark({ chosen: this.tree.path.join("."), pointed: null });
    this.drop();
    if (canvas !== undefined) this.timer = setTimeout(() => this.ask(), keep ? 0 : PREVIEW_MS);
    else {
      this.run.disabled = true;
      this.tree.mark([]);
      this.preview.empty();
    }
  }

  /** No answer about an earlier text may decide whether this one runs. */
  drop() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.asked = null;
  }

  async ask() {
    const mine = new AbortController();
    this.asked = mine;
    try {
      const found = await post("canvas/preview", this.canvas, undefined, { signal: mine.signal });
      if (mine !== this.asked) return;
      this.run.disabled = false;
      this.tree.mark([]);
      this.preview.show(found);
      this.express(found);
      this.mark({});
    } catch (error) {
      if (mine !== this.asked || error.name === "AbortError") return;
      const errors = error.errors?.map((each) => this.placed(each)) ?? [];
      this.run.disabled = true;
      this.tree.mark(errors);
      this.text.complain(errors);
      this.preview.refuse(errors.length ? errors : [{ path: [], ...refusal(error) }]);
    }
  }

  /** What the API finds wrong: the part, its field if it is of one, and the words. */
  placed(error) {
    const path = pathOf(this.canvas, error.loc);
    return { path, field: error.loc[path.length + 1], ...fault(error) };
  }

  /** Show the expression, and where in it each task stands. */
  express({ code, graph }) {
    if (!this.python.focused) this.python.value = code;
    if (this.python.value !== code) return;
    const units = [0]; // The API counts characters, a string of JavaScript has two units for some.
    for (const each of code) units.push(units.at(-1) + each.length);
    this.python.places = graph.nodes.map(({ path, span: [from, to] }) => ({ path, from: units[from], to: units[to] }));
  }

  async send() {
    if (this.run.disabled) return;
    try {
      const run = await post("canvas", this.canvas);
      toast(t("canvas.runs"), { kind: "ok" });
      go(href(`runs/${run.task_id}`));
    } catch (error) {
      complain(error);
    }
  }
}

function read(text) {
  if (!text.trim()) return { canvas: undefined };
  try {
    return { canvas: parse(text) };
  } catch (error) {
    try {
      return { canvas: canvasOf(text), python: true };
    } catch {
      return { error };
    }
  }
}
