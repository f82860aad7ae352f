// Evaluates what comes in, a line of JSON each, [expression, arguments], where the modules and the two models are at hand.
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";

// Just enough of a browser to read the classes: their start, their goals and their words.
const classes = (globalThis.classes = {});
Object.assign(globalThis, {
  HTMLElement: class {},
  addEventListener: () => {},
  customElements: { define: (tag, one) => (classes[tag] = one) },
  document: { documentElement: { lang: "en" } },
  window: globalThis,
});

const [explorers, models] = process.argv.slice(2);
const MODULES = [
  ...["address", "attack_state", "diagnosis_state", "drawing", "family_state", "goals", "grpo", "objectives", "recording"],
  ...["rewards", "run", "step", "tasks", "transformer", "update", "update_state", "words_diagnosis", "words_play"],
];
for (const name of MODULES) {
  globalThis[name] = await import(`${explorers}/${name}.js`);
}
globalThis.words = (await import(`${explorers}/words.js`)).words;
for (const file of readdirSync(explorers)) {
  const text = readFileSync(`${explorers}/${file}`, "utf8");
  if (text.includes("customElements.define")) await import(`${explorers}/${file}`);
}
[globalThis.models, globalThis.weights] = [{}, {}];
const { Transformer, readSafetensors } = globalThis.transformer;
for (const name of ["base", "trained"]) {
  const { buffer } = new Uint8Array(readFileSync(`${models}/${name}.safetensors`));
  globalThis.weights[name] = readSafetensors(buffer);
  globalThis.models[name] = new Transformer(globalThis.weights[name]);
}
for await (const line of createInterface({ input: process.stdin })) {
  const [expression, given] = JSON.parse(line);
  const found = (0, eval)(expression); // not in this file's scope
  const value = typeof found === "function" ? found(...given) : found;
  console.log(JSON.stringify(value ?? null, (_, x) => (ArrayBuffer.isView(x) ? Array.from(x) : x)));
}
