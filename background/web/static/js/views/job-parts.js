// What stands above the tabs of a job: the sentence, which comes first, and the facts.
import { now } from "../api.js";
import { h, say, set } from "../dom.js";
import { ago, duration, moment, number, percent, t } from "../i18n.js";
import { cancelling, currentStep, ran, role, segments, why } from "../job.js";
import { copyButton } from "../parts.js";

/** The job in one sentence: `{ text, known, role }`. */
export function fullSentence(job) {
  const shade = role(job);
  const step = currentStep(job);
  const total = segments(job).length;
  if (job.status === "COMPLETED") {
    const took = ran(job);
    const text = took === null ? t("full.done", { total }) : t("full.completed", { time: duration(took), total });
    return { role: shade, known: true, text };
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
    return { role: shade, known: true, text: t(cancelling.has(job.id) ? "full.cancelling" : "full.running", values) };
  }
  if (job.status === "FAILED" && step?.status === "FAILED") {
    return {
      role: shade,
      known: true,
      text: t("full.failed", {
        number: step.step_number,
        name: step.name,
        worker: job.worker ?? "",
        error: job.error ?? step.message,
      }),
    };
  }
  return { role: shade, ...why(job) };
}

/** Write the facts of a job into a `dl`, in place. */
export function facts(list, job) {
  const seconds = ran(job);
  const entries = [
    ["created", ago(now() - Date.parse(job.created_at)), moment(Date.parse(job.created_at))],
    ["took", seconds === null ? "–" : duration(seconds)],
    ["attempts", t("facts.attempts.of", { attempt: job.attempt, n: job.max_attempts }), t("facts.attempts.title")],
    ["priority", number(job.priority)],
    ["worker", job.worker ?? "–", job.worker],
    ["task", job.task_id, job.task_id],
  ];
  if (!list.childElementCount) {
    list.append(
      ...entries.map(([name]) =>
        h(
          "div",
          { "data-fact": name },
          h("dt", {}, t(`facts.${name}`)),
          h("dd", {}, h("span"), name === "task" ? copyButton(job.task_id, t("copy.task")) : null),
        ),
      ),
    );
  }
  entries.forEach(([, text, title], index) => {
    const value = list.children[index].querySelector("dd span");
    say(value, text);
    set(value, "title", title);
  });
}
