// A text of the builder: a text area at first, CodeMirror as soon as that has come, a text area for good where it does not.
import { h, set } from "../base/dom.js";
import { t } from "../base/i18n.js";

/** The words that CodeMirror says by itself. */
const SAID = ["Completions", "Control character", "replaced $"];

/**
 * `{ element, value, focus() }` as a text area has them, and of the editor `mark`, `complain` and `places`, which do nothing
 * before it is there. Options as of `editor` in editor.js; `described` is the id of what says its faults.
 */
export class Pane {
  constructor({ described, ...options }) {
    const { name, label } = options;
    /** @type {any} */
    this.options = options;
    this.marks = { pointed: null, chosen: null };
    this.faults = [];
    this.spots = [];
    this.area = h("textarea", {
      name,
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": label,
      "aria-describedby": described,
      oninput: () => options.changed(),
      oncompositionstart: () => (this.composing = true),
      oncompositionend: () => (this.composing = false),
    });
    this.editor = null;
    this.element = h("div", { class: "pane" }, this.area);
    this.load();
  }

  async load() {
    const phrases = Object.fromEntries(SAID.map((text) => [text, t(`editor.${text}`)]));
    try {
      const { editor } = await import("./editor.js");
      const made = await editor({ ...this.options, text: this.area.value, phrases });
      if (this.closed) made.close();
      else this.take(made);
    } catch {
      // The text area stays.
    }
  }

  /** Not in the middle of a Korean syllable, and with what was chosen in the text. */
  take(editor) {
    const { area } = this;
    const take = () => {
      if (this.editor || this.closed) return;
      const focused = document.activeElement === area;
      editor.value = area.value;
      this.editor = editor;
      area.replaceWith(editor.element);
      if (this.spots.length) editor.places = this.spots;
      if (focused) {
        editor.focus();
        editor.select(area.selectionStart, area.selectionEnd);
      }
      editor.mark(this.marks);
      editor.complain(this.faults);
    };
    if (!this.composing) return take();
    area.addEventListener("compositionend", () => setTimeout(take), { once: true });
  }

  get value() {
    return (this.editor ?? this.area).value;
  }

  set value(text) {
    (this.editor ?? this.area).value = text;
  }

  set places(places) {
    this.spots = places;
    if (this.editor) this.editor.places = places;
  }

  /** Where it stops to be JSON, as far as that is known. */
  get wrong() {
    return this.editor?.wrong ?? 0;
  }

  get focused() {
    return this.editor ? this.editor.focused : document.activeElement === this.area;
  }

  /** Both are paths as text, or null. */
  mark(marks) {
    this.marks = { ...this.marks, ...marks };
    this.editor?.mark(this.marks);
  }

  /** Say beside their lines what is wrong: `[{ at or path, text }]`. */
  complain(faults) {
    this.faults = faults;
    set(this.area, "aria-invalid", faults.length ? "true" : null);
    this.editor?.complain(faults);
  }

  close() {
    this.closed = true;
    this.editor?.close();
  }
}
