// Names that lead somewhere: a pipeline and a worker have pages of their own.
import { h, say, set } from "./dom.js";

let alone = false;
/** From now on nothing leads anywhere: what is shown is a file of its own. */
export const standAlone = () => {
  alone = true;
};

const pageOf = (section, name) => (alone ? null : `#/${section}/${encodeURIComponent(name)}`);
/** The address of a pipeline's page, and of a worker's; null where there is none. */
export const pipelineHref = (name) => pageOf("pipelines", name);
export const workerHref = (name) => pageOf("workers", name);

/** The name of a worker. */
export const workerLink = (name) => h("a", { class: "quiet-link", href: workerHref(name) }, name);

/** A tag, which leads to the jobs that have it. */
export const tagLink = (tag) =>
  h(
    "a",
    {
      class: "tag",
      title: tag,
      href: `#/jobs?${new URLSearchParams({ q: `tag:${/^[^\s"\\]+$/.test(tag) ? tag : JSON.stringify(tag)}` })}`,
    },
    tag,
  );

/** A name as a link, told by `update(name)`: of none a dash that leads nowhere. */
export function nameLink(address) {
  const element = h("a", { class: "quiet-link" });
  const update = (name) => {
    say(element, name ?? "–");
    set(element, "title", name);
    set(element, "href", name ? address(name) : null);
  };
  return { element, update };
}
