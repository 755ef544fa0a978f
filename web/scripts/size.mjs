/**
 * What a phone downloads before it shows the first page: `index.html` and every script and style
 * that it names, compressed. Fails above the limit. Usage: node size.mjs <dist> <limit in kB>
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const [dist = "dist", limit = "100"] = process.argv.slice(2);
const html = readFileSync(join(dist, "index.html"), "utf8");
const named = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((m) => m[1]);
const size = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

let first = 0;
for (const name of ["index.html", ...new Set(named)]) {
  const bytes = size(name);
  first += bytes;
  console.log(`${kB(bytes).padStart(9)}  ${name}`);
}
const all = readdirSync(join(dist, "companion"))
  .filter((name) => /\.(js|css)$/.test(name))
  .reduce((sum, name) => sum + size(join("companion", name)), 0);
console.log(`${kB(first).padStart(9)}  first load (limit ${limit} kB); all scripts, styles ${kB(all)}`);
if (first > Number(limit) * 1000) {
  console.error(`First load is ${kB(first)}, more than ${limit} kB: load something later.`);
  process.exit(1);
}
