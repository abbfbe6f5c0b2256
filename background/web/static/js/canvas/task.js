// The form of one task of a canvas, or of one over a list. What a task may be told is what `/openapi.json` says. Fields:
// `select[name=task]`, `select[name=as]`, `[name=args|it|n]`, `input[name=immutable]`, and `[name=<option>]` within `details`.
import { h, say, set } from "../base/dom.js";
import { parse } from "../base/exact.js";
import { has, t } from "../base/i18n.js";
import { field } from "../page/form.js";
import { term } from "../page/terms.js";
import { isOver, kindOf, recast, withField } from "./model.js";

const FORMS = ["task", "map", "starmap", "chunks"];
const APART = ["task", "args", "immutable", "link", "link_error"]; // They have fields and tools of their own.
const TERMS = ["immutable", "countdown", "retry"];

/** `element`; `changed(part)` is told the whole part. Only the field that was touched is another one in it. */
export class TaskForm {
  constructor({ changed }) {
    this.changed = changed;
    this.known = { tasks: [], models: {} };
    this.part = null;
    this.open = false;
    this.options = new Map();
    this.element = h("div", { class: "canvas-task", hidden: true });
  }

  /** What the API tells: the tasks that there are, and what may be said of them. */
  learn(known) {
    this.known = known;
    if (this.part) this.build();
  }

  /** Show a part, or nothing; `errors` is what the API says about its fields. */
  show(part, errors = []) {
    const same = part === this.part;
    this.part = part;
    this.element.hidden = !part;
    if (part && !same) this.build();
    for (const [name, each] of this.options) each.mark(errors.filter((error) => error.field === name));
  }

  send(part) {
    this.part = part;
    this.changed(part);
  }

  put(name, value) {
    const { part } = this;
    const kind = kindOf(part);
    this.send(isOver(kind) ? { [kind]: withField(part[kind], name, value) } : withField(part, name, value));
  }

  build() {
    const kind = kindOf(this.part);
    const over = isOver(kind);
    const told = (over ? this.part[kind] : this.part) ?? {};
    this.options = new Map();
    const fields = [
      this.taskField(told.task),
      over ? this.listField("it", told.it) : this.listField("args", told.args, { bare: true }),
      kind === "chunks" ? this.option("n", this.known.models.Chunked?.properties.n ?? {}, told.n) : null,
      this.formField(kind),
    ];
    const more = over ? [] : [this.immutableField(), this.moreFields()];
    this.element.replaceChildren(...[h("div", { class: "fields" }, fields), ...more].filter(Boolean));
  }

  taskField(task) {
    const { tasks } = this.known;
    const names = [...new Set([...tasks.map((each) => each.task), String(task)])];
    const hint = h("span", { class: "field-hint" });
    const tell = () => {
      const parameters = tasks.find((each) => each.task === select.value)?.parameters;
      say(hint, parameters ? takes(select.value, parameters) : "");
    };
    const select = choice("task", names, String(task), () => {
      this.put("task", select.value);
      tell();
    });
    tell();
    return labelled("task", select, hint);
  }

  /** What it is made into: called once, or over a list. */
  formField(kind) {
    const select = choice("as", FORMS, kind, () => {
      this.send(recast(this.part, select.value));
      this.build();
      this.element.querySelector("[name=as]").focus();
    });
    for (const each of select.options) {
      each.textContent = t(`canvas.as.${each.value}`);
      each.disabled = !recast(this.part, each.value);
    }
    return labelled("as", select);
  }

  /** A list as JSON; `bare`: without its brackets, and left out where it is empty. */
  listField(name, value, { bare = false } = {}) {
    const input = h(bare ? "input" : "textarea", {
      name,
      spellcheck: "false",
      autocomplete: "off",
      class: "mono json",
    });
    const wrong = h("span", { class: "field-error", role: "alert" });
    const shown = Array.isArray(value) ? value.map((each) => JSON.stringify(each)).join(", ") : "";
    input.value = bare ? shown : `[${shown}]`;
    input.addEventListener("input", () => {
      const found = read(bare ? `[${input.value}]` : input.value);
      const right = Array.isArray(found);
      say(wrong, right ? "" : t("canvas.args.bad"));
      set(input, "aria-invalid", right ? null : "true");
      if (right) this.put(name, bare && !found.length ? undefined : found);
    });
    return labelled(name, input, h("span", { class: "field-hint" }, t(`canvas.${name}.hint`)), wrong);
  }

  immutableField() {
    const box = h("input", { type: "checkbox", name: "immutable" });
    box.checked = this.part.immutable === true;
    box.addEventListener("change", () => this.put("immutable", box.checked || undefined));
    const terms = TERMS.flatMap((name, i) => [i ? " · " : "", term(name)]);
    const label = h("label", { class: "check" }, box, " ", t("canvas.immutable"));
    return h("div", { class: "row" }, label, h("span", { class: "muted" }, terms));
  }

  /** All other options; open where one is set. */
  moreFields() {
    const { part } = this;
    const properties = Object.entries(this.known.models.TaskSpec?.properties ?? {});
    const all = properties.filter(([name]) => !APART.includes(name));
    if (!all.length) return null;
    const fold = h(
      "details",
      { class: "fold", open: this.open || all.some(([name]) => Object.hasOwn(part, name)) },
      h("summary", {}, t("canvas.options")),
      h(
        "div",
        { class: "fields" },
        all.map(([name, property]) => this.option(name, property, part[name])),
      ),
    );
    fold.addEventListener("toggle", () => (this.open = fold.open));
    return fold;
  }

  /** A field of the model. What is no object yet goes nowhere; what is no number, the API explains. */
  option(name, property, value) {
    const description = has(`canvas.option.${name}`) ? t(`canvas.option.${name}`) : undefined;
    const hint = property.type === "object" ? description : undefined; // It has an example of its own.
    const label = h("code", {}, name);
    const each = field(name, { ...property, description }, { value, label, hint, placeholder: "" });
    const { control } = each;
    const isBox = control.type === "checkbox";
    control.addEventListener(isBox ? "change" : "input", () => {
      if (isBox) return this.put(name, control.checked || undefined);
      const object = property.type === "object" && control.value.trim() ? read(control.value) : null;
      const right = object === null || Object.getPrototypeOf(object) === Object.prototype;
      each.mark(right ? [] : [{ text: t("canvas.args.bad"), known: true }]);
      if (right) this.put(name, object ?? each.read());
    });
    this.options.set(name, each);
    return each.element;
  }
}

function choice(name, values, value, onchange) {
  const select = h(
    "select",
    { name, onchange },
    values.map((each) => h("option", { value: each }, each)),
  );
  select.value = value;
  return select;
}

const labelled = (name, input, ...more) =>
  h("label", { class: "field" }, h("span", { class: "field-name" }, t(`canvas.${name}`)), input, more);

const takes = (task, parameters) =>
  t(parameters.length ? "canvas.takes" : "canvas.takes.none", { task, parameters: parameters.join(", ") });

/** What a text of JSON says; what is none says nothing. */
function read(text) {
  try {
    return parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
