/**
 * One accent colour per brand. A brand that states a colour gets its hue; any other gets one of a
 * few hues chosen by its name, always the same. Lightness is not taken from the brand: the style
 * sheet sets it, so that text on the accent stays readable in light and dark.
 */

export interface Accent {
  /** Degrees in OKLCH. */
  hue: number;
  chroma: number;
}

/** Hues that look good at the lightness used, with the chroma that each can carry there. */
const PALETTE: readonly Accent[] = [
  { hue: 32, chroma: 0.135 },
  { hue: 258, chroma: 0.14 },
  { hue: 165, chroma: 0.095 },
  { hue: 300, chroma: 0.135 },
  { hue: 215, chroma: 0.09 },
  { hue: 12, chroma: 0.14 },
  { hue: 142, chroma: 0.11 },
  { hue: 62, chroma: 0.1 },
  { hue: 340, chroma: 0.13 },
  { hue: 190, chroma: 0.085 },
];

/** FNV-1a, 32 bits: small, and the same everywhere. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}

/** OKLCH hue and chroma of `#rrggbb` (Björn Ottosson's OKLab matrices), or null if it is no colour. */
export function fromHex(hex: string): Accent | null {
  const match = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex.trim());
  if (!match) return null;
  const [r, g, b] = match.slice(1).map((part) => {
    const c = parseInt(part, 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const A = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const B = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  const chroma = Math.hypot(A, B);
  const hue = ((Math.atan2(B, A) * 180) / Math.PI + 360) % 360;
  // A grey brand stays calm, a neon one does not shout.
  return { hue: Math.round(hue), chroma: Math.min(0.14, Math.max(0.02, chroma)) };
}

export function accentOf(brand: string, attributes: Record<string, unknown> = {}): Accent {
  for (const name of ["brand_color", "brand_colour", "accent"]) {
    const value = attributes[name];
    const accent = typeof value === "string" ? fromHex(value) : null;
    if (accent) return accent;
  }
  return PALETTE[hash(brand.toLowerCase()) % PALETTE.length] ?? { hue: 32, chroma: 0.13 };
}

/** Through the CSSOM, because the server's policy forbids style attributes. */
export function setAccent(root: HTMLElement, accent: Accent): void {
  root.style.setProperty("--hue", String(accent.hue));
  root.style.setProperty("--chroma", accent.chroma.toFixed(3));
}
