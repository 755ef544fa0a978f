// Prints the calls of a run as JSON, for drivers in other languages.
import { calls } from "./calls.mjs";

console.log(JSON.stringify(calls(process.argv[2])));
