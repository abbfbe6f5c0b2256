// The sections of the page, in the order of the top bar. To add one: a line here, a view with `show`, and its words.
//
// `show(main, route, { back })` fills `main` and gives `{ update?, close?, keys? }`: `update(route)` takes another route of
// the same section and says whether it could, `close()` ends streams and timers, `keys` maps `event.code` to actions.
export const SECTIONS = [
  {
    name: "jobs",
    icon: "jobs",
    key: "KeyJ",
    load: () => import("./views/jobs.js"),
    detail: () => import("./views/job.js"),
  },
  { name: "canvas", icon: "canvas", key: "KeyC", load: () => import("./views/canvas.js") },
  {
    name: "runs",
    icon: "runs",
    key: "KeyR",
    load: () => import("./views/runs.js"),
    detail: () => import("./views/run.js"),
  },
  { name: "documents", icon: "documents", key: "KeyD", load: () => import("./views/documents.js") },
  { name: "system", icon: "system", key: "KeyS", load: () => import("./views/system.js") },
];

/** The section of a route, and the view for it: `detail` where the route names one thing, e.g. `#/jobs/42`. */
export function resolve({ name, rest }) {
  const section = SECTIONS.find((each) => each.name === name);
  if (!section || rest.length > 1) return { section: section ?? null, load: null };
  const one = rest.length === 1 && rest[0] !== "new";
  return { section, load: one ? (section.detail ?? null) : section.load };
}
