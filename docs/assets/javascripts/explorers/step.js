// One step of GRPO for a policy that is a softmax over a few answers of one token each: numbers in, numbers out, like
// grpo.js. All gradients are written out. That of the log-prob of an answer is: 1 at its own logit, minus all the
// probabilities.
import { ESTIMATORS, clippedSurrogate, groupAdvantages, isClipped, mean, sum, surrogateGradient } from "./grpo.js";

// Largest logit first, so that no exp overflows.
export function logSoftmax(logits) {
  const largest = Math.max(...logits);
  const total = largest + Math.log(sum(logits.map((z) => Math.exp(z - largest))));
  return logits.map((z) => z - total);
}

// From the log-probs of the same answers, so that a probability that has rounded to 0 counts 0.
export function klOfLogits(logits, refLogits) {
  const [logps, refLogps] = [logSoftmax(logits), logSoftmax(refLogits)];
  return sum(logps.map((logp, v) => Math.exp(logp) * (logp - refLogps[v])));
}

// The loss of one pass over a group, and its gradient on the logits. ids: the answer of each completion.
function onePass(logits, group, { beta, epsilon }) {
  const { ids, advantages, oldLogps, refLogps } = group;
  const logps = logSoftmax(logits);
  const probs = logps.map(Math.exp);
  const ratios = ids.map((id) => Math.exp(logps[id] - oldLogps[id]));
  const logRatios = ids.map((id) => logps[id] - refLogps[id]);
  const policyLoss = -mean(ratios.map((ratio, i) => clippedSurrogate(ratio, advantages[i], epsilon)));
  const kl = mean(logRatios.map(ESTIMATORS.k3.value));
  // What raises the objective by raising the log-prob of each completion.
  const pushes = ratios.map((ratio, i) => {
    const pull = beta > 0 ? beta * ESTIMATORS.k3.slope(logRatios[i]) : 0;
    return (surrogateGradient(ratio, advantages[i], epsilon) - pull) / ids.length;
  });
  const gradient = probs.map((p, v) => p * sum(pushes) - sum(pushes.filter((_, i) => ids[i] === v)));
  const clipped = ratios.map((ratio, i) => isClipped(ratio, advantages[i], epsilon));
  const loss = beta > 0 ? policyLoss + beta * kl : policyLoss;
  return { loss, kl, ratios, clipped, clipFraction: mean(clipped.map(Number)), gradient };
}

// mu passes of plain gradient descent over one group. Returns the new logits, the advantages, and what each pass saw.
export function grpoStep(logits, { oldLogits, refLogits, ids, rewards }, { rate, beta, epsilon, mu }) {
  const advantages = groupAdvantages(rewards);
  const group = { ids, advantages, oldLogps: logSoftmax(oldLogits), refLogps: logSoftmax(refLogits) };
  const passes = [];
  for (let k = 0; k < mu; k += 1) {
    passes.push(onePass(logits, group, { beta, epsilon }));
    logits = logits.map((z, v) => z - rate * passes[k].gradient[v]);
  }
  return { logits, advantages, passes };
}
