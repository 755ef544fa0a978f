import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "@everbond/api";
import { changed } from "../../src/lib/changes.ts";

/** A page with these menu items, in this stage. */
function page(stage: string, menu: string[], parcel = ""): Page {
  return {
    access: "owner",
    product: { gtin: "09506000134352" },
    bond: { stage: { id: stage } },
    decision: { id: "d", menu: menu.map((id) => ({ id, title: id })), offers: [], steps: [] },
    parcel: parcel ? { status: parcel, events: [] } : null,
    messages: [],
  } as unknown as Page;
}

const keys = (before: Page | null, after: Page) => [...changed(before, after)].sort().join(" ");

test("the first page is no change, nor is the same one again", () => {
  assert.equal(keys(null, page("a", ["x"])), "");
  assert.equal(keys(page("a", ["x"]), page("a", ["x"])), "");
});

test("what is new is pointed out, what is gone or moved is not", () => {
  assert.equal(keys(page("a", ["x"]), page("a", ["x", "y"])), "menu:y");
  assert.equal(keys(page("a", ["x", "y"]), page("a", ["y"])), "");
  assert.equal(keys(page("a", ["x", "y"]), page("a", ["y", "x"])), "");
});

test("stage and parcel", () => {
  assert.equal(keys(page("a", []), page("b", ["z"])), "menu:z stage");
  assert.equal(keys(page("a", [], "left"), page("a", [], "here")), "parcel");
});
