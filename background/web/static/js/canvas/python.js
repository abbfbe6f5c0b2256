// The Celery expression of a canvas, as the API writes it, back to the JSON that `POST /canvas` takes.
import { numeral } from "../base/exact.js";

/** `chain(add.s(2, 3), echo.s())` → {chain: [{task: "add", args: [2, 3]}, {task: "echo"}]}. Raises SyntaxError, with the place `at`. */
export function canvasOf(code) {
  const read = new Reader(code);
  const found = read.canvas();
  read.expect(/$/y);
  return found;
}

const ESCAPES = { n: "\n", r: "\r", t: "\t", "\\": "\\", "'": "'", '"': '"' };
const WORDS = { None: null, True: true, False: false };

class Reader {
  constructor(code) {
    this.code = code;
    this.at = 0;
  }

  /** The match of a sticky pattern here, after white space, or null. */
  take(pattern) {
    const space = /\s*/y;
    space.lastIndex = this.at;
    space.test(this.code);
    pattern.lastIndex = space.lastIndex;
    const found = pattern.exec(this.code);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  expect(pattern) {
    const found = this.take(pattern);
    if (!found) throw Object.assign(new SyntaxError(this.code.slice(this.at, this.at + 20)), { at: this.at });
    return found;
  }

  list(item, end) {
    const found = [];
    while (!this.take(end)) {
      if (found.length) this.expect(/,/y);
      if (this.take(end)) break;
      found.push(item());
    }
    return found;
  }

  canvas() {
    const kind = this.take(/(chain|group|chord)\(/y)?.[1];
    if (!kind) return this.task();
    const found = kind === "chord" ? this.chord() : { [kind]: this.members() };
    // Its map has brought a chain for its callbacks.
    const inner = found.chain?.length === 1 ? found.chain[0] : null;
    return this.callbacks(inner?.chain && (inner.link || inner.link_error) ? inner : found);
  }

  /** What stands in chain(…) or group(…), one after another or as a list. */
  members() {
    if (!this.take(/\[/y)) return this.list(() => this.canvas(), /\)/y);
    const found = this.list(() => this.canvas(), /\]/y);
    this.expect(/\)/y);
    return found;
  }

  chord() {
    this.expect(/\[/y);
    const header = this.list(() => this.canvas(), /\]/y);
    this.expect(/,/y);
    const body = this.canvas();
    this.expect(/\)/y);
    return { chord: { header, body } };
  }

  /** The same with the callbacks that stand behind it. */
  callbacks(found) {
    while (this.take(/\.on_error\(/y)) {
      found.link_error = [...(found.link_error ?? []), this.canvas()];
      this.expect(/\)/y);
    }
    return found;
  }

  task() {
    const [, task, call] = this.expect(/(\w+)\.(si?|map|starmap|chunks)\(/y);
    const [args, kwargs] = [[], {}];
    const argument = () => {
      const name = this.take(/(\w+)=/y)?.[1];
      if (name) kwargs[name] = this.value();
      else args.push(this.value());
    };
    this.list(argument, /\)/y);
    if (call === "chunks") return { chunks: { task, it: args[0], n: args[1] } };
    if (call.endsWith("map")) return this.mapped({ [call]: { task, it: args[0] } });
    const found = { task };
    if (args.length) found.args = args;
    if (Object.keys(kwargs).length) found.kwargs = kwargs;
    if (call === "si") found.immutable = true;
    if (this.take(/\.set\(/y)) this.list(() => this.option(found), /\)/y);
    return this.callbacks(found);
  }

  /** A map, which in JSON has its callbacks by way of a chain. */
  mapped(map) {
    const chain = { chain: [map] };
    if (this.take(/\.set\(/y)) this.list(() => this.option(chain), /\)/y);
    return Object.keys(this.callbacks(chain)).length > 1 ? chain : map;
  }

  option(task) {
    const [, name] = this.expect(/(\w+)=/y);
    if (name === "link") task.link = this.take(/\[/y) ? this.list(() => this.canvas(), /\]/y) : this.canvas();
    else if (name === "headers") task.retries = this.value().playground_retries;
    else task[name] = this.value();
  }

  value() {
    const word = this.take(/None|True|False/y);
    if (word) return WORDS[word[0]];
    const digits = this.take(/-?\d+(\.\d+)?(e[+-]?\d+)?/y);
    if (digits) return numeral(digits[0]);
    if (this.take(/\[/y)) return this.list(() => this.value(), /\]/y);
    if (this.take(/\(/y)) return this.list(() => this.value(), /\)/y);
    if (this.take(/\{/y)) return Object.fromEntries(this.list(() => this.pair(), /\}/y));
    const [quoted] = this.expect(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/sy);
    return quoted
      .slice(1, -1)
      .replace(/\\(x..|u....|U........|.)/gs, (_, code) =>
        code.length > 1 ? String.fromCodePoint(parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
      );
  }

  pair() {
    const key = this.value();
    this.expect(/:/y);
    return [key, this.value()];
  }
}
