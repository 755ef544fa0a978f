/**
 * The whole story of one person and one printer, on the running program and one phone's page that
 * is opened once: the page must change by itself. Everything goes through public interfaces: the
 * company's systems with the secret key, the printer without naming anybody, the people in a
 * browser.
 *
 *   EVERBOND_BIN=target/debug/everbond node tests/story/story.mjs
 *
 * Pictures of each step are in test-results/story.
 */
import { createPublicKey, verify } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkScreens } from "../../web/companion/tests/accessibility.mjs";
import {
  accessibilityProblems,
  askForHelp,
  launch,
  leftovers,
  menu,
  offers,
  openPhone,
  stage,
} from "../../web/companion/tests/screens.mjs";
import { Broken, Checks, equal, holds, ROOT, Server, until } from "./harness.mjs";

const GTIN = "09506000134352";
const SERIAL = "PB-7001";
const MODEL = `/01/${GTIN}`;
const UNIT = `${MODEL}/21/${SERIAL}`;
const CLAIM_CODE = "7KQ2-M9XD";
const SHOP = { lat: 52.5219, lon: 13.4132 };
/** Two kilometres away, and about 120 m from the door. */
const FAR = { latitude: SHOP.lat + 0.018, longitude: SHOP.lon };
const NEAR = { latitude: SHOP.lat + 0.0011, longitude: SHOP.lon };

/** Words that stand nowhere else, so that a search for them finds the person or nothing. */
const MIA = {
  email: "mia.quellwasser@post.example",
  loyalty: "LC-48151623",
  first_name: "Mirabellina",
  phone: "+49 30 5550 1742",
  question: "Does it take the Wunderblatt paper of my aunt?",
};
const FRIEND = { email: "noor.windrad@post.example", loyalty: "LC-31337007" };

const PICTURES = join(ROOT, "test-results/story");
rmSync(PICTURES, { recursive: true, force: true });
mkdirSync(PICTURES, { recursive: true });

const checks = new Checks();
const server = new Server();
const check = (name, run) => checks.check(name, run);
let pictures = 0;

async function picture(page, name) {
  pictures += 1;
  const path = join(PICTURES, `${String(pictures).padStart(2, "0")}-${name}.png`);
  if ((await page.locator("dialog[open]").count()) === 0) {
    await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
  }
  await page.screenshot({ path, fullPage: true, animations: "disabled" });
}

async function inTheDark(page, name) {
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, `${name}-dark`);
  await page.emulateMedia({ colorScheme: "light" });
}

/** The screen as it stands in the story, in light and dark. */
async function accessible(page, what) {
  await check(`everybody can use it: ${what}`, async () => {
    for (const colorScheme of ["dark", "light"]) {
      await page.emulateMedia({ colorScheme });
      // A colour on its way to the other one has the contrast of neither; it must arrive.
      await until(`no problem in ${colorScheme}`, async () => {
        const problems = await accessibilityProblems(page);
        return problems.length === 0 || problems.join("\n");
      });
    }
  });
}

const stageIs = (page, title) =>
  until(`the stage is '${title}'`, async () => (await stage(page)) === title || stage(page));

const menuHas = (page, title) =>
  until(`the menu has '${title}'`, async () => (await menu(page)).includes(title) || menu(page));

/** Opens 'Why do I see this?' of a card and gives what the sheet says. */
async function why(page, title) {
  await page.locator("main button").and(page.getByLabel(title)).first().click();
  const sheet = page.locator("dialog[open]");
  await sheet.waitFor();
  await until("the sheet names the data", async () => !(await sheet.innerText()).includes("moment"));
  return sheet;
}

async function closeSheet(page) {
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
}

const home = (page) => page.locator("header a.brand").click();
const tap = (page, title) =>
  page.locator("section[aria-labelledby=menu] a").filter({ hasText: title }).first().click();

/** What the phone's session is called; the shop's page in the same browser knows it. */
async function deviceOf(page) {
  const me = await (await page.context().request.get("/v1/me")).json();
  return me.aliases.find((alias) => alias.kind === "device").value;
}

/** What the printer itself reports: it knows its number, not its owner. */
const printer = (kind, state) =>
  server.touch({ kind, products: [UNIT], channel: "device", state });

