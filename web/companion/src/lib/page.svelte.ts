/**
 * The page of the product that is open: asked for, kept fresh by the server's word, by the way
 * back from a pause and by other tabs, and shown from this device when there is no network.
 */
import type { Page } from "@everbond/api";
import { changed } from "./changes.ts";
import { call, callAsOwner, callWithAge, Failure, sessionsMade } from "./http.ts";
import { keepLast, keepPage, keptPage } from "./kept.ts";
import { speech } from "./language.svelte.ts";
import { listen, type Listening } from "./live.ts";
import { notice } from "./notice.svelte.ts";
import { place } from "./place.svelte.ts";
import { productPath } from "./route.ts";
import { onSent } from "./sending.svelte.ts";
import { onTabs, tellTabs } from "./tabs.ts";
import { backoffMs, coalesce } from "./timing.ts";

/** A page that takes longer than this is first shown as it was. */
const SLOW_MS = 700;
const FRESH_SHOWN_MS = 4000;
const CHANGES_WITHIN_MS = 60;
const HIDDEN_LISTENS_MS = 60_000;

class Current {
  page = $state.raw<Page | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** Set while what is shown comes from this device: when the server last said so. */
  keptAt = $state<string | null>(null);
  online = $state(navigator.onLine);
  /** Keys of what has just changed, see changes.ts. */
  fresh = $state.raw<ReadonlySet<string>>(new Set());
  /** For screen readers. */
  announcement = $state("");
  gone = $state(false);

  gtin = "";
  serial: string | null = null;
  #listening: Listening | null = null;
  #listensAs = "";
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #freshTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #loadedAt = 0;

