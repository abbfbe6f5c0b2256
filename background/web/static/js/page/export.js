// A list as a file: what its filter matches, read page by page. `data-dialog` is `export`; buttons `[data-action=csv|json]`.
import { csv } from "../base/csv.js";
import { h, icon, say, set } from "../base/dom.js";
import { number, t } from "../base/i18n.js";
import { allPages } from "../base/pages.js";
import { openDialog } from "./dialog.js";
import { toast } from "./frame.js";
import { complain, download } from "./parts.js";

/** So many are exported at most. */
const MOST = 10_000;

/**
 * The button of a list. `page(before)` gives `{ data, next }`, `columns` are those of a CSV, which `flat` makes of a record.
 * @param {{ name: string, page: (before: string | null) => Promise<{ data: any[], next: string | null }>, columns: string[],
 *   flat: (record: any) => object }} options
 */
export function exportButton(options) {
  const open = () => openExport(options);
  return h(
    "button",
    { type: "button", class: "button small", "data-action": "export", onclick: open },
    icon("down"),
    t("export"),
  );
}

function openExport({ name, page, columns, flat }) {
  const said = h("p", { role: "status" }, t("export.what", { n: MOST }));
  const bar = h("progress", { max: MOST, hidden: true, "aria-label": t("export") });
  let stopped = false;
  const button = (kind) =>
    h(
      "button",
      { type: "button", class: "button", "data-action": kind, onclick: () => start(kind) },
      t(`export.${kind}`),
    );
  const buttons = ["csv", "json"].map(button);
  const dialog = openDialog({
    title: t("export"),
    name: "export",
    content: [said, bar, h("div", { class: "row" }, buttons)],
    closed: () => {
      stopped = true;
    },
  });

  async function start(kind) {
    for (const each of buttons) each.disabled = true;
    bar.hidden = false;
    try {
      const { found, more } = await allPages(
        (count) => {
          set(bar, "value", count);
          say(said, t("export.at", { n: count }));
          return stopped;
        },
        page,
        MOST,
      );
      if (stopped) return;
      const text = kind === "csv" ? csv(columns, found.map(flat)) : JSON.stringify(found, null, 1);
      const type = kind === "csv" ? "text/csv;charset=utf-8" : "application/json";
      download(new Blob([text], { type }), `${name}.${kind}`);
      dialog.close();
      toast(t(more ? "export.cut" : "export.done", { n: found.length, most: number(MOST) }), {
        kind: more ? "fail" : "ok",
      });
    } catch (error) {
      complain(error);
      dialog.close();
    }
  }
}
