// Makes `packed/` of the sources in `static/`: what the page begins with as one script and one style sheet, what is imported
// later as scripts of its own, all under names of their content; and `replay.html`, into which a saved run or job is put.
// Nothing in it depends on the machine or the time: the same sources always give the same pack.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";
import { TARGET } from "./target.mjs";

const HERE = new URL("./", import.meta.url);
const STATIC = new URL("static/", HERE);

const into = new URL(process.argv[2] ? `file://${process.argv[2]}/` : "packed/", HERE);
const index = await readFile(new URL("index.html", STATIC), "utf8");
const sheets = [...index.matchAll(/<link rel="stylesheet" href="(.*?)">\n/g)];

const named = (name, kind, content) => ({
  name: `${name}-${createHash("sha256").update(content).digest("hex").slice(0, 12)}.${kind}`,
  content,
});

const OPTIONS = {
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none",
  target: TARGET,
  write: false,
};
const from = (path) => new URL(path, STATIC).pathname;
const only = ({ outputFiles }) => outputFiles[0].text;

// Named by esbuild, since they name each other.
const modules = await build({
  ...OPTIONS,
  entryPoints: [{ in: from("js/app.js"), out: "page" }],
  format: "esm",
  splitting: true,
  outdir: from("js"),
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  metafile: true,
});
const scripts = modules.outputFiles.map(({ path, text }) => ({ name: basename(path), content: text }));
const page = scripts.find(({ name }) => name.startsWith("page-")).name;

/** The scripts that this one cannot begin without: asked for at once, they come together. */
function needed(name, found = new Set()) {
  const [, { imports }] = Object.entries(modules.metafile.outputs).find(([path]) => basename(path) === name);
  for (const { path, kind } of imports) {
    if (kind !== "import-statement" || found.has(basename(path))) continue;
    found.add(basename(path));
    needed(basename(path), found);
  }
  return [...found];
}

const boot = named("boot", "js", only(await build({ ...OPTIONS, entryPoints: [from("js/boot.js")], bundle: false })));
const style = named(
  "page",
  "css",
  only(
    await build({
      ...OPTIONS,
      stdin: {
        contents: sheets.map(([, href]) => `@import "./${href}";`).join("\n"),
        resolveDir: STATIC.pathname,
        loader: "css",
      },
    }),
  ),
);
const preloads = needed(page)
  .map((name) => `<link rel="modulepreload" href="${name}">\n`)
  .join("");
const html = index
  .replace(sheets.map(([line]) => line).join(""), `<link rel="stylesheet" href="${style.name}">\n${preloads}`)
  .replace("js/boot.js", boot.name)
  .replace("js/app.js", page);

/** A page that needs no server: its script and its style are in it, and nothing else may run there. */
async function replayFile() {
  const script = only(await build({ ...OPTIONS, entryPoints: [from("js/replay/file.js")], format: "iife" }));
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style.content)}; base-uri 'none'; form-action 'none'`;
  for (const text of [script, style.content])
    if (/<\/(script|style)|<!--/i.test(text)) throw new Error("It would end the element that it stands in.");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title></title>
<style>${style.content}</style>
</head>
<body>
<noscript>This file needs JavaScript. What was recorded stands in it as JSON.</noscript>
<script type="application/json" id="record"></script>
<script>${script}</script>
</body>
</html>
`;
}

/** What the pack was made of, and by what, so that one forgotten is noticed without Node.js as well. */
async function sources() {
  const names = (await readdir(STATIC, { recursive: true })).map((name) => name.replaceAll("\\", "/"));
  const own = names.filter((name) => /^(index\.html|(js|css)\/.*\.(js|css))$/.test(name)).sort();
  const hash = createHash("sha256");
  for (const name of ["../pack.mjs", "../target.mjs", ...own])
    hash.update(`${name}\n`).update(await readFile(new URL(name, STATIC)));
  return hash.digest("hex");
}

await rm(into, { recursive: true, force: true });
await mkdir(into, { recursive: true });
const written = [
  ...scripts,
  boot,
  style,
  { name: "index.html", content: html },
  { name: "replay.html", content: await replayFile() },
];
for (const { name, content } of written) await writeFile(new URL(name, into), content);
await writeFile(new URL("sources.sha256", into), `${await sources()}\n`);