const scan = (kind, place) =>
  server.touch({
    kind, products: [UNIT], channel: "partner", aliases: { loyalty: MIA.loyalty },
    properties: { carrier: "Tern", number: "TN 4401 77", place },
  });

async function register() {
  const file = (path) => readFileSync(join(ROOT, path), "utf8");
  const model = JSON.parse(file("crates/server/src/cli/demo/printer.json"));
  await server.call("PUT", `/v1/models/${GTIN}`, model);
  await server.call("PUT", `/v1/products/${GTIN}/${SERIAL}`, { claim_code: CLAIM_CODE });
  const journey = file("journeys/printer.yaml");
  await server.call("PUT", "/v1/journeys/printer", journey, "application/yaml");
  await server.call("PUT", "/v1/campaigns/spring", {
    name: "Spring cleaning for your photos",
    models: [GTIN],
    stage: "interested",
    cost: { amount: "1200.00", currency: "USD" },
    window_days: 30,
  });
  await server.call("PUT", "/v1/places/shop-mitte", {
    name: "Paperbird Mitte",
    kind: "shop",
    circle: { ...SHOP, radius_m: 60 },
    zone: "Europe/Berlin",
    models: [GTIN],
  });
}

const browser = await launch();
try {
  await play();
} catch (error) {
  if (!(error instanceof Broken)) await check("the story goes on to its end", () => { throw error; });
} finally {
  await browser.close();
  await server.clear();
}
checks.finish();

async function play() {
  await check("the server starts with an empty folder", () => server.start());
  await check("model, unit, journey, campaign and shop are registered", register);

  const page = await openPhone(browser, server.url, { acceptDownloads: true });
  page.setDefaultTimeout(5000);
  let loads = 0;
  page.on("load", () => (loads += 1));
  await looksAround(page);
  const code = await goesToTheShop(page);
  await buys(page, code);
  await waits(page);
  await installs(page);
  await hasTrouble(page);
  await recommends(page);
  await strangerScans();
  const device = await deviceOf(page);
  await seesHerData(page);
  await check("all this was one page, opened once and never loaded again", () => {
    equal(loads, 1, "loads");
    equal(page.problems, [], "problems of the page");
  });
  await wipes(page, { device, code });
}

async function looksAround(page) {
  await check("1 an ad's link makes somebody interested", async () => {
    await page.goto("/c/spring?channel=web");
    equal(new URL(page.url()).pathname, MODEL, "path");
    return stageIs(page, "Having a look");
  });
  await picture(page, "interested");
  await accessible(page, "the product's page when interested");
  await check("2 reading the page for fans makes them engaged, by itself", async () => {
    // The company's own website is open in the same browser.
    const data = { kind: "page.viewed", gtin: GTIN, properties: { kind: "fan" } };
    const headers = { "X-Everbond": "1" };
    const said = await page.context().request.post("/v1/me/touches", { data, headers });
    equal(said.status(), 200, "status");
    return stageIs(page, "Getting serious");
  });
  await picture(page, "engaged");
}

async function goesToTheShop(page) {
  let code = "";
  await check("3 two kilometres from the shop there is no offer", async () => {
    await page.context().grantPermissions(["geolocation"]);
    await page.context().setGeolocation(FAR);
    await page.getByRole("button", { name: "Allow" }).or(nearby(page)).first().click();
    await until("the switch was understood", async () => (await nearby(page).count()) === 0);
    equal(await offers(page), [], "offers");
  });
  await check("3 near the shop the 50 dollar offer appears, by itself", async () => {
    await page.context().setGeolocation(NEAR);
    const took = await until("an offer with a code", async () => {
      const [offer] = await offers(page);
      code = offer?.code?.replace(/\s/g, "") ?? "";
      return (offer?.value.includes("$50") && code !== "") || JSON.stringify(offer ?? null);
    });
    return `${took}, code ${code}`;
  });
  await check("3 the offer says why in words", async () => {
    const sheet = await why(page, /50 dollars off/);
    const text = await sheet.innerText();
    await picture(page, "offer-why");
    await closeSheet(page);
    holds(/shop|near|Paperbird/i.test(text), text);
    holds(!/context\.|==|&&/.test(text), `it is words: ${text}`);
  });
  await picture(page, "offer");
  await inTheDark(page, "offer");
  await accessible(page, "the offer");
  return code;
}

