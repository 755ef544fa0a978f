/** Which 'Why do I see this?' is open, and the server's answer read into plain lines. */
import type { Permission, Reason, Why } from "@everbond/api";
import { plain, words } from "@everbond/ui";
import { call } from "./http.ts";
import { speech } from "./language.svelte.ts";

export interface Question {
  id: string;
  title: string;
  reason: Reason | null;
}

class WhyState {
  open = $state.raw<Question | null>(null);

  ask(item: Question): void {
    this.open = { id: item.id, title: item.title, reason: item.reason };
  }
}

export const why = new WhyState();

export interface Explanation {
  reason: string | null;
  data: [name: string, value: string][];
  switches: Permission[];
}

export async function explain(
  decision: string,
  item: string,
  permissions: Permission[],
): Promise<Explanation> {
  const answer = await call<Why>(`/v1/me/why/${encodeURIComponent(decision)}`);
  // A step and a menu item may have one id; what is shown is what was asked about.
  const same = answer.items.filter((one) => one.id === item);
  const found = same.find((one) => one.shown) ?? same[0];
  const names = new Set(found?.switch_off ?? []);
  return {
    reason: found?.reason?.text ?? null,
    data: lines(found?.data),
    switches: permissions.filter((one) => names.has(one.purpose)),
  };
}

/** `{name: value}`, `[[name, value]]`, `[{name, value}]` and plain words all become lines. */
export function lines(data: unknown): [string, string][] {
  if (data === null || data === undefined) return [];
  if (!Array.isArray(data)) {
    return Object.entries(data as object).map(([name, value]) => line(name, value));
  }
  return data.map((one: unknown): [string, string] => {
    if (Array.isArray(one)) return line(String(one[0]), one[1]);
    if (one && typeof one === "object" && "name" in one) {
      return line(String(one.name), "value" in one ? one.value : "");
    }
    return ["", plain(one, speech.locale)];
  });
}

function line(path: string, value: unknown): [string, string] {
  const names = speech.t.whyPaths;
  const said = plain(typeof value === "string" ? words(value) : value, speech.locale);
  const whole = names[path];
  if (whole) return [whole, said];
  // `product.state.error`: what is known of the longest part before, then the rest.
  const known = Object.keys(names).find((start) => path.startsWith(`${start}.`));
  if (!known) return [words(path), said];
  return [`${names[known]}: ${words(path.slice(known.length + 1))}`, said];
}
