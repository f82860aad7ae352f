// One update of GRPO on the model in the page, as GRPOTrainer makes it: log-probs of the group's tokens, the clipped
// objective, its gradient through the whole model, and a step of AdamW.
import { read, zeros } from "./backward.js";
import { clippedSurrogate, isClipped, sum, surrogateGradient, tokenWeights } from "./grpo.js";
import { logSoftmax } from "./step.js";
import { EPSILON } from "./update_state.js";

const LONGEST = 1; // a longer gradient is shortened to this

// The log-probs of a completion's tokens behind its prompt, and the way back from them.
function logProbs(weights, gradients, prompt, completion, temperature) {
  const tokens = [...prompt, ...completion.slice(0, -1)]; // behind the last one nothing is asked
  const [logits, back] = read(weights, gradients, tokens);
  const size = logits.length / tokens.length;
  const from = prompt.length - 1; // the last token of the prompt says what comes first
  const all = completion.map((_, t) => {
    const row = logits.subarray((from + t) * size, (from + t + 1) * size);
    return logSoftmax(Array.from(row, (logit) => logit / temperature));
  });
  // The log-prob of a token grows with its own logit by 1, and falls with all of them by their probabilities.
  const downward = (pushes) => {
    const slope = new Float64Array(logits.length);
    for (const [t, logps] of all.entries()) {
      const push = pushes[t] / temperature;
      logps.forEach((logp, v) => (slope[(from + t) * size + v] = -push * Math.exp(logp)));
      slope[(from + t) * size + completion[t]] += push;
    }
    back(slope);
  };
  return [completion.map((token, t) => all[t][token]), downward];
}

export const scores = (weights, { prompt, completions }, temperature) =>
  completions.map((completion) => logProbs(weights, zeros(weights), prompt, completion, temperature)[0]);

// The loss and its gradient. group: { prompt, completions, advantages, oldLogps }; pushes: the gradient of the
// objective on each log-prob, before the average.
export function gradientOf(weights, group, temperature) {
  const gradients = zeros(weights);
  const shares = tokenWeights(group.completions.map(({ length }) => length), "grpo");
  const rows = group.completions.map((completion, i) => {
    const advantage = group.advantages[i];
    const [logps, back] = logProbs(weights, gradients, group.prompt, completion, temperature);
    const ratios = logps.map((logp, t) => Math.exp(logp - group.oldLogps[i][t]));
    const pushes = ratios.map((ratio) => surrogateGradient(ratio, advantage, EPSILON));
    if (pushes.some((push) => push !== 0)) back(pushes.map((push) => -push * shares[i]));
    const loss = -shares[i] * sum(ratios.map((ratio) => clippedSurrogate(ratio, advantage, EPSILON)));
    return { logps, ratios, pushes, loss, clipped: ratios.map((ratio) => isClipped(ratio, advantage, EPSILON)) };
  });
  const column = (key) => rows.map((row) => row[key]);
  const keys = ["logps", "ratios", "pushes", "clipped"];
  return { gradients, loss: sum(column("loss")), ...Object.fromEntries(keys.map((key) => [key, column(key)])) };
}

export const lengthOf = (gradients) =>
  Math.sqrt(sum(Object.values(gradients).map((all) => all.reduce((sofar, x) => sofar + x * x, 0))));

// Adam with the settings of PyTorch; the weight decay is 0, as in the trainer.
export class AdamW {
  constructor(weights) {
    Object.assign(this, { weights, steps: 0, means: zeros(weights), squares: zeros(weights) });
  }

  step(gradients, rate) {
    this.steps += 1;
    const shrink = Math.min(1, LONGEST / (lengthOf(gradients) + 1e-6));
    const [first, second] = [1 - 0.9 ** this.steps, 1 - 0.999 ** this.steps];
    for (const [name, weight] of Object.entries(this.weights)) {
      const [mean, square, gradient] = [this.means[name], this.squares[name], gradients[name]];
      for (let i = 0; i < weight.length; i++) {
        const slope = shrink * gradient[i];
        mean[i] += 0.1 * (slope - mean[i]);
        square[i] += 0.001 * (slope * slope - square[i]);
        weight[i] -= ((rate / first) * mean[i]) / (Math.sqrt(square[i] / second) + 1e-8);
      }
    }
  }
}
