// What is said of queues.
import { learn } from "../base/i18n.js";
import en from "../words/en-queues.js";
import ko from "../words/ko-queues.js";

learn({ en, ko });
