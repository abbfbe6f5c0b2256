// The field for what is looked for, and since when. It comes after the list. Hooks for tests: `input[name=q]`,
// `select[name=last]`.
import { h } from "../base/dom.js";
import { learn, t } from "../base/i18n.js";
import en from "../words/en-matching.js";
import ko from "../words/ko-matching.js";
import { SPANS, terms } from "./search.js";
import { apart, completions, put } from "./search-text.js";

learn({ en, ko });

/** `choose({ q, status, pipeline })` is called when a person wants it; `pipelines`, once known, make its completions. */
export class SearchBox {
  constructor(choose) {
    this.pipelines = [];
    const choices = h("datalist", { id: "job-search" });
    this.input = h("input", {
      type: "search",
      name: "q",
      list: "job-search",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: "1000",
      "aria-label": t("search.jobs"),
      placeholder: "tag:nightly param.customer:7 error:boom",
      oninput: () => {
        const next = completions(this.input.value, this.pipelines).slice(0, 30);
        choices.replaceChildren(...next.map((value) => h("option", { value })));
      },
    });
    this.last = h(
      "select",
      {
        name: "last",
        "aria-label": t("search.last"),
        onchange: () => choose(apart(put(this.input.value, "last", this.last.value))),
      },
      ["", ...Object.keys(SPANS)].map((value) => h("option", { value }, t(`search.last.${value || "all"}`))),
    );
    this.element = h(
      "form",
      {
        class: "search",
        role: "search",
        "aria-label": t("search.jobs"),
        onsubmit: (event) => {
          event.preventDefault();
          choose(apart(this.input.value.trim()));
        },
      },
      this.input,
      choices,
      this.last,
    );
  }

  show(text = "") {
    this.input.value = text;
    this.last.value = terms(text).find((term) => term.name === "last")?.value ?? "";
  }
}
