/** When to do things again: many wishes as one run, and growing pauses after failures. */

/**
 * Many calls within `waitMs` become one run; a call during a run becomes one more run after it.
 * So the last change is always seen and a storm of changes costs at most one request at a time.
 */
export function coalesce(run: () => Promise<void>, waitMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let running = false;
  let again = false;

  async function go() {
    timer = null;
    running = true;
    try {
      await run();
    } finally {
      running = false;
      if (again) {
        again = false;
        start();
      }
    }
  }
  function start() {
    timer ??= setTimeout(() => void go(), waitMs);
  }
  return () => {
    if (running) again = true;
    else start();
  };
}

/** 1 s, 2 s, 4 s … at most 30 s; `random` in 0..1 spreads phones that lost the server together. */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(30_000, 1000 * 2 ** Math.max(0, failures - 1));
  return Math.round(full * (0.5 + random / 2));
}

/** Metres between two points: small distances, so a flat earth is exact enough. */
export function metres(
  a: { lat: number; lon: number },
  b: { lat: number; lon: number },
): number {
  const rad = Math.PI / 180;
  const x = (b.lon - a.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad);
  return Math.hypot(x, (b.lat - a.lat) * rad) * 6_371_000;
}
