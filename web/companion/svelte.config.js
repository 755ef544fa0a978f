import { vitePreprocess } from "@sveltejs/vite-plugin-svelte";

/** TypeScript in `.svelte` files; runes everywhere. */
export default {
  preprocess: vitePreprocess(),
  compilerOptions: { runes: true },
};
