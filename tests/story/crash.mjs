/**
 * The real server killed (SIGKILL) at random instants while several connections send batches of
 * touches. What it acknowledged must be there exactly once after every start: sent again it is a
 * duplicate, and every person's and product's count is the number of distinct ids.
 *
 *   EVERBOND_BIN=target/debug/everbond SEED=7 node tests/story/crash.mjs
 *
 * It ends after 20 kills or a minute, whichever is first.
 */
import { Broken, Checks, equal, holds, pause, Server } from "./harness.mjs";

const GTIN = "09506000134352";
const KILLS = 20;
const AT_MOST_MS = 60_000;
const CONNECTIONS = 4;
const BATCH = 25;
const PERSONS = 12;
const UNITS = 7;
/** Of what earlier rounds sent, so many are sent again after each start; all of it at the end. */
const AGAIN = 500;

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
let state = seed >>> 0;
/** mulberry32: the same instants for the same seed. */
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
}
const below = (bound) => Math.floor(random() * bound);

const checks = new Checks();
/** Checkpoints so often that many kills hit one. */
const server = new Server({ checkpointSeconds: 1 });
/** id -> touch, of those whose acknowledgement arrived. */
const acknowledged = new Map();
let made = 0;

function touch() {
  made += 1;
  return {
    id: `crash-${seed}-${made}`,
    kind: "product.used",
    aliases: { user: `u${below(PERSONS)}` },
    products: [`/01/${GTIN}/21/C${below(UNITS)}`],
    properties: { pages: made % 9 },
  };
}

/** Keeps sending until the server is gone; the touches that were never answered are given. */
async function load(alive) {
  const open = [];
  while (alive.yes) {
    const batch = Array.from({ length: 1 + below(BATCH) }, touch);
    try {
      const answer = await server.call("POST", "/v1/touches", batch);
      equal(answer.accepted, batch.length, "accepted of a batch never sent before");
      for (const one of batch) acknowledged.set(one.id, one);
    } catch (error) {
      if (alive.yes) throw error;
      open.push(...batch);
    }
  }
  return open;
}

async function statuses(touches) {
  const counts = { accepted: 0, duplicate: 0, refused: 0 };
  for (let at = 0; at < touches.length; at += 500) {
    const some = touches.slice(at, at + 500);
    const { results } = await server.call("POST", "/v1/touches", some);
    equal(results.length, some.length, "answers");
    for (const result of results) counts[result.status] += 1;
  }
  return counts;
}

function tally(of) {
  const counts = new Map();
  for (const one of acknowledged.values()) counts.set(of(one), (counts.get(of(one)) ?? 0) + 1);
  return [...counts];
}

async function countsAreRight() {
  for (const [user, count] of tally((one) => one.aliases.user)) {
    const found = await server.get(`/v1/persons?alias=user:${user}`);
    const [person] = found.items ?? [found];
    equal(person.touches, count, `touches of ${user}`);
  }
  for (const [path, count] of tally((one) => one.products[0])) {
    const unit = await server.get(path.replace("/01/", "/v1/products/").replace("/21/", "/"));
    equal(unit.touches, count, `touches of ${path}`);
  }
}

async function round() {
  const before = [...acknowledged.values()];
  const alive = { yes: true };
  const loads = Array.from({ length: CONNECTIONS }, () => load(alive));
  await pause(100 + below(1500));
  alive.yes = false;
  await server.kill();
  const open = (await Promise.all(loads)).flat();
  const fresh = [...acknowledged.values()].slice(before.length);
  const took = await server.start();
  const old = Array.from({ length: Math.min(AGAIN, before.length) }, () => {
    return before[below(before.length)];
  });
  const again = [...fresh, ...old];
  equal(
    await statuses(again),
    { accepted: 0, duplicate: again.length, refused: 0 },
    "acknowledged touches sent again",
  );
  // What was never answered may or may not be there; sent again it is, once.
  const then = await statuses(open);
  equal(then.refused, 0, "refused");
  for (const one of open) acknowledged.set(one.id, one);
  await countsAreRight();
  return `${fresh.length} acknowledged, of ${open.length} unanswered ${then.duplicate} were kept, up in ${took}`;
}

try {
  console.log(`# SEED=${seed}`);
  await checks.check("the server starts with an empty folder", () => server.start());
  const begun = performance.now();
  let kills = 0;
  while (kills < KILLS && performance.now() - begun < AT_MOST_MS) {
    kills += 1;
    const good = await checks.check(`kill ${kills}: nothing acknowledged is lost or twice`, round);
    if (!good) break;
  }
  await checks.check("all that was ever acknowledged is a duplicate", async () => {
    const all = [...acknowledged.values()];
    holds(all.length > 1000, `only ${all.length} touches were acknowledged`);
    equal(
      await statuses(all),
      { accepted: 0, duplicate: all.length, refused: 0 },
      "sent again",
    );
    await countsAreRight();
    return `${all.length} touches, ${kills} kills`;
  });
  await checks.check("the server stops as asked", async () => equal(await server.stop(), 0, "code"));
  await checks.check("every record of the log is right", () => {
    const { code, out } = server.command("inspect", "--verify");
    equal(code, 0, out);
    return out.trim().split("\n")[0];
  });
  await checks.check("the log folded anew gives the same state", () => {
    const { code, out } = server.command("inspect", "--replay");
    equal(code, 0, out);
    holds(out.includes("they are the same"), out);
  });
} catch (error) {
  if (!(error instanceof Broken)) {
    await checks.check("the run goes on to its end", () => {
      throw error;
    });
  }
} finally {
  await server.clear();
}
checks.finish();
