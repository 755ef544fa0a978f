/**
 * Which screen an address means, and which address an `open` of a journey means. Pure functions;
 * the router that holds the current route is in router.svelte.ts.
 */

export type Route =
  | { name: "start" }
  | { name: "me" }
  | { name: "receipt"; id: string }
  | {
      name: "product";
      /** The product's own path, without a slash at its end. */
      base: string;
      gtin: string;
      serial: string | null;
      /** "" for the home of the product. */
      view: string;
      id: string | null;
    }
  | { name: "unknown"; path: string };

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * A GS1 Digital Link path: `/01/{gtin}`, then qualifiers as pairs of a number and a value, of
 * which only the serial (21) counts here; then the screen. A batch (10) or variant (22) is kept in
 * the base, so that the address stays the one that was printed.
 */
export function parseRoute(pathname: string, search = ""): Route {
  const path = pathname.replace(/\/+$/, "");
  const parts = path.split("/").slice(1);
  if (path === "") return { name: "start" };
  if (parts[0] === "me") {
    if (parts[1] === "receipt" && parts[2]) return { name: "receipt", id: decoded(parts[2]) };
    if (parts.length > 1) return { name: "unknown", path };
    return new URLSearchParams(search).has("start") ? { name: "start" } : { name: "me" };
  }
  if (parts[0] !== "01" || !/^\d{8,14}$/.test(parts[1] ?? "")) return { name: "unknown", path };
  let at = 2;
  let serial: string | null = null;
  while (/^(10|21|22|235)$/.test(parts[at] ?? "") && parts[at + 1]) {
    if (parts[at] === "21") serial = decoded(parts[at + 1] ?? "");
    at += 2;
  }
  const base = `/${parts.slice(0, at).join("/")}`;
  const id = parts[at + 1];
  return {
    name: "product",
    base,
    gtin: parts[1] ?? "",
    serial,
    view: parts[at] ?? "",
    id: id === undefined ? null : decoded(id),
  };
}

export type Target = { inside: string } | { outside: string } | null;

/** Where `open` of a menu item, step or message leads, seen from a product's page. */
export function resolveOpen(base: string, open: string | null | undefined): Target {
  const text = (open ?? "").trim();
  if (text === "") return null;
  if (/^(https?:|tel:|mailto:|sms:)/i.test(text)) return { outside: text };
  // Any other scheme, and addresses without one that leave this origin, are refused.
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) || /^[/\\]{2}/.test(text)) return null;
  if (/^\/(01\/\d|me(\/|$|\?)|c\/|r\/)/.test(text)) {
    return /^\/[cr]\//.test(text) ? { outside: text } : { inside: text };
  }
  return { inside: `${base}/${text.replace(/^\/+/, "")}` };
}

export function productPath(gtin: string, serial: string | null): string {
  return serial === null ? `/01/${gtin}` : `/01/${gtin}/21/${encodeURIComponent(serial)}`;
}

/** The address for a link to `open`; null where there is nowhere to go. */
export function hrefOf(base: string, open: string | null | undefined): string | null {
  const target = resolveOpen(base, open);
  if (!target) return null;
  return "inside" in target ? target.inside : target.outside;
}

/** Words that journeys use for screens that have another name here; "" is the home. */
const ALSO: Readonly<Record<string, string>> = {
  contact: "chat",
  errors: "guides",
  faq: "",
  guide: "guides",
  help: "chat",
  lessons: "training",
  menu: "",
  messages: "chat",
  offers: "",
  parcel: "track",
  recommendations: "recommend",
  referral: "recommend",
  reviews: "review",
  steps: "",
  support: "chat",
};

/**
 * The path below a product that is meant by a screen that there is not: another word for one, or
 * the bare id of a guide. Null when nothing fits.
 */
export function meant(view: string, guides: readonly string[]): string | null {
  if (guides.includes(view)) return `/guides/${encodeURIComponent(view)}`;
  if (!Object.hasOwn(ALSO, view)) return null;
  const screen = ALSO[view];
  return screen === "" ? "" : `/${screen}`;
}