/** The card that explains what the place is for. */
function nearby(page) {
  return page.locator("main section.card").filter({ hasText: /offers in the shop/ }).locator("button");
}

async function buys(page, code) {
  await check("4 the till redeems it, knowing only the code", async () => {
    await server.touch({
      kind: "offer.redeemed", place: "shop-mitte", channel: "shop", properties: { code },
      products: [MODEL],
    });
    return until("the ticket says so", async () => {
      return (await page.locator("article.redeemed").count()) === 1;
    });
  });
  await picture(page, "redeemed");
  await check("5 the order turns the page to waiting, by itself", async () => {
    // The shop's page hands on what the browser is called: customer and phone become one person.
    await server.touch({
      kind: "order.placed", products: [MODEL], place: "shop-mitte", channel: "shop",
      money: { amount: "249.00", currency: "USD" },
      aliases: { email: MIA.email, loyalty: MIA.loyalty, device: await deviceOf(page) },
      traits: { first_name: MIA.first_name }, properties: { order_id: "O-90210", code },
    });
    return stageIs(page, "On its way");
  });
  await check("5 the menu asks where it is and offers training", async () => {
    await menuHas(page, "Where is my printer?");
    return menuHas(page, "Get to know it");
  });
  await picture(page, "ordered");
}

async function personOf(alias) {
  const found = await server.get(`/v1/persons?alias=${encodeURIComponent(alias)}`);
  const items = found.items ?? [found];
  equal(items.length, 1, "persons");
  return items[0];
}

async function waits(page) {
  await check("6 the first scan ties the bond to the unit; the page is the unit's", async () => {
    await scan("parcel.scanned", "Leipzig, hub");
    return until("the unit's page", async () => {
      const path = decodeURIComponent(new URL(page.url()).pathname);
      return (path === UNIT && (await stage(page)) === "On its way") || path;
    });
  });
  await check("6 the bond is the person's and the unit's", async () => {
    const { id } = await personOf(`loyalty:${MIA.loyalty}`);
    const bond = await server.get(`/v1/bonds/${id}/${GTIN}/${SERIAL}`);
    holds(JSON.stringify(bond).includes("awaiting_delivery"), JSON.stringify(bond));
  });
  await picture(page, "unit");
  await check("6 'Where is my printer?' shows the scans, the next one by itself", async () => {
    await tap(page, "Where is my printer?");
    await until("Leipzig", async () => (await page.locator("main").innerText()).includes("Leipzig"));
    await scan("parcel.scanned", "Berlin, delivery base");
    return until("Berlin", async () => {
      return (await page.locator("main ol li").first().innerText()).includes("Berlin");
    });
  });
  await picture(page, "track");
  await accessible(page, "where the parcel is");
  await home(page);
}

async function installs(page) {
  await check("7 delivered: the page is about setting it up, by itself", async () => {
    await scan("parcel.delivered", "at the door");
    return stageIs(page, "Setting it up");
  });
  await check("7 switched on: the steps are there, one is next", async () => {
    await printer("product.powered_on", { power: "on", ink_percent: 100 });
    return until("steps", async () => {
      const all = await page.locator("section[aria-labelledby=steps] ol li").allInnerTexts();
      const next = await page.locator("section[aria-labelledby=steps] li[aria-current]").count();
      return (all.length === 4 && next === 1) || all.join(" | ");
    });
  });
  await picture(page, "installing");
  await inTheDark(page, "installing");
  await accessible(page, "setting up");
  await check("8 connected: that step is done, by itself", async () => {
    await printer("product.connected", { wifi: "ok" });
    return until("the mark", async () => {
      return (await page.locator("li.done").filter({ hasText: "Connect it" }).count()) === 1;
    });
  });
  await check("8 set up and installed: it is in support, by itself", async () => {
    await printer("product.configured", { paper: "A4" });
    await printer("product.installed", { firmware: "4.1.0" });
    return stageIs(page, "Yours");
  });
  await picture(page, "support");
}

