// What the API tells as facts, in the page's words: why a run is where it is, why a job waits, what may surprise, what was
// refused. All give `{ text, known }`; where the code is none of those here, the text is the API's own English.
import { now } from "./api.js";
import { bytes, duration, has, sentence, t, when } from "./i18n.js";

/** What is said after the sentence of a run's code, where the facts have it, in this order. */
const MORE = [
  "failed",
  "callback",
  "ran",
  "step",
  "never",
  "stopped",
  "killed",
  "expired",
  "others",
  "tries",
  "called",
  "running",
  "waiting",
  "has_result",
  "completed",
  "results_expired",
];
/** What a sentence itself says. */
const WITHIN = {
  callback_unneeded: "never",
  cancelled: "running",
  running: "running",
  results_expired: "results_expired",
};
const LONGEST = 300; // of a value in a sentence
const LONGEST_ERROR = 120; // of that, so that what follows from it is in sight; the whole stands below

/**
 * An error as it stands in a sentence; what is cut there is its `detail`, else empty.
 * @param {string} whole
 */
export function inBrief(whole) {
  const said = clipped(whole, LONGEST_ERROR);
  return { said, detail: said.endsWith("…") ? whole.trim() : "" };
}

/**
 * An error as a line of its own: as it is, but for what is cut.
 * @param {string} whole
 */
export function line(whole) {
  const { said, detail } = inBrief(whole);
  return detail ? said : whole.trim();
}

/**
 * Why a run is where it is; `detail` is the whole of an error that the sentence only begins, or where it stands `apart`,
 * only names.
 * @param {Pick<Run, "status" | "reason" | "verdict" | "progress">} run
 * @returns {Sentence & { detail: string }}
 */
export function runSentence({ status, reason, verdict, progress }, { apart = false } = {}) {
  const succeeded = () => sentence(progress.total > 1 ? "run.succeeded" : "run.succeeded.one", { n: progress.total });
  if (!reason && status === "SUCCESS") return { ...succeeded(), detail: "" };
  const { names, ...facts } = reason ?? { code: "" };
  const { error } = facts;
  const detail = error?.type ? inBrief(`${error.type}: ${error.message}`).detail : "";
  if (apart && detail) facts.error = { type: error.type, message: "" };
  const main = worded("reason", facts, verdict, names);
  if (!main.known) return { ...main, detail };
  const more = MORE.filter((part) => part !== WITHIN[facts.code] && (facts[part]?.count ?? facts[part])).map((part) => {
    const key = `more.${part}.${facts.code}`;
    return sentence(has(key) ? key : `more.${part}`, { ...said(facts, names), n: facts[part].count ?? facts[part] });
  });
  const first = facts.code === "results_expired" && status === "SUCCESS" ? [succeeded()] : [];
  const all = [...first, main, ...more];
  const [text, own] = [all.map((each) => each.text).join(" "), all.map((each) => each.own).join(" ")];
  return { text, own, known: true, detail };
}

/**
 * Why a job failed or was stopped: in the page's words where the application itself said so, else as a step has said it.
 * @param {Facts | null | undefined} cause
 * @param {string} whole
 * @returns {Sentence}
 */
export const causeSentence = (cause, whole) => (cause ? worded("cause", cause, whole) : { text: whole, known: false });

/**
 * Why a pending job is not running; its time goes on while the page is looked at.
 * @param {Job} job
 * @returns {Sentence}
 */
export function waitingSentence({ attempt, error, cause, run_at, waiting, waiting_for }) {
  const left = Date.parse(run_at) - now();
  if (left > 0) {
    const later = waiting?.code === "retry_later" ? waiting.code : null;
    const code = later ?? (error && attempt ? "pausing" : "not_due");
    return worded("waiting", {
      code,
      error: error && causeSentence(cause, error).text,
      reason: waiting?.reason,
      time: duration(Math.max(1000, left)),
      due_at: run_at,
    });
  }
  // What the API said when it was not due yet is no longer so.
  if (["not_due", "pausing", "retry_later"].includes(waiting?.code ?? "")) return sentence("why.soon");
  return waiting ? worded("waiting", waiting, waiting_for) : { text: waiting_for ?? "", known: !waiting_for };
}

export const warning = ({ code, values, message }) => worded("warning", { ...values, code }, message);

