// What the page imports when somebody asks for a replay.
export { jobRecord } from "./job.js";
export { runRecord } from "./run.js";
export { save } from "./save.js";
export { Replay } from "./view.js";
