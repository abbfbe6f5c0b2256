// Dialogs that send a job on its way: a new one, or an ended one again from one of its steps. `data-dialog` is `submit` or
// `restart`; fields are `[data-field]`; the button is `[data-action=submit]`.
import { asCurl, get, post } from "./api.js";
import { openDialog } from "./dialog.js";
import { h, say } from "./dom.js";
import { field, markAll, schemaForm } from "./form.js";
import { toast } from "./frame.js";
import { t } from "./i18n.js";
import { readPipelines } from "./job.js";
import { code, errorText, failure, tabs } from "./parts.js";
import { poke } from "./pulse.js";

const OPTIONS = {
  priority: { type: "integer", minimum: 0, maximum: 9, default: 0 },
  delay_seconds: { type: "number", minimum: 0, default: 0 },
  max_attempts: { type: "integer", minimum: 1, maximum: 100 },
};

/** Submit a new job. `closed(id)` is told the number of the job that was made, if one was. */
export async function openSubmit({ closed }) {
  const content = h("div");
  const { element, close } = openDialog({ title: t("new"), name: "submit", wide: true, content, closed });
  try {
    const pipelines = await readPipelines();
    const select = h(
      "select",
      { name: "pipeline", "data-field": "pipeline", id: "submit-pipeline", onchange: () => form.choose(select.value) },
      pipelines.map(({ name }) => h("option", { value: name }, name)),
    );
    const options = new Map(
      Object.entries(OPTIONS).map(([name, property]) => [
        name,
        field(name, property, {
          label: t(`field.${name}`),
          hint: t(`field.${name}.hint`),
          placeholder: property.default === undefined ? t("form.server") : undefined,
        }),
      ]),
    );
    const form = paramsForm({
      top: [
        h(
          "div",
          { class: "field" },
          h("label", { for: "submit-pipeline" }, h("span", { class: "field-name" }, t("filter.pipeline"))),
          select,
        ),
      ],
      below: [
        h(
          "details",
          { class: "fold" },
          h("summary", {}, t("field.more")),
          h(
            "div",
            { class: "fields" },
            [...options.values()].map((each) => each.element),
          ),
        ),
      ],
      pipelines,
      chosen: pipelines[0].name,
      path: () => "jobs",
      body: (params) => {
        const more = Object.fromEntries(
          [...options].map(([name, each]) => [name, each.read()]).filter(([, value]) => value !== undefined),
        );
        return { pipeline: select.value, ...(Object.keys(params).length ? { params } : {}), ...more };
      },
      mark: (errors) => {
        const first = markAll(options, errors);
        if (first) first.closest("details").open = true;
        return first;
      },
      send: (body, key) => post("jobs", body, { "Idempotency-Key": key }),
      sent: (made) => {
        poke();
        close(made.job_id);
        toast(t("done.submit", { id: made.job_id }), { kind: "ok" });
      },
      action: t("submit"),
    });
    content.replaceWith(form.element);
    element.append(form.foot);
    select.focus();
  } catch (error) {
    content.replaceChildren(failure(error, () => (close(), openSubmit({ closed }))));
  }
}

/** Run an ended job again from a step, with its params as they are or edited. `sent(job)` is told its new state. */
export async function openRestart(job, steps, { from, sent }) {
  const pipelines = await readPipelines().catch(() => []);
  const done = job.steps.filter((step) => step.status === "COMPLETED").length;
  const select = h(
    "select",
    { name: "from_step", "data-field": "from_step", id: "restart-step", onchange: () => changed() },
    steps
      .slice(0, done + 1)
      .map((name, index) => h("option", { value: index + 1 }, t("step", { number: index + 1, name }))),
  );
  select.value = String(from ?? (done < steps.length ? done + 1 : 1));
  const note = h("p", { class: "note" });
  const before = JSON.stringify(job.params);
  const { element, close } = openDialog({
    title: t("restart.title", { id: job.id }),
    name: "restart",
    wide: true,
    content: [],
  });
  const form = paramsForm({
    top: [
      h(
        "div",
        { class: "field" },
        h("label", { for: "restart-step" }, h("span", { class: "field-name" }, t("restart.from"))),
        select,
      ),
      note,
    ],
    below: [],
    pipelines,
    chosen: job.pipeline,
    value: job.params,
    path: () => `jobs/${job.id}/retry`,
    body: (params) => ({ from_step: Number(select.value), ...(same(params, before) ? {} : { params }) }),
    mark: () => null,
    send: (body) => post(`jobs/${job.id}/retry`, body),
    sent: (after) => {
      close();
      poke();
      toast(t("done.retry", { id: job.id }), { kind: "ok" });
      sent(after);
    },
    action: t("restart.do"),
  });
  const changed = () => {
    say(note, t("restart.what", { from: Number(select.value), kept: Number(select.value) - 1 }));
    form.refresh();
  };
  element.querySelector(".dialog-body").replaceChildren(form.element);
  element.append(form.foot);
  changed();
  select.focus();
}

