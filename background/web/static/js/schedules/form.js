// A dialog that makes a schedule or changes one: `data-dialog=schedule`, fields `[data-field]`.
import { getExactly, post, request } from "../base/api.js";
import { h } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { readPipelines } from "../jobs/job.js";
import { ParamsForm } from "../jobs/params-form.js";
import { openDialog } from "../page/dialog.js";
import { field, markAll } from "../page/form.js";
import { toast } from "../page/frame.js";
import { failure } from "../page/parts.js";

const FIELDS = {
  name: { type: "string", maxLength: 100 },
  cron: { type: "string", maxLength: 255, default: null },
  every_seconds: { type: "number", default: null },
  timezone: { type: "string", maxLength: 100, default: "UTC" },
  catch_up: { type: "boolean", default: false },
};

/**
 * Make a schedule, or change this one; `pipeline` is chosen at first. `closed()` is told when one was saved.
 * @param {{ schedule?: any, pipeline?: string, closed: () => void }} options
 */
export async function openSchedule({ schedule, pipeline, closed }) {
  const title = schedule ? t("schedule.edit.title", { name: schedule.name }) : t("schedule.new");
  const content = h("div");
  const dialog = openDialog({ title, name: "schedule", wide: true, content, closed: (saved) => saved && closed() });
  try {
    const read = schedule && getExactly(`schedules/${schedule.id}`);
    const [pipelines, present] = await Promise.all([readPipelines(), read]);
    const form = scheduleForm(pipelines, present, pipeline, (saved) => {
      dialog.close(true);
      toast(t("schedule.saved", { name: saved.name }), { kind: "ok" });
    });
    content.replaceWith(form.element);
    dialog.element.append(form.foot);
    form.element.querySelector("input").focus();
  } catch (error) {
    content.replaceChildren(failure(error, () => dialog.close()));
  }
}

function scheduleForm(pipelines, schedule, chosen, sent) {
  const pipelineOf = (name) => pipelines.find((each) => each.name === name);
  const fields = fieldsOf(schedule);
  fields.get("timezone").suggest(["UTC", ...(Intl.supportedValuesOf?.("timeZone") ?? [])]);
  const select = h(
    "select",
    { name: "pipeline", "data-field": "pipeline", id: "schedule-pipeline" },
    pipelines.map(({ name }) => h("option", { value: name }, name)),
  );
  if (pipelineOf(schedule?.pipeline ?? chosen)) select.value = schedule?.pipeline ?? chosen;
  const method = schedule ? "PATCH" : "POST";
  const path = schedule ? `schedules/${schedule.id}` : "schedules";
  const elements = [...fields.values()].map((each) => each.element);
  const form = new ParamsForm({
    pipeline: pipelineOf(select.value),
    value: schedule?.params,
    method,
    path,
    body: (params) => ({ ...readAll(fields), pipeline: select.value, params }),
    send: async (body) => (schedule ? (await request(method, path, { body })).data : post(path, body)),
    sent,
    action: t(schedule ? "schedule.save" : "schedule.create"),
    before: [
      h("div", { class: "fields" }, elements),
      h(
        "div",
        { class: "field" },
        h("label", { for: select.id }, h("span", { class: "field-name" }, t("filter.pipeline"))),
        select,
      ),
    ],
    mark: (errors) => markAll(fields, errors),
  });
  select.addEventListener("change", () => form.show(pipelineOf(select.value)));
  return form;
}

function fieldsOf(schedule) {
  /** @returns {[string, ReturnType<typeof field>]} */
  const make = ([name, property]) => {
    const hint = name === "name" ? "" : t(`schedule.${name}.hint`);
    const options = {
      value: schedule?.[name] ?? undefined,
      required: name === "name",
      label: t(`schedule.${name}`),
      hint,
    };
    return [name, field(name, property, options)];
  };
  return new Map(Object.entries(FIELDS).map(make));
}

// An empty rhythm is none, and an empty zone the usual one.
function readAll(fields) {
  const given = Object.fromEntries([...fields].map(([name, each]) => [name, each.read()]));
  const { cron = null, every_seconds = null, timezone = "UTC", name = "", catch_up } = given;
  return { name, cron, every_seconds, timezone, catch_up };
}
