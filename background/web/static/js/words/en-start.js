// English words of the start page; part of `en.js`. Keys are the same as in `ko-start.js`.
export default {
  "section.start": "Start",
  "keys.start": "Start page",
  "start.link": "Show me around",
  "start.what":
    "Here work is handed to Celery and you watch what becomes of it. A job is kept in PostgreSQL and comes to one end, even if the worker that runs it is killed. A canvas is what Celery itself builds of tasks, and here you see why it did not do what you expected.",
  "start.picture": "How work gets done here, with the numbers of this moment",
  "start.api.up": "answers",
  "start.api.down": "does not answer",
  "start.database.down": "does not answer",
  "start.queue": { one: "message waits", other: "messages wait" },
  "start.queue.unknown": "No word from the broker",
  "start.workers": { one: "alive", other: "alive" },
  "start.kept": { one: "job is kept", other: "jobs are kept" },
  "start.try": "Four things to try",
  "start.job": "Run a job",
  "start.job.how": "Three steps of some seconds each. Watch them fill, and see what each gave.",
  "start.job.do": "Run it",
  "start.chord": "Break a chord",
  "start.chord.how":
    "Two sums, a task of ten seconds, and a callback that wants all three. Kill what runs, see what becomes of the callback, and retry.",
  "start.chord.do": "Start it",
  "start.chord.other": "Or one whose header fails by itself",
  "start.kill": "Kill a worker",
  "start.kill.how":
    "Start a job of a minute, then kill the worker in a terminal. When its lease has run out (15 s, if LEASE_SECONDS says nothing else), a live worker goes on at the step that was not done.",
  "start.kill.do": "Start the job",
  "start.kill.here": "The worker {name}, on {host}:",
  "start.kill.up":
    "What was started by `run.py up` starts it again; otherwise start one yourself: `python -m background worker`.",
  "start.kill.compose": "With Docker Compose: `docker compose kill worker`, then `docker compose up -d`.",
  "start.kill.none": "No worker is alive. Start one:",
  "start.report": "Read a report",
  "start.report.how":
    "A chord over all stored documents: each is read and counted side by side, and one callback writes the report.",
  "start.report.do": { one: "Report on {n} document", other: "Report on {n} documents" },
  "start.report.none": "Store a document first",
  "start.report.samples": "background/documents/samples has some to try.",
  "start.words": "The words that are used here",

  "example.killed-header": "A header task that is killed",
  "example.killed-header.expected":
    "The callback runs with the other results, or the killed task starts again by itself.",
  "example.killed-header.truth":
    "A killed task is revoked: nobody tries it again, so the callback never runs. The other results are kept for a retry.",
};
