// What a job has called when it ended, and whose end has called it. Hooks for tests: `[data-calls]` with `[data-call=<job id>]`,
// `[data-called-by]`.
import { h, hide, renew, set } from "../base/dom.js";
import { t } from "../base/i18n.js";

const link = (id, ...words) => h("a", { href: `#/jobs/${id}`, class: "quiet-link" }, ...words);

/** A line whose `update(job)` shows it; nothing of most jobs. */
export function calls() {
  const element = h("p", { class: "calls", hidden: true });
  let shown = "";
  const update = ({ parent_id: parent, hooks = [] }) => {
    const told = JSON.stringify([parent, hooks]);
    if (told === shown) return;
    shown = told;
    hide(element, !parent && !hooks.length);
    set(element, "data-called-by", parent);
    set(element, "data-calls", hooks.length || null);
    renew(element, [
      ...(parent ? [t("calls.by"), " ", link(parent, t("job", { id: parent }))] : []),
      ...(hooks.length ? [t("calls.of"), " "] : []),
      ...hooks.flatMap((hook, index) => [
        index ? ", " : "",
        h(
          "span",
          { "data-call": hook.id },
          link(hook.id, `${hook.pipeline} #${hook.id}`),
          ` ${t(`status.${hook.status}`)}`,
        ),
      ]),
    ]);
  };
  return { element, update };
}
