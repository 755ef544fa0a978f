/**
 * What the tests of the running program share: the real `everbond serve` as a process of its own,
 * checks that are counted and printed as TAP, and waiting for what must happen by itself.
 * It knows no capability of the product.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BINARY =
  process.env["EVERBOND_BIN"] ??
  join(process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target"), "debug/everbond");
const STARTS_WITHIN_MS = 20_000;
const STOPS_WITHIN_MS = 20_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ends the run with a word: nothing after this could say anything. */
export class Broken extends Error {}

export class Checks {
  #passed = 0;
  #failed = 0;

  /** Runs one check; what it returns, if a text, is printed beside it. */
  async check(name, run) {
    try {
      const said = await run();
      this.#passed += 1;
      console.log(`ok ${this.#count()} - ${name}${typeof said === "string" ? ` (${said})` : ""}`);
      return true;
    } catch (error) {
      this.#failed += 1;
      console.log(`not ok ${this.#count()} - ${name}`);
      for (const line of String(error?.stack ?? error).split("\n").slice(0, 12)) {
        console.log(`  # ${line}`);
      }
      if (error instanceof Broken) throw error;
      return false;
    }
  }

  #count() {
    return this.#passed + this.#failed;
  }

  /** The last line, and the exit code that says the same. */
  finish() {
    console.log(`1..${this.#count()}`);
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}

export function equal(found, expected, what = "value") {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, expected ${b}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** Asks until the answer holds; gives the milliseconds that it took. Beyond the limit it failed. */
export async function until(what, ask, limitMs = 5000) {
  const begun = performance.now();
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last === true) return `${Math.round(performance.now() - begun)} ms`;
    } catch (error) {
      last = error;
    }
    if (performance.now() - begun > limitMs) {
      throw new Error(`not within ${limitMs} ms: ${what}; last: ${last}`);
    }
    await pause(25);
  }
}

async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The program with a data folder of its own, which goes when the test is done. */
export class Server {
  folder = mkdtempSync(join(tmpdir(), "everbond-story-"));
  data = join(this.folder, "data");
  port = 0;
  url = "";
  key = "";
  #checkpointSeconds;
  #process = null;
  #said = "";

  constructor({ checkpointSeconds = 2 } = {}) {
    this.#checkpointSeconds = String(checkpointSeconds);
    // Also when the run is broken off.
    process.once("exit", () => this.#process?.kill("SIGKILL"));
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
  }

  /** With `--dev` on the first start: the secret key is read from what it prints. */
  async start() {
    if (this.port === 0) this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    const args = ["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`];
    args.push("--public-url", this.url, "--checkpoint-seconds", this.#checkpointSeconds);
    if (this.key === "") args.push("--dev");
    this.#said = "";
    const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => (this.#said = (this.#said + bytes).slice(-100_000)));
    }
    child.on("error", (error) => (this.#said += `\n${error}`));
    const begun = performance.now();
    while (!(await this.#ready())) {
      const ended = child.exitCode !== null || child.pid === undefined;
      if (ended || performance.now() - begun > STARTS_WITHIN_MS) {
        throw new Broken(`${BINARY} does not start:\n${this.#said}`);
      }
      await pause(20);
    }
    this.key ||= /secret key: (\S+)/.exec(this.#said)?.[1] ?? "";
    return `${Math.round(performance.now() - begun)} ms`;
  }

  async #ready() {
    if (this.key === "" && !/secret key: \S+\s/.test(this.#said)) return false;
    try {
      return (await fetch(`${this.url}/readyz`)).ok;
    } catch {
      return false;
    }
  }

  said() {
    return this.#said;
  }

  /** Resolves with the exit code, or the signal that ended it. */
  #ended() {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve(child.exitCode ?? child.signalCode);
    }
    return new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  }

  /** As an operator stops it; the exit code. */
  async stop() {
    this.#process.kill("SIGTERM");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), STOPS_WITHIN_MS);
    const code = await this.#ended();
    clearTimeout(late);
    return code;
  }

  /** As a power cut stops the process: nothing is flushed or said. */
  async kill() {
    this.#process.kill("SIGKILL");
    return this.#ended();
  }

  /** Whatever happened, nothing stays: neither the process nor the folder. */
  async clear() {
    if (this.#process) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A command of the program on the folder of the stopped server. */
  command(...args) {
    const done = spawnSync(BINARY, [...args, "--data", this.data], { encoding: "utf8" });
    return { code: done.status, out: `${done.stdout}${done.stderr}` };
  }

  /** A call with the secret key; gives the JSON, or throws what the problem says. */
  async call(method, path, body, type = "application/json") {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.key}`, ...(body && { "content-type": type }) },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  get(path) {
    return this.call("GET", path);
  }

  /** A touch that must be accepted. */
  async touch(touch) {
    const answer = await this.call("POST", "/v1/touches", touch);
    if (answer.accepted !== 1) throw new Error(`not accepted: ${JSON.stringify(answer)}`);
  }

  /** Whether the program itself finds a text in a copy of the data folder, packed or not. */
  inspectFinds(text) {
    const copy = mkdtempSync(join(tmpdir(), "everbond-copy-"));
    try {
      cpSync(this.data, copy, { recursive: true });
      const done = spawnSync(BINARY, ["inspect", "--find", text, "--data", copy]);
      if (done.status !== 0 && done.status !== 3) throw new Error(String(done.stderr));
      return done.status === 3;
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  /** Which of the byte strings stand in which files of the data folder. */
  find(needles) {
    const found = [];
    const files = readdirSync(this.data, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      const path = join(file.parentPath, file.name);
      const bytes = readFileSync(path);
      for (const [name, needle] of needles) {
        const at = bytes.indexOf(needle);
        if (at >= 0) found.push({ name, file: path.slice(this.data.length + 1), at });
      }
    }
    return found;
  }
}