async function hasTrouble(page) {
  const banner = page.locator("#urgent");
  await check("9 the printer reports a jam: the fix is offered before anybody asks", async () => {
    await printer("product.failed", { error: "paper_jam" });
    return until("the banner", async () => (await banner.innerText()) === "Clear the paper jam");
  });
  await picture(page, "jam");
  await inTheDark(page, "jam");
  await accessible(page, "trouble");
  await check("9 'why' names the reason and what it rests on", async () => {
    const sheet = await why(page, /Clear the paper jam/);
    const text = await sheet.innerText();
    await picture(page, "jam-why");
    await closeSheet(page);
    holds(/paper.?jam/i.test(text) && /error/i.test(text), text);
    return text.split("\n").filter((line) => line.trim()).slice(2, 4).join(": ");
  });
  await check("it speaks German at a tap", async () => {
    await page.locator("header nav button").click();
    const took = await until("German", async () => (await banner.innerText()) === "Papierstau lösen");
    await picture(page, "jam-german");
    equal(await page.getByText("Eingelöst:").count(), 0, "old news told again");
    await page.locator("header nav button").click();
    await until("English", async () => (await banner.innerText()) === "Clear the paper jam");
    return took;
  });
  await check("10 she follows the guide to its end", async () => {
    await page.locator("section:has(#urgent) a.button").click();
    await page.waitForURL(/\/guides\/jam/);
    await picture(page, "guide");
    equal(await accessibilityProblems(page), [], "accessibility");
    for (let step = 0; step < 3; step += 1) {
      await page.getByRole("button", { name: "Next" }).click();
      await page.waitForURL(new RegExp(`#${step + 2}$`));
    }
    await page.locator(".controls .button:not(.quiet)").click();
    await page.locator(".end a").click();
    await banner.waitFor();
  });
  await check("10 the printer says it is fixed: the banner goes, by itself", async () => {
    await printer("product.fixed", { error: "" });
    return until("no banner", async () => (await banner.count()) === 0);
  });
  await picture(page, "fixed");
  await check("a human can be asked from here; the company reads it at once", async () => {
    await askForHelp(page, MIA.question, MIA.phone);
    const took = await until("the inbox", async () => {
      return JSON.stringify(await server.get("/v1/inbox")).includes(MIA.question);
    });
    await picture(page, "help");
    return took;
  });
  await home(page);
}

async function recommends(page) {
  let link = "";
  await check("11 recommending makes a personal link with a QR code", async () => {
    await tap(page, "Recommend it");
    await page.locator("section.start button").click();
    await until("the link", async () => {
      link = (await page.locator("p.url").textContent()) ?? "";
      return link.includes("/r/") && (await page.locator("section.link img").count()) === 1;
    });
    return link;
  });
  const friend = await openPhone(browser, server.url);
  const sums = () => page.locator("main dl dd").allInnerTexts();
  await check("11 a friend opens it: one visit on her page, by itself", async () => {
    await friend.goto(link.slice(link.indexOf("/r/")));
    equal(new URL(friend.url()).pathname, MODEL, "the friend's page");
    return until("one visit", async () => (await sums()).join() === "1,0" || (await sums()).join());
  });
  await picture(friend, "friend");
  await check("11 the friend orders: one order on her page, by itself", async () => {
    await server.touch({
      kind: "order.placed", products: [MODEL], channel: "web",
      money: { amount: "299.00", currency: "USD" },
      aliases: { ...FRIEND, device: await deviceOf(friend) },
    });
    await stageIs(friend, "On its way");
    return until("one order", async () => (await sums()).join() === "1,1" || (await sums()).join());
  });
  await picture(page, "recommend");
  await accessible(page, "the personal link");
  equal(friend.problems, [], "problems of the friend's page");
  await friend.context().close();
}

