// Cancel, retry and delete: for one job at once, for a selection after a question with exact counts.
import { post, remove } from "../base/api.js";
import { h } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { list, t } from "../base/i18n.js";
import { confirmed } from "../page/dialog.js";
import { toast } from "../page/frame.js";
import { complain } from "../page/parts.js";
import { may, statusWord } from "./job.js";

const AT_ONCE = 4;
const NAMED = 8;

const CALLS = {
  cancel: (job) => post(`jobs/${job.id}/cancel`),
  retry: (job) => post(`jobs/${job.id}/retry`),
  delete: async (job) => {
    await remove(`jobs/${job.id}`);
    return null;
  },
};

/**
 * Do `action` to the job that `read()` gives, as it is by now; none once it is gone. `changed(id, job)` is told the new
 * state, null once it is deleted, undefined when it has to be read again because the API refused. Gives whether it was done.
 */
export async function act(action, read, changed) {
  const job = read();
  const still = () => Boolean(read()?.actions.includes(action));
  if (action === "delete" && !(await confirmed({ ...question("delete", [job], []), still }))) return false;
  try {
    const after = await CALLS[action](job);
    changed(job.id, after);
    toast(t(after?.status === "IN_PROGRESS" ? "done.cancelling" : `done.${action}`, { id: job.id }), { kind: "ok" });
    return true;
  } catch (error) {
    changed(job.id, undefined);
    complain(error);
    return false;
  }
}

/**
 * Do `action` to those of `jobs` that allow it, after asking. `progress({ action, done, total, stop })` is told of each that
 * is done, null at the end; after `stop()` no other is begun. Gives whether anything was tried.
 */
export async function actOnAll(action, jobs, changed, progress) {
  const able = jobs.filter(may[action]);
  const unable = jobs.filter((job) => !may[action](job));
  if (!able.length) {
    toast(t(`bulk.none.${action}`), { kind: "fail" });
    return false;
  }
  if (!(await confirmed(question(action, able, unable)))) return false;
  const waiting = [...able];
  const failed = [];
  let tried = 0;
  let running = 0; // what was asked to stop, and has not yet
  const stop = () => waiting.splice(0);
  const tell = () => progress({ action, done: tried, total: able.length, stop });
  tell();
  const work = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      try {
        const after = await CALLS[action](job);
        running += Number(action === "cancel" && after?.status === "IN_PROGRESS");
        changed(job.id, after);
      } catch (error) {
        failed.push(`#${job.id}: ${refusal(error).text}`);
        changed(job.id, undefined);
      }
      tried += 1;
      tell();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  progress(null);
  const done = tried - failed.length;
  if (tried < able.length && !failed.length) toast(t("bulk.stopped", { done, n: able.length - tried }), { kind: "ok" });
  else if (failed.length) toast(t("bulk.partly", { done, failed: failed.length, first: failed[0] }), { kind: "fail" });
  else toast(t(running ? "bulk.done.cancelling" : `bulk.done.${action}`, { n: done, running }), { kind: "ok" });
  return true;
}

function question(action, able, unable) {
  const n = able.length;
  const named = unable.slice(0, NAMED).map((job) => `#${job.id} (${statusWord(job)})`);
  const rest = unable.length - named.length;
  if (rest) named.push(t("bulk.more", { n: rest }));
  const one = n === 1 && !unable.length;
  return {
    title: one ? t(`ask.${action}.one`, { id: able[0].id }) : t(`ask.${action}`, { n }),
    action: one ? t(`do.${action}`) : t(`do.${action}.n`, { n }),
    danger: action !== "retry",
    content: [
      h("p", {}, t(`ask.${action}.what`)),
      unable.length ? h("p", { class: "note" }, t(`bulk.not.${action}`, { n: unable.length }), " ", list(named)) : null,
    ],
  };
}
