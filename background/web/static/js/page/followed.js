// The life of a view that follows one thing of the API, a job or a run: its snapshot and its stream, another route, an
// outage, a thing that is not there.
import { get } from "../base/api.js";
import { h, refill, throttle } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { follow } from "../base/stream.js";
import { setSection } from "./frame.js";
import { empty, failure, skeleton } from "./parts.js";
import { href, replace } from "./router.js";

const READ_MS = 300;
const AGAIN_MS = 2000;
const TICK_MS = 1000;

/** `id` is null once the view is closed, `thing` null until there is one; so is `parts`, what is drawn. */
export class FollowedView {
  // What a view says itself.

  /** The heading, as far as it is known by the id alone. */
  heading() {
    return "";
  }

  /** Where the API has it. */
  path(_id) {
    return "";
  }

  /** A snapshot. */
  take(_thing) {}

  /** An event; `early` where it may be older than the snapshot. */
  heard(_kind, _thing, _when) {}

  /** Show what has changed. */
  draw() {}

  /** Show that a second has passed. */
  tick() {}

  /** Close what belongs to the thing: it is another one now, or none. */
  left() {}

  // What all have in common.

  constructor(main, route, { section, missing }) {
    this.main = main;
    this.section = section;
    this.missing = missing;
    /** @type {any} */
    this.thing = null;
    /** @type {any} */
    this.parts = null;
    this.read = throttle(() => this.readNow().catch((error) => this.readAgain(error)), READ_MS);
    this.again = 0;
    this.timers = [setInterval(() => document.visibilityState === "visible" && this.tick(), TICK_MS)];
    this.open(route);
  }

  update(route) {
    if (route.rest[0] === String(this.id)) {
      this.params = route.params;
      if (this.thing) this.draw();
      return true;
    }
    this.leave();
    this.main.replaceChildren();
    this.open(route);
    this.main.querySelector("h1")?.focus();
    return true;
  }

  close() {
    this.id = null; // What is still on its way is for nobody.
    this.leave();
    this.timers.forEach(clearInterval);
  }

  open({ rest, params }) {
    this.id = /^\d{1,15}$/.test(rest[0]) ? Number(rest[0]) : rest[0]; // As long as a number holds exactly.
    this.params = params;
    this.main.append(h("h1", { tabindex: "-1" }, this.heading()), skeleton(6));
    setSection(this.section, this.heading());
    this.follow();
  }

  leave() {
    this.stop?.();
    this.read.cancel();
    clearTimeout(this.again);
    this.forget();
  }

  forget() {
    this.left();
    this.thing = this.parts = null;
  }

  /** Follow it, also again: its stream ends when nothing more will come. */
  follow() {
    this.stop?.();
    if (this.id === null) return;
    this.stop = follow(`${this.path(this.id)}/events`, {
      open: () => this.readNow(),
      retry: () => this.readNow().catch(() => {}),
      event: (kind, thing, when) => this.heard(kind, thing, when),
      end: () => this.read(),
    });
  }

  /** Read a snapshot. Raises what `get` does. */
  async readNow() {
    const { id } = this;
    try {
      const thing = await get(this.path(id));
      if (id === this.id) this.take(thing);
    } catch (error) {
      if (id !== this.id) return;
      if (error.status === 404 || error.status === 422) this.showMissing();
      else if (!this.thing)
        refill(
          this.main,
          h("h1", { tabindex: "-1" }, this.heading()),
          failure(error, () => this.follow()),
        );
      throw error;
    }
  }

  /** What an event has announced is read until it is there: no other event may follow it. */
  readAgain(error) {
    clearTimeout(this.again);
    if (this.thing && error.status !== 401) this.again = setTimeout(this.read, AGAIN_MS);
  }

  showMissing() {
    const { section, missing } = this;
    this.stop?.();
    this.forget();
    refill(
      this.main,
      h("h1", { tabindex: "-1" }, this.heading()),
      empty({
        title: t(missing, { id: this.id }),
        text: t(`${missing}.why`),
        actions: [h("a", { class: "button", href: `#/${section}` }, t(`section.${section}`))],
      }),
    );
  }

  /** The address of what is shown, with these of its parameters changed. */
  choose(more) {
    this.params = { ...this.params, ...more };
    replace(href(`${this.section}/${this.id}`, this.params));
    this.draw();
  }
}
