// What Celery will make of a canvas: warnings first, then the graph, then the expression.
import { h } from "../dom.js";
import { warning } from "../facts.js";
import { Picture } from "../graph/draw.js";
import { t } from "../i18n.js";
import { code, worded } from "../parts.js";

const WIDE = matchMedia("(width >= 640px)");

/** Gives `{ element, show(preview), refuse(errors), close() }`; `onError(path)` when an error is chosen. */
export function preview({ onError }) {
  const findings = h("div", { class: "findings", role: "status" });
  const stage = h("div", { class: "run-stage" });
  const python = h("div");
  const below = h(
    "div",
    { class: "stack" },
    h("h2", {}, t("canvas.preview")),
    stage,
    h("h3", {}, t("canvas.python")),
    python,
  );
  const element = h("section", { class: "stack", "aria-label": t("canvas.preview") }, findings, below);
  let picture = null;
  let told = "";

  return { element, show, refuse, close: () => picture?.close() };

  function show({ graph, code: expression, warnings }) {
    below.classList.remove("old");
    const text = JSON.stringify(warnings);
    if (told !== text)
      findings.replaceChildren(
        ...(warnings.length
          ? [h("h2", {}, t("canvas.warnings", { n: warnings.length })), h("ul", {}, warnings.map(surprise))]
          : [h("p", { class: "muted" }, t("canvas.calm"))]),
      );
    told = text;
    picture?.close();
    picture = new Picture(graph, { down: !WIDE.matches });
    stage.replaceChildren(picture.element);
    const block = code(expression, { label: t("canvas.python"), lang: "en" });
    block.classList.add("wrap");
    python.replaceChildren(block);
  }

  /** The last good preview stays, dimmed. */
  function refuse(errors) {
    told = "";
    below.classList.add("old");
    const rows = errors
      .slice(0, 20)
      .map(({ path, ...error }) =>
        h(
          "li",
          { "data-error": path.join(".") },
          h("button", { type: "button", class: "as-link", onclick: () => onError(path) }, worded(error)),
        ),
      );
    findings.replaceChildren(h("h2", { class: "error-line role-fail" }, t("canvas.wrong")), h("ul", {}, rows));
  }
}

const surprise = (found) =>
  h(
    "li",
    { class: "role-retry", "data-warning": found.code },
    worded(warning(found)),
    " ",
    h("a", { href: found.url, target: "_blank", rel: "noreferrer" }, t("canvas.more")),
  );
