import assert from "node:assert/strict";
import { test } from "node:test";
import {
  grouped,
  money,
  offerValue,
  plain,
  relative,
  typedCode,
  words,
} from "../../../ui/src/format.ts";
import { accentOf, fromHex } from "../../../ui/src/brand.ts";
import { ICONS, iconFor } from "../../../ui/src/icons.ts";
import { pickLanguage } from "../../src/lib/texts.ts";

test("money", () => {
  assert.equal(money({ amount: "299.00", currency: "USD" }, "en"), "$299");
  assert.equal(money({ amount: "299.50", currency: "USD" }, "en"), "$299.50");
  assert.equal(money({ amount: "299.00", currency: "EUR" }, "de"), "299\u00a0€");
  assert.equal(money({ amount: "much", currency: "EUR" }, "en"), "much EUR");
  assert.equal(money({ amount: "5", currency: "?" }, "en"), "5 ?");
});

test("what an offer is worth", () => {
  const amount = (kind: string, amount: string, currency?: string) =>
    offerValue({ kind, amount, currency }, "en");
  assert.equal(amount("off", "50.00", "USD"), "$50");
  assert.equal(amount("percent", "12.5"), "12.5%");
  assert.equal(amount("points", "1500"), "1,500");
  assert.equal(offerValue({ kind: "gift", text: "A bag of beans" }, "en"), "A bag of beans");
  assert.equal(offerValue({ kind: "gift" }, "en"), "");
});

test("a code from a paste is what was meant", () => {
  assert.equal(typedCode("  7KQ2 M9XD \n"), "7KQ2M9XD");
  assert.equal(typedCode("7KQ2\u2013M9XD"), "7KQ2-M9XD");
  assert.equal(typedCode("\u200b7KQ2\u00a0\u2011 M9XD."), "7KQ2-M9XD");
  assert.equal(typedCode("ＡＢ１２"), "AB12");
  assert.equal(typedCode("   "), "");
});

test("a code for the eye", () => {
  assert.equal(grouped("7KQ2M9XD"), "7KQ2 M9XD");
  assert.equal(grouped("7KQ2-M9XD"), "7KQ2-M9XD");
  assert.equal(grouped("SAVE50"), "SAVE50");
});

test("time from now", () => {
  const now = Date.parse("2026-11-22T10:00:00Z");
  const at = (time: string) => relative(time, "en", now);
  assert.equal(at("2026-11-22T09:59:40Z"), "now");
  assert.equal(at("2026-11-22T09:15:00Z"), "45 minutes ago");
  assert.equal(at("2026-11-24T11:00:00Z"), "in 2 days");
  assert.equal(at("not a time"), "not a time");
});

test("any value as words", () => {
  assert.equal(words("product.state.paper_jam"), "product state paper jam");
  assert.equal(plain({ error: "paper_jam", pages: 3 }), "error: paper_jam, pages: 3");
  assert.equal(plain([1, null, true]), "1, –, yes");
  assert.equal(plain({ wifi: false, distance: 62.3145 }, "de-DE"), "wifi: nein, distance: 62,31");
  assert.equal(plain(6.4, "de-DE"), "6,4");
});

test("a brand's colour", () => {
  assert.equal(accentOf("Acme").hue, accentOf("ACME").hue);
  assert.equal(fromHex("blue"), null);
  const red = fromHex("#ff0000");
  assert.ok(red && Math.abs(red.hue - 29) <= 1 && red.chroma <= 0.14);
  assert.equal(accentOf("Acme", { brand_color: "#ff0000" }).hue, red.hue);
});

test("every icon name leads to an icon", () => {
  for (const name of ["printer", "map-pin", "truck", "Wi-Fi", "unheard-of", "constructor", "", null]) {
    assert.equal(typeof ICONS[iconFor(name)], "string", String(name));
  }
});

test("the language", () => {
  assert.equal(pickLanguage(["de-CH", "en"]), "de");
  assert.equal(pickLanguage(["fr", "de"]), "de");
  assert.equal(pickLanguage(["ja"]), "en");
});
