// The builder of canvases. Hooks for tests: `textarea[name=json]`, `[role=tree] [role=treeitem][data-path]`, `[data-do]` in the
// tool bar, `select[name=example]`, `[data-warning]`, `[data-error]`, `[data-graph]`, `[data-action=run]`.
import { post, get } from "../api.js";
import { canvasOf } from "../canvas/python.js";
import { EXAMPLES } from "../canvas/examples.js";
import { FIRST, kindOf, pathOf, pretty } from "../canvas/model.js";
import { h, icon, say } from "../dom.js";
import { fault, refusal } from "../facts.js";
import { toast } from "../frame.js";
import { t } from "../i18n.js";
import { complain } from "../parts.js";
import { go, href, replace } from "../router.js";
import { preview } from "./canvas-preview.js";
import { tree } from "./canvas-tree.js";

const PREVIEW_MS = 250;
const START = { chain: [FIRST, { task: "multiply", args: [10] }, { task: "finalize" }] };

export const show = (main, route) => new Builder(main, route);

class Builder {
  constructor(main, route) {
    this.build(main);
    this.open(route);
    this.keys = {};
    get("canvas/tasks").then(
      (found) => this.tree.catalogue(found),
      () => {},
    );
  }

  update(route) {
    if (route.params.draft !== this.draft || route.params.example) this.open(route);
    return true;
  }

  close() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.preview.close();
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
    this.text = h("textarea", {
      name: "json",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": t("canvas.paste"),
      "aria-describedby": "canvas-trouble",
      oninput: () => this.typed(),
    });
    this.trouble = h("p", { class: "field-error", id: "canvas-trouble", role: "alert", hidden: true });
    this.tree = tree({ changed: (canvas) => this.edited(canvas) });
    this.preview = preview({ onError: (path) => this.tree.choose(path) });
    const both = h(
      "div",
      { class: "canvas-both" },
      h("section", { "aria-label": t("canvas.outline") }, h("h2", {}, t("canvas.outline")), this.tree.element),
      h("section", { "aria-label": t("canvas.json") }, h("h2", {}, t("canvas.json")), this.text, this.trouble),
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

  open({ params }) {
    const example = EXAMPLES[params.example] ? params.example : null;
    this.draft = params.draft;
    this.examples.value = example ?? "";
    this.note.hidden = !example;
    if (example)
      this.note.replaceChildren(
        ...["expected", "truth"].map((key) =>
          h("p", {}, h("strong", {}, t(`canvas.${key}`)), " ", t(`example.${example}.${key}`)),
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
    this.trouble.hidden = !error;
    if (error) {
      say(this.trouble, t("canvas.lastGood", { error }));
      this.tree.locked(true);
      this.drop();
      this.run.disabled = true;
      return;
    }
    if (python) this.text.value = pretty(canvas);
    this.take(canvas, { keep });
  }

  /** The outline was changed. */
  edited(canvas) {
    this.text.value = pretty(canvas);
    this.trouble.hidden = true;
    this.take(canvas);
  }

  take(canvas, { keep = false } = {}) {
    this.canvas = canvas;
    this.tree.show(canvas);
    this.tree.locked(false);
    if (!keep) {
      this.draft = JSON.stringify(canvas);
      this.note.hidden = true;
      this.examples.value = "";
      replace(href("canvas", { draft: this.draft }));
    }
    this.drop();
    this.timer = setTimeout(() => this.ask(), keep ? 0 : PREVIEW_MS);
  }

  /** No answer about an earlier text may decide whether this one runs. */
  drop() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.asked = null;
  }

  async ask() {
    const mine = (this.asked = new AbortController());
    try {
      const found = await post("canvas/preview", this.canvas, undefined, { signal: mine.signal });
      if (mine !== this.asked) return;
      this.run.disabled = false;
      this.tree.mark([]);
      this.preview.show(found);
    } catch (error) {
      if (mine !== this.asked || error.name === "AbortError") return;
      const errors = error.errors?.map((each) => ({ path: pathOf(this.canvas, each.loc), ...fault(each) })) ?? [];
      this.run.disabled = true;
      this.tree.mark(errors);
      this.preview.refuse(errors.length ? errors : [{ path: [], ...refusal(error) }]);
    }
  }

  async send() {
    if (this.run.disabled || this.sending) return;
    this.sending = true;
    try {
      const run = await post("canvas", this.canvas);
      toast(t("canvas.runs"), { kind: "ok" });
      go(href(`runs/${run.task_id}`));
    } catch (error) {
      complain(error);
    } finally {
      this.sending = false;
    }
  }
}

function read(text) {
  try {
    return { canvas: JSON.parse(text) };
  } catch (error) {
    try {
      return { canvas: canvasOf(text), python: true };
    } catch {
      return { error: error.message };
    }
  }
}
