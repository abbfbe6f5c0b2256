// Makes `static/vendor/codemirror/` of the packages that package-lock.json names: one module, and their licences. They
// resolve their own imports by name, which a browser cannot; nothing else is done to them.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { TARGET } from "./target.mjs";

const HERE = new URL("./", import.meta.url);
const MODULES = new URL("../../node_modules/", HERE);
const into = new URL(process.argv[2] ? `file://${process.argv[2]}/` : "static/vendor/codemirror/", HERE);

const { outputFiles, metafile } = await build({
  entryPoints: [new URL("codemirror.mjs", HERE).pathname],
  absWorkingDir: new URL("../../", HERE).pathname,
  bundle: true,
  format: "esm",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  target: TARGET,
  metafile: true,
  write: false,
});

const nameOf = (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
const names = [...new Set(Object.keys(metafile.inputs).map(nameOf).filter(Boolean))].sort();
const read = (name, file) => readFile(new URL(`${name}/${file}`, MODULES), "utf8");
const packages = await Promise.all(names.map(async (name) => JSON.parse(await read(name, "package.json"))));
const versions = packages.map(({ name, version }) => `${name} ${version}`);

/** Each licence once, with the packages that are under it. */
const licences = new Map();
for (const { name } of packages) {
  const text = await read(name, "LICENSE");
  licences.set(text, [...(licences.get(text) ?? []), name]);
}
const licence = [...licences].map(([text, under]) => `${under.join(", ")}:\n\n${text.trim()}\n`).join("\n\n");

await rm(into, { recursive: true, force: true });
await mkdir(into, { recursive: true });
await writeFile(
  new URL("codemirror.js", into),
  `/*! ${versions.join(", ")}; see LICENSE beside it. */\n${outputFiles[0].text}`,
);
await writeFile(new URL("LICENSE", into), licence);
