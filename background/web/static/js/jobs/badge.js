// The state of a job in small: its badge, and a bar of its steps.
import { h, set } from "../base/dom.js";
import { badge } from "../page/parts.js";
import { role, segments, statusWord, stepsWord } from "./job.js";

/** The state of a job as a badge takes it. */
export const jobState = (job) => [role(job), statusWord(job), job.status];

/** A badge whose `update(job)` shows the job's state. */
export function jobBadge() {
  const { element, update } = badge();
  return { element, update: (job) => update(...jobState(job)) };
}

const MANY = 12; // So many have room for gaps and frames in a row of the list.

/** One segment for each step, filled as far as the step is. */
export function stepBar() {
  const element = h("span", { class: "bar", role: "img" });
  const update = (job) => {
    const parts = segments(job);
    while (element.childElementCount > parts.length) element.lastChild.remove();
    while (element.childElementCount < parts.length)
      element.append(h("span", { class: "bar-part" }, h("span", { class: "bar-fill" })));
    parts.forEach((part, index) => {
      const segment = element.children[index];
      set(segment, "data-role", part.role);
      const width = `${Math.round(part.progress * 100)}%`;
      if (segment.firstChild.style.width !== width) segment.firstChild.style.width = width;
    });
    element.classList.toggle("many", parts.length > MANY);
    set(element, "aria-label", stepsWord(job));
  };
  return { element, update };
}
