// Modal dialogs over the native element, which traps the focus and gives it back.
import { focusOn, h, heading, iconButton, placeOf } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { toast } from "./frame.js";
import { enterDialog, go, leaveDialog } from "./router.js";

const LOOK_MS = 1000;

let count = 0;

/**
 * Open a dialog with this title, content and buttons. `closed(value)` is told what `close(value)` was given, undefined
 * for Escape and Back. One that is `apart` may come at any time, and stays when another screen is shown.
 * Gives `{ element, close }`.
 * @param {{ title: string, content: any, buttons?: HTMLElement[], name: string, closed?: (value: any) => void,
 *   wide?: boolean, apart?: boolean }} options
 */
export function openDialog({ title, content, buttons = [], name, closed, wide = false, apart = false }) {
  const id = `dialog-${++count}`;
  const opener = document.activeElement;
  const place = opener && opener !== document.body ? placeOf(opener) : null;
  let result;
  const element = h(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id, "data-dialog": name, "data-apart": apart || null },
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
    // What stood behind was drawn anew, or is there no more.
    if (place && !opener?.isConnected) focusOn(place);
    else if (place && document.activeElement === document.body) heading()?.focus({ preventScroll: true });
    closed?.(result);
    if (!apart) leaveDialog();
  });
  element.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target === element) element.close();
    const link = target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.getAttribute("href"));
  });
  document.body.append(element);
  element.showModal();
  if (!apart) enterDialog();
  return { element, close };
}

/** Close what is open, unless it is `apart`. */
export function closeDialogs() {
  for (const each of /** @type {NodeListOf<HTMLDialogElement>} */ (
    document.querySelectorAll("dialog[open]:not([data-apart])")
  ))
    each.close();
}

/**
 * Ask before something that cannot be taken back, which nothing more is asked of: `action` loses its dots. Resolves to
 * whether it was confirmed. A question that is no longer one, by `still()`, is taken back.
 * @param {{ title: string, content: any, action: string, danger?: boolean, still?: () => boolean }} options
 */
export function confirmed({ title, content, action, danger = false, still = () => true }) {
  return new Promise((resolve) => {
    const yes = h(
      "button",
      { type: "button", class: danger ? "button danger" : "button primary", "data-action": "confirm" },
      action.replace(/…$/, ""),
    );
    const no = h("button", { type: "button", class: "button" }, t("back"));
    const { close } = openDialog({
      title,
      content,
      buttons: [no, yes],
      name: "confirm",
      closed: (value) => {
        clearInterval(timer);
        resolve(value === true);
      },
    });
    const timer = setInterval(() => {
      if (still()) return;
      close(false);
      toast(t("ask.over"));
    }, LOOK_MS);
    yes.addEventListener("click", () => close(true));
    no.addEventListener("click", () => close(false));
    yes.focus();
  });
}
