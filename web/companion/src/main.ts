/** Starts the companion: the screens, the sending of what waits, and the service worker. */
import "@everbond/ui/tokens.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { current } from "./lib/page.svelte.ts";
import { router } from "./lib/router.svelte.ts";
import { startSending } from "./lib/sending.svelte.ts";
import "./lib/install.svelte.ts";

router.start();
current.start();
startSending();
mount(App, { target: document.getElementById("app") ?? document.body });

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  // After the first paint, so that it takes no network from the page itself.
  const register = () => void navigator.serviceWorker.register("/sw.js").catch(() => {});
  if (document.readyState === "complete") register();
  else addEventListener("load", register);
}
