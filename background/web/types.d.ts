// What the API tells (`/openapi.json`) and what the page makes of it, for the type check alone: nothing of it is served.

type JobStatus = "PENDING" | "IN_PROGRESS" | "COMPLETED" | "FAILED" | "CANCELLED";
type RunStatus = "PENDING" | "STARTED" | "RETRY" | "SUCCESS" | "FAILURE" | "REVOKED";
type Role = "wait" | "run" | "ok" | "fail" | "stop" | "retry" | "skip";

interface Step {
  step_number: number;
  name: string;
  status: "IN_PROGRESS" | "COMPLETED" | "FAILED";
  message: string;
  attempt: number;
  progress: number;
  output: any;
  error: string | null;
  started_at: string;
  completed_at: string | null;
}

/** What has happened to a job; not the browser's `Event`. */
interface JobEvent {
  number: number;
  kind: string;
  at: string;
  step: number | null;
  step_name: string | null;
  attempt: number;
  worker: string | null;
  message: string | null;
  /** Why a step has asked to be run later. */
  reason?: string | null;
  cause?: Facts | null;
  error: string | null;
  actor: string | null;
}

interface Job {
  id: number;
  task_id: string;
  status: JobStatus;
  created_at: string;
  updated_at: string;
  pipeline: string;
  params: Record<string, any> | null;
  priority: number;
  attempt: number;
  max_attempts: number;
  run_at: string;
  started_at: string | null;
  finished_at: string | null;
  running_seconds: number | null;
  worker: string | null;
  result: any;
  error: string | null;
  /** `error` as facts, where the words are the application's own. */
  cause?: Facts | null;
  waiting_for: string | null;
  waiting: Facts | null;
  tags: string[];
  parent_id: number | null;
  request_id: string | null;
  /** It runs, and is to stop. */
  cancel_requested?: boolean;
  /** What may be asked of it now. */
  actions: string[];
  /** Up to which step a retry may begin; null before it has ended. */
  last_from_step: number | null;
  schedule_id: number | null;
  step_names: string[];
  steps: Step[];
  queue: string;
  /** The fields that were too large for an event. */
  cut: string[];
  /** Of one job, not of a list. */
  events?: JobEvent[];
  hooks?: { id: number; pipeline: string; status: JobStatus; error: string | null }[];
  /** It is on no page any more: the list's own mark. */
  gone?: boolean;
}

/** One try of a step, in ms; see `jobs/tries.js`. */
interface Try {
  step: number | null;
  attempt: number | null;
  worker: string | null;
  wait: number | null;
  reason: string;
  from: number | null;
  to: number | null;
  role: Role;
  kind: string | null;
  message: string | null;
  cause?: Facts | null;
  error: string | null;
}

interface TriedStep {
  number: number;
  name: string;
  tries: Try[];
}

interface TaskError {
  type: string;
  message: string;
}

interface TaskNode {
  id: string;
  task: string;
  args: any[];
  kwargs?: Record<string, any>;
  /** These are missing while it is only planned. */
  state?: RunStatus | "SKIPPED";
  result?: any;
  error?: TaskError | null;
  started_at?: string | null;
  finished_at?: string | null;
  worker?: string | null;
  retries?: number;
  starts?: number;
  due_at?: string | null;
  /** While it is only planned: the keys that lead to it in the canvas, and where it stands in the expression. */
  path?: (string | number)[];
  span?: [number, number];
}

/** As Celery built it: the leaves are ids of tasks. */
interface Tree {
  task?: string;
  chain?: Tree[];
  group?: Tree[];
  chord?: { header: Tree[]; body: Tree };
}

interface Graph {
  nodes: TaskNode[];
  edges?: [string, string][] | null;
  tree: Tree;
}

interface Run {
  task_id: string;
  type: "single" | "chain" | "group" | "chord" | "canvas";
  status: RunStatus;
  ready: boolean;
  successful: boolean;
  failed: boolean;
  result: any;
  result_cut?: boolean;
  /** It is to stop, and can still change. */
  cancel_requested?: boolean;
  /** What may be asked of it now. */
  actions: string[];
  error: TaskError | null;
  verdict: string;
  reason: Facts | null;
  progress: { completed: number; total: number };
  code: string;
  canvas: any;
  graph: Graph | null;
  created_at: string;
  updated_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** It is on the page no more: the list's own mark. */
  gone?: boolean;
}

/** A change of a run, or of its task `task_id`. */
interface RunEvent {
  number: number;
  kind: string;
  at: string;
  task_id: string | null;
  worker: string | null;
}

/** Why something is as it is: a code and what belongs to it. */
interface Facts {
  code: string;
  names?: Record<string, string>;
  [fact: string]: any;
}

/** `known` is false where it is the API's own English; `own` is the text with what others have said left blank. */
interface Sentence {
  text: string;
  own?: string;
  known: boolean;
}

/** `#/jobs/42?tab=data` */
interface Route {
  name: string;
  rest: string[];
  params: Record<string, string>;
}

interface View {
  update?(route: Route, how: { back: boolean }): boolean;
  close?(): void;
  keys?: Record<string, (event: KeyboardEvent) => unknown>;
}

interface ViewModule {
  show(main: HTMLElement, route: Route, how: { back: boolean }): View;
}

interface Section {
  name: string;
  part?: "jobs" | "canvas" | "documents";
  icon?: string;
  key?: string;
  load(): ViewModule | Promise<ViewModule>;
  detail?(): ViewModule | Promise<ViewModule>;
}

/** Of the vendored script on /docs. */
declare function SwaggerUIBundle(options: object): void;

// The page looks for HTML elements alone; its pictures are looked for by their own.
interface ParentNode {
  querySelector(selectors: string): any;
}
interface Element {
  closest(selectors: string): any;
}
