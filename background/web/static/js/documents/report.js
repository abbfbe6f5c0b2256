// A report on documents, as its task wrote it in Markdown, in a dialog. `data-dialog=report`, `[data-action=download]`.
import { get } from "../base/api.js";
import { h } from "../base/dom.js";
import { refusal } from "../base/facts.js";
import { t } from "../base/i18n.js";
import { openDialog } from "../page/dialog.js";
import { download, scroller, skeleton, worded } from "../page/parts.js";
import { row, table } from "../page/table.js";

/** The path of the report that a result names, or null: `reports/<id>.md`, which is also its address. */
export function reportIn(result) {
  const path = result?.markdown;
  return typeof path === "string" && /^reports\/[\w-]+\.md$/.test(path) ? path : null;
}

/** Show a report. */
export async function openReport(path) {
  const content = h("div", { class: "report" }, skeleton(6));
  const save = h("button", { type: "button", class: "button", "data-action": "download", disabled: true });
  save.append(t("report.download"));
  openDialog({ title: t("report.title"), name: "report", wide: true, content, buttons: [save] });
  try {
    const text = await get(path, { as: "text" });
    content.replaceChildren(...rendered(text));
    save.disabled = false;
    save.addEventListener("click", () => download(text, path.split("/").at(-1)));
  } catch (error) {
    content.replaceChildren(h("p", { class: "error-line role-fail" }, t("report.gone"), " ", worded(refusal(error))));
  }
}

const plain = (text) => text.replace(/\\(.)/g, "$1").replace(/\*\*/g, "");

/** Headings, tables and paragraphs: what a report is made of. */
function rendered(markdown) {
  /** @type {HTMLElement[]} */
  const found = [];
  let rows = [];
  const endTable = () => {
    if (rows.length) found.push(tableOf(rows));
    rows = [];
  };
  for (const line of markdown.split("\n")) {
    if (line.startsWith("|")) {
      rows.push(line);
      continue;
    }
    endTable();
    const [, level, text] = /^(#{0,2}) ?(.*)$/.exec(line);
    if (text) found.push(h(["p", "h3", "h4"][level.length], {}, plain(text)));
  }
  endTable();
  return found;
}

/** Lines of a table: its head, a rule, its rows. */
function tableOf(lines) {
  const [head, , ...rows] = lines;
  const cells = (text) =>
    text
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => plain(cell.trim()));
  const body = rows.map((each) => row(cells(each)));
  return scroller(t("report.title"), table(cells(head), body));
}
