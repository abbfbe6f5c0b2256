// What stands above the tabs of a job: the sentence, which comes first, and the facts.
import { now } from "../base/api.js";
import { h, say, set } from "../base/dom.js";
import { inBrief } from "../base/facts.js";
import { ago, duration, moment, number, percent, since, t } from "../base/i18n.js";
import { tagLink, workerHref } from "../base/links.js";
import { lostWorker, stranded } from "../base/pulse.js";
import { copyButton } from "../page/parts.js";
import { href } from "../page/router.js";
import { labelled } from "../page/terms.js";
import { cancelling, currentStep, ran, role, segments, why } from "./job.js";

/** The job in one sentence: `{ text, known, role, detail }`; `detail` is the whole of an error that it only begins. */
export function fullSentence(job) {
  const shade = role(job);
  const step = currentStep(job);
  const total = segments(job).length;
  if (job.status === "COMPLETED") {
    const took = ran(job);
    // Of a job that was tried again only the time of its last attempt is known, which need not have run all of them.
    const word = job.attempt > 1 ? "full.completed.again" : "full.completed";
    const text = took === null ? t("full.done", { total }) : t(word, { time: duration(took), total });
    return { role: shade, known: true, text, detail: "" };
  }
  const lost = lostWorker(job);
  if (job.status === "IN_PROGRESS" && step && lost) {
    const seen = ago(now() - Date.parse(lost.seen_at));
    const values = { number: step.step_number, total, name: step.name, worker: lost.name, ago: seen };
    const kind = cancelling.has(job.id) ? "full.lost.cancelling" : stranded() === null ? "full.lost" : "full.lost.none";
    return { role: "retry", known: true, text: t(kind, values), detail: "" };
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
    const text = t(cancelling.has(job.id) ? "full.cancelling" : "full.running", values);
    return { role: shade, known: true, text, detail: "" };
  }
  if (job.status === "FAILED" && step?.status === "FAILED") {
    const { said, detail } = inBrief(job.error ?? step.message);
    const values = {
      number: step.step_number,
      name: step.name,
      worker: job.worker ?? "",
      error: detail ? kindOf(said) : said,
    };
    return { role: shade, known: true, text: t("full.failed", values), detail };
  }
  const { detail } = inBrief(job.status === "PENDING" ? (job.error ?? "") : "");
  return { role: shade, ...why(job), detail };
}

/** The facts whose name the glossary explains, by its term. */
const EXPLAINED = { attempts: "attempt", worker: "worker" };

/** Of an error whose text stands below: its type, where it has one. */
const kindOf = (said) => /^[\w.]+(?=: )/.exec(said)?.[0] ?? said;

/** Write the facts of a job into a `dl`, in place; `saved`: into a file, where nothing is so long ago. */
export function facts(list, job, { saved = false } = {}) {
  const created = Date.parse(job.created_at);
  const seconds = ran(job);
  const entries = [
    ["created", ...(saved ? [moment(created)] : since(created, now()))],
    ["took", seconds === null ? "–" : duration(seconds)],
    ["attempts", t("facts.attempts.of", { attempt: job.attempt, n: job.max_attempts }), t("facts.attempts.title")],
    ["priority", number(job.priority)],
    ["worker", job.worker ?? "–", job.worker],
    ...(job.schedule_id ? [["schedule", `#${job.schedule_id}`, null]] : []),
    ["task", job.task_id, job.task_id],
  ];
  const names = entries.map(([name]) => name).join(" ");
  if (list.dataset.facts !== names) {
    list.dataset.facts = names;
    list.replaceChildren(
      ...entries.map(([name]) =>
        h(
          "div",
          { "data-fact": name },
          h("dt", {}, labelled(EXPLAINED[name], t(`facts.${name}`))),
          h(
            "dd",
            {},
            h(name === "worker" || name === "schedule" ? "a" : "span"),
            name === "task" ? copyButton(job.task_id, t("copy.task")) : null,
          ),
        ),
      ),
    );
  }
  entries.forEach(([, text, title], index) => {
    const value = list.children[index].querySelector("dd").firstChild;
    say(value, text);
    set(value, "title", title);
  });
  if (job.tags.length && !list.querySelector("[data-fact=tags]"))
    list.append(
      h(
        "div",
        { "data-fact": "tags" },
        h("dt", {}, t("facts.tags")),
        h("dd", { class: "tags" }, job.tags.map(tagLink)),
      ),
    );
  set(list.querySelector("[data-fact=worker] a"), "href", job.worker ? workerHref(job.worker) : null);
  const schedule = list.querySelector("[data-fact=schedule] a");
  if (schedule) set(schedule, "href", href(`schedules/${job.schedule_id}`));
}
