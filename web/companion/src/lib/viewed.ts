/** Whether a product's page is opened for the first time in this tab: a reload is no new visit. */

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
