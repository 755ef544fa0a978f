// @rudderstack/rudder-sdk-node: node rudder-node.mjs <url> <write key> [run id]
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { calls, report, runOf } from "./calls.mjs";

const { url, key, run } = runOf(process.argv.slice(2));
const analytics = new RudderAnalytics(key, { dataPlaneUrl: url, flushAt: 100, maxQueueSize: 460_800 });

const sent = calls(run);
for (const { call, kind, ...message } of sent) {
  analytics[call](message);
}
await analytics.flush().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
report("@rudderstack/rudder-sdk-node", run, sent);
process.exit(0);
