/**
 * Builds `sw.js` from `src/sw.js`: fills in the list of files to keep for offline use and a version
 * made from their contents, so a new build replaces the old cache and an unchanged one does not.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export function serviceWorker(): Plugin {
  return {
    name: "everbond-service-worker",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const hash = createHash("sha256");
      const files: string[] = ["/index.html"];
      for (const name of Object.keys(bundle).sort()) {
        const file = bundle[name];
        if (!file || name.endsWith(".map")) continue;
        hash.update(name).update(file.type === "chunk" ? file.code : file.source);
        if (name !== "index.html") files.push(`/${name}`);
      }
      for (const name of readdirSync(folder("../public/companion")).sort()) {
        hash.update(name).update(readFileSync(folder(`../public/companion/${name}`)));
        files.push(`/companion/${name}`);
      }
      const source = readFileSync(folder("../src/sw.js"), "utf8");
      const version = hash.update(source).digest("hex").slice(0, 12);
      const filled = source
        .replace("__VERSION__", version)
        .replace('["__FILES__"]', JSON.stringify(files));
      this.emitFile({ type: "asset", fileName: "sw.js", source: filled });
    },
  };
}
