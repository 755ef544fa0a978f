/**
 * The service worker: the companion opens without a network, with the last page of the product.
 * It keeps the program's own files by version and answers only for them, for the companion's
 * addresses and for the page of a product; every other request goes straight to the network.
 * The build fills in the version and the list of files.
 */
const VERSION = "__VERSION__";
const FILES = ["__FILES__"];
const SHELL = `everbond-shell-${VERSION}`;
const PAGES = "everbond-pages";
const SLOW_MS = 8000;

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(SHELL)
      .then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" }))))
      .then(() => self.skipWaiting()),
  );
});

addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith("everbond-shell-") && name !== SHELL)
            .map((name) => caches.delete(name)),
        ),
      )
      .then(() => self.clients.claim()),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (/^\/(01\/\d|me(\/|$))/.test(url.pathname)) event.respondWith(shell(request));
  } else if (url.pathname === "/v1/me/page") {
    event.respondWith(page(request, url, event));
  } else if (url.pathname.startsWith("/companion/")) {
    event.respondWith(file(request));
  }
});

/** The network first, because the server resolves codes and knows newer builds; then the shell. */
async function shell(request) {
  try {
    const response = await withinTime(fetch(request));
    if (response.status < 500) return response;
  } catch {
    // Falls through to what is kept.
  }
  return (await caches.match("/index.html", { cacheName: SHELL })) ?? fetch(request);
}

/** Built files never change under their name. */
async function file(request) {
  const kept = await caches.match(request, { cacheName: SHELL, ignoreVary: true });
  return kept ?? fetch(request);
}

async function page(request, url, event) {
  const key = pageKey(url);
  try {
    const response = await withinTime(fetch(request));
    if (response.ok) event.waitUntil(keep(key, response.clone()));
    if (response.status < 500) return response;
    return (await kept(key)) ?? response;
  } catch (error) {
    const answer = await kept(key);
    if (answer) return answer;
    throw error;
  }
}

/** One kept page per product, wherever and whenever it was asked for. */
function pageKey(url) {
  const query = new URLSearchParams({ gtin: url.searchParams.get("gtin") ?? "" });
  const serial = url.searchParams.get("serial");
  if (serial !== null) query.set("serial", serial);
  return `/v1/me/page?${query}`;
}

async function keep(key, response) {
  const headers = new Headers({
    "content-type": "application/json",
    "x-everbond-kept-at": new Date().toISOString(),
  });
  const cache = await caches.open(PAGES);
  await cache.put(key, new Response(await response.text(), { headers }));
}

function kept(key) {
  return caches.match(key, { cacheName: PAGES });
}

function withinTime(promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("too slow")), SLOW_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
