import assert from "node:assert/strict";
import { test } from "node:test";
import { ENTRIES_MAX, Outbox, type Entry, type Outcome, type Shelf } from "../../src/lib/outbox.ts";

function shelf(): Shelf {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

const entry = (id: string, path = "/touches"): Entry => ({ id, path, body: { id }, at: "2026" });

/** A server that is away, comes back, and remembers which ids it has counted. */
function world(answer: (entry: Entry) => Outcome) {
  const calls: string[] = [];
  const settled: string[] = [];
  const box = new Outbox({
    shelf: shelf(),
    send: (path, entries) => {
      calls.push(`${path} ${entries.map((one) => one.id).join(",")}`);
      return Promise.resolve(entries.map(answer));
    },
    onsettled: (one, outcome) => settled.push(`${one.id} ${outcome}`),
  });
  return { box, calls, settled };
}

test("what waits is sent in order and leaves", async () => {
  const { box, calls } = world(() => "sent");
  box.add(entry("a"));
  box.add(entry("b"));
  box.add(entry("c", "/help"));
  box.add(entry("d"));
  assert.equal(await box.flush(), true);
  assert.deepEqual(calls, ["/touches a,b", "/help c", "/touches d"]);
  assert.deepEqual(box.entries(), []);
});

test("an id is kept once", () => {
  const { box } = world(() => "sent");
  assert.equal(box.add(entry("a")), true);
  assert.equal(box.add(entry("a")), true);
  assert.equal(box.entries().length, 1);
});

test("while the server is away nothing is lost, and later all goes under the same ids", async () => {
  let away = true;
  const { box, calls, settled } = world(() => (away ? "later" : "sent"));
  box.add(entry("a"));
  box.add(entry("b"));
  assert.equal(await box.flush(), false);
  assert.equal(box.entries().length, 2);
  away = false;
  assert.equal(await box.flush(), true);
  assert.deepEqual(calls, ["/touches a,b", "/touches a,b"]);
  assert.deepEqual(settled, ["a sent", "b sent"]);
});

test("a refused entry leaves and is told, its neighbours go on", async () => {
  const { box, settled } = world((one) => (one.id === "bad" ? "refused" : "sent"));
  box.add(entry("bad"));
  box.add(entry("good"));
  assert.equal(await box.flush(), true);
  assert.deepEqual(settled, ["bad refused", "good sent"]);
});

test("what another tab adds during a run is sent in it", async () => {
  const box: Outbox = new Outbox({
    shelf: shelf(),
    send: (_path, entries) => {
      if (entries[0]?.id === "a") box.add(entry("late"));
      return Promise.resolve(entries.map(() => "sent"));
    },
  });
  box.add(entry("a"));
  assert.equal(await box.flush(), true);
  assert.deepEqual(box.entries(), []);
});

test("flushes at once share one run", async () => {
  const { box, calls } = world(() => "sent");
  box.add(entry("a"));
  await Promise.all([box.flush(), box.flush(), box.flush()]);
  assert.equal(calls.length, 1);
});

test("a full box refuses the newest and says so", () => {
  const { box } = world(() => "sent");
  for (let i = 0; i < ENTRIES_MAX; i++) assert.equal(box.add(entry(String(i))), true);
  assert.equal(box.add(entry("one more")), false);
  assert.equal(box.entries()[0]?.id, "0");
});

test("unreadable storage is an empty box", () => {
  const kept = shelf();
  kept.setItem("everbond.outbox", "{broken");
  assert.deepEqual(new Outbox({ shelf: kept, send: () => Promise.resolve([]) }).entries(), []);
});