async function strangerScans() {
  const stranger = await openPhone(browser, server.url);
  await check("12 a stranger who scans the unit sees the public page and nothing of hers", async () => {
    await stranger.goto(UNIT);
    await stranger.locator("main h1").waitFor();
    const text = await stranger.locator("body").innerText();
    equal(await stranger.locator(".stage").count(), 0, "stages shown");
    equal(await stranger.locator("form:has(#code)").count(), 0, "claim forms of an owned unit");
    const answer = await stranger.context().request.get(
      `/v1/me/page?gtin=${GTIN}&serial=${SERIAL}&locale=en`,
    );
    const body = await answer.text();
    equal(JSON.parse(body).access, "public", "access");
    for (const secret of [...Object.values(MIA), "firmware", "TN 4401 77", "O-90210"]) {
      holds(!text.includes(secret) && !body.includes(secret), `it says ${secret}`);
    }
  });
  await picture(stranger, "stranger");
  await stranger.context().close();
  await check("12 the stranger's screens can be used by everybody", async () => {
    const { seen, problems } = await checkScreens(browser, server.url, [UNIT]);
    equal(problems, [], "problems");
    return `${seen} screens`;
  });
}

async function seesHerData(page) {
  await check("13 'My data' lists what is known, in words", async () => {
    await page.locator("header nav a").click();
    await page.locator("#timeline").waitFor();
    const text = await page.locator("main").innerText();
    for (const known of [MIA.email, MIA.loyalty, MIA.first_name, SERIAL, "Where you are"]) {
      holds(text.includes(known), `it lacks ${known}:\n${text}`);
    }
    holds((await page.locator("main ol.line li").count()) >= 20, "the history is there");
  });
  await picture(page, "my-data");
  await accessible(page, "my data");
  await check("13 the copy is a JSON file with everything", async () => {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.locator("a[download]").click(),
    ]);
    equal(download.suggestedFilename(), "everbond-my-data.json", "name");
    const copy = JSON.parse(readFileSync(await download.path(), "utf8"));
    const kinds = new Set(copy.timeline.map((entry) => entry.kind));
    const all = JSON.stringify(copy);
    for (const known of Object.values(MIA)) holds(all.includes(known), `it lacks ${known}`);
    const scans = copy.timeline.filter((entry) => entry.kind === "product.scanned");
    holds(scans.every((entry) => !JSON.stringify(entry.products).includes(SERIAL)), "nobody scanned");
    for (const kind of ["campaign.clicked", "order.placed", "parcel.scanned", "help.asked"]) {
      holds(kinds.has(kind), `it lacks ${kind}`);
    }
    return `${copy.timeline.length} entries`;
  });
}

/** Every form in which a file could still lead to her. */
function identifiers({ device, code, cookie }) {
  const bytes = Buffer.from(device, "hex");
  const words = { ...MIA, device, code, "code without dash": code.replace("-", ""), cookie };
  return [
    ...Object.entries(words).map(([name, text]) => [name, Buffer.from(text)]),
    ["device as bytes", bytes],
    ["device as bytes, the last first", Buffer.from(bytes).reverse()],
  ];
}

