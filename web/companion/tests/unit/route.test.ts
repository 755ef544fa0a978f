import assert from "node:assert/strict";
import { test } from "node:test";
import { hrefOf, meant, parseRoute, productPath, resolveOpen } from "../../src/lib/route.ts";

function check(path: string, wanted: string, search = "") {
  const route = parseRoute(path, search);
  const said =
    route.name === "product"
      ? `${route.gtin} ${route.serial ?? "-"} ${route.base} [${route.view}] ${route.id ?? "-"}`
      : JSON.stringify(route);
  assert.equal(said, wanted, path);
}

test("a product's address", () => {
  check("/01/09506000134352", "09506000134352 - /01/09506000134352 [] -");
  check("/01/09506000134352/", "09506000134352 - /01/09506000134352 [] -");
  check("/01/09506000134352/21/A1", "09506000134352 A1 /01/09506000134352/21/A1 [] -");
  check("/01/09506000134352/21/A%2F1", "09506000134352 A/1 /01/09506000134352/21/A%2F1 [] -");
});

test("other qualifiers stay in the base, the serial counts", () => {
  check(
    "/01/09506000134352/22/2A/10/L7/21/A1/track",
    "09506000134352 A1 /01/09506000134352/22/2A/10/L7/21/A1 [track] -",
  );
});

test("a serial may look like anything", () => {
  check("/01/09506000134352/21/21/chat", "09506000134352 21 /01/09506000134352/21/21 [chat] -");
  check("/01/09506000134352/21/%zz", "09506000134352 %zz /01/09506000134352/21/%zz [] -");
});

test("screens below a product", () => {
  check("/01/09506000134352/guides/jam", "09506000134352 - /01/09506000134352 [guides] jam");
  check("/01/09506000134352/21/A1/track", "09506000134352 A1 /01/09506000134352/21/A1 [track] -");
});

test("my data, receipts, the start and nowhere", () => {
  check("/me", '{"name":"me"}');
  check("/me", '{"name":"start"}', "?start");
  check("/", '{"name":"start"}');
  check("/me/receipt/r1", '{"name":"receipt","id":"r1"}');
  check("/01/abc", '{"name":"unknown","path":"/01/abc"}');
  check("/01/123", '{"name":"unknown","path":"/01/123"}');
  check("/me/else", '{"name":"unknown","path":"/me/else"}');
});

test("where an `open` leads", () => {
  const base = "/01/09506000134352/21/A1";
  assert.deepEqual(resolveOpen(base, "/track"), { inside: `${base}/track` });
  assert.deepEqual(resolveOpen(base, "guides/jam"), { inside: `${base}/guides/jam` });
  assert.deepEqual(resolveOpen(base, "/me"), { inside: "/me" });
  assert.deepEqual(resolveOpen(base, "/menu"), { inside: `${base}/menu` });
  assert.deepEqual(resolveOpen(base, "tel:+4930123"), { outside: "tel:+4930123" });
  assert.deepEqual(resolveOpen(base, "https://a.example/x"), { outside: "https://a.example/x" });
  assert.equal(hrefOf(base, ""), null);
  assert.equal(hrefOf(base, null), null);
});

test("an `open` runs no script and leaves by no back door", () => {
  for (const open of ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "//x.example", "/\\x.example"]) {
    assert.equal(resolveOpen("/01/09506000134352", open), null, open);
  }
});

test("a product's path escapes its serial", () => {
  assert.equal(productPath("09506000134352", "A/1 x"), "/01/09506000134352/21/A%2F1%20x");
  assert.equal(productPath("09506000134352", null), "/01/09506000134352");
});

test("another word for a screen, or the bare id of a guide", () => {
  assert.equal(meant("reviews", []), "/review");
  assert.equal(meant("offers", []), "");
  assert.equal(meant("connect", ["jam", "connect"]), "/guides/connect");
  assert.equal(meant("connect", []), null);
  assert.equal(meant("constructor", []), null);
});
