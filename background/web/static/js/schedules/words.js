// What is said of schedules.
import { exactly, learn, t } from "../base/i18n.js";
import en from "../words/en-schedules.js";
import ko from "../words/ko-schedules.js";

learn({ en, ko });

/** How often a schedule without a cron line is due. */
export const every = ({ every_seconds }) => t("schedule.every", { time: exactly(every_seconds) });
