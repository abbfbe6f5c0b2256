// The API key: asked for when the API wants one, kept for this tab alone.
import { choices, h } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { openDialog } from "./dialog.js";

let asking = null;

/** Ask for a key; rejects when none was given. All requests that were refused wait for the same answer. */
export function askForKey({ refused = false } = {}) {
  asking ??= new Promise((resolve, reject) => ask(resolve, reject, refused)).finally(() => (asking = null));
  return asking;
}

function ask(resolve, reject, refused) {
  const input = h("input", {
    type: "password",
    name: "api-key",
    autocomplete: "off",
    required: true,
    "aria-describedby": "key-note",
  });
  const submit = (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    choices.set("api-key", input.value.trim(), "sessionStorage");
    dialog.close(true);
  };
  const dialog = openDialog({
    title: t("key.title"),
    name: "api-key",
    apart: true,
    content: h(
      "form",
      { id: "key-form", onsubmit: submit },
      refused ? h("p", { class: "field-error", role: "alert" }, t("key.refused")) : null,
      h("label", { class: "field" }, h("span", { class: "field-name" }, t("key.label")), input),
      h("p", { class: "muted", id: "key-note" }, t("key.note")),
      h("div", { class: "dialog-foot" }, h("button", { type: "submit", class: "button primary" }, t("key.use"))),
    ),
    closed: (given) => (given ? resolve() : reject(new Error("key"))),
  });
  input.focus();
}
