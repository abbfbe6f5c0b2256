// How an editor looks: the colours of tokens.css, which come through into its shadow root.

/** The extension for CodeMirror, given as its module. */
export function theme({ EditorView, HighlightStyle, syntaxHighlighting, tags }) {
  const look = EditorView.theme({
    "&": {
      color: "var(--text)",
      backgroundColor: "var(--surface)",
      borderRadius: "var(--radius)",
      fontSize: "0.8125rem",
    },
    "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "1px" },
    ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", overflow: "auto" },
    ".cm-content": { padding: "6px 0", caretColor: "var(--text)" },
    ".cm-line": { padding: "0 8px" },
    ".cm-gutters": {
      color: "var(--muted)",
      backgroundColor: "var(--raised)",
      border: "0",
      borderRadius: "var(--radius) 0 0 var(--radius)",
    },
    ".cm-lineNumbers .cm-gutterElement": { padding: "0 6px", minWidth: "22px" },
    "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--sunken)", outline: "1px solid var(--control)" },
    "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "var(--fail-fill)" },
    ".cm-chosen": { backgroundColor: "var(--run-fill)" },
    ".cm-pointed": { outline: "1.5px solid var(--focus)", borderRadius: "2px" },
    ".cm-faulty": { boxShadow: "inset 3px 0 var(--fail)" },
    ".cm-faulty::after": {
      content: "attr(data-fault)",
      display: "block",
      padding: "2px 8px",
      color: "var(--fail)",
      backgroundColor: "var(--fail-fill)",
      fontFamily: "var(--font)",
      fontWeight: "600",
      whiteSpace: "pre-wrap",
      overflowWrap: "anywhere",
    },
    ".cm-tooltip": {
      color: "var(--text)",
      backgroundColor: "var(--surface)",
      border: "1px solid var(--control)",
      borderRadius: "var(--radius)",
      boxShadow: "var(--shadow)",
    },
    ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", minWidth: "160px", maxWidth: "90vw" },
    ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "4px 8px", minHeight: "24px" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { color: "var(--on-accent)", background: "var(--accent)" },
    ".cm-tooltip-autocomplete ul li[aria-selected] .cm-completionDetail": { color: "inherit" },
    ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal" },
    ".cm-tooltip.cm-completionInfo": { padding: "6px 10px", maxWidth: "min(300px, 80vw)", fontFamily: "var(--font)" },
  });
  const colours = HighlightStyle.define([
    {
      tag: [tags.propertyName, tags.function(tags.variableName), tags.function(tags.propertyName)],
      color: "var(--run)",
    },
    { tag: tags.string, color: "var(--ok)" },
    { tag: tags.number, color: "var(--retry)" },
    { tag: [tags.bool, tags.null, tags.keyword], color: "var(--stop)" },
  ]);
  return [look, syntaxHighlighting(colours)];
}
