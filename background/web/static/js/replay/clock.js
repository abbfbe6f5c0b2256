// Where a replay is: a place in the time of its record, in which long idle stretches are passed over. Pure.
import { scale } from "../page/scale.js";
import { indexAt, QUEUE } from "./record.js";

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];

export class Clock {
  constructor(record, at = record.start) {
    this.take(record, at);
  }

  /** Another record of the same, which may go on further. */
  take(record, at = this.time) {
    this.record = record;
    const { start, end, spans } = record;
    const ran = spans.filter(({ lane }) => lane !== QUEUE).map(({ from, to }) => ({ from, to }));
    this.axis = scale([{ tries: [{ wait: start, from: null, to: end }, ...ran] }], end);
    this.go(at);
  }

  /** Go to a time; what lies outside is its begin or its end. */
  go(time) {
    this.time = Math.min(Math.max(time, this.record.start), this.record.end);
    return this;
  }

  /** How far it is, and how far that may be, in ms of the time that is not passed over. */
  get value() {
    return this.axis.place(this.time) * this.axis.length;
  }

  get length() {
    return this.axis.place(this.record.end) * this.axis.length;
  }

  goTo(value) {
    return this.go(value >= this.length ? this.record.end : this.axis.time(value / this.axis.length));
  }

  /** So many ms pass, at this speed. */
  pass(ms, speed) {
    return this.goTo(this.value + ms * speed);
  }

  get over() {
    return this.time >= this.record.end;
  }

  /** The number of the moment that it shows. */
  get index() {
    return indexAt(this.record.moments, this.time);
  }

  /** To the next moment that was recorded, or, `by` -1, to the one before. */
  step(by) {
    const { moments, start, end } = this.record;
    const found =
      by > 0
        ? (moments.find(({ at }) => at > this.time)?.at ?? end)
        : (moments.findLast(({ at }) => at < this.time)?.at ?? start);
    return this.go(found);
  }
}
