/**
 * The build of the companion. Everything but `index.html` and `sw.js` lies under `/companion/`,
 * so the server can serve the files of `dist` at their own path beside the API.
 */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { serviceWorker } from "./scripts/service-worker.ts";

const server = process.env["EVERBOND_SERVER"] ?? "http://127.0.0.1:8480";

export default defineConfig({
  plugins: [svelte(), serviceWorker()],
  build: {
    assetsDir: "companion",
    target: "es2022",
    // The server forbids data: scripts and fonts; small images stay files that can be cached.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/v1": server, "/c/": server, "/r/": server },
  },
});
