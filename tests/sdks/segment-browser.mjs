// @segment/analytics-next in a real Chromium, against a server on another origin:
// node segment-browser.mjs <url> <write key> [run id] [--batching]
// EVERBOND_CHROMIUM names the browser's program, /usr/bin/chromium if unset.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { calls, report, runOf } from "./calls.mjs";

const batching = process.argv.includes("--batching");
const { url, key, run } = runOf(process.argv.slice(2).filter((word) => word !== "--batching"));
const sdk = fileURLToPath(new URL("./node_modules/@segment/analytics-next/dist/umd/", import.meta.url));

const shop = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://shop");
  const script = /^\/sdk\/([\w.-]+\.js)$/.exec(pathname);
  try {
    const body = script
      ? await readFile(sdk + script[1])
      : `<!doctype html><title>Shop</title><script src="/sdk/index.js"></script>`;
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((done) => shop.listen(0, "127.0.0.1", done));

const browser = await chromium.launch({
  executablePath: process.env.EVERBOND_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const sent = calls(run);
try {
  const page = await browser.newPage();
  let arrived = 0;
  const refused = [];
  page.on("response", (response) => {
    const request = response.request();
    if (request.method() !== "POST" || !request.url().startsWith(`${url}/v1/`)) return;
    if (response.status() !== 200) return refused.push(`${response.status()} ${request.url()}`);
    arrived += JSON.parse(request.postData()).batch?.length ?? 1;
  });
  page.on("requestfailed", (request) => {
    refused.push(`${request.failure()?.errorText} ${request.method()} ${request.url()}`);
  });
  page.on("pageerror", (error) => refused.push(String(error)));
  await page.goto(`http://127.0.0.1:${shop.address().port}/printers`);
  await page.evaluate(sendAll, { url, key, sent, batching });
  for (let waited = 0; arrived < sent.length && waited < 15_000; waited += 50) {
    await page.waitForTimeout(50);
  }
  if (refused.length > 0 || arrived !== sent.length) {
    console.error(`${arrived} of ${sent.length} arrived`, refused);
    process.exitCode = 1;
  } else {
    report(`@segment/analytics-next${batching ? " batching" : ""}`, run, sent);
  }
} finally {
  await browser.close();
  shop.close();
}

// Runs in the page.
async function sendAll({ url, key, sent, batching }) {
  const delivery = { strategy: "batching", config: { size: 10, timeout: 500 } };
  const options = batching ? { integrations: { "Segment.io": { deliveryStrategy: delivery } } } : {};
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
    { writeKey: key, cdnURL: url },
    options,
  );
  analytics.setAnonymousId(sent[0].anonymousId);
  for (const message of sent) {
    const { call, name, event, properties, traits, userId, groupId, previousId } = message;
    if (call === "page" || call === "screen") await analytics[call](name, properties);
    else if (call === "identify") await analytics.identify(userId, traits);
    else if (call === "track") await analytics.track(event, properties);
    else if (call === "group") await analytics.group(groupId, traits);
    else await analytics.alias(userId, previousId);
  }
}
