/**
 * The server's word that something changed. The browser's own reconnecting gives up when the
 * server answers with an error, so a new connection is made here after a growing pause.
 */
import { backoffMs } from "./timing.ts";

export interface Listening {
  stop(): void;
}

interface Hear {
  changed(): void;
  gone(): void;
}

export function listen(address: string, hear: Hear): Listening {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let stopped = false;

  function open() {
    if (stopped) return;
    source?.close();
    const mine = new EventSource(address);
    source = mine;
    mine.onopen = () => {
      // What changed while nobody listened is in the page.
      if (failures > 0) hear.changed();
      failures = 0;
    };
    mine.addEventListener("changed", () => hear.changed());
    mine.addEventListener("gone", () => {
      stop();
      hear.gone();
    });
    mine.onerror = () => {
      failures += 1;
      if (mine.readyState !== EventSource.CLOSED) return;
      clearTimeout(timer);
      timer = setTimeout(open, backoffMs(failures, Math.random()));
    };
  }
  function online() {
    clearTimeout(timer);
    if (source?.readyState !== EventSource.OPEN) open();
  }
  function stop() {
    stopped = true;
    clearTimeout(timer);
    source?.close();
    removeEventListener("online", online);
  }

  addEventListener("online", online);
  open();
  return { stop };
}
