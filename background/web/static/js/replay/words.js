// What a replay says of a moment, of a lane, and of a time.
import { has, learn, number, t } from "../base/i18n.js";
import { nameOf } from "../graph/node.js";
import { eventWord } from "../jobs/job.js";
import en from "../words/en-replay.js";
import ko from "../words/ko-replay.js";
import { API, QUEUE, UNKNOWN } from "./record.js";

learn({ en, ko });

/** The name of what waited or ran. */
export const called = ({ node, name }) => (node ? nameOf(node) : name);

const TOGETHER = 3;

/** What happened at the time of this moment of a record, which may be more than one thing; before the first, nothing has. */
export function told(moments, index) {
  if (index < 0) return t("replay.begin");
  let first = index;
  while (first > 0 && moments[first - 1].at === moments[index].at) first -= 1;
  const all = [...new Set(moments.slice(first, index + 1).map(toldOf))];
  const more = all.length > TOGETHER ? [`+${number(all.length - TOGETHER)}`] : [];
  return [...all.slice(0, TOGETHER), ...more].join(" · ");
}

function toldOf(moment) {
  const { kind, node, step_name: step, worker } = moment;
  if ("attempt" in moment) {
    const event = eventWord(kind);
    return step ? t("moment.step", { event, name: step }) : event;
  }
  const values = { name: node ? nameOf(node) : "", worker: worker || t("replay.lane.unknown") };
  return has(`moment.${kind}`) ? t(`moment.${kind}`, values) : kind;
}

const LANES = { [API]: "api", [QUEUE]: "queue", [UNKNOWN]: "unknown" };
export const laneName = (lane) => (lane in LANES ? t(`replay.lane.${LANES[lane]}`) : lane);

/** So many ms as seconds, to the ms: how long after the begin. */
export const offset = (ms) =>
  number(ms / 1000, {
    style: "unit",
    unit: "second",
    unitDisplay: "narrow",
    minimumFractionDigits: 3,
    maximumFractionDigits: 3,
  });
