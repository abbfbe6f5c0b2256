// Words and formats in the chosen language. Messages are whole sentences with `{names}`; plurals are objects.

import en from "../words/en.js";
import ko from "../words/ko.js";
import { choices } from "./dom.js";

export const LANGUAGES = { en, ko };

const wanted = choices.get("language") ?? navigator.language.slice(0, 2);
export const language = wanted in LANGUAGES ? wanted : "en";
const words = LANGUAGES[language];
const plural = new Intl.PluralRules(language);
document.documentElement.lang = language;

/** The message `key` with its `{names}` filled in; numbers are formatted. */
export const t = (key, values) => filled(key, values, (value) => value);

/**
 * The message as a sentence; in `own` what was filled in is blank, since the words in it are those of others.
 * @returns {Sentence}
 */
export const sentence = (key, values) => ({
  text: t(key, values),
  own: filled(key, values, (value) => "\0".repeat(value.length)),
  known: true,
});

// What turns text around would do so to what stands behind it.
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
/** The text of others, with that written out. */
export const upright = (/** @type {string} */ text) =>
  text.replace(TURNING, (each) => `\\u${each.charCodeAt(0).toString(16)}`);

const NUMBERS = new Set(["id", "job"]); // of jobs, which are names and no amounts

function filled(key, values = {}, how) {
  let message = words[key] ?? key;
  // One thing may have words of its own also where the language has no other form for it.
  if (typeof message === "object")
    message = (values.n === 1 && message.one) || (message[plural.select(values.n)] ?? message.other);
  return message.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return how(typeof value === "number" && !NUMBERS.has(name) ? number(value) : upright(String(value ?? whole)));
  });
}

export const has = (key) => key in words;

/** More messages, `{ en, ko }`, of what is loaded later. */
export const learn = (more) => Object.assign(words, more[language]);

const made = new Map();
function format(Kind, options) {
  const name = Kind.name + JSON.stringify(options);
  if (!made.has(name)) made.set(name, new Kind(language, options));
  return made.get(name);
}

export const number = (value, options = {}) => format(Intl.NumberFormat, options).format(value);
/** A number that may only be `about` right. */
export const counted = (value, about) => (about ? `≈ ${number(value)}` : number(value));
export const percent = (fraction) => number(fraction, { style: "percent", maximumFractionDigits: 0 });
export function bytes(value) {
  const step = value < 1000 ? 0 : value < 999_500 ? 1 : 2;
  const unit = ["byte", "kilobyte", "megabyte"][step];
  // "500 bytes" is a word of the language, "1.5 kB" is not.
  const unitDisplay = step === 0 ? "long" : "short";
  return number(value / 1000 ** step, { style: "unit", unit, unitDisplay, maximumSignificantDigits: 3 });
}

const unit = (value, name, digits = 0) =>
  number(value, {
    style: "unit",
    unit: name,
    unitDisplay: "narrow",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });

/** How long, in two units at most: `0.3s`, `12s`, `1m 5s`, `3h 20m`, `2d 4h`. */
export function duration(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 0.095) return unit(Math.round(seconds * 1000), "millisecond");
  if (seconds < 9.95) return unit(seconds, "second", 1);
  if (seconds < 59.5) return unit(Math.round(seconds), "second");
  const [big, small, size] =
    seconds < 3600 ? ["minute", "second", 60] : seconds < 86_400 ? ["hour", "minute", 3600] : ["day", "hour", 86_400];
  const whole = Math.floor(seconds / size);
  const rest = Math.floor(((seconds % size) / size) * (size === 86_400 ? 24 : 60));
  return rest ? `${unit(whole, big)} ${unit(rest, small)}` : unit(whole, big);
}

/** A time that somebody has set, of which nothing may be left out: `1h 30m`, but `3,600.5s`. */
export function exactly(seconds) {
  const size = seconds < 3600 ? 1 : seconds < 86_400 ? 60 : 3600;
  if (seconds >= 9.95 && seconds % size === 0) return duration(seconds * 1000);
  return number(seconds, { style: "unit", unit: "second", unitDisplay: "narrow", maximumFractionDigits: 6 });
}

/** @type {[number, number, Intl.RelativeTimeFormatUnit][]} */
const AGES = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [Infinity, 86_400, "day"],
];

/** How long ago, in one unit. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [, size, name] = AGES.find(([below]) => seconds < below);
  return format(Intl.RelativeTimeFormat, { style: "narrow", numeric: "always" }).format(
    -Math.floor(seconds / size),
    name,
  );
}

export const clock = (time) => format(Intl.DateTimeFormat, { timeStyle: "medium" }).format(time);
const WHOLE = { dateStyle: "medium", timeStyle: "medium" };
const zone = (time) =>
  format(Intl.DateTimeFormat, { timeZoneName: "short" })
    .formatToParts(time)
    .find(({ type }) => type === "timeZoneName").value;
/** Day, time and zone. */
export const moment = (time) => `${format(Intl.DateTimeFormat, WHOLE).format(time)} ${zone(time)}`;
export const isToday = (time) => new Date(time).toDateString() === new Date().toDateString();
const BRIEF = { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
/** The time of day, with day and zone where that is not today; `briefly` where there is little room. */
export const when = (time) => (isToday(time) ? clock : moment)(time);
export const dated = (time) => format(Intl.DateTimeFormat, BRIEF).format(time);
export const briefly = (time) => (isToday(time) ? clock : dated)(time);
/** How long ago, with the day where that is not today; and the whole time, for a title. */
export function since(time, now) {
  const age = ago(now - time);
  return [isToday(time) ? age : t("since", { ago: age, time: moment(time) }), moment(time)];
}
const DAY = { month: "numeric", day: "numeric" };
const OF_DAY = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
/** A time on an axis whose marks are so many seconds apart: its day where a day begins. */
export const axisTime = (time, seconds) =>
  format(
    Intl.DateTimeFormat,
    seconds >= 86_400 || new Date(time).getHours() * 60 + new Date(time).getMinutes() === 0 ? DAY : OF_DAY,
  ).format(time);
export const minute = (time) => format(Intl.DateTimeFormat, { timeStyle: "short" }).format(time);
export const list = (items) => format(Intl.ListFormat, { type: "conjunction" }).format(items);
