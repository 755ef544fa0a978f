/**
 * After a wipe: nothing about the person stays on this device. Storage, caches and databases are
 * emptied and the service worker leaves; this tab goes on in memory only, to show the receipt.
 */
import { forgetSession } from "./http.ts";
import { outbox } from "./sending.svelte.ts";
import { closeStore } from "./store.ts";

export async function forgetHere(): Promise<void> {
  outbox.clear();
  forgetSession();
  closeStore();
  if ("caches" in globalThis) {
    for (const name of await caches.keys()) await caches.delete(name);
  }
  if ("indexedDB" in globalThis && typeof indexedDB.databases === "function") {
    for (const { name } of await indexedDB.databases()) if (name) indexedDB.deleteDatabase(name);
  }
  if ("serviceWorker" in navigator) {
    for (const worker of await navigator.serviceWorker.getRegistrations()) {
      await worker.unregister();
    }
  }
}
