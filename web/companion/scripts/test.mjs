/**
 * Runs the unit tests in `tests/unit` with Node's own test runner: Vite, which is here anyway,
 * turns them into JavaScript first, because Node 20 reads no TypeScript.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const tests = join(root, "tests/unit");
const out = mkdtempSync(join(tmpdir(), "everbond-companion-"));
try {
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    build: {
      ssr: true,
      outDir: out,
      emptyOutDir: true,
      rollupOptions: {
        input: readdirSync(tests).map((name) => join(tests, name)),
        output: { entryFileNames: "[name].mjs" },
      },
    },
  });
  const files = readdirSync(out).filter((name) => name.endsWith(".test.mjs"));
  const run = spawnSync(process.execPath, ["--test", ...files.map((name) => join(out, name))], {
    stdio: "inherit",
  });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
