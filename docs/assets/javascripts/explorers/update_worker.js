// The model of <update-explorer>, away from the page, which is never blocked. It is asked by { id, name, given } and
// answers by { id, value } or { id, error }.
import { generator, groupAdvantages } from "./grpo.js";
import { accuracy, chainSum } from "./tasks.js";
import { decode, encode, readSafetensors, sampleGroup, SYMBOLS, Transformer } from "./transformer.js";
import { AdamW, gradientOf, lengthOf, scores } from "./update.js";

const SIZE = 8; // of a group
let [origin, weights, optimiser, group, temperature] = [];

const actions = {
  async load(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.status);
    origin = readSafetensors(await answer.arrayBuffer());
    actions.reset();
  },

  reset() {
    weights = structuredClone(origin);
    optimiser = new AdamW(weights);
  },

  // A group from the model as it is now.
  sample({ prompt, seed, heat }) {
    temperature = heat;
    const completions = sampleGroup(new Transformer(weights), prompt, SIZE, generator(seed), heat);
    const truth = String(chainSum(prompt) % 10);
    const rewards = completions.map((tokens) => accuracy(decode(tokens), truth));
    group = { prompt: encode(prompt), completions, advantages: groupAdvantages(rewards) };
    group.oldLogps = scores(weights, group, heat);
    const symbols = completions.map((tokens) => tokens.map((token) => SYMBOLS[token]));
    return { prompt, heat, truth, symbols, rewards, advantages: group.advantages, old: group.oldLogps };
  },

  // One more update on the same group: what has become of its tokens, and what the gradient was.
  update({ rate }) {
    const { gradients, clipped } = gradientOf(weights, group, temperature);
    optimiser.step(gradients, rate);
    return { now: scores(weights, group, temperature), norm: lengthOf(gradients), clipped };
  },
};

addEventListener("message", async ({ data: { id, name, given } }) => {
  try {
    postMessage({ id, value: await actions[name](given) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
});
