/**
 * What the person did while the network was away, kept until the server has it. Every entry has
 * an id that the server counts once, so sending twice is harmless and losing is not: an entry
 * leaves only when the server took it or refused it for good.
 */

export interface Entry {
  id: string;
  path: string;
  body: unknown;
  /** RFC 3339: when the person did it, not when it was sent. */
  at: string;
}

export type Outcome = "sent" | "refused" | "later";

/** The part of the Web Storage interface that is needed; a test gives its own. */
export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface OutboxOptions {
  shelf: Shelf;
  /** Delivers entries of one path together; says for each what became of it. */
  send: (path: string, entries: Entry[]) => Promise<Outcome[]>;
  onsettled?: (entry: Entry, outcome: "sent" | "refused") => void;
}

const KEY = "everbond.outbox";
/** More than a long flight's worth; beyond it the newest are refused rather than old ones lost. */
export const ENTRIES_MAX = 500;
const BATCH_MAX = 50;

export class Outbox {
  #options: OutboxOptions;
  #flushing: Promise<boolean> | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Read anew each time: another tab may have added or sent. */
  entries(): Entry[] {
    try {
      const list: unknown = JSON.parse(this.#options.shelf.getItem(KEY) ?? "[]");
      return Array.isArray(list) ? (list as Entry[]) : [];
    } catch {
      return [];
    }
  }

  /** False when the box is full or the browser lets nothing be stored. */
  add(entry: Entry): boolean {
    const list = this.entries();
    if (list.some((other) => other.id === entry.id)) return true;
    if (list.length >= ENTRIES_MAX) return false;
    return this.#write([...list, entry]);
  }

  clear(): void {
    this.#options.shelf.removeItem(KEY);
  }

  /** Sends what waits, oldest first; true when nothing is left. Calls at once share one run. */
  flush(): Promise<boolean> {
    this.#flushing ??= this.#run().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #run(): Promise<boolean> {
    for (;;) {
      const list = this.entries();
      const first = list[0];
      if (!first) return true;
      const other = list.findIndex((entry) => entry.path !== first.path);
      const batch = list.slice(0, Math.min(other < 0 ? list.length : other, BATCH_MAX));
      const outcomes = await this.#options.send(first.path, batch);
      let later = false;
      batch.forEach((entry, i) => {
        const outcome = outcomes[i] ?? "later";
        if (outcome === "later") {
          later = true;
          return;
        }
        this.#write(this.entries().filter((kept) => kept.id !== entry.id));
        this.#options.onsettled?.(entry, outcome);
      });
      if (later) return false;
    }
  }

  #write(list: Entry[]): boolean {
    try {
      if (list.length === 0) this.#options.shelf.removeItem(KEY);
      else this.#options.shelf.setItem(KEY, JSON.stringify(list));
      return true;
    } catch {
      return false;
    }
  }
}