  refresh = coalesce(() => this.#load(), CHANGES_WITHIN_MS);

  start(): void {
    addEventListener("online", () => {
      this.online = true;
      this.refresh();
    });
    addEventListener("offline", () => (this.online = false));
    document.addEventListener("visibilitychange", () => this.#seen());
    onSent(() => this.refresh());
    place.onmoved(() => this.refresh());
    onTabs((news) => {
      if (news === "changed") this.refresh();
      if (news === "wiped") this.forget(true);
    });
  }

  /** Opens a product; the one that is open already only stays. */
  open(gtin: string, serial: string | null): void {
    if (this.gone || (gtin === this.gtin && serial === this.serial)) return;
    this.gtin = gtin;
    this.serial = serial;
    this.page = null;
    this.failure = null;
    this.keptAt = null;
    this.#stopListening();
    void this.#first();
  }

  where(): { gtin: string; serial: string | null } {
    return { gtin: this.gtin, serial: this.serial };
  }

  /** Switches a permission; the page says afterwards what the server made of it. */
  async permit(purpose: string, given: boolean): Promise<void> {
    await callAsOwner("/v1/me/permissions", { method: "POST", body: { purpose, given } });
    if (purpose === "location" && !given) place.stop();
    this.refresh();
    tellTabs("changed");
  }

  take(page: Page, keptAt: string | null = null): void {
    const keys = changed(this.page, page);
    const known = new Set(this.page?.decision?.offers.map((one) => `${one.id} ${one.redeemed}`));
    const used = page.decision?.offers.find((one) => {
      return one.redeemed && keys.has(`offer:${one.id}`) && !known.has(`${one.id} true`);
    });
    if (used) notice.say(`${speech.t.offerRedeemed}: ${used.title}`);
    this.page = page;
    this.failure = null;
    this.keptAt = keptAt;
    if (keptAt === null) {
      this.#loadedAt = Date.now();
      this.#failures = 0;
      void keepPage(page, this.gtin, this.serial);
      keepLast(productPath(this.gtin, this.serial));
    }
    if (keys.size > 0) this.#point(keys, page);
    this.#listen(page);
    const location = page.permissions.find((one) => one.purpose === "location");
    if (location?.given) void place.resume();
  }

  forget(byOther: boolean): void {
    this.#stopListening();
    clearTimeout(this.#retryTimer);
    this.page = null;
    this.keptAt = null;
    this.gtin = "";
    this.gone = byOther;
  }

  async #first(): Promise<void> {
    const { gtin, serial } = this;
    const slow = setTimeout(() => void this.#showKept(gtin, serial), SLOW_MS);
    await this.#load();
    clearTimeout(slow);
  }

  async #showKept(gtin: string, serial: string | null): Promise<boolean> {
    const kept = await keptPage(gtin, serial);
    if (!kept || this.page || gtin !== this.gtin || serial !== this.serial) return false;
    this.take(kept.page, kept.at);
    return true;
  }

  async #load(): Promise<void> {
    const { gtin, serial } = this;
    if (gtin === "" || this.gone) return;
    clearTimeout(this.#retryTimer);
    try {
      const { body, keptAt } = await callWithAge<Page>(this.#address());
      if (gtin !== this.gtin || serial !== this.serial) return;
      this.take(body, keptAt);
      if (keptAt !== null) this.#again(null);
    } catch (error) {
      if (gtin !== this.gtin || serial !== this.serial) return;
      const failure = error instanceof Failure ? error : new Failure("server");
      if (failure.kind !== "not_found" && !this.page) await this.#showKept(gtin, serial);
      if (failure.kind === "not_found" || !this.page) this.failure = failure;
      else this.keptAt ??= new Date(this.#loadedAt || Date.now()).toISOString();
      if (failure.kind !== "not_found" && failure.kind !== "refused") {
        this.#again(failure.retryAfterS);
      }
    }
  }

  #again(afterS: number | null): void {
    this.#failures += 1;
    const ms = afterS !== null ? afterS * 1000 : backoffMs(this.#failures + 1, Math.random());
    this.#retryTimer = setTimeout(() => this.refresh(), ms);
  }

  #address(): string {
    const query = new URLSearchParams({ gtin: this.gtin });
    if (this.serial !== null) query.set("serial", this.serial);
    query.set("locale", speech.code);
    query.set("tz", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    query.set("channel", "companion");
    if (place.point) {
      query.set("lat", String(place.point.lat));
      query.set("lon", String(place.point.lon));
    }
    return `/v1/me/page?${query}`;
  }

  #point(keys: ReadonlySet<string>, page: Page): void {
    this.fresh = keys;
    clearTimeout(this.#freshTimer);
    this.#freshTimer = setTimeout(() => (this.fresh = new Set()), FRESH_SHOWN_MS);
    const { t } = speech;
    const offer = page.decision?.offers.find((one) => keys.has(`offer:${one.id}`));
    const item = page.decision?.menu.find((one) => keys.has(`menu:${one.id}`));
    if (keys.has("stage") && page.bond) {
      this.announcement = t.updatedStage(page.bond.stage.title);
    } else if (offer ?? item) {
      this.announcement = t.updatedItem((offer ?? item)?.title ?? "");
    } else {
      this.announcement = t.update;
    }
  }

  /** A tab in the background lets go of its connection: a browser has few for one server. */
  #seen(): void {
    clearTimeout(this.#hiddenTimer);
    if (document.visibilityState === "hidden") {
      this.#hiddenTimer = setTimeout(() => this.#stopListening(), HIDDEN_LISTENS_MS);
      return;
    }
    const listening = this.#listening !== null;
    if (this.page && !listening) this.#listen(this.page);
    if (!listening || Date.now() - this.#loadedAt > 15_000) this.refresh();
  }

  #listen(page: Page): void {
    // The server looks at the cookie once, when listening begins: whoever has become somebody
    // else since (a session was made, the product was claimed) begins anew.
    const as = `${page.live} ${page.access} ${sessionsMade()}`;
    if (this.#listening && this.#listensAs === as) return;
    this.#stopListening();
    if (!page.live || document.visibilityState === "hidden") return;
    this.#listensAs = as;
    this.#listening = listen(page.live, {
      changed: () => this.refresh(),
      gone: () => this.forget(true),
    });
  }

  #stopListening(): void {
    this.#listening?.stop();
    this.#listening = null;
  }
}

export const current = new Current();

/** The whole page is the answer to a claim. */
export async function claim(code: string): Promise<void> {
  const { gtin, serial } = current.where();
  const body = { gtin, serial, code };
  // The call itself makes the session, so a wrong code leaves none behind.
  const page = await call<Page>("/v1/me/claim", { method: "POST", body });
  if (page && typeof page === "object" && "product" in page) current.take(page);
  current.refresh();
  tellTabs("changed");
}
