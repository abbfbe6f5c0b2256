// The life of a view that is read again and again: its route, an outage, a thing that is not there.
import { h, refill } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { poll } from "../base/stream.js";
import { setSection } from "./frame.js";
import { empty, failure, skeleton } from "./parts.js";

const READ_MS = 5000;
const TICK_MS = 1000;

/** A view says what it reads, `load()`, and how that is shown, `draw(found)`; `build()` makes its parts once. */
export class PolledView {
  constructor(main, route, { section, title }) {
    this.main = main;
    this.section = section;
    this.title = title;
    this.built = false;
    this.open(route);
  }

  /**
   * What this route needs, read anew.
   * @returns {Promise<any>}
   */
  async load() {}

  /**
   * What to show where nothing has this name, of what was read; null where there is something.
   * @returns {HTMLElement | null}
   */
  none(_found) {
    return null;
  }

  /** Make the parts, for the first time that something was read. */
  build() {}

  /** Show what was read. */
  draw(_found) {}

  /** Show that a second has passed. */
  tick() {}

  /** The view is left. */
  left() {}

  open({ rest, params }) {
    this.name = rest[0];
    this.params = params;
    this.turn = {}; // What is read for one that was left is not shown.
    this.main.replaceChildren(h("h1", { tabindex: "-1" }, this.title(this.name)), skeleton(6));
    setSection(this.section, this.title(this.name));
    this.polling = poll(() => this.read(), READ_MS);
    this.clock = setInterval(() => this.built && document.visibilityState === "visible" && this.tick(), TICK_MS);
  }

  update(route) {
    if (route.rest[0] !== this.name) {
      this.close();
      this.built = false;
      this.open(route);
      this.main.querySelector("h1").focus({ preventScroll: true });
      return true;
    }
    this.params = route.params;
    this.polling.now();
    return true;
  }

  close() {
    this.polling.stop();
    clearInterval(this.clock);
    this.turn = null;
    if (this.built) this.left();
  }

  async read() {
    const { turn } = this;
    try {
      const found = await this.load();
      if (turn !== this.turn) return;
      const none = this.none(found);
      if (none) return this.end(none);
      if (!this.built) {
        const focused = this.main.contains(document.activeElement);
        this.main.replaceChildren();
        this.build();
        if (focused) this.main.querySelector("h1").focus({ preventScroll: true });
        this.built = true;
      }
      this.draw(found);
    } catch (error) {
      if (turn === this.turn && !this.built) this.fail(error);
      throw error;
    }
  }

  /** Nothing is there, and nothing is read any more. */
  end(none) {
    this.close();
    this.built = false;
    setSection(this.section, this.title(this.name));
    refill(this.main, h("h1", { tabindex: "-1" }, this.title(this.name)), none);
  }

  fail(error) {
    refill(
      this.main,
      h("h1", { tabindex: "-1" }, this.title(this.name)),
      failure(error, () => this.polling.now()),
    );
  }
}

/** What to show for a name that nothing has: `links` lead on. */
export const unknown = (title, text, ...links) => empty({ title: t(title), text: t(text), actions: links });
