// Evaluates what comes in, a line of JSON each, [expression, arguments], where the modules and the two models are at hand.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [explorers, models] = process.argv.slice(2);
for (const name of ["address", "drawing", "goals", "grpo", "recording", "run", "step", "tasks", "transformer"]) {
  globalThis[name] = await import(`${explorers}/${name}.js`);
}
globalThis.models = {};
const { Transformer, readSafetensors } = globalThis.transformer;
for (const name of ["base", "trained"]) {
  const { buffer } = new Uint8Array(readFileSync(`${models}/${name}.safetensors`));
  globalThis.models[name] = new Transformer(readSafetensors(buffer));
}
for await (const line of createInterface({ input: process.stdin })) {
  const [expression, given] = JSON.parse(line);
  const found = (0, eval)(expression); // not in this file's scope
  const value = typeof found === "function" ? found(...given) : found;
  console.log(JSON.stringify(value ?? null, (_, x) => (ArrayBuffer.isView(x) ? Array.from(x) : x)));
}
