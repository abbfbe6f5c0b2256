// CodeMirror as the builder uses it; fetched on that screen alone, and a text area does where it does not come. It stands in
// a shadow root, since only there it keeps its styles in a sheet of its own, as the Content-Security-Policy wants them.
// It takes what it says from its caller: nothing of the page comes in twice with it. Hooks for tests: `[data-editor]`, its `value`.
import { inJson, inPython } from "./complete.js";
import { scan } from "./scan.js";
import { theme } from "./theme.js";

const CODEMIRROR = new URL("vendor/codemirror/codemirror.js", document.baseURI).href;

/**
 * An editor of JSON or Python that is used as a text area is: `element`, `value`, `focus()`; `changed()` is called after each
 * change by a person, `chosen(path)` where the cursor is put, `pointed(path)` where the mouse is, null where it is nowhere.
 *
 * `known()` gives what completion may offer: `{ tasks, models }`. `places` are `[{ path, from, to }]`; of JSON they are read.
 * @param {{ name: "json" | "python", text: string, label: string, phrases: object, known: () => any,
 *   changed: () => void, chosen: (path: any[]) => void, pointed: (path: any[] | null) => void }} options
 */
export async function editor(options) {
  return new Editor(await import(CODEMIRROR), options);
}

class Editor {
  constructor(codemirror, { name, text, label, phrases, known, changed, chosen, pointed }) {
    this.codemirror = codemirror;
    this.name = name;
    this.report = { changed, chosen, pointed };
    this.known = known;
    this.quiet = false;
    this.element = Object.assign(document.createElement("div"), { className: "editor" });
    this.element.dataset.editor = name;
    Object.defineProperty(this.element, "value", { get: () => this.value, set: (value) => (this.value = value) });
    const root = this.element.attachShadow({ mode: "open" });
    const { EditorView } = codemirror;
    this.marks = marks(codemirror);
    this.view = new EditorView({
      doc: text,
      root,
      parent: root,
      extensions: [this.extensions({ label, phrases }), EditorView.updateListener.of((update) => this.updated(update))],
    });
    this.view.dom.addEventListener("mousemove", (event) => this.moved(event));
    this.view.dom.addEventListener("mouseleave", () => this.point(null));
    this.places = [];
  }

