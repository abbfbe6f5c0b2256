// What may stand at a place of a canvas: keys and values of its JSON, words of its Celery expression. All of it is what the
// API tells: the catalogue of `GET /canvas/tasks`, and the models of `/openapi.json`.
import { scan } from "./scan.js";

const LISTS = ["chain", "group", "header"];
const ONE_OR_MORE = ["body", "link", "link_error"];
/** The model of each kind of part, and of what has a shape of its own within one. */
const MODELS = {
  task: "TaskSpec",
  chain: "ChainSpec",
  group: "GroupSpec",
  chord: "ChordSpec",
  map: "MapSpec",
  starmap: "StarmapSpec",
  chunks: "ChunksSpec",
};
const INNER = { chord: "ChordParts", map: "Items", starmap: "Items", chunks: "Chunked" };
const KINDS = Object.keys(MODELS);

/**
 * Completions of JSON at a position: `{ from, to, options }` with options as CodeMirror has them, or null. `tasks` as in
 * `GET /canvas/tasks`; `models` are the schemas of `/openapi.json`.
 */
export function inJson(text, at, { tasks, models }) {
  const { frames, key, wants, from, to } = scan(text, at).context;
  const known = { tasks, models };
  const options =
    wants === "key"
      ? keysOf(frames, known, { written: text.slice(from, to), after: /^\s*:/.test(text.slice(to)) ? "" : ": " })
      : wants
        ? valuesOf(frames.at(-1), key, known)
        : [];
  return options.length ? { from, to, options } : null;
}

/** What an object is: a part of a canvas, the keyword arguments of a task, or the inside of a chord or a map. */
function shapeOf(path) {
  let shape = "part";
  for (const key of path) {
    if (shape === "part" && (LISTS.includes(key) || ONE_OR_MORE.includes(key))) shape = "parts";
    else if (shape === "part" && key in INNER) shape = key;
    else if (shape === "part" && key === "kwargs") shape = "kwargs";
    else if (shape === "chord" && key === "header") shape = "parts";
    else if (shape === "chord" && key === "body") shape = "part";
    else if (shape === "parts" && typeof key === "number") shape = "part";
    else return null;
  }
  // A callback, or a body, may be one part or a list of them.
  return shape === "parts" && ONE_OR_MORE.includes(path.at(-1)) ? "part" : shape;
}

function keysOf(frames, { tasks, models }, { written, after }) {
  const { path, keys } = frames.at(-1);
  const others = keys.filter((name) => JSON.stringify(name) !== written);
  const left = (names) =>
    names
      .filter((name) => !others.includes(name))
      .map((name) => ({ ...quoted(name), apply: JSON.stringify(name) + after }));
  const ofModel = (name) => left(Object.keys(models[name]?.properties ?? {}));
  const shape = shapeOf(path);
  if (shape === "kwargs") return left(tasks.find((each) => each.task === frames.at(-2)?.fields.task)?.parameters ?? []);
  if (shape in INNER) return ofModel(INNER[shape]);
  if (shape !== "part") return [];
  const kind = KINDS.find((each) => others.includes(each));
  return kind ? ofModel(MODELS[kind]) : left(KINDS);
}

function valuesOf({ kind, path, fields }, key, { tasks, models }) {
  const shape = shapeOf(path);
  const isTask = kind === "{" && key === "task" && (shape === "part" || shape in INNER);
  if (isTask) return tasks.map((each) => ({ ...told(each), ...quoted(each.task) }));
  const here = kind === "top" ? path : [...path, kind === "{" ? key : 0];
  if (shapeOf(here) === "part" && (kind !== "{" || shape === "chord" || ONE_OR_MORE.includes(key)))
    return tasks.map((each) => ({
      ...told(each),
      ...quoted(each.task),
      apply: `{"task": ${JSON.stringify(each.task)}}`,
    }));
  const kindOfPart = KINDS.find((each) => each in fields);
  const property = shape === "part" ? models[MODELS[kindOfPart]]?.properties?.[key] : null;
  return property?.type === "boolean" ? ["true", "false"].map((label) => ({ label })) : [];
}

/** Found by what is typed, which may begin with the quote. */
const quoted = (name) => ({ label: JSON.stringify(name), displayLabel: name });

const told = ({ task, parameters, description }) => ({
  label: task,
  detail: `(${parameters.join(", ")})`,
  info: description,
});

/** Completions of a Celery expression: what is called, the parameters of a task, the options of `.set(`. */
export function inPython(text, at, { tasks, models }) {
  const from = at - /\w*$/.exec(text.slice(0, at))[0].length;
  const call = openCall(text.slice(0, from));
  const named = (name) => ({ label: `${name}=` });
  const task = tasks.find((each) => each.task === call?.task);
  if (task) return { from, to: at, options: task.parameters.map(named) };
  if (call?.name === "set") {
    const own = ["task", "args", "kwargs", "immutable", "retries", "link_error"];
    const options = Object.keys(models.TaskSpec?.properties ?? {}).filter((name) => !own.includes(name));
    return { from, to: at, options: options.map(named) };
  }
  if (/\.$/.test(text.slice(0, from)))
    return {
      from,
      to: at,
      options: ["s(", "si(", "map(", "starmap(", "chunks(", "set(", "on_error("].map((label) => ({ label })),
    };
  const kinds = ["chain(", "group(", "chord(["].map((label) => ({ label }));
  return { from, to: at, options: [...kinds, ...tasks.map((each) => ({ ...told(each), apply: `${each.task}.s(` }))] };
}

/** The call that a position is directly in: `{ name, task }`, of `add.s(` also its task. */
function openCall(before) {
  const open = [];
  const tokens = before.matchAll(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|((?:(\w+)\.)?(\w+))?([([{])|[)\]}]/g);
  for (const [token, , task, name, bracket] of tokens) {
    if (bracket) open.push(bracket === "(" ? { name, task: /^si?$/.test(name) ? task : undefined } : {});
    else if (/^[)\]}]$/.test(token)) open.pop();
  }
  return open.at(-1);
}
