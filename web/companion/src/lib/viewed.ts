/** Whether a product's page is opened for the first time in this tab: a reload is no new visit. */

/**
 * How the page was come to: a camera's scan opens it from nowhere, any link comes from a page.
 * A bookmark looks like a scan; nothing tells the two apart.
 */
export function arrival(): "product.scanned" | "product.viewed" {
  const fromNowhere = document.referrer === "" && history.length <= 2;
  return fromNowhere ? "product.scanned" : "product.viewed";
}

export function viewedOnce(base: string): boolean {
  const key = `everbond.viewed.${base}`;
  try {
    if (sessionStorage.getItem(key)) return false;
    sessionStorage.setItem(key, "1");
    return true;
  } catch {
    return false;
  }
}
