/**
 * Looks at the screens of one or more products in light and dark, on small and large screens and
 * in both languages, and fails on what axe finds.
 *
 *   node tests/accessibility.mjs http://127.0.0.1:8480 /01/09506000134352/21/A1 [more paths]
 */
import { accessibilityProblems, launch, openPhone, ready } from "./screens.mjs";

const VIEWS = [
  "",
  "/guides",
  "/training",
  "/track",
  "/supplies",
  "/recommend",
  "/review",
  "/chat",
  "/not-a-screen",
];
const LOOKS = [
  { colorScheme: "light", viewport: { width: 390, height: 844 }, locale: "en-US" },
  { colorScheme: "dark", viewport: { width: 320, height: 640 }, locale: "de-DE" },
  { colorScheme: "light", viewport: { width: 1280, height: 800 }, locale: "de-DE" },
];

export async function checkScreens(browser, baseURL, products) {
  const problems = [];
  let seen = 0;
  for (const look of LOOKS) {
    const page = await openPhone(browser, baseURL, look);
    const paths = [...products.flatMap((path) => VIEWS.map((view) => path + view)), "/me", "/me?start"];
    for (const path of paths) {
      await page.goto(path);
      await ready(page);
      seen += 1;
      const where = `${path} ${look.colorScheme} ${look.viewport.width} ${look.locale}`;
      problems.push(...(await accessibilityProblems(page)).map((text) => `${where}: ${text}`));
      const why = page.locator("main button:has(path[d^='M12 20.5'])").first();
      if (await why.isVisible()) {
        await why.click();
        await page.locator("dialog[open]").waitFor();
        problems.push(...(await accessibilityProblems(page)).map((text) => `${where} why: ${text}`));
        await page.keyboard.press("Escape");
      }
    }
    problems.push(...page.problems);
    await page.context().close();
  }
  return { seen, problems };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [baseURL, ...products] = process.argv.slice(2);
  if (!baseURL || products.length === 0) {
    console.error("usage: node tests/accessibility.mjs <address of the server> <product path>...");
    process.exit(2);
  }
  const browser = await launch();
  const { seen, problems } = await checkScreens(browser, baseURL, products);
  await browser.close();
  for (const text of problems) console.error(text);
  console.log(`${seen} screens, ${problems.length} problems`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
