/**
 * Draws the PNG icons for the home screen from `icon.svg`, with a Chromium found at CHROMIUM or
 * /usr/bin/chromium. Run by hand after the SVG changed; the results are committed.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const folder = new URL("../public/companion/", import.meta.url);
const svg = readFileSync(new URL("icon.svg", folder), "utf8");
/** A launcher may cut a maskable icon to any shape: full background, the drawing within 80 %. */
const maskable = svg
  .replace('rx="116" ', "")
  .replace(/(<circle[\s\S]*)<\/svg>/, '<g transform="translate(51 51) scale(.8)">$1</g></svg>');

const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
for (const [name, size, source] of [
  ["icon-192.png", 192, svg],
  ["icon-512.png", 512, svg],
  ["icon-maskable-512.png", 512, maskable],
]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:100vw}</style>${source}`);
  await page.screenshot({ path: fileURLToPath(new URL(name, folder)), omitBackground: true });
  await page.close();
}
await browser.close();
