/** What both screens share: the icon set, a few controls, the brand's colour, how values read. */
export { default as Icon } from "./Icon.svelte";
export { default as Illustration } from "./Illustration.svelte";
export { default as Journey } from "./Journey.svelte";
export { default as Sheet } from "./Sheet.svelte";
export { default as Switch } from "./Switch.svelte";
export * from "./brand.ts";
export * from "./format.ts";
export { iconFor, ICONS, type IconName } from "./icons.ts";
