// What one expected of a run beside what happened, where it is one of the examples, and what to do now. Hooks for tests:
// `[data-lesson]`, `[data-expected]`, `[data-advice=<code>]`.
import { advice } from "../base/advice.js";
import { h, hide, renew, set } from "../base/dom.js";
import { exampleOf } from "../base/examples.js";
import { t } from "../base/i18n.js";
import { outside } from "../page/parts.js";
import { explained } from "../page/terms.js";

/** Gives `{ element, update(run) }`. Which example it is, the run's canvas itself says, wherever it was started. */
export function lesson(run) {
  const example = exampleOf(run.canvas);
  const advised = h("div", { hidden: true });
  const element = h("section", { class: "lesson", "aria-label": t("advice.title") }, [
    ...(example ? expectation(example) : []),
    advised,
  ]);
  set(element, "data-lesson", example);
  let told = null;
  return { element, update };

  function update({ reason, ready }) {
    const found = advice({ reason, ready });
    const code = found ? reason.code : "";
    const text = found?.text ?? "";
    if (text === told) return;
    told = text;
    hide(advised, !found);
    element.hidden = !found && !example;
    set(advised, "data-advice", code || null);
    renew(
      advised,
      found
        ? [h("h2", {}, t("advice.title")), said(found.text), found.url ? outside(found.url, t("advice.more")) : ""]
        : [],
    );
  }
}

const said = (text) => h("p", {}, explained({ text, known: true }));

const expectation = (example) => [
  h("p", { class: "lesson-name muted" }, t("lesson.example", { name: t(`example.${example}`) })),
  h("div", { "data-expected": "" }, h("h2", {}, t("lesson.expected")), said(t(`example.${example}.expected`))),
  h("div", {}, h("h2", {}, t("lesson.truth")), said(t(`example.${example}.truth`))),
];
