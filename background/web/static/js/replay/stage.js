// The lanes of a record as a picture: API, queue and workers, and the messages between them. All of it is drawn once; a
// moment shows what lies before it, and over that what goes on. Hooks for tests: `[data-lanes]`, `[data-lane]`.
import { h, say, set, svg } from "../base/dom.js";
import { duration, number, t } from "../base/i18n.js";
import { during, lanesOf } from "./lanes.js";
import { API, QUEUE } from "./record.js";
import { called, laneName, offset } from "./words.js";

const HEAD = 20; // the row of a lane's words
const BAR = 14;
const MOST = 70; // of a lane: its bars get thinner
const THIN = 4; // From here on an outline would be all there is.
const FOOT = 8;
const LEAST = 2; // of a bar's width
const LETTER = 6.5;
let stages = 0;

export class Stage {
  /** `seek(part)` is called for a place from 0 to 1 that a pointer chose. */
  constructor({ seek }) {
    this.name = `lanes-${++stages}`;
    this.width = 0;
    this.sheet = svg("svg", { class: "lanes-sheet", role: "img", "data-lanes": "" });
    this.element = h("div", { class: "lanes" }, this.sheet);
    this.resized = new ResizeObserver(() => this.element.clientWidth !== this.width && this.build());
    this.resized.observe(this.element);
    const chosen = ({ clientX }) => {
      const { left, width } = this.sheet.getBoundingClientRect();
      seek(Math.min(1, Math.max(0, (clientX - left) / width)));
    };
    this.sheet.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      chosen(event);
      this.sheet.setPointerCapture(event.pointerId);
    });
    this.sheet.addEventListener(
      "pointermove",
      (event) => this.sheet.hasPointerCapture(event.pointerId) && chosen(event),
    );
  }

  close() {
    this.resized.disconnect();
  }

  /** @param {import("./clock.js").Clock} clock */
  show(clock) {
    const isNew = this.clock?.record !== clock.record || this.axis !== clock.axis;
    this.clock = clock;
    this.axis = clock.axis;
    if (isNew) this.build();
    else this.move();
  }

  build() {
    this.width = this.element.clientWidth;
    if (!this.clock || !this.width) return;
    this.lanes = this.placed();
    const group = (name) => svg("g", { class: name });
    const past = svg("g", { "clip-path": `url(#${this.name})` });
    this.parts = { words: group("lanes-words"), bars: group("lanes-bars"), now: group("lanes-now") };
    this.parts.clip = svg("rect", { x: 0, y: 0, width: 0, height: this.height });
    this.parts.line = svg("line", { class: "lanes-line", y1: 0, y2: this.height });
    for (const lane of this.lanes) {
      for (const [name, value] of Object.entries({ "data-lane": lane.lane, x: 0, y: lane.top - 6 }))
        set(lane.words, name, value);
      this.parts.words.append(lane.words, svg("path", { class: "lane-ground", d: `M0 ${lane.bottom}H${this.width}` }));
      for (const span of lane.spans) this.parts.bars.append(this.bar(lane, span, span.to ?? this.clock.record.end));
    }
    const marks = this.clock.record.marks.map(({ at }) => this.mark(at));
    past.append(svg("path", { class: "lanes-messages", d: this.messages() }), this.parts.bars, ...marks);
    const cuts = this.axis.cuts.map((cut) => this.cut(cut));
    const clip = svg("clipPath", { id: this.name }, this.parts.clip);
    this.sheet.replaceChildren(clip, ...cuts, past, this.parts.now, this.parts.words, this.parts.line);
    set(this.sheet, "width", this.width);
    set(this.sheet, "height", this.height);
    this.move();
  }

  placed() {
    let top = 0;
    const lanes = lanesOf(this.clock.record.spans).map((lane) => {
      const thick = Math.min(BAR, MOST / lane.rows);
      const begin = top + HEAD;
      top = begin + thick * lane.rows + FOOT;
      return { ...lane, thick, top: begin, bottom: top - FOOT / 2, words: svg("text", { class: "lane-words" }) };
    });
    this.height = top;
    return lanes;
  }

  x(time) {
    return this.axis.place(time) * this.width;
  }

  bar(lane, span, to, role = span.role) {
    const [x, end] = [this.x(span.from), this.x(to)];
    const width = Math.max(LEAST, end - x);
    const gap = lane.thick > 3 ? 1 : 0;
    const y = lane.top + span.row * lane.thick;
    const box = svg("rect", {
      class: span.open ? "lane-bar open" : lane.thick < THIN ? "lane-bar thin" : "lane-bar",
      ...{ x, y, width, height: lane.thick - gap, rx: gap * 2 },
    });
    set(box, "data-role", role);
    const name = called(span);
    const fits = lane.thick >= BAR && name.length * LETTER < width - 6;
    const words = fits ? [svg("text", { class: "lane-name", x: x + 4, y: y + 10.5 }, name)] : [];
    return svg("g", {}, svg("title", {}, name), box, words);
  }

  /** Lines at the times at which messages were sent and taken. */
  messages() {
    const lanes = new Map(this.lanes.map((lane) => [lane.lane, lane]));
    const queue = lanes.get(QUEUE);
    const path = ({ row, from, to, sender, taker }) => {
      const y = queue.top + (row + 0.5) * queue.thick;
      const line = (time, other) => (other ? `M${this.x(time)} ${y}V${other.top > y ? other.top : other.bottom}` : "");
      return line(from, lanes.get(sender)) + (taker === null ? "" : line(to, lanes.get(taker)));
    };
    return queue.spans.map(path).join("");
  }

  mark(at) {
    const { top, thick } = this.lanes.find(({ lane }) => lane === API);
    return svg("circle", {
      class: "lanes-mark",
      cx: Math.min(this.width - 4, Math.max(4, this.x(at))),
      cy: top + thick / 2,
      r: 4,
    });
  }

  cut({ from, to }) {
    const [x, end] = [this.x(from), this.x(to)];
    const title = svg("title", {}, t("gantt.cut", { time: duration(to - from) }));
    return svg("rect", { class: "lanes-cut", x, y: 0, width: end - x, height: this.height }, title);
  }

  move() {
    if (!this.parts) return;
    const { time, record } = this.clock;
    const x = this.x(time);
    set(this.parts.clip, "width", x + 0.5);
    for (const end of ["x1", "x2"]) set(this.parts.line, end, x);
    const said = this.lanes.map((lane) => this.moveLane(lane, time));
    this.parts.now.replaceChildren(...said.flatMap(({ bars }) => bars));
    const lanes = said.map(({ words }) => words).join("; ");
    set(this.sheet, "aria-label", t("replay.lanes.said", { at: offset(time - record.start), lanes }));
  }

  moveLane(lane, time) {
    const going = during(lane.spans, time);
    const names = [...new Set(going.map(called))];
    const waits = lane.lane === QUEUE && t("replay.waiting", { n: going.length });
    const said = (shown) => {
      const more = names.length > shown ? [`+${number(names.length - shown)}`] : [];
      const busy = waits || [...names.slice(0, shown), ...more].join(", ") || t("replay.idle");
      return lane.lane === API ? laneName(lane.lane) : `${laneName(lane.lane)} · ${busy}`;
    };
    let shown = names.length;
    while (shown > 1 && said(shown).length * LETTER > this.width) shown -= 1;
    say(lane.words, said(shown));
    const words = said(names.length);
    // What waits looks the same afterwards.
    const running = lane.lane === QUEUE ? [] : going;
    return { words, bars: running.map((span) => this.bar(lane, span, time, "run")) };
  }
}
