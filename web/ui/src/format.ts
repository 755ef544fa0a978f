/**
 * Dates, money and codes in the person's language. Nothing here throws on odd data: what cannot
 * be read as a date or a number is shown as it came.
 */
import type { Money, OfferValue } from "@everbond/api";

function read(time: string): Date | null {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** "299.00", "USD" -> "$299" or "299 $": whole amounts without their zeros. */
export function money(value: Money, locale: string): string {
  const amount = Number(value.amount);
  if (!Number.isFinite(amount)) return `${value.amount} ${value.currency}`.trim();
  try {
    return new Intl.NumberFormat(locale, {
      style: "currency",
      currency: value.currency,
      currencyDisplay: "narrowSymbol",
      trailingZeroDisplay: "stripIfInteger",
    } as Intl.NumberFormatOptions).format(amount);
  } catch {
    return `${value.amount} ${value.currency}`.trim();
  }
}

/** The big words on an offer: money, a percentage, or what the company wrote. */
export function offerValue(value: OfferValue, locale: string): string {
  if (value.text) return value.text;
  if (value.amount && value.currency) {
    return money({ amount: value.amount, currency: value.currency }, locale);
  }
  const amount = Number(value.amount);
  if (!value.amount || !Number.isFinite(amount)) return value.amount ?? "";
  if (value.kind.startsWith("percent")) {
    const format = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
    return format.format(amount / 100);
  }
  return new Intl.NumberFormat(locale).format(amount);
}

export function day(time: string, locale: string): string {
  const date = read(time);
  if (!date) return time;
  return new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" }).format(
    date,
  );
}

/** By the calendar of whoever reads. */
export function isToday(time: string): boolean {
  return read(time)?.toDateString() === new Date().toDateString();
}

/** A text with the times in it as people write them. */
export function withTimes(text: string, locale: string): string {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (found) => {
    const date = read(found);
    return date ? format.format(date) : found;
  });
}

export function moment(time: string, locale: string): string {
  const date = read(time);
  if (!date) return time;
  return new Intl.DateTimeFormat(locale, {
    day: "numeric",
    month: "short",
    hour: "numeric",
    minute: "2-digit",
  }).format(date);
}

/** "Tuesday 24 November": for a day that is near, where the weekday helps most. */
export function weekday(time: string, locale: string): string {
  const date = read(time);
  if (!date) return time;
  return new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" }).format(
    date,
  );
}

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 hours ago", "in 2 days"; under a minute "now". `now` in milliseconds. */
export function relative(time: string, locale: string, now: number): string {
  const date = read(time);
  if (!date) return time;
  const seconds = Math.round((date.getTime() - now) / 1000);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** A code for the eye: groups of four where the company wrote it without any. */
export function grouped(code: string): string {
  if (/[\s-]/.test(code) || code.length <= 6 || code.length % 4 !== 0) return code;
  return code.replace(/(.{4})(?=.)/g, "$1 ");
}

/** A code from a keyboard, a paste or a camera: no spaces, any dash is the plain one. */
export function typedCode(text: string): string {
  return text
    .normalize("NFKC")
    .replace(/[\u2010-\u2015\u2212]/g, "-")
    .replace(/[\s\u200b-\u200f\u2060\ufeff]/g, "")
    .replace(/^[-:#]+|[-.,;]+$/g, "");
}

/** Any JSON value as short words; numbers no longer than somebody would say them. */
export function plain(value: unknown, locale = "en"): string {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.map((one) => plain(one, locale)).join(", ");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => `${words(name)}: ${plain(inner, locale)}`)
      .join(", ");
  }
  if (typeof value === "boolean") {
    const [yes, no] = locale.startsWith("de") ? ["ja", "nein"] : ["yes", "no"];
    return value ? yes : no;
  }
  if (typeof value === "number") {
    return value.toLocaleString(locale, { maximumFractionDigits: 2, useGrouping: false });
  }
  return String(value);
}

/** "paper_jam" -> "paper jam", "product.state.error" -> "product state error". */
export function words(name: string): string {
  return name.replace(/[._]+/g, " ").trim();
}
