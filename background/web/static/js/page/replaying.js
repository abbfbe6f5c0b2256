// Whether a view shows what is, or what was: with `at` in its route it is replayed. What that needs comes with its first use.
import { h, say } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { complain } from "./parts.js";

/** How the module of replays is had; the page sets it at its start. */
export const replays = { load: async () => /** @type {any} */ (null) };

/** Above what stays in the present while a replay shows the past: that it does, or that it is the end. */
export const asItIs = (over) => {
  const element = h("p", { class: "as-it-is", "data-as-it-is": "" });
  tellTime(element, over);
  return element;
};
const tellTime = (element, over) => say(element, t(over ? "replay.ended" : "replay.present"));

export class Replaying {
  /**
   * `read(module)` gives the record, `show()` is called when there is another `thing`, `tick()` when `time` alone has gone on,
   * `choose(at)` changes the route, and `stateOf(thing)` says what a badge shows of it.
   * @param {{ read: (module: any) => Promise<any>, show: () => void, tick: () => void, stateOf: (thing: any) => any[],
   *   choose: (at: string | null) => void }} options
   */
  constructor({ read, show, tick, choose, stateOf }) {
    this.read = read;
    this.stateOf = stateOf;
    this.show = show;
    this.tick = tick;
    this.choose = choose;
    this.element = h("div", { hidden: true });
    /** Stands above the sentence, which does not follow the replay. */
    this.label = h("p", { class: "as-it-is", "data-as-it-is": "", hidden: true });
    this.replay = null;
    this.version = null;
    this.at = null;
    this.wanted = false;
    /** The run or job as it was, and when that is in ms; null for the present. */
    this.thing = null;
    this.time = null;
  }

  /**
   * Be at the moment `at` of the route, or in the present, also where that is no number; `version` changes with what there is
   * to be read, and `over` says whether the present is the end.
   */
  update(at, version, over) {
    this.over = over;
    this.wanted = Boolean(at) && Number(at) >= 0; // Of what is no number, and of none, that is not so.
    if (this.replay) tellTime(this.label, over);
    if (!this.wanted) return this.close();
    // A route that is still the same says nothing of where the replay has come to since.
    if (at !== this.at) this.replay?.goTo(at);
    this.at = at;
    if (version === this.version) return;
    this.version = version;
    this.take();
  }

  async take() {
    const { version } = this;
    try {
      const module = await replays.load();
      const record = await this.read(module);
      if (!this.wanted || version !== this.version) return;
      if (this.replay) return this.replay.take(record);
      this.replay = new module.Replay({
        record,
        show: (thing, time) => {
          Object.assign(this, { thing, time });
          this.show();
        },
        tick: (time) => {
          this.time = time;
          this.tick();
        },
        moved: (at) => {
          this.at = at;
          this.choose(at);
        },
        live: () => {
          const article = this.element.closest("article");
          this.choose(null);
          /** @type {HTMLElement} */ (article?.querySelector('[data-action="replay"]'))?.focus();
        },
        stateOf: this.stateOf,
        save: () => module.save(this.replay.clock.record),
      });
      this.element.replaceChildren(this.replay.element);
      this.element.hidden = this.label.hidden = false;
      tellTime(this.label, this.over);
      this.replay.goTo(this.at);
      this.replay.draw();
    } catch (error) {
      if (!this.wanted) return;
      complain(error);
      if (!this.replay) this.choose(null);
    }
  }

  close() {
    this.wanted = false;
    this.version = this.at = null;
    if (!this.replay) return;
    this.replay.close();
    this.replay = this.thing = this.time = null;
    this.element.hidden = this.label.hidden = true;
    this.element.replaceChildren();
  }
}
