// A record under a scrubber, at 0.1 to 10 times. Hooks for tests: `[data-replay]`, `input[name=moment]`, `select[name=speed]`,
// `[data-moment]`, `[data-settling]` while it has not rested, `[data-action]`: play, moment-before, moment-next, save-replay, live.
import { h, icon, iconButton, say, set } from "../base/dom.js";
import { duration, list, t, when } from "../base/i18n.js";
import { badge } from "../page/parts.js";
import { Clock, SPEEDS } from "./clock.js";
import { Stage } from "./stage.js";
import { offset, told } from "./words.js";

const SLOWEST_FRAME_MS = 250; // After a longer pause, as of a tab that was hidden, it goes on from where it was.
const SETTLED_MS = 300;
const TOLD_MS = 1000;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export class Replay {
  /**
   * `show(thing, time)` is called with the run or job as it was, `tick(time)` when that is still the same a little later, and
   * `moved(offset)` with the ms since the begin once it rests, and now and then while it plays; `stateOf(thing)` gives what a
   * badge shows; `live()` and `save()` where there are such buttons.
   * @param {{ record: any, show: (thing: any, time: number) => void, tick: (time: number) => void, stateOf: (thing: any) => any[],
   *   moved?: (offset: string) => void, live?: () => void, save?: () => void }} options
   */
  constructor({ record, show, tick, stateOf, moved = () => {}, live, save }) {
    this.clock = new Clock(record);
    this.thing = null;
    this.show = show;
    this.tick = tick;
    this.stateOf = stateOf;
    this.moved = moved;
    this.stage = new Stage({ seek: (part) => this.seek(() => this.clock.goTo(part * this.clock.axis.length)) });
    this.playing = 0;
    this.movedAt = 0;
    this.build({ live, save });
  }

  build({ live, save }) {
    const button = (name, key, action) =>
      h("button", { type: "button", class: "button small", "data-action": name, onclick: action }, t(key));
    this.play = h("button", { type: "button", class: "button replay-play", "data-action": "play" });
    this.play.addEventListener("click", () => this.toggle());
    this.speed = h(
      "select",
      { name: "speed", "aria-label": t("replay.speed") },
      SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, t("replay.times", { speed }))),
    );
    this.range = h("input", { type: "range", name: "moment", min: "0", step: "any", "aria-label": t("replay.moment") });
    this.range.addEventListener("input", () => this.seek(() => this.clock.goTo(Number(this.range.value))));
    this.range.addEventListener("keydown", (event) => this.key(event));
    this.time = h("span", { class: "replay-time" });
    this.text = h("span", { class: "replay-text", "data-moment": "" });
    this.state = badge();
    this.folded = h("span", { "data-folded": "" });
    const step = (name, by) =>
      iconButton(by < 0 ? "before" : "next", t(`replay.${name}`), {
        "data-action": `moment-${name}`,
        onclick: () => this.seek(() => this.clock.step(by)),
      });
    this.element = h(
      "section",
      { class: "replay", "data-replay": "", "aria-label": t("replay.label") },
      h(
        "div",
        { class: "row replay-bar" },
        this.play,
        step("before", -1),
        step("next", 1),
        this.speed,
        h("span", { class: "replay-end row" }, [
          save ? button("save-replay", "replay.save", save) : null,
          live ? button("live", "replay.live", live) : null,
        ]),
      ),
      this.range,
      h("p", { class: "replay-said" }, this.state.element, this.time, " ", this.text),
      this.stage.element,
      h("p", { class: "muted replay-legend" }, t("replay.legend"), " ", this.folded),
    );
    this.showPlaying();
  }

  close() {
    this.pause();
    clearTimeout(this.settling);
    this.stage.close();
  }

  /** The same, recorded further; the moment that is shown stays. */
  take(record) {
    this.clock.take(record);
    this.draw();
  }

  /** Show it as it was so many ms after the begin; what is rounded there is within a moment's microsecond. */
  goTo(text) {
    const ms = Number(text);
    if (text === this.place || !Number.isFinite(ms)) return;
    this.pause();
    this.clock.go(this.clock.record.start + ms + 0.001);
    this.draw();
  }

  get place() {
    return String(Number((this.clock.time - this.clock.record.start).toFixed(3)));
  }

  seek(go) {
    this.pause();
    go();
    this.draw();
    clearTimeout(this.settling);
    set(this.range, "data-settling", "");
    this.settling = setTimeout(() => {
      set(this.range, "data-settling", null);
      this.moved(this.place);
    }, SETTLED_MS);
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey || (!by && event.key !== " ")) return;
    event.preventDefault();
    event.stopPropagation();
    if (by) this.seek(() => this.clock.step(by));
    else this.toggle();
  }

  toggle() {
    if (this.playing) {
      this.pause();
      this.moved(this.place);
      return;
    }
    clearTimeout(this.settling);
    set(this.range, "data-settling", null);
    if (this.clock.over) this.clock.go(this.clock.record.start);
    this.frame(performance.now());
    this.showPlaying();
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.showPlaying();
  }

  frame(last) {
    this.playing = requestAnimationFrame((now) => {
      const before = this.clock.index;
      this.clock.pass(Math.min(SLOWEST_FRAME_MS, Math.max(0, now - last)), Number(this.speed.value));
      // Who wants no motion sees it go from moment to moment.
      if (!CALM.matches || this.clock.index !== before || this.clock.over) this.draw();
      if (!this.clock.over) {
        if (now - this.movedAt > TOLD_MS) {
          this.movedAt = now;
          this.moved(this.place);
        }
        // Whoever was told may have closed it.
        return this.playing ? this.frame(now) : undefined;
      }
      this.pause();
      this.moved(this.place);
    });
  }

  showPlaying() {
    const name = this.playing ? "pause" : "play";
    this.play.replaceChildren(icon(name), h("span", {}, t(`replay.${name}`)));
    set(this.play, "data-playing", this.playing ? "" : null);
  }

  draw() {
    const { clock } = this;
    const { record, time } = clock;
    const { start, end, moments } = record;
    const at = t("replay.at", { at: offset(time - start), end: offset(end - start) });
    const happened = told(moments, clock.index);
    set(this.range, "max", clock.length);
    this.range.value = String(clock.value);
    set(this.range, "aria-valuetext", `${at}, ${when(time)}: ${happened}`);
    say(this.time, `${at} · ${when(time)}`);
    say(this.text, happened);
    this.stage.show(clock);
    const cuts = clock.axis.cuts.map(({ from, to }) => duration(to - from));
    say(this.folded, cuts.length ? t("replay.folded", { n: cuts.length, times: list(cuts) }) : "");
    const thing = record.at(clock.index);
    if (thing === this.thing) return this.tick(time);
    this.thing = thing;
    this.state.update(...this.stateOf(thing));
    this.show(thing, time);
  }
}
