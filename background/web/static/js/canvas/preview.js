// What Celery will make of a canvas: warnings first, then the graph, then the expression.
import { remedy } from "../base/advice.js";
import { h } from "../base/dom.js";
import { warning } from "../base/facts.js";
import { t } from "../base/i18n.js";
import { Picture } from "../graph/draw.js";
import { copyButton, outside, worded } from "../page/parts.js";
import { explained, term } from "../page/terms.js";

const WIDE = matchMedia("(width >= 40em)");

/** The words for what a canvas is made of, by the keys of its tree. */
const WORDS = {
  chain: ["chain"],
  group: ["group"],
  chord: ["chord", "header", "body"],
  link: ["callback"],
  link_error: ["errback"],
};

/**
 * `python` is the element that shows the expression, `copied()` gives its text; `chosen(path, how)` is called when an error or
 * a task is chosen, `pointed(path)` with the task that the mouse is on, or null.
 */
export class Preview {
  constructor({ python, copied, chosen, pointed }) {
    this.chosen = chosen;
    this.pointed = pointed;
    this.findings = h("div", { class: "findings", role: "status" });
    this.stage = h("div", { class: "run-stage" });
    this.words = h("p", { class: "words muted" });
    this.below = h(
      "div",
      { class: "stack" },
      h("h2", {}, t("canvas.preview")),
      this.words,
      this.stage,
      h("h3", {}, t("canvas.python")),
      h("div", { class: "code" }, python, copyButton(copied)),
    );
    this.element = h("section", { class: "stack", "aria-label": t("canvas.preview") }, this.findings, this.below);
    this.picture = null;
    this.told = "";
    this.paths = new Map();
    this.hovered = null;
    this.stage.addEventListener("mouseover", (event) => this.over(event.target));
    this.stage.addEventListener("mouseleave", () => this.over(null));
  }

  close() {
    this.picture?.close();
  }

  over(target) {
    const id = target?.closest(".node")?.dataset.id ?? null;
    if (id === this.hovered) return;
    this.hovered = id;
    this.pointed(this.paths.get(id) ?? null);
  }

  /** All tasks of a part; `name` is its path as text, or null. */
  idsOf(name) {
    const within = (path) => name === "" || path === name || path.startsWith(`${name}.`);
    return name === null ? [] : [...this.paths].filter(([, path]) => within(path.join("."))).map(([id]) => id);
  }

  point(name) {
    this.picture?.point(this.idsOf(name));
  }

  /** A part that is one task is the chosen one of the picture, too. */
  choose(name) {
    this.picture?.mark(this.idsOf(name).find((id) => this.paths.get(id).join(".") === name) ?? null);
  }

  /** There is no canvas. */
  empty() {
    this.told = "";
    this.findings.replaceChildren();
    this.below.hidden = true;
  }

  show({ graph, warnings }) {
    this.below.hidden = false;
    this.below.classList.remove("old");
    this.paths = new Map(graph.nodes.map(({ id, path }) => [id, path]));
    const text = JSON.stringify(warnings);
    if (this.told !== text)
      this.findings.replaceChildren(
        ...(warnings.length
          ? [h("h2", {}, t("canvas.warnings", { n: warnings.length })), h("ul", {}, warnings.map(surprise))]
          : [h("p", { class: "muted" }, t("canvas.calm"))]),
      );
    this.told = text;
    this.explainWords(graph.tree);
    this.picture?.close();
    this.hovered = null;
    this.picture = new Picture(graph, { narrow: !WIDE.matches, onSelect: (id) => this.chosen(this.paths.get(id)) });
    this.stage.replaceChildren(this.picture.element);
  }

  /** What it is made of, to be looked up. */
  explainWords(tree) {
    const { words } = this;
    const text = JSON.stringify(tree);
    const names = Object.keys(WORDS).flatMap((key) => (text.includes(`"${key}":`) ? WORDS[key] : []));
    const now = names.join();
    words.hidden = names.length === 0;
    if (words.dataset.terms === now) return; // Whoever reads one of them keeps it.
    words.dataset.terms = now;
    words.replaceChildren(...names.map((name) => term(name)));
  }

  /**
   * The last good preview stays, dimmed.
   * @param {(Sentence & { path: any[] })[]} errors
   */
  refuse(errors) {
    this.told = "";
    this.below.classList.add("old");
    const rows = errors.slice(0, 20).map(({ path, text, known }) => {
      const onclick = () => this.chosen(path, { seen: true });
      const button = h("button", { type: "button", class: "as-link", onclick }, worded({ text, known }));
      return h("li", { "data-error": path.join(".") }, button);
    });
    this.findings.replaceChildren(h("h2", { class: "error-line role-fail" }, t("canvas.wrong")), h("ul", {}, rows));
  }
}

const surprise = (found) =>
  h(
    "li",
    { class: "role-retry", "data-warning": found.code },
    explained(warning(found)),
    " ",
    remedied(found.code),
    outside(found.url, t("canvas.more")),
  );

function remedied(code) {
  const text = remedy("warning", code);
  return text ? h("span", { "data-advice": code }, h("strong", {}, t("advice.title")), ": ", text, " ") : null;
}
