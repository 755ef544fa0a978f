/** The current route; addresses change through the History API, focus follows the new screen. */
import { tick } from "svelte";
import { parseRoute, type Route } from "./route.ts";

class Router {
  route = $state.raw<Route>(parseRoute(location.pathname, location.search));
  /** Counts navigations, so that the same screen asked for again still answers. */
  turns = $state(0);

  start(): void {
    history.scrollRestoration = "manual";
    addEventListener("popstate", (event) => {
      const scroll = (event.state as { scroll?: number } | null)?.scroll ?? 0;
      void this.#show(scroll);
    });
    addEventListener("click", (event) => this.#clicked(event));
  }

  async go(path: string, replace = false): Promise<void> {
    const to = new URL(path, location.href);
    if (to.origin !== location.origin) return location.assign(to.href);
    if (replace) {
      history.replaceState(null, "", to);
    } else {
      history.replaceState({ scroll: scrollY }, "");
      history.pushState(null, "", to);
    }
    await this.#show(0);
  }

  back(fallback: string): void {
    if (this.turns > 0) history.back();
    else void this.go(fallback, true);
  }

  async #show(scroll: number): Promise<void> {
    this.route = parseRoute(location.pathname, location.search);
    this.turns += 1;
    await tick();
    scrollTo(0, scroll);
  }

  /** Plain clicks on our own links stay in the page; all others are the browser's. */
  #clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.download) return;
    if (link.origin !== location.origin || !/^\/(01\/|me(\/|$))/.test(link.pathname)) return;
    event.preventDefault();
    void this.go(link.pathname + link.search + link.hash);
  }
}

export const router = new Router();

/** Puts the reader of a new screen at its heading; not on the first load, which begins at the top. */
export function heading(node: HTMLElement): void {
  node.tabIndex = -1;
  if (router.turns > 0) node.focus({ preventScroll: true });
}
