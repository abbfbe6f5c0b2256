// How the whole is doing: `GET /jobs/stats` and `GET /workers`, read every so often while the tab is visible.
import { get, health } from "./api.js";
import { throttle } from "./dom.js";

const IDLE_MS = 5_000;
const BUSY_MS = 2_500;

/** Tells `change` when there is something new; both are null until the first answer. */
export const pulse = Object.assign(new EventTarget(), { stats: null, workers: null });

/** Read it again soon, because something has happened. */
export const poke = throttle(read, BUSY_MS);

// One request of many may be lost: whether the API is away another one tells.
health.addEventListener("change", () => health.down && poke());

let reading = false;
let timer = 0;

async function read() {
  if (reading || document.visibilityState !== "visible") return;
  reading = true;
  clearTimeout(timer);
  try {
    const [stats, workers] = await Promise.all([get("jobs/stats"), get("workers")]);
    Object.assign(pulse, { stats, workers });
    pulse.dispatchEvent(new Event("change"));
  } catch {
    // `health` has been told, and the banner says it.
  } finally {
    reading = false;
    timer = setTimeout(poke, IDLE_MS);
  }
}

export function start() {
  document.addEventListener("visibilitychange", poke);
  poke();
}

export const isAlive = ({ status }) => status === "alive";

/** Jobs that are due or had begun while nobody can take them; null while a worker is alive, or while nothing is known. */
export function stranded() {
  if (!pulse.stats || !pulse.workers || pulse.workers.some(isAlive)) return null;
  return pulse.stats.waiting + pulse.stats.status.IN_PROGRESS;
}

/** The worker that a job still counts as running on though it is lost; undefined of all other jobs. */
export const lostWorker = ({ id }) =>
  pulse.workers?.find(
    (worker) => !isAlive(worker) && worker.running.some((work) => work.type === "job" && work.id === id),
  );