// Null and left out mean the same where null is the default.
const same = (params, before) => JSON.stringify(clean(params)) === JSON.stringify(clean(JSON.parse(before)));
const clean = (value) =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );

/** What both dialogs share: params as a form or as JSON, errors beside their fields, the request as curl. */
function paramsForm({ top, below, pipelines, chosen, value = {}, path, body, mark, send, sent, action }) {
  const host = h("div");
  const about = h("p", { class: "muted" });
  const text = h("textarea", {
    name: "params",
    "data-field": "params",
    spellcheck: "false",
    "aria-label": t("params"),
  });
  const trouble = h("p", { class: "field-error", role: "alert", hidden: true });
  const curl = h("details", { class: "fold" }, h("summary", {}, t("as.curl")));
  const submit = h(
    "button",
    { type: "submit", form: "params-form", class: "button primary", "data-action": "submit" },
    action,
  );
  const mode = tabs(["form", "json"], { label: t("params"), words: (name) => t(`form.as.${name}`), choose });
  let shown = "form";
  let form;
  let key = newKey();

  const params = () => (shown === "form" ? form.read() : JSON.parse(text.value || "{}"));

  function choosePipeline(name) {
    const pipeline = pipelines.find((each) => each.name === name);
    say(about, pipeline?.description ?? "");
    form = schemaForm(pipeline?.params ?? {}, value);
    host.replaceChildren(form.element);
    if (pipeline?.params.properties?.document)
      get("documents").then(
        (found) =>
          form.suggest(
            "document",
            found.map((each) => each.name),
          ),
        () => {},
      );
    text.value = JSON.stringify(value, null, 2);
    refresh();
  }

  function choose(name) {
    if (name === shown) return;
    try {
      value = params();
    } catch (error) {
      return complain(t("json.bad", { error: error.message }), text);
    }
    shown = name;
    if (name === "json") text.value = JSON.stringify(value, null, 2);
    else {
      form = schemaForm(pipelines.find((each) => each.name === chosen)?.params ?? {}, value);
      host.replaceChildren(form.element);
    }
    show();
  }

  function show() {
    mode.select(shown);
    host.hidden = shown !== "form";
    text.hidden = shown !== "json";
  }

  function refresh() {
    key = newKey();
    try {
      curl.replaceChildren(curl.firstChild, code(asCurl("POST", path(), body(params())), { label: "curl" }));
    } catch {
      // Half-typed JSON; the last good line stays.
    }
  }

  function complain(message, control) {
    say(trouble, message);
    trouble.hidden = !message;
    control?.focus();
  }

  async function submitted(event) {
    event.preventDefault();
    let request;
    try {
      request = body(params());
    } catch (error) {
      return complain(t("json.bad", { error: error.message }), text);
    }
    complain("");
    submit.disabled = true;
    try {
      sent(await send(request, key));
    } catch (error) {
      refused(error);
    } finally {
      submit.disabled = false;
    }
  }

  function refused(error) {
    const found = error.errors ?? [];
    const inParams = found
      .filter((each) => each.loc[1] === "params" && each.loc.length > 2)
      .map((each) => ({ ...each, loc: each.loc.slice(2) }));
    const others = found
      .filter((each) => !(each.loc[1] === "params" && each.loc.length > 2))
      .map((each) => ({ ...each, loc: each.loc.slice(1) }));
    const first = shown === "form" ? form.mark(inParams) : inParams.length ? text : null;
    const control = first ?? mark(others);
    const unmarked =
      shown === "json"
        ? found
        : found.filter((each) => !document.querySelector(`dialog [data-field="${each.loc.at(-1)}"][aria-invalid]`));
    const message =
      found.length && !unmarked.length
        ? t("form.wrong")
        : unmarked.length
          ? unmarked.map((each) => `${each.loc.slice(1).join(".")}: ${each.msg}`).join(" ")
          : errorText(error);
    complain(message, control);
  }

  const element = h(
    "form",
    {
      id: "params-form",
      class: "stack",
      novalidate: true,
      onsubmit: submitted,
      oninput: refresh,
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        element.requestSubmit();
      },
    },
    top,
    about,
    mode.element,
    host,
    text,
    trouble,
    below,
    curl,
  );
  mode.element.classList.add("compact");
  show();
  choosePipeline(chosen);
  return {
    element,
    foot: h("div", { class: "dialog-foot" }, submit),
    refresh,
    choose: (name) => {
      chosen = name;
      value = {};
      choosePipeline(name);
    },
  };
}

// The same form sent twice, by a double click or after a lost answer, makes one job. (`randomUUID` needs HTTPS.)
const newKey = () =>
  `page-${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
