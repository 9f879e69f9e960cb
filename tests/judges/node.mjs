// A task per line of the standard input, what came of it per line of the standard output.
import { createInterface } from "node:readline";
import { judge } from "./scenarios.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await judge(JSON.parse(line))) + "\n");
}
