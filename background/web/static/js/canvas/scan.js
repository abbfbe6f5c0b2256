// JSON while it is being written: where each value stands, where it is wrong, and what the cursor is in.

const TOKEN = /"(?:[^"\\\n]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;
const LITERAL = /^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null)$/;

/**
 * Gives `places`, `[{ path, from, to }]` of all values that are whole; `wrong`, where it is no JSON any more, or null; and
 * `context`, what is at the position `at`: the open `frames` from the outside in, whether a key or a value is wanted there
 * (`wants`, or null), and the word `from` … `to` that is being written.
 */
export function scan(text, at = -1) {
  const reader = new Reader(text, at);
  for (const { 0: token, index } of text.matchAll(TOKEN)) reader.take(token, index);
  return reader.end();
}

class Reader {
  constructor(text, at) {
    this.text = text;
    this.at = at;
    this.frames = [frame("top", [], 0)];
    this.places = [];
    this.wrong = null;
    this.context = null;
  }

  get top() {
    return this.frames.at(-1);
  }

  take(token, from) {
    const to = from + token.length;
    const word = !/^[{}[\],:]$/.test(token);
    if (!this.context && (from >= this.at || (word && to >= this.at)))
      this.context = this.here(word && from < this.at ? { from, to } : {});
    if (token === "{" || token === "[") this.open(token, from);
    else if (token === "}" || token === "]") this.close(token, from);
    else if (token === ",") this.comma(from);
    else if (token === ":") this.step("colon", "value", from);
    else if (this.top.kind === "{" && ["first", "key"].includes(this.top.state)) this.key(token, from);
    else this.value(token, from, to);
  }

  /** What is at the cursor now. */
  here({ from = this.at, to = this.at }) {
    const { kind, state } = this.top;
    const key = kind === "{" && ["first", "key"].includes(state);
    const wants = key ? "key" : ["first", "value"].includes(state) ? "value" : null;
    return { frames: [...this.frames], key: this.top.key, wants, from, to };
  }

  /** Go on to another state, and remember where that was not right. */
  step(expected, next, from, right = true) {
    if (this.top.state !== expected || !right) this.wrong ??= from;
    this.top.state = next;
  }

  below() {
    const { kind, path, key, index } = this.top;
    return kind === "top" ? path : [...path, kind === "{" ? key : index];
  }

  /** A value begins: where one may. */
  begin(from) {
    const { kind, state } = this.top;
    if (state !== "value" && !(kind === "[" && state === "first")) this.wrong ??= from;
    this.top.state = "after";
  }

  open(kind, from) {
    const path = this.below();
    this.begin(from);
    this.frames.push(frame(kind, path, from));
  }

  close(token, from) {
    const kind = token === "}" ? "{" : "[";
    const at = this.frames.findLastIndex((each) => each.kind === kind);
    if (at !== this.frames.length - 1 || !["first", "after"].includes(this.top.state)) this.wrong ??= from;
    if (at < 0) return;
    const [closed] = this.frames.splice(at);
    this.places.push({ path: closed.path, from: closed.from, to: from + 1 });
  }

  comma(from) {
    const { kind } = this.top;
    this.step("after", kind === "{" ? "key" : kind === "[" ? "value" : "after", from, kind !== "top");
    this.top.index += 1;
  }

  key(token, from) {
    const name = string(token);
    if (name === null) this.wrong ??= from;
    this.top.key = name ?? token;
    this.top.keys.push(this.top.key);
    this.top.state = "colon";
  }

  value(token, from, to) {
    const path = this.below();
    this.begin(from);
    const text = token.startsWith('"') ? string(token) : LITERAL.test(token) ? token : null;
    if (text === null) this.wrong ??= from;
    else this.places.push({ path, from, to });
    if (this.top.kind === "{") this.top.fields[this.top.key] = string(token) ?? text;
  }

  end() {
    this.context ??= this.here({});
    const whole = this.frames.length === 1 && this.top.state === "after";
    return { places: this.places, wrong: this.wrong ?? (whole ? null : this.text.length), context: this.context };
  }
}

const frame = (kind, path, from) => ({
  kind,
  path,
  from,
  state: kind === "top" ? "value" : "first",
  key: null,
  keys: [],
  fields: Object.create(null),
  index: 0,
});

function string(token) {
  try {
    const found = JSON.parse(token);
    return typeof found === "string" ? found : null;
  } catch {
    return null;
  }
}
