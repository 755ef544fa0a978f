/**
 * Where the phone is, only after the person asked for it here, only while the page is open, and
 * never finer than about ten metres (four decimals).
 */
import { metres } from "./timing.ts";

export interface Point {
  lat: number;
  lon: number;
}

const MOVED_M = 50;
const round = (degrees: number) => Math.round(degrees * 10_000) / 10_000;

class Place {
  point = $state.raw<Point | null>(null);
  denied = $state(false);
  #watch: number | null = null;
  #moved: () => void = () => {};

  get possible(): boolean {
    return "geolocation" in navigator && isSecureContext;
  }

  onmoved(hear: () => void): void {
    this.#moved = hear;
  }

  /** Goes on without a question if the browser was allowed before; never asks by itself. */
  async resume(): Promise<void> {
    if (!this.possible || this.#watch !== null || !navigator.permissions) return;
    try {
      const { state } = await navigator.permissions.query({ name: "geolocation" });
      if (state === "granted") void this.start();
    } catch {
      // A browser that cannot say waits for the tap.
    }
  }

  /** Resolves once the first position or the refusal is there. */
  start(): Promise<boolean> {
    if (!this.possible) {
      this.denied = true;
      return Promise.resolve(false);
    }
    if (this.#watch !== null) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#watch = navigator.geolocation.watchPosition(
        ({ coords }) => {
          const point = { lat: round(coords.latitude), lon: round(coords.longitude) };
          this.denied = false;
          if (!this.point || metres(this.point, point) > MOVED_M) {
            this.point = point;
            this.#moved();
          }
          resolve(true);
        },
        (error) => {
          if (error.code === error.PERMISSION_DENIED) {
            this.denied = true;
            this.stop();
          }
          resolve(false);
        },
        { enableHighAccuracy: true, maximumAge: 15_000, timeout: 20_000 },
      );
    });
  }

  stop(): void {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
    this.point = null;
  }
}

export const place = new Place();
