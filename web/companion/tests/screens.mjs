/**
 * What a test of the whole story needs to look at and use the companion in a real browser. It
 * knows the screens, not the server: the caller starts one and gives its address.
 *
 *   const browser = await launch();
 *   const phone = await openPhone(browser, "http://127.0.0.1:8480");
 *   await phone.goto("/01/09506000134352/21/A1");
 *   await claim(phone, "7KQ2-M9XD");
 *   await waitForMenu(phone, "Where is my printer?");
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function launch() {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * A phone with its own cookies and storage. Requests to any other origin and errors of the page
 * (among them what the content security policy blocks) are collected in `page.problems`.
 */
export async function openPhone(browser, baseURL, options = {}) {
  const context = await browser.newContext({
    baseURL,
    viewport: { width: 390, height: 844 },
    locale: "en-US",
    timezoneId: "Europe/Berlin",
    hasTouch: true,
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    // A refused or failed call is shown in words on the screen; the browser's note is no problem.
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) {
      page.problems.push(`console: ${text}`);
    }
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol) && url.origin !== new URL(baseURL).origin) {
      page.problems.push(`request to another origin: ${url}`);
    }
  });
  return page;
}

/** Resolves when a screen stands: its heading is there and nothing says 'one moment'. */
export async function ready(page) {
  await page.locator("main h1").first().waitFor();
}

export async function claim(page, code) {
  await page.locator("#code").fill(code);
  await page.locator("form:has(#code) button[type=submit]").click();
}

export function stage(page) {
  return page.locator(".stage h2").innerText();
}

export function menu(page) {
  return page.locator("section[aria-labelledby=menu] li strong").allInnerTexts();
}

export async function waitForMenu(page, title, timeout = 5000) {
  const item = page.locator("section[aria-labelledby=menu] li strong, #urgent");
  await item.getByText(title, { exact: true }).or(item.filter({ hasText: title })).first().waitFor({
    timeout,
  });
}

/** Titles, worth and codes of the offers that are shown. */
export function offers(page) {
  return page.locator("section[aria-labelledby=offers] article").evaluateAll((cards) =>
    cards.map((card) => ({
      title: card.querySelector("h3")?.textContent?.trim() ?? "",
      value: card.querySelector(".value")?.textContent?.trim() ?? "",
      code: card.querySelector(".code .mono")?.textContent?.trim() ?? null,
    })),
  );
}

export async function askForHelp(page, text, contact = "") {
  await page.locator("a.help").click();
  await page.locator("#text").fill(text);
  if (contact) await page.locator("#contact").fill(contact);
  await page.locator("form:has(#text) button[type=submit]").click();
}

/** From 'My data' through both steps of the wipe to the receipt; gives the receipt's id. */
export async function wipe(page) {
  await page.goto("/me");
  await page.locator("section.wipe button").click();
  await page.locator("dialog input[type=checkbox]").check();
  await page.locator("dialog .danger").click();
  await page.waitForURL(/\/me\/receipt\//);
  await ready(page);
  return decodeURIComponent(page.url().split("/").pop());
}

/** Everything that this origin still keeps in the browser; all empty after a wipe. */
export async function leftovers(page) {
  const stored = await page.evaluate(async () => ({
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    caches: await caches.keys(),
    databases: (await indexedDB.databases()).map((one) => one.name),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
  }));
  return { ...stored, cookies: (await page.context().cookies()).map((one) => one.name) };
}

/**
 * What axe finds wrong by WCAG 2.2 A and AA and by good practice, as lines that name the rule and the place; and targets
 * smaller than 44 by 44 px, save links within a sentence.
 */
export async function accessibilityProblems(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, {}));
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")}: ${node.html.slice(0, 160)}`),
  );
  const small = await page.evaluate(() => {
    const shown = (el) => el.checkVisibility() && !el.closest(".hidden, .skip");
    return [...document.querySelectorAll("a, button, input, textarea, summary")]
      .filter((el) => shown(el) && !el.matches(".hidden"))
      .map((el) => [el.closest("label") ?? el, el.outerHTML.slice(0, 120)])
      .map(([el, html]) => [el.getBoundingClientRect(), html])
      .filter(([box]) => box.width > 0 && (box.width < 43.5 || box.height < 43.5))
      .map(([box, html]) => `target ${box.width.toFixed(0)}x${box.height.toFixed(0)} px: ${html}`);
  });
  const wide = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  return [...found, ...small, ...(wide > 0 ? [`scrolls sideways by ${wide} px`] : [])];
}
