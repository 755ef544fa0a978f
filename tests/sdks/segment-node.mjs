// @segment/analytics-node: node segment-node.mjs <url> <write key> [run id]
import { Analytics } from "@segment/analytics-node";
import { calls, report, runOf } from "./calls.mjs";

const { url, key, run } = runOf(process.argv.slice(2));
const analytics = new Analytics({ writeKey: key, host: url, maxRetries: 3 });
const errors = [];
analytics.on("error", (error) => errors.push(error));

const sent = calls(run);
for (const { call, kind, ...message } of sent) {
  analytics[call](message);
}
await analytics.closeAndFlush({ timeout: 20_000 });
if (errors.length > 0) {
  console.error(errors.map(({ code, reason }) => `${code}: ${reason}`).join("\n"));
  process.exit(1);
}
report("@segment/analytics-node", run, sent);