async function wipes(page, { device, code }) {
  const cookie = (await page.context().cookies())[0]?.value ?? "";
  const person = await personOf(`loyalty:${MIA.loyalty}`);
  const needles = identifiers({ device, code, cookie });
  const results = async () => (await server.get("/v1/campaigns/spring/results")).total;
  const campaign = await results();
  let receipt = null;
  await check("before the wipe the same search does find her", () => {
    const names = new Set(server.find(needles).map((one) => one.name));
    for (const name of ["email", "loyalty", "first_name", "phone", "device"]) {
      holds(names.has(name), `${name} is not found, so the search proves nothing`);
    }
    // What she asked stands there in fewer bytes than it has.
    holds(server.inspectFinds(MIA.question), "the program does not find her question");
  });
  await check("14 two taps wipe everything; the receipt opens by itself", async () => {
    await page.locator("section.wipe button").click();
    await page.locator("dialog input[type=checkbox]").check();
    await picture(page, "wipe");
    await page.locator("dialog .danger").click();
    await page.waitForURL(/\/me\/receipt\//, { timeout: 5000 });
  });
  const id = decodeURIComponent(page.url().split("/").pop());
  await check("14 the receipt becomes complete", async () => {
    const took = await until("complete", async () => {
      receipt = await (await fetch(`${server.url}/v1/receipts/${id}`)).json();
      return receipt.complete === true;
    }, 20_000);
    await until("the page says so", async () => (await page.locator(".seal.complete").count()) === 1);
    return `${took}, ${receipt.records} records`;
  });
  await picture(page, "receipt");
  await accessible(page, "the receipt");
  await check("14 the receipt's signature is the company's and holds", () => signed(receipt));
  await check("14 the session has ended and the phone kept nothing", async () => {
    const left = await leftovers(page);
    equal(
      left,
      { local: [], session: [], caches: [], databases: [], workers: 0, cookies: [] },
      "left on the phone",
    );
    const withOld = await fetch(`${server.url}/v1/me`, {
      headers: { cookie: `everbond_session=${cookie}` },
    });
    const text = await withOld.text();
    holds(!text.includes(MIA.email) && !text.includes(person.id), `the old cookie says: ${text}`);
  });
  await check("14 nobody is found by her names any more", async () => {
    for (const alias of [`email:${MIA.email}`, `loyalty:${MIA.loyalty}`, `device:${device}`]) {
      const said = await fetch(`${server.url}/v1/persons?alias=${encodeURIComponent(alias)}`, {
        headers: { authorization: `Bearer ${server.key}` },
      });
      const text = await said.text();
      holds(said.status === 404 || JSON.parse(text).items?.length === 0, `${alias}: ${text}`);
    }
  });
  await check("14 the unit keeps its own history, without her", async () => {
    const { items } = await server.get(`/v1/products/${GTIN}/${SERIAL}/timeline?limit=500`);
    const kinds = items.map((item) => item.kind);
    for (const kind of ["product.installed", "product.failed", "product.fixed"]) {
      holds(kinds.includes(kind), `it lacks ${kind}: ${kinds}`);
    }
    const text = JSON.stringify(items);
    holds(items.every((item) => item.person == null || item.person !== person.id), text);
    for (const own of Object.values(MIA)) holds(!text.includes(own), `it says ${own}`);
    return `${items.length} entries`;
  });
  await check("14 the campaign keeps its sums", async () => equal(await results(), campaign));
  await check("14 the tree of recommendations keeps its sums, unnamed", () => treeKeeps(person));
  await check("the server stops as asked", async () => equal(await server.stop(), 0, "exit code"));
  await check("no file of the data folder holds anything of her", () => {
    equal(server.find(needles), [], "found");
    for (const own of Object.values(MIA)) holds(!server.inspectFinds(own), `there is ${own}`);
    return `${needles.length} byte strings`;
  });
  await check("every record of the log is right", () => {
    const { code: status, out } = server.command("inspect", "--verify");
    equal(status, 0, out);
    return out.trim().split("\n").at(-1);
  });
}

function signed({ signature, statement, complete }) {
  equal(complete, true, "complete");
  equal(signature.alg, "Ed25519", "algorithm");
  // RFC 8410: these twelve bytes say that an ed25519 key follows.
  const head = Buffer.from("302a300506032b6570032100", "hex");
  const der = Buffer.concat([head, Buffer.from(signature.key, "base64")]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  const value = Buffer.from(signature.value, "base64");
  holds(verify(null, Buffer.from(signature.signed), key, value), "the signature does not hold");
  const other = Buffer.from(`${signature.signed} `);
  holds(!verify(null, other, key, value), "the signature holds for anything");
  holds(signature.signed.includes(statement.slice(0, 20)), "something else was signed");
  for (const own of Object.values(MIA)) holds(!statement.includes(own), `it names her: ${own}`);
}

/** The order still counts for the link by which the friend came; whose link it was, nobody knows. */
async function treeKeeps(person) {
  const friend = await personOf(`loyalty:${FRIEND.loyalty}`);
  const [by] = (await server.get(`/v1/persons/${friend.id}`)).referred_by;
  equal(by.person, null, "who recommended");
  const graph = await server.get(`/v1/persons/${friend.id}/graph`);
  const node = graph.nodes.find((one) => one.id === `referral:${by.code}`);
  equal([node.visits, node.orders], [1, 1], "visits and orders of the link");
  holds(!JSON.stringify(graph).includes(`person:${person.id}"`), "the graph leads to her");
  const opened = await fetch(`${server.url}/r/${by.code}`, { redirect: "manual" });
  holds(opened.status < 500, `the old link answers ${opened.status}`);
}
