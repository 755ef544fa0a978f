/** Sends what the person does: at once, or, when the network is away, later and exactly once. */
import type { HelpSent, OwnTouch } from "@everbond/api";
import { callAsOwner, Failure, newId } from "./http.ts";
import { Outbox, type Entry, type Outcome } from "./outbox.ts";
import { backoffMs } from "./timing.ts";
import { store } from "./store.ts";
import { tellTabs } from "./tabs.ts";

const TOUCHES = "/v1/me/touches";
const HELP = "/v1/me/help";

/** What was asked of people from this device, with what became of it. */
export interface Asked {
  id: string;
  text: string;
  at: string;
  state: "waiting" | "sent" | "refused";
}
const ASKED = "everbond.asked";

class Sending {
  waiting = $state(0);
  asked = $state<Asked[]>([]);

  constructor() {
    try {
      const kept: unknown = JSON.parse(store.getItem(ASKED) ?? "[]");
      if (Array.isArray(kept)) this.asked = kept as Asked[];
    } catch {
      // Unreadable history is no history.
    }
  }

  keepAsked(asked: Asked[]): void {
    this.asked = asked.slice(-50);
    store.setItem(ASKED, JSON.stringify(this.asked));
  }
}

export const sending = new Sending();

let heard: () => void = () => {};
/** Called after something reached the server, because the page may read differently now. */
export function onSent(hear: () => void): void {
  heard = hear;
}

let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

function again(afterMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void flush(), afterMs);
}

async function deliver(path: string, entries: Entry[]): Promise<Outcome[]> {
  const batch = path === TOUCHES ? entries : entries.slice(0, 1);
  const body = path === TOUCHES ? batch.map((entry) => entry.body) : batch[0]?.body;
  const id = batch[0]?.id ?? "";
  try {
    const answer = await callAsOwner<unknown>(path, {
      method: "POST",
      body,
      headers: { "idempotency-key": id },
    });
    failures = 0;
    return batch.map((_entry, i) => outcomeOf(path, answer, i));
  } catch (error) {
    const failure = error instanceof Failure ? error : new Failure("server");
    if (failure.kind === "refused" || failure.kind === "not_found") {
      // One bad touch must not take its neighbours with it: they go one by one then.
      if (batch.length > 1) return (await oneByOne(path, batch)).flat();
      return ["refused"];
    }
    failures += 1;
    if (failure.retryAfterS !== null) again(failure.retryAfterS * 1000);
    else if (navigator.onLine) again(backoffMs(failures, Math.random()));
    return batch.map(() => "later");
  }
}

async function oneByOne(path: string, batch: Entry[]): Promise<Outcome[][]> {
  const outcomes: Outcome[][] = [];
  for (const entry of batch) outcomes.push(await deliver(path, [entry]));
  return outcomes;
}

function outcomeOf(path: string, answer: unknown, i: number): Outcome {
  if (path !== TOUCHES) return (answer as HelpSent | null)?.sent === false ? "refused" : "sent";
  const results = (answer as { results?: { status?: string }[] } | null)?.results;
  return results?.[i]?.status === "refused" ? "refused" : "sent";
}

export const outbox = new Outbox({
  shelf: store,
  send: deliver,
  onsettled(entry, outcome) {
    sending.keepAsked(
      sending.asked.map((one) => (one.id === entry.id ? { ...one, state: outcome } : one)),
    );
  },
});

/** One tab at a time, where the browser can promise that; the ids make it safe where it cannot. */
export async function flush(): Promise<void> {
  const before = outbox.entries().length;
  if (before > 0) {
    if ("locks" in navigator) {
      await navigator.locks.request("everbond-outbox", () => outbox.flush());
    } else {
      await outbox.flush();
    }
  }
  sending.waiting = outbox.entries().length;
  if (sending.waiting < before) {
    heard();
    tellTabs("changed");
  }
}

export function startSending(): void {
  sending.waiting = outbox.entries().length;
  addEventListener("online", () => void flush());
  void flush();
}

interface Where {
  gtin: string;
  serial: string | null;
}

function subject(where: Where): { gtin: string; serial?: string } {
  return where.serial === null
    ? { gtin: where.gtin }
    : { gtin: where.gtin, serial: where.serial };
}

/** True when it reached the server, false when it waits for the network. */
export async function touch(
  where: Where,
  kind: string,
  properties: Record<string, unknown> = {},
): Promise<boolean> {
  const id = newId();
  const at = new Date().toISOString();
  const body: OwnTouch = { id, kind, ...subject(where), time: at, properties };
  outbox.add({ id, path: TOUCHES, body, at });
  await flush();
  return !outbox.entries().some((entry) => entry.id === id);
}

/** `from`: the screen that the person came from; it goes along at the end of the message. */
export async function askHelp(
  where: Where,
  text: string,
  contact: string,
  from: string | null,
): Promise<Asked> {
  const id = newId();
  const at = new Date().toISOString();
  const sent = from ? `${text}\n\n[${from}]` : text;
  const body = { id, ...subject(where), text: sent, ...(contact ? { contact } : {}) };
  sending.keepAsked([...sending.asked, { id, text, at, state: "waiting" }]);
  outbox.add({ id, path: HELP, body, at });
  await flush();
  return sending.asked.find((one) => one.id === id) ?? { id, text, at, state: "waiting" };
}