  extensions({ label, phrases }) {
    const { autocompletion, bracketMatching, closeBrackets, EditorState, EditorView, history, keymap } =
      this.codemirror;
    const { closeBracketsKeymap, defaultKeymap, historyKeymap, json, lineNumbers, python } = this.codemirror;
    const isJson = this.name === "json";
    return [
      isJson ? [json(), lineNumbers()] : python(),
      EditorView.lineWrapping,
      history(),
      bracketMatching(),
      closeBrackets(),
      autocompletion({
        icons: false,
        override: [(context) => this.complete(context)],
      }),
      // Ctrl+Enter is the page's: it runs the canvas. Tab leaves, as everywhere.
      keymap.of([{ key: "Mod-Enter", run: () => true }, ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
      EditorState.phrases.of(phrases),
      EditorView.contentAttributes.of({ "aria-label": label, lang: "en" }),
      theme(this.codemirror),
      EditorView.domEventHandlers({
        beforeinput: (event, view) => this.typesOver(event, view),
        compositionstart: (_, view) => this.empties(view),
      }),
      this.marks.field,
    ];
  }

  /** What is found by is before the cursor; what is taken its place of goes on behind it, to a closing quote. */
  complete({ state, pos, explicit }) {
    if (!explicit && !/["\w.(]/.test(state.sliceDoc(pos - 1, pos))) return null;
    const found = (this.name === "json" ? inJson : inPython)(state.doc.toString(), pos, this.known());
    if (!found) return null;
    const { insertCompletionText, pickedCompletion } = this.codemirror;
    const rest = found.to - pos;
    const take = (view, option, text, from, to) =>
      view.dispatch({
        ...insertCompletionText(view.state, text, from, to + rest),
        annotations: pickedCompletion.of(option),
      });
    const options = found.options.map((each) => ({
      ...each,
      apply: (view, option, from, to) => take(view, option, each.apply ?? each.label, from, to),
    }));
    return { from: found.from, options };
  }

  // Chromium itself would keep the colours of what is typed over, as an inline style, which the policy forbids.
  typesOver({ inputType, data }, view) {
    if (inputType !== "insertText" || !data || view.composing) return false;
    const { from, to } = this.selected(view);
    if (from === to) return false;
    const changes = { from, to, insert: data };
    const selection = { anchor: from + data.length };
    const insert = () => view.state.update({ changes, selection, userEvent: "input.type", scrollIntoView: true });
    const handlers = view.state.facet(this.codemirror.EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
    return true;
  }

  empties(view) {
    const { from, to } = this.selected(view);
    if (from !== to)
      view.dispatch({ changes: { from, to }, selection: { anchor: from }, userEvent: "delete.selection" });
    return false;
  }

  /** What is selected in the document; CodeMirror hears of it a moment later. */
  selected(view) {
    const { anchorNode, anchorOffset, focusNode, focusOffset } = view.root.getSelection?.() ?? {};
    if (![anchorNode, focusNode].every((node) => node && view.contentDOM.contains(node)))
      return view.state.selection.main;
    const ends = [view.posAtDOM(anchorNode, anchorOffset), view.posAtDOM(focusNode, focusOffset)];
    return { from: Math.min(...ends), to: Math.max(...ends) };
  }

  get value() {
    return this.view.state.doc.toString();
  }

  /** Only what is different is changed, so that the cursor stays where it was. */
  set value(text) {
    const now = this.value;
    if (text === now) return;
    let from = 0;
    while (from < text.length && text[from] === now[from]) from++;
    let end = 0;
    const most = Math.min(text.length, now.length) - from;
    while (end < most && text.at(-1 - end) === now.at(-1 - end)) end++;
    this.quiet = true;
    this.view.dispatch({ changes: { from, to: now.length - end, insert: text.slice(from, text.length - end) } });
    this.quiet = false;
  }

  get places() {
    this.read ??= scan(this.value).places;
    return this.read;
  }

  set places(places) {
    this.read = this.name === "json" ? null : places;
  }

  focus() {
    this.view.focus();
  }

  get focused() {
    return this.view.hasFocus;
  }

  /** Put the cursor, or a selection, somewhere. */
  select(anchor, head) {
    this.view.dispatch({ selection: { anchor, head } });
  }

  /** Where it stops to be JSON, or null. */
  get wrong() {
    return scan(this.value).wrong;
  }

  updated(update) {
    if (update.docChanged) {
      this.places = [];
      if (!this.quiet) this.report.changed();
    } else if (update.selectionSet && update.transactions.some((each) => each.isUserEvent("select"))) {
      const found = this.at(update.state.selection.main.head);
      if (found) this.report.chosen(found.path);
    }
  }

  moved({ clientX: x, clientY: y }) {
    const at = this.view.posAtCoords({ x, y });
    this.point(at === null ? null : (this.at(at)?.path ?? null));
  }

  point(path) {
    const name = path?.join(".") ?? null;
    if (name === this.hovered) return;
    this.hovered = name;
    this.report.pointed(path);
  }

  /** The innermost of the places around a position. */
  at(position) {
    const around = this.places.filter(({ from, to }) => from <= position && position <= to);
    return around.reduce((best, each) => (best && best.to - best.from <= each.to - each.from ? best : each), null);
  }

  /** Mark what is pointed at and what is chosen, both paths as text; bring the chosen one into view unless one writes here. */
  mark({ pointed, chosen }) {
    const ranges = { pointed: this.rangesOf(pointed), chosen: this.rangesOf(chosen) };
    this.view.dispatch({ effects: this.marks.point.of(ranges) });
    const [first] = ranges.chosen;
    if (!first || this.focused) return;
    // Within the editor alone: the page stays where it is.
    const { scrollDOM } = this.view;
    const { top, bottom } = this.view.lineBlockAt(first.from);
    if (top < scrollDOM.scrollTop || bottom > scrollDOM.scrollTop + scrollDOM.clientHeight) scrollDOM.scrollTop = top;
  }

  rangesOf(name) {
    if (name === null || name === undefined) return [];
    const exact = this.places.filter(({ path }) => path.join(".") === name);
    const within = ({ path }) => name === "" || path.join(".").startsWith(`${name}.`);
    return exact.length ? exact : this.places.filter(within);
  }

  /** Faults below their lines: `[{ at, text }]`, or `path` for `at`. */
  complain(faults) {
    const placed = faults.map(({ at, path, text }) => ({
      text,
      at: at ?? this.rangesOf(path.join("."))[0]?.from ?? 0,
    }));
    this.view.dispatch({ effects: this.marks.fault.of(placed) });
  }

  close() {
    this.view.destroy();
  }
}

/** Two effects, `point` and `fault`, and the field that shows them. */
function marks({ Decoration, EditorView, StateEffect, StateField }) {
  const point = StateEffect.define();
  const fault = StateEffect.define();
  const ranges = (doc, name, list) =>
    list
      .map(({ from, to }) => ({ from, to: Math.min(to, doc.length) }))
      .filter(({ from, to }) => from < to)
      .map(({ from, to }) => Decoration.mark({ class: `cm-${name}` }).range(from, to));
  // The words are the style sheet's: an element among the lines would be in the way of a selection.
  const lines = (doc, list) => {
    const byLine = new Map();
    for (const { at, text } of list) {
      const { from } = doc.lineAt(Math.min(at, doc.length));
      byLine.set(from, [...(byLine.get(from) ?? []), text]);
    }
    return [...byLine].map(([from, texts]) =>
      Decoration.line({ class: "cm-faulty", attributes: { "data-fault": texts.join("\n") } }).range(from),
    );
  };
  const none = { points: Decoration.none, faults: Decoration.none };
  const field = StateField.define({
    create: () => none,
    update(value, { changes, effects, newDoc: doc }) {
      let points = value.points.map(changes);
      let faults = value.faults.map(changes);
      for (const effect of effects) {
        if (effect.is(point)) {
          const { chosen, pointed } = effect.value;
          points = Decoration.set([...ranges(doc, "chosen", chosen), ...ranges(doc, "pointed", pointed)], true);
        } else if (effect.is(fault)) faults = Decoration.set(lines(doc, effect.value), true);
      }
      return { points, faults };
    },
    provide: (self) => [
      EditorView.decorations.from(self, ({ points }) => points),
      EditorView.decorations.from(self, ({ faults }) => faults),
    ],
  });
  return { point, fault, field };
}
