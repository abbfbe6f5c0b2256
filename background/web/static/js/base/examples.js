// Canvases that surprise. Each has words of its own: `example.<name>`, what one expects, and what happens.

const task = (name, ...args) => ({ task: name, ...(args.length ? { args } : {}) });

export const EXAMPLES = {
  "header-fails": {
    chord: { header: [task("add", 1, 2), task("multiply", 3, 4), task("fail", "no such file")], body: task("xsum") },
  },
  "killed-header": {
    chord: { header: [task("add", 1, 2), task("multiply", 3, 4), task("sleep", 10)], body: task("xsum") },
  },
  "group-then-task": { chain: [{ group: [task("add", 1, 2), task("add", 3, 4)] }, task("finalize")] },
  "chain-stops": { chain: [task("fail", "the first step"), task("echo"), task("finalize")] },
  "missing-si": { chain: [{ group: [task("add", 1, 2), task("add", 3, 4)] }, task("multiply", 2), task("finalize")] },
  "header-retries": { chord: { header: [task("add", 1, 2), { ...task("flaky", 2), retries: 3 }], body: task("xsum") } },
  "group-of-one": { chain: [{ group: [task("add", 1, 2)] }, task("finalize")] },
  "error-callback": { chain: [{ ...task("fail", "and tell"), link_error: task("echo") }, task("finalize")] },
  "nested-group": { group: [{ group: [task("add", 1, 2), task("add", 3, 4)] }, task("echo", "beside")] },
  wide: { chord: { header: Array.from({ length: 200 }, (_, i) => task("add", i, 1)), body: task("xsum") } },
  "empty-header": { chord: { header: [], body: task("finalize") } },
};

/** Which example a canvas is, as it was posted or as the API keeps it: without what is left at its default. */
export function exampleOf(canvas) {
  const wanted = JSON.stringify(normal(canvas));
  return Object.keys(EXAMPLES).find((name) => JSON.stringify(normal(EXAMPLES[name])) === wanted) ?? null;
}

const CALLBACKS = ["link", "link_error"];

function normal(value) {
  if (Array.isArray(value)) return value.map(normal);
  if (value === null || typeof value !== "object") return value;
  const one = (key, each) => (CALLBACKS.includes(key) && !Array.isArray(each) ? [each] : each);
  const entries = Object.entries(value).map(([key, each]) => [key, normal(one(key, each))]);
  return Object.fromEntries(entries.sort(([first], [second]) => (first < second ? -1 : 1)));
}
