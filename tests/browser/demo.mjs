// The demo as somebody meets it who scans the code that it prints: a real server, a real browser.
// Usage: node demo.mjs <the program everbond>. The last line is 'N passed, N failed'.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkScreens } from "../../web/companion/tests/accessibility.mjs";
import {
  claim,
  launch,
  leftovers,
  openPhone,
  ready,
  waitForMenu,
  wipe,
} from "../../web/companion/tests/screens.mjs";

const program = process.argv[2];
if (!program) {
  console.error("usage: node demo.mjs <the program everbond>");
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "everbond-browser-"));
const demo = spawn(program, ["demo", "--fast", "--listen", "127.0.0.1:0", "--data", folder], {
  stdio: ["ignore", "pipe", "inherit"],
});
let said = "";
demo.stdout.setEncoding("utf8").on("data", (text) => (said += text));

async function until(what, found) {
  for (let tries = 0; tries < 600; tries += 1) {
    const value = found();
    if (value) return value;
    if (demo.exitCode !== null) break;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} did not come; the demo said:\n${said}`);
}

const counts = { passed: 0, failed: 0 };
async function test(name, run) {
  try {
    await run();
    counts.passed += 1;
    console.log(`ok: ${name}`);
  } catch (error) {
    counts.failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
  }
}

function same(found, expected, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
}

const browser = await launch();
try {
  const unit = await until("the address", () => /Your printer +(\S+)/.exec(said)?.[1]);
  const code = await until("the code", () => /its code +(\S+)/.exec(said)?.[1]);
  const base = new URL(unit).origin;
  const path = new URL(unit).pathname;
  await until("the end of the story", () => said.includes("That was Mia's story."));
  const phone = await openPhone(browser, base);

  await test("the ad leads a stranger to the printer", async () => {
    await phone.goto("/c/spring");
    await ready(phone);
    same(new URL(phone.url()).pathname, "/01/09506000134352", "the address");
    await waitForMenu(phone, "Compare");
  });

  await test("the code from the box makes the printer theirs", async () => {
    await phone.goto(path);
    await ready(phone);
    await claim(phone, code);
    await waitForMenu(phone, "Set it up");
  });

  await test("what the printer reports changes the menu without a reload", async () => {
    await phone.evaluate(() => (window.notReloaded = true));
    await waitForMenu(phone, "Clear the paper jam", 60_000);
    same(await phone.evaluate(() => window.notReloaded), true, "the same page");
  });

  await test("a wipe leaves nothing on the phone", async () => {
    await wipe(phone);
    const left = await leftovers(phone);
    same(left, { local: [], session: [], caches: [], databases: [], workers: 0, cookies: [] }, "left");
  });

  await test("no page of it did what it may not", async () => same(phone.problems, [], "problems"));

  await test("every screen can be used by everybody", async () => {
    const { seen, problems } = await checkScreens(browser, base, [path]);
    if (seen < 20) throw new Error(`only ${seen} screens were seen`);
    same(problems, [], `problems on ${seen} screens`);
  });
} catch (error) {
  counts.failed += 1;
  console.log(error.stack);
} finally {
  await browser.close();
  demo.kill("SIGINT");
  await new Promise((done) => (demo.exitCode === null ? demo.on("exit", done) : done()));
  rmSync(folder, { recursive: true, force: true });
}
if (demo.exitCode !== 0) {
  counts.failed += 1;
  console.log(`FAILED: the demo ended with ${demo.exitCode ?? demo.signalCode}`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
