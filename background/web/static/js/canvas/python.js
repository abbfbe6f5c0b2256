// The Celery expression of a canvas, as the API writes it, back to the JSON that `POST /canvas` takes.

/** The draft of a run's code: JSON text. Raises SyntaxError for what is no such expression. */
export const draftOf = (code) => JSON.stringify(canvasOf(code));

/** `chain(add.s(2, 3), echo.s())` → {chain: [{task: "add", args: [2, 3]}, {task: "echo"}]}. */
export function canvasOf(code) {
  const read = new Reader(code);
  const found = read.canvas();
  read.expect(/$/y);
  return found;
}

/** A group; what the first member's success calls was the group's `link`, which is immutable without saying so. */
function linked(members) {
  const { link, ...first } = members[0] ?? {};
  if (!link) return { group: members };
  const { immutable, ...callback } = link;
  return { group: [first, ...members.slice(1)], link: callback };
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
    if (!found) throw new SyntaxError(`not a canvas at ${this.at}: ${this.code.slice(this.at, this.at + 20)}`);
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
    if (kind === "group") return linked(this.list(() => this.canvas(), /\)/y));
    if (kind === "chord") {
      this.expect(/\[/y);
      const header = this.list(() => this.canvas(), /\]/y);
      this.expect(/,/y);
      const body = this.canvas();
      this.expect(/\)/y);
      const group = linked(header);
      return group.link ? { chain: [group, body] } : { chord: { header, body } };
    }
    return kind ? { [kind]: this.list(() => this.canvas(), /\)/y) } : this.task();
  }

  task() {
    const [, task, call] = this.expect(/(\w+)\.(si?)\(/y);
    const args = this.list(() => this.value(), /\)/y);
    const found = { task, ...(args.length ? { args } : {}), ...(call === "si" ? { immutable: true } : {}) };
    if (this.take(/\.set\(/y)) {
      const option = () => {
        const [, name] = this.expect(/(\w+)=/y);
        return [name, name === "link" ? this.canvas() : this.value()];
      };
      for (const [name, value] of this.list(option, /\)/y)) {
        if (name === "headers") found.retries = value.playground_retries;
        else found[name] = value;
      }
    }
    if (this.take(/\.on_error\(/y)) {
      found.link_error = this.canvas();
      this.expect(/\)/y);
    }
    return found;
  }

  value() {
    const word = this.take(/None|True|False/y);
    if (word) return WORDS[word[0]];
    const numeral = this.take(/-?\d+(\.\d+)?(e[+-]?\d+)?/y);
    if (numeral) return Number(numeral[0]);
    if (this.take(/\[/y)) return this.list(() => this.value(), /\]/y);
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
