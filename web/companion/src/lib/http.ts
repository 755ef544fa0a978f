/**
 * Calls to the server. Every failure comes back as a `Failure` that says which words to show;
 * nothing else is thrown. The session is made by the first call that writes: whoever only looks
 * leaves nothing behind.
 */
import type { Problem, Session } from "@everbond/api";
import { speech } from "./language.svelte.ts";

export type FailureKind =
  | "network"
  | "not_found"
  | "no_session"
  | "busy"
  | "server"
  | "refused";

export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    readonly problem: Problem | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(problem?.detail ?? problem?.title ?? kind);
  }
}

export interface Answer<T> {
  body: T;
  /** When the answer was kept, if it came from this device and not from the server. */
  keptAt: string | null;
}

function kindOf(status: number): FailureKind {
  if (status === 401) return "no_session";
  if (status === 404 || status === 410) return "not_found";
  if (status === 429) return "busy";
  if (status >= 500) return "server";
  return "refused";
}

async function problemOf(response: Response): Promise<Problem | null> {
  try {
    const body: unknown = await response.json();
    return body && typeof body === "object" && "code" in body ? (body as Problem) : null;
  } catch {
    return null;
  }
}

function retryAfter(response: Response): number | null {
  const text = response.headers.get("retry-after");
  if (!text) return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, Math.round((at - Date.now()) / 1000));
}

export interface CallOptions {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
}

export async function callWithAge<T>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
  const method = options.method ?? "GET";
  const headers: Record<string, string> = {
    accept: "application/json, application/problem+json",
    "accept-language": speech.locale,
    ...options.headers,
  };
  if (method !== "GET") headers["x-everbond"] = "1";
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Failure("network");
  }
  if (!response.ok) {
    throw new Failure(kindOf(response.status), await problemOf(response), retryAfter(response));
  }
  try {
    const text = await response.text();
    const body = (text === "" ? null : JSON.parse(text)) as T;
    return { body, keptAt: response.headers.get("x-everbond-kept-at") };
  } catch {
    // An answer that breaks off is the network's doing; a page instead of JSON is the server's.
    throw new Failure(navigator.onLine ? "server" : "network");
  }
}

export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  return (await callWithAge<T>(path, options)).body;
}

let session: Promise<Session> | null = null;
let sessions = 0;

/** Grows when a session was made: what was opened without one has to be opened again. */
export function sessionsMade(): number {
  return sessions;
}

function makeSession(): Promise<Session> {
  return call<Session>("/v1/me/session", { method: "POST" }).then((made) => {
    sessions += 1;
    return made;
  });
}

export function forgetSession(): void {
  session = null;
}

/** A call that needs a session: made once; made again if the server no longer knows it. */
export async function callAsOwner<T>(path: string, options: CallOptions = {}): Promise<T> {
  session ??= makeSession();
  try {
    await session;
  } catch (error) {
    session = null;
    throw error;
  }
  try {
    return await call<T>(path, options);
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== "no_session") throw error;
    session = makeSession();
    await session.catch(() => (session = null));
    return call<T>(path, options);
  }
}

/** Ids need no secrecy, only to be unlike any other: also where `crypto.randomUUID` is missing. */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
