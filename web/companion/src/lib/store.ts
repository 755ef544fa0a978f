/**
 * localStorage where the browser has it, and memory where it is forbidden or full: the companion
 * works without, it only forgets sooner. After a wipe nothing is written any more.
 */
import type { Shelf } from "./outbox.ts";

const memory = new Map<string, string>();
let closed = false;

function shelf(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

export const store: Shelf = {
  getItem(key) {
    try {
      return shelf()?.getItem(key) ?? memory.get(key) ?? null;
    } catch {
      return memory.get(key) ?? null;
    }
  },
  setItem(key, value) {
    if (closed) return;
    try {
      const storage = shelf();
      if (!storage) throw new Error("no storage");
      storage.setItem(key, value);
      memory.delete(key);
    } catch {
      memory.set(key, value);
    }
  },
  removeItem(key) {
    memory.delete(key);
    try {
      shelf()?.removeItem(key);
    } catch {
      // Forbidden storage holds nothing either.
    }
  },
};

/** Whether this tab has wiped; after a reload it no longer knows. */
export function isClosed(): boolean {
  return closed;
}

/** Empties everything and lets nothing in again until the page is loaded anew. */
export function closeStore(): void {
  closed = true;
  memory.clear();
  try {
    window.localStorage.clear();
    window.sessionStorage.clear();
  } catch {
    // Forbidden storage holds nothing.
  }
}
