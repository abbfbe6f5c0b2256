// How long the layout of 1,000 tasks takes, the median of 60 times each, or of so many: `node benchmarks/layout.mjs 60`.
import { performance } from "node:perf_hooks";

import { layout } from "../background/web/static/js/graph/layout.js";
import { chain, chord, graphOf, group, randomTree, seeded, task, times } from "../tests/web/canvases.mjs";

const ROUNDS = Number(process.argv[2] ?? 60);
const one = () => task();
const lanes = (number, length) => times(number, () => chain(...times(length, one)));

function nested() {
  for (let seed = 1; ; seed += 1) {
    const graph = graphOf(randomTree(seeded(seed), 1200));
    if (graph.nodes.length > 950 && graph.nodes.length <= 1000 && graph.edges.length < 20_000) return graph;
  }
}

const graphs = {
  "chain of 1,000": graphOf(chain(...times(1000, one))),
  "chord of 999": graphOf(chord(times(999, one), one())),
  "group of 200 chains of 5": graphOf(group(...lanes(200, 5))),
  "42 groups of 24 in a row": graphOf(chain(...times(42, () => group(...times(23, one))))),
  "500 into 500 (250,000 edges)": graphOf(chain(group(...times(500, one)), group(...times(500, one)))),
  "nested at random": nested(),
};

console.log(`layout      median of ${ROUNDS}, node ${process.version}; a frame is 16.7 ms`);
for (const [name, graph] of Object.entries(graphs)) {
  const text = JSON.stringify(graph);
  const taken = times(ROUNDS, () => {
    const fresh = JSON.parse(text);
    const begun = performance.now();
    layout(fresh);
    return performance.now() - begun;
  });
  const [first] = taken;
  const median = taken.sort((a, b) => a - b)[ROUNDS >> 1];
  console.log(
    `  ${name.padEnd(30)} ${String(graph.nodes.length).padStart(5)} tasks ${median.toFixed(1).padStart(7)} ms, the first time ${first.toFixed(1)} ms`,
  );
}
