// The objectives of the family, for one token whose completion has no other: its value and its gradient on the log-prob.
// A test compares both with grpo_loss to 1e-9. How the tokens of a batch are averaged is tokenWeights of grpo.js.
import { clippedSurrogate, surrogateGradient } from "./grpo.js";

// As in the lesson The family: what the papers and TRL use, but for the cap of CISPO, which is 5 there.
const [EPSILON, LOGARITHM, CAP] = [0.2, 0.4, 2];
const bump = (x, k, rate) => Math.exp(rate + k * Math.log(x) - rate * x);
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const temperature = (advantage) => (advantage > 0 ? 1 : 1.05);

const clip = {
  value: (ratio, advantage) => clippedSurrogate(ratio, advantage, EPSILON),
  push: (ratio, advantage) => surrogateGradient(ratio, advantage, EPSILON),
};

// A weight on the log-prob: the gradient does not pass through it.
const weighted = (weight) => ({
  value: (ratio, advantage, oldLogp) => weight(ratio, advantage) * advantage * (oldLogp + Math.log(ratio)),
  push: (ratio, advantage) => weight(ratio, advantage) * advantage,
});

const sapo = {
  value: (ratio, advantage) => {
    const tau = temperature(advantage);
    return (4 / tau) * sigmoid(tau * (ratio - 1)) * advantage;
  },
  push: (ratio, advantage) => {
    const open = sigmoid(temperature(advantage) * (ratio - 1));
    return 4 * open * (1 - open) * ratio * advantage;
  },
};

const [LOWEST, HIGHEST] = [Math.exp(-LOGARITHM), Math.exp(LOGARITHM)];
const gmpo = {
  value: (ratio, advantage) => (advantage > 0 ? Math.min(ratio, HIGHEST) : Math.max(ratio, LOWEST)) * advantage,
  push: (ratio, advantage) => ((advantage > 0 ? ratio > HIGHEST : ratio < LOWEST) ? 0 : ratio * advantage),
};

export const OBJECTIVES = {
  grpo: clip,
  bnpo: clip,
  dr_grpo: clip,
  dapo: clip,
  luspo: clip,
  cispo: weighted((ratio) => Math.min(ratio, CAP)),
  sapo,
  vespo: weighted((ratio, advantage) => (advantage >= 0 ? bump(ratio, 2, 3) : bump(ratio, 3, 2))),
  gmpo,
};

// The values of these two hang on the log-prob itself, so that their height says nothing.
export const hasNoScale = (name) => ["cispo", "vespo"].includes(name);
