// The facts of a job, which stand between its sentence and its tabs.
import { now } from "../base/api.js";
import { h, say, set } from "../base/dom.js";
import { duration, moment, number, since, t } from "../base/i18n.js";
import { tagLink, workerHref } from "../base/links.js";
import { copyButton } from "../page/parts.js";
import { href } from "../page/router.js";
import { labelled } from "../page/terms.js";
import { ran } from "./job.js";

/** The facts whose name the glossary explains, by its term. */
const EXPLAINED = { attempts: "attempt", worker: "worker" };

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
