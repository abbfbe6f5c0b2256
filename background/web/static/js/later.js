// Views, and parts of the list of jobs, that are not needed for the first look: they come together, in one file after the start (see sections.js).
export * as canvas from "./canvas/view.js";
export { MatchingJobs } from "./jobs/matching.js";
export { SearchBox } from "./jobs/search-box.js";
export * as pipelines from "./pipelines/list-view.js";
export * as pipeline from "./pipelines/view.js";
export * as run from "./runs/view.js";
export * as schedules from "./schedules/view.js";
export * as system from "./system/view.js";
export * as worker from "./system/worker.js";
