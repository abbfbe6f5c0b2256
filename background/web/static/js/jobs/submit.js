// Dialogs that send a job on its way: a new one, or an ended one again from one of its steps. `data-dialog` is `submit` or
// `restart`; fields are `[data-field]`; the button is `[data-action=submit]`.
import { getExactly, post } from "../base/api.js";
import { h, say } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { poke } from "../base/pulse.js";
import { openDialog } from "../page/dialog.js";
import { field, markAll } from "../page/form.js";
import { toast } from "../page/frame.js";
import { failure } from "../page/parts.js";
import { may, readPipelines } from "./job.js";
import { ParamsForm } from "./params-form.js";

const OPTIONS = {
  priority: { type: "integer", minimum: 0, maximum: 9, default: 0 },
  delay_seconds: { type: "number", minimum: 0, default: 0 },
  max_attempts: { type: "integer", minimum: 1, maximum: 100 },
};

/**
 * Submit a new job. `closed(id)` is told the number of the job that was made, if one was; `pipeline` is chosen at first.
 * @param {{ closed: (id?: number) => void, pipeline?: string }} options
 */
export async function openSubmit({ closed, pipeline }) {
  const content = h("div");
  const dialog = openDialog({ title: t("new"), name: "submit", wide: true, content, closed });
  try {
    const pipelines = await readPipelines();
    const form = submitForm(
      pipelines,
      (made) => {
        poke();
        dialog.close(made.job_id);
        toast(t("done.submit", { id: made.job_id }), { kind: "ok" });
      },
      pipeline,
    );
    content.replaceWith(form.element);
    dialog.element.append(form.foot);
    form.element.querySelector("select").focus();
  } catch (error) {
    const again = () => {
      dialog.close();
      openSubmit({ closed, pipeline });
    };
    content.replaceChildren(failure(error, again));
  }
}

function submitForm(pipelines, sent, chosen) {
  const pipelineOf = (name) => pipelines.find((each) => each.name === name);
  const select = h(
    "select",
    { name: "pipeline", "data-field": "pipeline", id: "submit-pipeline" },
    pipelines.map(({ name }) => h("option", { value: name }, name)),
  );
  if (pipelineOf(chosen)) select.value = chosen;
  const options = optionFields();
  const form = new ParamsForm({
    pipeline: pipelineOf(select.value),
    path: "jobs",
    body: (params) => ({
      pipeline: select.value,
      ...(Object.keys(params).length ? { params } : {}),
      ...readAll(options),
    }),
    send: (body, key) => post("jobs", body, { "Idempotency-Key": key }),
    sent,
    action: t("submit"),
    before: [labelled(select, t("filter.pipeline"))],
    after: [optionsFold(options)],
    mark: (errors) => {
      const first = markAll(options, errors);
      if (first) first.closest("details").open = true;
      return first;
    },
  });
  select.addEventListener("change", () => form.show(pipelineOf(select.value)));
  return form;
}

/** Run an ended job again from a step, with its params as they are or edited. `sent(job)` is told its new state. */
export async function openRestart(job, { from, sent }) {
  const dialog = openDialog({ title: t("restart.title", { id: job.id }), name: "restart", wide: true, content: [] });
  const body = dialog.element.querySelector(".dialog-body");
  const pipelines = await readPipelines().catch(() => []);
  let value;
  try {
    ({ params: value } = await getExactly(`jobs/${job.id}`));
  } catch (error) {
    const again = () => {
      dialog.close();
      openRestart(job, { from, sent });
    };
    return body.replaceChildren(failure(error, again));
  }
  const possible = job.step_names.slice(0, job.last_from_step);
  const select = h(
    "select",
    { name: "from_step", "data-field": "from_step", id: "restart-step" },
    possible.map((name, index) => h("option", { value: index + 1 }, t("step", { number: index + 1, name }))),
  );
  select.value = String(from ?? (may.retry(job) ? job.last_from_step : 1));
  const note = h("p", { class: "note" });
  const form = new ParamsForm({
    pipeline: pipelines.find((each) => each.name === job.pipeline),
    value,
    path: `jobs/${job.id}/retry`,
    body: (params) => ({ from_step: Number(select.value), ...(same(params, value) ? {} : { params }) }),
    send: (body) => post(`jobs/${job.id}/retry`, body),
    sent: (after) => {
      dialog.close();
      poke();
      toast(t("done.retry", { id: job.id }), { kind: "ok" });
      sent(after);
    },
    action: t("restart.do"),
    before: [labelled(select, t("restart.from")), note],
  });
  const explain = () => say(note, t("restart.what", { from: Number(select.value), kept: Number(select.value) - 1 }));
  select.addEventListener("change", explain);
  explain();
  body.replaceChildren(form.element);
  dialog.element.append(form.foot);
  select.focus();
}

const labelled = (control, text) =>
  h("div", { class: "field" }, h("label", { for: control.id }, h("span", { class: "field-name" }, text)), control);

function optionFields() {
  /** @returns {[string, ReturnType<typeof field>]} */
  const make = ([name, property]) => [
    name,
    field(name, property, { label: t(`field.${name}`), hint: t(`field.${name}.hint`) }),
  ];
  return new Map(Object.entries(OPTIONS).map(make));
}

function optionsFold(options) {
  const elements = [...options.values()].map((each) => each.element);
  return h("details", { class: "fold" }, h("summary", {}, t("field.more")), h("div", { class: "fields" }, elements));
}

function readAll(options) {
  const entries = [...options].map(([name, each]) => [name, each.read()]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

// Null and left out mean the same where null is the default.
const same = (one, other) => JSON.stringify(normal(one)) === JSON.stringify(normal(other));

function normal(params) {
  const given = Object.entries(params).filter(([, value]) => value !== null);
  return Object.fromEntries(given.sort(([one], [other]) => (one < other ? -1 : 1)));
}
