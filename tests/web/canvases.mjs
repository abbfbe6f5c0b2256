// Random canvases, and what the API would answer for them: the same rules as `background/canvas/rewriting.py` and
// `builder.py` hold here, so that layouts are tried on graphs of the shapes that really come.

/** A small generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const task = (name = "add", on_error = null) => ({ task: name, on_error });
export const chain = (...parts) => ({ chain: parts });
export const group = (...members) => ({ group: members });
export const chord = (header, body) => ({ header, body });
export const times = (number, make) => Array.from({ length: number }, (_, i) => make(i));

const NAMES = ["add", "multiply", "xsum", "finalize", "echo", "sleep"];

/** A canvas of about `size` tasks, nested up to eight deep. */
export function randomCanvas(random, size, depth = 8) {
  const some = (list) => list[Math.floor(random() * list.length)];
  if (size <= 1 || depth <= 1) {
    const onError = random() < 0.06 ? task("fail", random() < 0.2 ? task("echo") : null) : null;
    return task(some(NAMES), onError, random() < 0.04 ? task("echo") : null);
  }
  const widest = Math.min(size, random() < 0.3 ? 400 : 8);
  const number = Math.max(1, Math.floor(random() * widest) + 1);
  const parts = times(number, () =>
    randomCanvas(random, Math.floor((size / number) * (0.5 + random() * 0.6)), depth - 1),
  );
  const kind = random();
  if (kind < 0.4) return chain(...parts);
  return kind < 0.65 ? group(...parts) : chord(parts, randomCanvas(random, 1 + Math.floor(random() * 3), depth - 1));
}

export function rewritten(canvas) {
  if (canvas.task) return canvas;
  if (canvas.chain) return chained(canvas.chain.map(rewritten));
  if (canvas.group) return group(...unrolled(canvas.group));
  return asChord(unrolled(canvas.header), rewritten(canvas.body));
}

const unrolled = (members) => members.map(rewritten).flatMap((member) => member.group ?? [member]);

const asChord = (header, body) => (header.length > 1 ? chord(header, body) : chained([header[0], body]));

function chained(parts) {
  const steps = [];
  for (const part of parts) {
    const lone = part.group?.length === 1 && parts.length > 1 ? part.group[0] : part;
    for (const step of lone.chain ?? [lone]) {
      const last = steps.at(-1);
      if (last?.group) steps[steps.length - 1] = asChord(last.group, step);
      else if (last?.header && !step.header) steps[steps.length - 1] = chord(last.header, chained([last.body, step]));
      else steps.push(step);
    }
  }
  return steps.length === 1 ? steps[0] : chain(...steps);
}

/** The graph as `POST /canvas/preview` and `GET /result/{id}` give it. */
export function graphOf(canvas) {
  const nodes = [];
  const edges = [];
  visit(rewritten(canvas), nodes, edges);
  return { nodes, edges };
}

/** Adds what is in the canvas; gives the ids that it begins and ends with. */
function visit(canvas, nodes, edges) {
  if (canvas.task) {
    const id = `00000000-0000-4000-8000-${String(nodes.length).padStart(12, "0")}`;
    const node = {
      id,
      task: `background.task.test_tasks.${canvas.task}`,
      args: [1, 2],
      state: "PENDING",
      on_error: null,
    };
    nodes.push(node);
    for (const when of ["on_success", "on_error"]) {
      if (!canvas[when]) continue;
      node[when] = visit(canvas[when], nodes, edges).firsts[0];
      edges.push([id, node[when]]);
    }
    return { firsts: [id], lasts: [id] };
  }
  const visitAll = (parts) => parts.map((part) => visit(part, nodes, edges));
  if (canvas.group) return sideBySide(visitAll(canvas.group));
  if (canvas.chain) {
    const parts = visitAll(canvas.chain);
    parts.slice(1).forEach((part, i) => join(parts[i], part, edges));
    return { firsts: parts[0].firsts, lasts: parts.at(-1).lasts };
  }
  const header = sideBySide(visitAll(canvas.header));
  const body = visit(canvas.body, nodes, edges);
  join(header, body, edges);
  return { firsts: header.firsts, lasts: body.lasts };
}

const sideBySide = (parts) => ({
  firsts: parts.flatMap((part) => part.firsts),
  lasts: parts.flatMap((part) => part.lasts),
});

function join(before, after, edges) {
  for (const from of before.lasts) for (const to of after.firsts) edges.push([from, to]);
}
