// Modal dialogs over the native element, which traps the focus and gives it back.
import { focusOn, h, iconButton, placeOf } from "../base/dom.js";
import { t } from "../base/i18n.js";

let count = 0;

/**
 * Open a dialog with this title, content and buttons. `closed(value)` is told what `close(value)` was given, undefined
 * for Escape. Gives `{ element, close }`.
 * @param {{ title: string, content: any, buttons?: HTMLElement[], name: string, closed?: (value: any) => void,
 *   wide?: boolean }} options
 */
export function openDialog({ title, content, buttons = [], name, closed, wide = false }) {
  const id = `dialog-${++count}`;
  const opener = document.activeElement;
  const place = opener && opener !== document.body ? placeOf(opener) : null;
  let result;
  const element = h(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id, "data-dialog": name },
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id }, title),
      iconButton("close", t("close"), { onclick: () => element.close() }),
    ),
    h("div", { class: "dialog-body" }, content),
    buttons.length ? h("div", { class: "dialog-foot" }, buttons) : null,
  );
  const close = (value) => {
    result = value;
    element.close();
  };
  element.addEventListener("close", () => {
    element.remove();
    // What stood behind was drawn anew.
    if (place && !opener?.isConnected) focusOn(place);
    closed?.(result);
  });
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  document.body.append(element);
  element.showModal();
  return { element, close };
}

/** Ask before something that cannot be taken back. Resolves to whether it was confirmed. */
export function confirmed({ title, content, action, danger = false }) {
  return new Promise((resolve) => {
    const yes = h(
      "button",
      { type: "button", class: danger ? "button danger" : "button primary", "data-action": "confirm" },
      action,
    );
    const no = h("button", { type: "button", class: "button" }, t("back"));
    const { close } = openDialog({
      title,
      content,
      buttons: [no, yes],
      name: "confirm",
      closed: (value) => resolve(value === true),
    });
    yes.addEventListener("click", () => close(true));
    no.addEventListener("click", () => close(false));
    yes.focus();
  });
}
