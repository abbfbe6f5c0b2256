// Parameters of a pipeline as a form or as JSON, with what else belongs to the request, its errors beside the fields, and
// the request as a curl command. Submitting and retrying share it.
import { asCurl, get } from "../base/api.js";
import { h, say } from "../base/dom.js";
import { parseLarge } from "../base/exact.js";
import { described, fault, refusal } from "../base/facts.js";
import { t } from "../base/i18n.js";
import { schemaForm } from "../page/form.js";
import { code, tabs, tell } from "../page/parts.js";

export class ParamsForm {
  /**
   * `method`, `path` and `body(params)` are the request, `send(body, key)` sends it, `sent(answer)` is told the answer; `key` is the
   * same for the same request. `before` and `after` are elements around the params, `mark(errors)` shows the errors of
   * their fields and gives the first.
   * @param {{ pipeline: any, value?: object, method?: string, path: string, body: (params: object) => object, action: string,
   *   send: (body: object, key: string) => Promise<any>, sent: (answer: any) => void, before?: HTMLElement[],
   *   after?: HTMLElement[], mark?: (errors: any[]) => HTMLElement | null }} options
   */
  constructor({
    pipeline,
    value = {},
    method = "POST",
    path,
    body,
    send,
    sent,
    action,
    before = [],
    after = [],
    mark = () => null,
  }) {
    this.value = value;
    this.method = method;
    this.path = path;
    this.body = body;
    this.send = send;
    this.sent = sent;
    this.mark = mark;
    this.mode = "form";
    this.about = h("p", { class: "muted" });
    this.host = h("div");
    this.text = h("textarea", {
      name: "params",
      "data-field": "params",
      spellcheck: "false",
      "aria-label": t("params"),
    });
    this.trouble = h("p", { class: "field-error", role: "alert", hidden: true });
    this.curl = h("details", { class: "fold" }, h("summary", {}, t("as.curl")));
    this.modes = tabs(["form", "json"], {
      label: t("params"),
      words: (name) => t(`form.as.${name}`),
      choose: (name) => this._choose(name),
    });
    this.modes.element.classList.add("compact");
    const params = [this.about, this.modes.element, this.host, this.text, this.trouble];
    this.element = h("form", { id: "params-form", class: "stack", novalidate: true, oninput: () => this.refresh() }, [
      before,
      params,
      after,
      this.curl,
    ]);
    this.element.addEventListener("submit", (event) => this._submit(event));
    this.element.addEventListener("keydown", (event) => this._key(event));
    this.submit = h(
      "button",
      { type: "submit", form: "params-form", class: "button primary", "data-action": "submit" },
      action,
    );
    this.foot = h("div", { class: "dialog-foot" }, this.submit);
    this.show(pipeline, value);
  }

  /** Show the params of this pipeline. */
  show(pipeline, value = {}) {
    this.pipeline = pipeline;
    this.value = value;
    tell(this.about, described(pipeline));
    this._draw();
    this.refresh();
  }

  /** The request has changed: so does its curl command, and its key. */
  refresh() {
    this.key = newKey();
    try {
      const line = asCurl(this.method, this.path, this.body(this._params()));
      this.curl.replaceChildren(this.curl.firstChild, code(line, { label: "curl" }));
    } catch {
      // Half-typed JSON; the last good line stays.
    }
  }

  _draw() {
    this.form = schemaForm(this.pipeline?.params ?? {}, this.value);
    this.host.replaceChildren(this.form.element);
    this.text.value = JSON.stringify(this.value, null, 2);
    this.modes.select(this.mode);
    this.host.hidden = this.mode !== "form";
    this.text.hidden = this.mode !== "json";
    if (this.pipeline?.params.properties?.document) this._suggestDocuments(this.form);
  }

  async _suggestDocuments(form) {
    const found = await get("documents").catch(() => []);
    const names = found.map((each) => each.name);
    form.suggest("document", names);
  }

  _params() {
    return this.mode === "form" ? this.form.read() : parseLarge(this.text.value || "{}");
  }

  _choose(mode) {
    const value = this._read((params) => params);
    if (mode === this.mode || value === null) return;
    this.mode = mode;
    this.value = value;
    this._complain("");
    this._draw();
  }

  // What `make` makes of the params, or null with a complaint when they are no JSON.
  _read(make) {
    try {
      return make(this._params());
    } catch (error) {
      this._complain(t("json.bad", { error: error.message }), this.text);
      return null;
    }
  }

  _key(event) {
    if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.element.requestSubmit(this.submit);
  }

  async _submit(event) {
    event.preventDefault();
    const request = this._read((params) => this.body(params));
    if (request === null) return;
    this._complain("");
    try {
      this.sent(await this.send(request, this.key));
    } catch (error) {
      this._refused(error);
    }
  }

  _refused(error) {
    const errors = error.errors.map((each) => ({ loc: each.loc.slice(1), ...fault(each) }));
    const ofParams = errors.filter(({ loc }) => loc[0] === "params" && loc.length > 1);
    const asForm = this.mode === "form";
    const inForm = this.form.mark(asForm ? ofParams.map((each) => ({ ...each, loc: each.loc.slice(1) })) : []);
    const others = this.mark(errors.filter((each) => !ofParams.includes(each)));
    const unmarked = errors.filter(({ loc }) => !this._isMarked(loc.at(-1)));
    const said = unmarked.map(({ loc, text }) => `${loc.join(".")}: ${text}`).join(" ");
    const message = said || (errors.length ? t("form.wrong") : refusal(error).text);
    this._complain(message, inForm ?? others ?? (asForm ? null : this.text));
  }

  _isMarked(name) {
    return this.element.querySelector(`[data-field="${CSS.escape(String(name))}"][aria-invalid]`) !== null;
  }

  _complain(message, control) {
    say(this.trouble, message);
    this.trouble.hidden = !message;
    control?.focus();
  }
}

// The same form sent twice, by a double click or after a lost answer, makes one job. (`randomUUID` needs HTTPS.)
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