/**
 * What is wrong with one field of a request.
 * @param {{ type: string, values?: object, msg: string }} error
 */
export const fault = ({ type, values, msg }) => worded("fault", { ...values, code: type }, msg);

/**
 * What a pipeline does: of those that come with the application in the page's words, of all others in their own.
 * @param {{ name: string, description: string, built_in: boolean } | undefined} pipeline
 * @returns {Sentence}
 */
export function described(pipeline) {
  const { name, description, built_in: ours } = pipeline ?? { name: "", description: "", built_in: false };
  const key = `pipeline.is.${name}`;
  return ours && has(key) ? sentence(key) : { text: description, known: false };
}

/**
 * Why the API did not do what it was asked for.
 * @param {{ status?: number, code?: string, values?: object, message?: string, errors?: any[] }} error
 * @returns {Sentence}
 */
export function refusal({ status, code, values, message, errors = [] }) {
  if (code === "invalid" && errors.length) {
    const { text, known } = fault(errors[0]);
    return { text: t("refused.field", { field: errors[0].loc.slice(1).join("."), text }), known };
  }
  const key = { 0: code ? null : "down.short", 401: "down.key", 403: "down.readOnly" }[status];
  return key ? sentence(key) : worded("refusal", { ...values, code }, message);
}

/**
 * The message of a code: the one for its kind, where there are several.
 * @param {string} scope
 * @param {Facts} facts
 * @param {string} [fallback]
 * @param {Record<string, string>} [names]
 * @returns {Sentence}
 */
function worded(scope, facts, fallback, names) {
  const kind = facts.how ?? facts.why ?? facts.what ?? (facts.before && "before");
  const key = [`${scope}.${facts.code}.${kind}`, `${scope}.${facts.code}`].find(has);
  return key ? sentence(key, said(facts, names)) : { text: fallback, known: false };
}

/** Whose limit it is: `queue mail`, or `pipeline mail with customer 7`. */
function limited({ queue, pipeline, key, value }) {
  const whose = queue ? t("limit.queue", { name: queue }) : t("limit.pipeline", { name: pipeline });
  return key ? t("limit.with", { whose, key, value: clipped(JSON.stringify(value)) }) : whose;
}

/** Some of the jobs that have the places of a limit. */
const holders = (ids, { limit }) =>
  t(ids.length < limit ? "limit.holders.some" : "limit.holders", { ids: ids.join(", ") });

const TOLD = {
  of: (_, facts) => limited(facts),
  holders,
  bytes,
  due_at: (time) => when(Date.parse(time)),
  since: (time) => when(Date.parse(time)),
  status: (status, { code }) => t(`${code.startsWith("run_") ? "state" : "status"}.${status}`),
};

/** The values of facts as words; `n` decides between one and many. */
function said(facts, names = {}) {
  const word = ([name, value]) => [name, (TOLD[name] ?? ((each) => told(each, names)))(value, facts)];
  const { queued, takes, min_length, max_length, retries } = facts;
  return {
    n: queued ?? takes ?? min_length ?? max_length ?? retries,
    ...Object.fromEntries(Object.entries(facts).map(word)),
  };
}

/** An id as the name of its task, an error, a list of tasks, or a list of names. */
function told(value, names) {
  if (Array.isArray(value)) return value.join(", ") || "–";
  if (value?.tasks) return tasks(value);
  if (value?.type) return clipped([value.type, value.message].filter(Boolean).join(": "), LONGEST_ERROR);
  return typeof value === "string" ? (names[value] ?? clipped(value)) : (value ?? "–");
}

/** `echo (60 times), add and 3 more`. */
function tasks({ count, tasks: shown }) {
  const names = shown.map(({ name, times }) => (times > 1 ? t("tasks.times", { name, n: times }) : name)).join(", ");
  const rest = count - shown.reduce((sum, { times }) => sum + times, 0);
  return rest > 0 ? t("tasks.more", { names, n: rest }) : names;
}

// The first line, since a sentence has one. The sentence around it ends with a full stop of its own.
function clipped(text, longest = LONGEST) {
  const whole = text.trim().replace(/\.$/, "");
  const [first] = whole.split("\n");
  if (first.length > longest) return `${first.slice(0, longest)}…`;
  return first === whole ? whole : `${first.trimEnd().replace(/\.$/, "")}…`;
}
