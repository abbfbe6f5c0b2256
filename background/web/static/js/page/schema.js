// What a JSON Schema says of parameters, in words. Pure.
import { number, t } from "../base/i18n.js";

/** What each property of a schema takes, in words: `{ name, hint, fallback, isValue, required }`, a value or words for it. */
export function propertiesOf(schema) {
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const whole = resolved(property, schema.$defs);
    const kind = kindOf(whole);
    const required = schema.required?.includes(name) ?? false;
    const choices = kind.enum ? [kind.enum.join(", ")] : [];
    const plain = kind.enum ? [] : ({ string: [t("form.text")], boolean: [t("form.boolean")] }[kind.type] ?? []);
    return {
      name,
      required,
      fallback: required ? "" : defaultOf(whole),
      isValue: whole.default !== undefined,
      hint: [[describe(kind, whole), ...plain].filter(Boolean).join(", "), ...choices].filter(Boolean).join(": "),
    };
  });
}

// A named type stands apart in a schema, and is referred to. One that holds itself is left as it is where it does so.
export function resolved(property, types = {}, within = []) {
  if (Array.isArray(property)) return property.map((each) => resolved(each, types, within));
  if (property === null || typeof property !== "object") return property;
  const name = property.$ref?.split("/").at(-1);
  if (within.includes(name)) return {};
  const whole = name in types ? { ...types[name], ...property } : property;
  const inside = name in types ? [...within, name] : within;
  const parts = Object.entries(whole).filter(([key]) => key !== "$ref");
  return Object.fromEntries(
    parts.map(([key, each]) => [key, key === "default" || key === "enum" ? each : resolved(each, types, inside)]),
  );
}

// `anyOf` with null is how Pydantic writes an optional value; an empty field then means null, which is its default.
export function kindOf(property) {
  const choices = property.anyOf?.filter((each) => each.type !== "null") ?? [property];
  return choices.length === 1 ? choices[0] : {};
}

/** Whether a value of this kind is written as JSON: a list, an object, or one of several kinds. */
export const isJson = ({ type, enum: values }) => !values && !["string", "integer", "number", "boolean"].includes(type);

export function defaultOf({ default: value }) {
  if (value === undefined) return t("form.server");
  return value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A value of this kind, as one might write it. */
function exampleOf({ type, enum: values, properties, items, anyOf, minimum = 1, default: value }) {
  if (value !== undefined && value !== null) return value;
  if (values) return values[0];
  if (anyOf) return exampleOf(anyOf[0]);
  if (type === "array") return items ? [exampleOf(items)] : [1];
  if (type === "object" || properties)
    return Object.fromEntries(
      Object.entries(properties ?? { name: {} }).map(([name, each]) => [name, exampleOf(each)]),
    );
  return { integer: minimum, number: minimum, boolean: true }[type] ?? "text";
}

export function describe(kind, { description }) {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = kind;
  const limits = { "form.least": minimum, "form.most": maximum, "form.above": above, "form.below": below };
  const range =
    minimum !== undefined && maximum !== undefined
      ? [t("form.range", { from: number(minimum), to: number(maximum) })]
      : Object.entries(limits).flatMap(([key, value]) =>
          value === undefined ? [] : [t(key, { limit: number(value) })],
        );
  const words = { array: "form.array", object: "form.object" }[kind.type] ?? "form.any";
  const example = isJson(kind) && JSON.stringify(exampleOf({ ...kind, default: undefined }));
  const type =
    { integer: t("form.integer"), number: t("form.number") }[kind.type] ?? (example && t(words, { example }));
  return [description, !kind.enum && type, ...range].filter(Boolean).join(", ");
}
