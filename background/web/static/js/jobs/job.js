// What a job's fields mean to a reader: its role (colour and glyph), its sentence, what may be done with it.
import { get, now } from "../base/api.js";
import { causeSentence, inBrief, waitingSentence } from "../base/facts.js";
import { ago, duration, has, percent, sentence, t } from "../base/i18n.js";
import { lostWorker, stranded } from "../base/pulse.js";
import { roleOf } from "../page/roles.js";

export const STATUSES = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"];

/** @param {Job} job */
export const ended = (job) => job.finished_at !== null;
/** @param {Job} job */
export const again = (job) => job.status === "PENDING" && job.attempt > 0;
/** @param {Job} job */
export const role = (job) => (again(job) ? "retry" : roleOf(job.status));

/** @param {Job} job */
export function statusWord(job) {
  if (job.cancel_requested) return t("status.cancelling");
  return again(job) ? t("status.again") : t(`status.${job.status}`);
}

/** @type {Record<"cancel" | "retry" | "restart" | "delete", (job: Job) => boolean>} */
export const may = {
  cancel: ({ actions }) => actions.includes("cancel"),
  retry: ({ actions }) => actions.includes("retry"),
  restart: (job) => job.last_from_step !== null && job.steps.some((step) => step.status === "COMPLETED"),
  delete: ({ actions }) => actions.includes("delete"),
};

let pipelines = null;

/** Every pipeline, read once. */
export function readPipelines() {
  pipelines ??= get("pipelines").catch((error) => {
    pipelines = null;
    throw error;
  });
  return pipelines;
}

/**
 * The step of a job that runs or comes next, as far as it has begun; or else its last.
 * @param {Job} job
 */
export const currentStep = (job) => job.steps.find((step) => step.status !== "COMPLETED") ?? job.steps.at(-1);

/**
 * One entry for each step of the job's plan: its role and, while it runs, how far it is.
 * @param {Job} job
 * @returns {{ role: Role | "none", progress: number }[]}
 */
export function segments(job) {
  const begun = new Map(job.steps.map((step) => [step.step_number, step]));
  return job.step_names.map((_, index) => {
    const step = begun.get(index + 1);
    if (!step) return { role: "none", progress: 0 };
    if (step.status === "COMPLETED") return { role: "ok", progress: 1 };
    if (step.status === "IN_PROGRESS")
      return { role: job.status === "IN_PROGRESS" ? "run" : role(job), progress: step.progress };
    return { role: job.status === "FAILED" ? "fail" : job.status === "CANCELLED" ? "stop" : "retry", progress: 1 };
  });
}

/** @param {Job} job */
export function stepsWord(job) {
  const parts = segments(job);
  const done = parts.filter((part) => part.role === "ok").length;
  return t("steps.done", { done, total: parts.length });
}

/**
 * Why the job is where it is.
 * @param {Job} job
 * @returns {Sentence}
 */
export function why(job) {
  const step = currentStep(job);
  if (job.status === "PENDING") return waitingSentence(job);
  if (job.status === "IN_PROGRESS") {
    const values = {
      number: step?.step_number ?? 1,
      total: segments(job).length,
      name: step?.name ?? "",
      part: percent(step?.progress ?? 0),
    };
    const word = lostWorker(job) ? "why.lost" : step?.progress ? "why.running.part" : "why.running";
    return sentence(word, values);
  }
  if (job.status === "FAILED") return job.error === null ? sentence("why.failed") : causeSentence(job.cause, job.error);
  if (job.status === "CANCELLED")
    return sentence("why.cancelled", { done: doneCount(job), total: segments(job).length });
  const total = segments(job).length;
  return sentence("full.done", { total, n: total });
}

/** @param {Job} job */
const doneCount = (job) => job.steps.filter((step) => step.status === "COMPLETED").length;

/** The job in one sentence: `{ text, known, role, detail }`; `detail` is the whole of an error that it only begins. */
export function fullSentence(job) {
  const shade = role(job);
  const step = currentStep(job);
  const total = segments(job).length;
  if (job.status === "COMPLETED") {
    const took = ran(job);
    // Of a job that was tried again only the time of its last attempt is known, which need not have run all of them.
    const word = job.attempt > 1 ? "full.completed.again" : "full.completed";
    const done = took === null ? why(job) : sentence(word, { time: duration(took), total, n: total });
    return { role: shade, ...done, detail: "" };
  }
  const lost = lostWorker(job);
  if (job.status === "IN_PROGRESS" && step && lost) {
    const seen = ago(now() - Date.parse(lost.seen_at));
    const values = { number: step.step_number, total, name: step.name, worker: lost.name, ago: seen };
    const kind = job.cancel_requested ? "full.lost.cancelling" : stranded() === null ? "full.lost" : "full.lost.none";
    return { role: "retry", ...sentence(kind, values), detail: "" };
  }
  if (job.status === "IN_PROGRESS" && step) {
    const values = {
      number: step.step_number,
      total,
      name: step.name,
      worker: job.worker ?? "",
      part: percent(step.progress),
      time: duration(now() - Date.parse(step.started_at)),
    };
    const said = sentence(job.cancel_requested ? "full.cancelling" : "full.running", values);
    return { role: shade, ...said, detail: "" };
  }
  if (job.status === "FAILED" && step?.status === "FAILED") {
    const { said, detail } = inBrief(causeSentence(job.cause, job.error ?? step.message).text);
    const values = {
      number: step.step_number,
      name: step.name,
      worker: job.worker ?? "",
      error: said,
    };
    // A long one stands below.
    return { role: shade, ...sentence(detail ? "full.failed.long" : "full.failed", values), detail };
  }
  const { detail } = inBrief(job.status === "PENDING" && job.error ? causeSentence(job.cause, job.error).text : "");
  return { role: shade, ...why(job), detail };
}

/**
 * How long the present or last attempt has taken, in ms; null before there is one.
 * @param {Job} job
 */
export function ran(job) {
  if (job.status !== "IN_PROGRESS") return job.running_seconds === null ? null : job.running_seconds * 1000;
  const begun = job.steps.filter((step) => step.attempt === job.attempt).map((step) => Date.parse(step.started_at));
  return begun.length ? now() - Math.min(...begun) : null;
}

export const eventWord = (kind) => (has(`event.${kind}`) ? t(`event.${kind}`) : kind);
