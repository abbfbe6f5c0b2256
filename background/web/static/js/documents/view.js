// Stored documents. Hooks for tests: `input[type=file]`, `[data-drop]`, rows `tr[data-document]`, `[data-upload]` for files that
// were refused, `[data-action]`: analyze, report, analyze-one, download, delete.
import { get, post, remove, request } from "../base/api.js";
import { h, icon, renew } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { bytes, has, t } from "../base/i18n.js";
import { poll } from "../base/stream.js";
import { confirmed } from "../page/dialog.js";
import { toast } from "../page/frame.js";
import { complain, download, empty, failure, skeleton, worded } from "../page/parts.js";
import { go, href } from "../page/router.js";

const READ_MS = 10_000;
const KINDS = ".txt,.md,.markdown,.html,.htm,.pdf,.docx";

export const show = (main) => new DocumentsView(main);

class DocumentsView {
  constructor(main) {
    this.keys = { KeyN: () => this.input.click() };
    this.build(main);
    this.polling = poll(() => this.read(), READ_MS);
  }

  close() {
    this.polling.stop();
  }

  build(main) {
    this.input = h("input", {
      type: "file",
      multiple: true,
      accept: KINDS,
      class: "off-screen",
      onchange: () => this.chosen(),
    });
    const [analyze, report] = ["analyze", "report"].map((name) =>
      h(
        "button",
        {
          type: "button",
          class: `button ${name === "report" ? "primary" : ""}`,
          "data-action": name,
          disabled: true,
          onclick: () => this.start(`documents/${name}`),
        },
        t(name === "report" ? "documents.report" : "documents.analyze.all"),
      ),
    );
    this.buttons = [analyze, report];
    const over = (on) => (event) => {
      event.preventDefault();
      this.drop.classList.toggle("over", on);
    };
    this.drop = h(
      "label",
      {
        class: "drop",
        "data-drop": "",
        ondragover: over(true),
        ondragenter: over(true),
        ondragleave: over(false),
        ondrop: (event) => this.dropped(event),
      },
      icon("up"),
      h("strong", {}, t("documents.drop")),
      h("span", { class: "muted" }, t("documents.kinds")),
      this.input,
    );
    this.outcome = h("ul", { class: "uploads" });
    this.body = h("tbody");
    this.table = h(
      "table",
      { class: "plain documents", hidden: true, "aria-label": t("documents.list") },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["name", "type", "size", "actions"].map((name) => h("th", { scope: "col" }, t(`documents.${name}`))),
        ),
      ),
      this.body,
    );
    this.state = h("div", {}, skeleton(4));
    main.append(
      h(
        "div",
        { class: "head" },
        h("h1", { tabindex: "-1" }, t("section.documents")),
        h("div", { class: "row" }, analyze, report),
      ),
      this.drop,
      this.outcome,
      h("div", { class: "scroll" }, this.table),
      this.state,
    );
  }

  async read() {
    try {
      this.take(await get("documents"));
    } catch (error) {
      if (!this.known) this.state.replaceChildren(failure(error, () => this.polling.now()));
      throw error;
    }
  }

  take(found) {
    for (const button of this.buttons) button.disabled = found.length === 0;
    const text = JSON.stringify(found);
    if (text === this.known) return;
    this.known = text;
    this.names = new Set(found.map((each) => each.name));
    renew(
      this.body,
      found.map((each) => this.row(each)),
    );
    this.table.hidden = found.length === 0;
    this.state.replaceChildren(
      ...(found.length
        ? []
        : [
            empty({
              title: t("documents.none"),
              text: t("documents.none.how"),
              actions: [h("a", { class: "button", href: "#/start", "data-action": "start" }, t("start.link"))],
            }),
          ]),
    );
  }

  row({ name, size, type, encoding }) {
    const button = (action, text, run, kind = "") =>
      h(
        "button",
        {
          type: "button",
          class: `button small ${kind}`,
          "data-action": action,
          "aria-label": `${text}: ${name}`,
          onclick: run,
        },
        text,
      );
    return h(
      "tr",
      { "data-document": name, "data-key": name },
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          { type: "button", class: "as-link", "data-action": "download", onclick: () => this.save(name) },
          name,
        ),
        encoding
          ? h("p", { class: "document-encoding", "data-encoding": encoding }, t("documents.encoding", { encoding }))
          : null,
      ),
      h("td", { title: type }, has(`documents.type.${type}`) ? t(`documents.type.${type}`) : type),
      h("td", {}, bytes(size)),
      h(
        "td",
        {},
        h(
          "div",
          { class: "row" },
          button("analyze-one", t("documents.analyze"), () =>
            this.start(`documents/${encodeURIComponent(name)}/analyze`),
          ),
          button("delete", t("documents.delete"), () => this.remove(name), "danger"),
        ),
      ),
    );
  }

  chosen() {
    this.send([...this.input.files]);
    this.input.value = "";
  }

  dropped(event) {
    event.preventDefault();
    this.drop.classList.remove("over");
    this.send([...event.dataTransfer.files]);
  }

  /** One after the other; what is refused stays on the page with its reason. */
  async send(files) {
    if (!files.length) return;
    const waiting = h("li", { class: "muted" }, t("documents.sending", { n: files.length }));
    this.outcome.replaceChildren(waiting);
    let stored = 0;
    for (const file of files) {
      const form = new FormData();
      form.append("file", file);
      try {
        await request("POST", "documents", { body: form });
        stored += 1;
      } catch (error) {
        this.outcome.append(
          h(
            "li",
            { class: "role-fail", "data-upload": file.name, role: "alert" },
            icon("fail"),
            `${file.name}: `,
            worded(refusal(error)),
          ),
        );
      }
    }
    waiting.remove();
    if (stored) toast(t("documents.stored", { n: stored }), { kind: "ok" });
    await this.polling.now();
  }

  async start(path) {
    try {
      const run = await post(path);
      go(href(`runs/${run.task_id}`));
    } catch (error) {
      complain(error);
    }
  }

  async save(name) {
    try {
      const { data } = await request("GET", `documents/${encodeURIComponent(name)}`, { as: "blob" });
      download(data, name);
    } catch (error) {
      complain(error);
    }
  }

  async remove(name) {
    const sure = await confirmed({
      title: t("documents.ask", { name }),
      content: [h("p", {}, t("documents.ask.what"))],
      action: t("documents.delete"),
      danger: true,
      still: () => this.names.has(name),
    });
    if (!sure) return;
    try {
      await remove(`documents/${encodeURIComponent(name)}`);
      toast(t("documents.deleted", { name }), { kind: "ok" });
    } catch (error) {
      complain(error);
    }
    await this.polling.now();
  }
}
