/**
 * The last page of each product, kept for when there is no network. The service worker uses the
 * same cache and the same key; this side fills it on the very first visit, when the worker does
 * not yet stand between page and server, and reads it to show something at once on a slow network.
 */
import type { Page } from "@everbond/api";
import type { Accent } from "@everbond/ui";
import { store } from "./store.ts";

export const PAGES = "everbond-pages";
const LAST = "everbond.last";
const BRAND = "everbond.brand";

function key(gtin: string, serial: string | null): string {
  const query = new URLSearchParams({ gtin });
  if (serial !== null) query.set("serial", serial);
  return `/v1/me/page?${query}`;
}

export async function keepPage(page: Page, gtin: string, serial: string | null): Promise<void> {
  if (!("caches" in globalThis)) return;
  try {
    const cache = await caches.open(PAGES);
    const headers = {
      "content-type": "application/json",
      "x-everbond-kept-at": new Date().toISOString(),
    };
    await cache.put(key(gtin, serial), new Response(JSON.stringify(page), { headers }));
  } catch {
    // No room or not allowed: then there is no page for later, and nothing else is lost.
  }
}

export async function keptPage(
  gtin: string,
  serial: string | null,
): Promise<{ page: Page; at: string } | null> {
  if (!("caches" in globalThis)) return null;
  try {
    const found = await caches.match(key(gtin, serial), { cacheName: PAGES });
    if (!found) return null;
    const at = found.headers.get("x-everbond-kept-at") ?? new Date().toISOString();
    return { page: (await found.json()) as Page, at };
  } catch {
    return null;
  }
}

/** The product that the icon on the home screen opens. */
export function keepLast(path: string): void {
  store.setItem(LAST, path);
}

export function lastPath(): string | null {
  const path = store.getItem(LAST);
  return path?.startsWith("/01/") ? path : null;
}

/** The brand as it was last, so that the first paint and ‘My data’ already wear its colour. */
export interface Brand extends Accent {
  name: string;
}

export function keepBrand(brand: Brand): void {
  store.setItem(BRAND, JSON.stringify(brand));
}

export function lastBrand(): Brand | null {
  try {
    const kept: unknown = JSON.parse(store.getItem(BRAND) ?? "null");
    return kept && typeof kept === "object" && "hue" in kept ? (kept as Brand) : null;
  } catch {
    return null;
  }
}
