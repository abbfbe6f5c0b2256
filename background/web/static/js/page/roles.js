// What a state looks like, whichever of the API's words it has: a role is a colour and a glyph.
/** @type {Record<string, Role>} */
const ROLES = {
  PENDING: "wait",
  IN_PROGRESS: "run",
  STARTED: "run",
  COMPLETED: "ok",
  SUCCESS: "ok",
  FAILED: "fail",
  FAILURE: "fail",
  CANCELLED: "stop",
  REVOKED: "stop",
  RETRY: "retry",
  SKIPPED: "skip",
};

/** @param {string} status */
export const roleOf = (status) => ROLES[status] ?? "wait";
