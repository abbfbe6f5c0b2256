// A record as a file that needs no server: the page of `replay.html`, with what the API told put into it.
import { BASE } from "../base/api.js";
import { t } from "../base/i18n.js";
import { toast } from "../page/frame.js";
import { complain, download } from "../page/parts.js";

const PLACE = '<script type="application/json" id="record">';

/** Have the browser save it. */
export async function save({ source }) {
  try {
    const response = await fetch(new URL("ui/replay.html", BASE));
    if (!response.ok) throw new Error(response.statusText);
    const { kind, run, job } = source;
    const name = kind === "run" ? `run-${run.task_id.slice(0, 8)}` : `job-${job.id}`;
    const text = filled(await response.text(), { source, title: name });
    download(new Blob([text], { type: "text/html" }), `${name}.html`);
    toast(t("replay.saved"), { kind: "ok" });
  } catch (error) {
    complain(error);
  }
}

/** The page with a record in it, which cannot end the element that it stands in. */
export function filled(page, { source, title }) {
  const json = JSON.stringify(source).replace(
    /[<\u2028\u2029]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return page
    .split("<title>")
    .join(`<title>${title}`)
    .split(PLACE)
    .join(PLACE + json);
}
