/** What is different between two versions of a page, so that exactly that can be pointed out. */
import type { Page } from "@everbond/api";

function parts(page: Page): Map<string, string> {
  const found = new Map<string, string>();
  if (page.bond) found.set("stage", page.bond.stage.id);
  for (const item of page.decision?.menu ?? []) found.set(`menu:${item.id}`, item.title);
  for (const offer of page.decision?.offers ?? []) {
    found.set(`offer:${offer.id}`, `${offer.title}\n${offer.code}\n${offer.redeemed}`);
  }
  for (const step of page.decision?.steps ?? []) found.set(`step:${step.id}`, step.state);
  for (const message of page.messages) found.set(`message:${message.id}`, message.title);
  if (page.parcel) {
    found.set("parcel", `${page.parcel.status}\n${page.parcel.events.length}`);
  }
  return found;
}

/** Keys like `menu:track` of what is new or reads differently. Empty on the first page. */
export function changed(before: Page | null, after: Page): Set<string> {
  const keys = new Set<string>();
  if (!before || before.product.gtin !== after.product.gtin) return keys;
  const old = parts(before);
  for (const [key, value] of parts(after)) {
    if (old.get(key) !== value) keys.add(key);
  }
  return keys;
}
