// The form of one task of a canvas. Fields: `select[name=task]`, `input[name=args|countdown|retries]`, `input[name=immutable]`.
import { h, say, set } from "../dom.js";
import { t } from "../i18n.js";

/** Gives `{ element, show(task), catalogue(tasks) }`; `changed(task)` is told the whole task. */
export function taskForm({ changed }) {
  const select = h("select", { name: "task", onchange: () => send() });
  const args = h("input", {
    name: "args",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    class: "mono",
    oninput: () => send(),
  });
  const immutable = h("input", { type: "checkbox", name: "immutable", onchange: () => send() });
  const countdown = h("input", {
    name: "countdown",
    type: "number",
    min: "0",
    max: "3600",
    step: "any",
    oninput: () => send(),
  });
  const retries = h("input", { name: "retries", type: "number", min: "0", max: "10", oninput: () => send() });
  const hint = h("span", { class: "field-hint" });
  const wrong = h("span", { class: "field-error", role: "alert" });
  const labelled = (name, input, ...more) =>
    h("label", { class: "field" }, h("span", { class: "field-name" }, t(`canvas.${name}`)), input, more);
  const element = h(
    "div",
    { class: "canvas-task", hidden: true },
    h(
      "div",
      { class: "fields" },
      labelled("task", select, hint),
      labelled("args", args, h("span", { class: "field-hint" }, t("canvas.args.hint")), wrong),
      labelled("countdown", countdown),
      labelled("retries", retries),
    ),
    h("label", { class: "check" }, immutable, " ", t("canvas.immutable")),
  );
  let known = [];
  let task = null;
  return { element, show, catalogue };

  function catalogue(found) {
    known = found;
    show(task);
  }

  function show(now) {
    task = now;
    element.hidden = !task;
    if (!task) return;
    const names = [...new Set([...known.map((each) => each.task), String(task.task)])];
    if (select.options.length !== names.length || select.value !== task.task)
      select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    select.value = String(task.task);
    const text = Array.isArray(task.args) ? task.args.map((each) => JSON.stringify(each)).join(", ") : "";
    if (document.activeElement !== args) args.value = text;
    if (document.activeElement !== countdown) countdown.value = task.countdown ?? "";
    if (document.activeElement !== retries) retries.value = task.retries || "";
    immutable.checked = task.immutable === true;
    const parameters = known.find((each) => each.task === task.task)?.parameters;
    say(
      hint,
      parameters
        ? t(parameters.length ? "canvas.takes" : "canvas.takes.none", {
            task: task.task,
            parameters: parameters.join(", "),
          })
        : "",
    );
  }

  function send() {
    const values = parsed(args.value);
    say(wrong, values ? "" : t("canvas.args.bad"));
    set(args, "aria-invalid", values ? null : "true");
    if (!values) return;
    const number = (input) => (input.value === "" ? undefined : Number(input.value));
    const fields = {
      task: select.value,
      args: values.length ? values : undefined,
      immutable: immutable.checked || undefined,
      countdown: number(countdown),
      retries: number(retries),
    };
    changed(Object.fromEntries(Object.entries({ ...task, ...fields }).filter(([, value]) => value !== undefined)));
  }
}

function parsed(text) {
  try {
    return JSON.parse(`[${text}]`);
  } catch {
    return null;
  }
}
