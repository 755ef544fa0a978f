/** Keeps the tabs of one browser in step: something was sent, the page changed, all was wiped. */

export type News = "changed" | "wiped" | "language";

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("everbond") : null;

export function tellTabs(news: News): void {
  channel?.postMessage(news);
}

export function onTabs(hear: (news: News) => void): void {
  channel?.addEventListener("message", (event: MessageEvent<News>) => hear(event.data));
}
