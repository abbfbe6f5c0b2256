// The sections of the page, in the order of the top bar. To add one: a line here, a view with `show`, and its words.
//
// `show(main, route, { back })` fills `main` and gives `{ update?, close?, keys? }`: `update(route)` takes another route of
// the same section and says whether it could, `close()` ends streams and timers, `keys` maps `event.code` to actions.
// One without an icon is not in the top bar. `part` is the part of the application without which it is not shown. What
// is `later` comes in a file of its own, after the start.
import { later } from "./base/later.js";
import * as documents from "./documents/view.js";
import * as jobs from "./jobs/list-view.js";
import * as job from "./jobs/view.js";
import * as runs from "./runs/list-view.js";
import * as start from "./start/view.js";

/** @param {"canvas" | "pipelines" | "pipeline" | "run" | "schedules" | "system" | "worker"} name */
const view = (name) => async () => (await later.load())[name];
later.load = () => import("./later.js");

/** @type {Section[]} */
export const SECTIONS = [
  { name: "start", key: "KeyH", load: () => start },
  { name: "jobs", part: "jobs", icon: "jobs", key: "KeyJ", load: () => jobs, detail: () => job },
  { name: "canvas", part: "canvas", icon: "canvas", key: "KeyC", load: view("canvas") },
  { name: "runs", part: "canvas", icon: "runs", key: "KeyR", load: () => runs, detail: view("run") },
  { name: "documents", part: "documents", icon: "documents", key: "KeyD", load: () => documents },
  { name: "system", icon: "system", key: "KeyS", load: view("system") },
  { name: "pipelines", load: view("pipelines"), detail: view("pipeline") },
  { name: "schedules", load: view("schedules"), detail: view("schedules") },
  { name: "workers", load: view("system"), detail: view("worker") },
];

/** The section of a route, and the view for it: `detail` where the route names one thing, e.g. `#/jobs/42`. */
export function resolve({ name, rest }) {
  const section = SECTIONS.find((each) => each.name === name);
  if (!section || rest.length > 1) return { section: section ?? null, load: null };
  const one = rest.length === 1 && rest[0] !== "new";
  return { section, load: one ? (section.detail ?? null) : section.load };
}
