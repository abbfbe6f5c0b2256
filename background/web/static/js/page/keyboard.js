// Shortcuts. Keys are matched by their place (`event.code`), so that they work under a Korean layout; they are inert in
// fields and dialogs, and can be switched off (WCAG 2.1.4).
import { choices, h } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { pause } from "../base/stream.js";
import { openDialog } from "./dialog.js";
import { go } from "./router.js";

const HELP = [
  ["g h", "keys.start"],
  ["g j", "keys.jobs"],
  ["g c", "keys.canvas"],
  ["g r", "keys.runs"],
  ["g d", "keys.documents"],
  ["g s", "keys.system"],
  ["/", "keys.jump"],
  ["j k", "keys.rows"],
  ["Enter", "keys.open"],
  ["x", "keys.select"],
  ["Shift x", "keys.selectTo"],
  ["n", "keys.new"],
  ["Shift R", "keys.retry"],
  ["Shift C", "keys.cancel"],
  ["Delete", "keys.delete"],
  ["f", "keys.failure"],
  ["p", "keys.pause"],
  ["Ctrl Enter", "keys.submit"],
  ["Esc", "keys.escape"],
  ["?", "keys.help"],
];

/** What goes on as long as the key is down. */
const HELD = new Set(["KeyJ", "KeyK"]);

const enabled = () => choices.get("shortcuts") !== "off";

/** Listen for shortcuts; `viewKeys()` gives those of the view that is shown. */
export function start(sections, viewKeys) {
  let leader = -Infinity; // When `g` was pressed.
  // An Enter that ends a Korean syllable is no submit. (Safari sends it after the composition, as 229.)
  const composing = (event) => event.isComposing || event.keyCode === 229;
  document.addEventListener(
    "keydown",
    (event) => composing(event) && event.key === "Enter" && event.preventDefault(),
    true,
  );
  document.addEventListener("keydown", (event) => {
    if (composing(event) || event.ctrlKey || event.metaKey || event.altKey || !enabled()) return;
    if (event.repeat && !HELD.has(event.code)) return;
    // What has the focus may stand in a shadow root.
    if (
      /** @type {Element} */ (event.composedPath()[0]).closest(
        "input:not([type=checkbox]), textarea, select, dialog, [contenteditable]",
      )
    )
      return;
    const led = performance.now() - leader < 1500;
    leader = -Infinity;
    const section = led && sections.find((each) => each.key === event.code);
    const action = section ? () => go(`#/${section.name}`) : (viewKeys()[name(event)] ?? COMMON[name(event)]);
    if (event.code === "KeyG" && !led) leader = performance.now();
    if (!action || action(event) === false) return;
    event.preventDefault();
  });
}

/** `KeyX`, or `Shift+KeyX`; `?` and `/` by what they type, since layouts have them in different places. */
const name = (event) => ("?/".includes(event.key) ? event.key : event.shiftKey ? `Shift+${event.code}` : event.code);

const COMMON = {
  "/": () => document.querySelector(".jump input")?.focus(),
  "?": () => help(),
  KeyP: () => pause(),
};

/** Show every shortcut, and the switch for them. */
export function help() {
  if (document.querySelector("dialog[open]")) return;
  const box = h("input", { type: "checkbox", onchange: () => choices.set("shortcuts", box.checked ? null : "off") });
  box.checked = enabled();
  const rows = HELP.map(([keys, what]) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        keys.split(" ").map((key) => h("kbd", {}, key)),
      ),
      h("td", {}, t(what)),
    ),
  );
  openDialog({
    title: t("help"),
    name: "help",
    content: [
      h("table", { class: "keys" }, h("tbody", {}, rows)),
      h("label", { class: "check" }, box, " ", t("keys.enabled")),
    ],
  });
}
