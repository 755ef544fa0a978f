import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs, coalesce, metres } from "../../src/lib/timing.ts";

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

test("many calls are one run, and one within the wait", async () => {
  let runs = 0;
  const wish = coalesce(() => Promise.resolve(void runs++), 10);
  for (let i = 0; i < 20; i++) wish();
  assert.equal(runs, 0);
  await sleep(40);
  assert.equal(runs, 1);
});

test("a call during a run becomes exactly one more", async () => {
  let runs = 0;
  const wish = coalesce(async () => {
    runs++;
    await sleep(30);
  }, 1);
  wish();
  await sleep(15);
  wish();
  wish();
  assert.equal(runs, 1);
  await sleep(80);
  assert.equal(runs, 2);
});

test("pauses grow, have an upper bound, and differ between phones", () => {
  assert.deepEqual([1, 2, 3, 4].map((n) => backoffMs(n, 1)), [1000, 2000, 4000, 8000]);
  assert.equal(backoffMs(50, 1), 30_000);
  assert.equal(backoffMs(1, 0), 500);
});

test("metres between two points", () => {
  const berlin = { lat: 52.52, lon: 13.405 };
  assert.equal(metres(berlin, berlin), 0);
  // A thousandth of a degree of latitude is 111 m everywhere; of longitude 68 m at 52.5° north.
  assert.ok(Math.abs(metres(berlin, { lat: 52.521, lon: 13.405 }) - 111.2) < 0.5);
  assert.ok(Math.abs(metres(berlin, { lat: 52.52, lon: 13.406 }) - 67.7) < 0.5);
});
