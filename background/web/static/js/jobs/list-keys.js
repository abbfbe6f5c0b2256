// The shortcuts of the list of jobs.

/** Actions by key for the list that `view` shows; each gives false where it has nothing to do. */
export function shortcuts(view) {
  const focused = () => Number(document.activeElement?.closest("tr[data-job-id]")?.dataset.jobId) || null;
  const step = (by) => () => view.rows.focus(view.rows.focused() < 0 ? 0 : view.rows.focused() + by);
  const one = (action) => () =>
    view.selected.size ? view.actOnSelection(action) : focused() ? view.act(action, focused()) : false;
  const select = (range) => () =>
    focused() ? view.select(focused(), range || !view.selected.has(focused()), range) : false;
  return {
    KeyJ: step(1),
    KeyK: step(-1),
    KeyX: select(false),
    "Shift+KeyX": select(true),
    KeyN: () => view.submit(),
    "Shift+KeyR": one("retry"),
    "Shift+KeyC": one("cancel"),
    Delete: one("delete"),
    Escape: () => (view.selected.size ? view.selectNone() : false),
    KeyF: () => {
      const { ids } = view.list;
      const at = ids.findIndex((id, index) => index > view.rows.focused() && view.list.get(id).status === "FAILED");
      return at < 0 ? false : view.rows.focus(at);
    },
  };
}
