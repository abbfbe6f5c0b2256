// A form from a JSON Schema: one field for each property, of the kinds that parameters of a pipeline have.
import { h, set } from "../base/dom.js";
import { parseLarge } from "../base/exact.js";
import { t } from "../base/i18n.js";
import { worded } from "./parts.js";
import { defaultOf, describe, isJson, kindOf, resolved } from "./schema.js";

let count = 0;

/**
 * Fields for `schema`, filled from `value`. `read()` gives the value, with empty fields left out; `mark(errors)` shows the
 * API's errors as sentences (`loc` from the property on) and gives the first field that has one; `suggest(name, values)` offers values.
 */
export function schemaForm(schema, value = {}) {
  const fields = new Map(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [
      name,
      field(name, resolved(property, schema.$defs), { value: value[name], required: schema.required?.includes(name) }),
    ]),
  );
  return {
    element: h(
      "div",
      { class: "fields" },
      [...fields.values()].map((each) => each.element),
    ),
    read() {
      const entries = [...fields].map(([name, each]) => [name, each.read()]);
      return Object.fromEntries(entries.filter(([, each]) => each !== undefined));
    },
    mark: (errors) => markAll(fields, errors),
    suggest: (name, values) => fields.get(name)?.suggest(values),
  };
}

/** Show each error beside its field; gives the first such control. Errors of no field here are left to the caller. */
export function markAll(fields, errors) {
  let first = null;
  for (const [name, each] of fields) {
    const found = errors.filter((error) => String(error.loc[0]) === name);
    each.mark(found);
    if (found.length) first ??= each.control;
  }
  return first;
}

/**
 * One labelled field for a property of a schema.
 * @param {string} name
 * @param {any} property
 * @param {{ value?: any, required?: boolean, label?: string, hint?: string, placeholder?: string }} [options]
 */
export function field(name, property, { value, required = false, label, hint, placeholder } = {}) {
  const kind = kindOf(property);
  const id = `field-${++count}`;
  const control = make(kind, { id, name, property, value, required, placeholder });
  const error = h("span", { class: "field-error", id: `${id}-error`, hidden: true });
  const note = h("span", { class: "field-hint", id: `${id}-hint` }, hint ?? describe(kind, property));
  set(control, "aria-describedby", `${id}-hint ${id}-error`);
  const title = h(
    "span",
    { class: "field-name" },
    label ?? name,
    required ? h("span", { class: "muted" }, ` (${t("required")})`) : null,
  );
  return {
    control,
    element:
      kind.type === "boolean"
        ? h("div", { class: "field" }, h("label", { class: "check" }, control, title), note, error)
        : h("div", { class: "field" }, h("label", { for: id }, title), control, note, error),
    read: () => read(kind, control),
    mark(found) {
      error.replaceChildren(...found.flatMap((each) => [worded(each), " "]));
      error.hidden = !found.length;
      set(control, "aria-invalid", found.length ? "true" : null);
    },
    suggest(values) {
      const options = h(
        "datalist",
        { id: `${id}-list` },
        values.map((each) => h("option", { value: each })),
      );
      whenComposed(control, () => {
        set(control, "list", options.id);
        control.after(options);
      });
    },
  };
}

/** Do it now, or when the text that is being composed in a control is accepted: it would be broken off. */
function whenComposed(control, action) {
  if (composed === control) control.addEventListener("compositionend", action, { once: true });
  else action();
}

let composed = null;
document.addEventListener("compositionstart", ({ target }) => (composed = target));
document.addEventListener("compositionend", () => (composed = null));

function make(kind, { id, name, property, value, required, placeholder }) {
  const shown =
    value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const common = { id, name, required, "data-field": name, autocomplete: "off" };
  if (kind.type === "boolean") {
    const box = h("input", { ...common, type: "checkbox", required: null });
    box.checked = value ?? property.default ?? false;
    return box;
  }
  if (kind.enum) {
    const select = h("select", common, [
      h("option", { value: "" }, required ? t("form.choose") : fallbackWord(property)),
      ...kind.enum.map((each) => h("option", { value: each }, String(each))),
    ]);
    select.value = shown;
    return select;
  }
  const fallback = placeholder ?? (required ? "" : defaultOf(property));
  if (isJson(kind)) {
    const area = h("textarea", { ...common, class: "json", rows: "3", placeholder: fallback, spellcheck: "false" });
    area.value = shown && JSON.stringify(value, null, 2);
    return area;
  }
  const numeric = kind.type === "integer" || kind.type === "number";
  const input = h("input", {
    ...common,
    type: "text",
    inputmode: numeric ? (kind.type === "integer" ? "numeric" : "decimal") : null,
    placeholder: fallback,
    spellcheck: "false",
    maxlength: kind.maxLength,
  });
  input.value = shown;
  return input;
}

const fallbackWord = (property) =>
  defaultOf(property) ? t("form.default.is", { value: defaultOf(property) }) : t("form.default");

// What cannot be read as its kind goes to the API as it is, whose answer says what is wrong with it.
function read(kind, control) {
  if (kind.type === "boolean") return control.checked;
  const text = control.value.trim();
  if (text === "") return undefined;
  if (kind.type === "string") return control.value;
  try {
    return parseLarge(text);
  } catch {
    return text;
  }
}
