// The formulas of grpo_lite, for the explorers: numbers in, numbers out. A test hands the same random numbers to both
// and compares the results to 1e-9, so what stands here may differ from the package in form only.

export const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
export const mean = (numbers) => sum(numbers) / numbers.length;

// The standard deviation that divides by n - 1, as in TRL.
export function spread(numbers) {
  const middle = mean(numbers);
  return Math.sqrt(sum(numbers.map((x) => (x - middle) ** 2)) / (numbers.length - 1));
}

export function softmax(logits) {
  const highest = Math.max(...logits); // exp of a large number would be infinite
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const total = sum(powers);
  return powers.map((power) => power / total);
}

// Mean and spread of the first number, the first two, and so on, in one pass (Welford).
export function running(numbers) {
  let [middle, squares] = [0, 0];
  return numbers.map((x, i) => {
    const step = x - middle;
    middle += step / (i + 1);
    squares += step * (x - middle);
    return { mean: middle, spread: i > 0 ? Math.sqrt(squares / i) : 0 };
  });
}

// advantages.py, for one group

// Measured from the lowest reward, equal rewards are exactly 0 before any rounding.
function centre(rewards) {
  const lowest = Math.min(...rewards);
  const above = rewards.map((reward) => reward - lowest);
  const middle = mean(above);
  return above.map((x) => x - middle);
}

// scale: divide by the spread of the "group", or by nothing ("none").
export function groupAdvantages(rewards, scale = "group", eps = 1e-4) {
  const centred = centre(rewards);
  const unit = scale === "group" ? spread(centred) + eps : 1;
  return centred.map((x) => x / unit);
}

export function leaveOneOutAdvantages(rewards) {
  return centre(rewards).map((x) => (x * rewards.length) / (rewards.length - 1));
}

// ratio.py, for one token

export function clippedSurrogate(ratio, advantage, epsilon, epsilonHigh = epsilon) {
  const clipped = Math.min(Math.max(ratio, 1 - epsilon), 1 + epsilonHigh);
  return Math.min(ratio * advantage, clipped * advantage);
}

// Whether the clip has switched the gradient off: the token is past the range, in the direction of its advantage.
export function isClipped(ratio, advantage, epsilon, epsilonHigh = epsilon) {
  return (advantage > 0 && ratio > 1 + epsilonHigh) || (advantage < 0 && ratio < 1 - epsilon);
}

// With respect to the log-prob, where the derivative of the ratio is the ratio.
export function surrogateGradient(ratio, advantage, epsilon, epsilonHigh = epsilon) {
  return isClipped(ratio, advantage, epsilon, epsilonHigh) ? 0 : ratio * advantage;
}

// kl.py: value and slope of each estimate, given the log-ratio policy : reference of a token. The slope is with respect
// to the log-prob under the policy.
export const ESTIMATORS = {
  k1: { value: (logRatio) => logRatio, slope: () => 1 },
  k2: { value: (logRatio) => logRatio ** 2 / 2, slope: (logRatio) => logRatio },
  k3: { value: (logRatio) => Math.expm1(-logRatio) + logRatio, slope: (logRatio) => -Math.expm1(-logRatio) },
};
export const logRatios = (probs, refProbs) => probs.map((p, v) => Math.log(p) - Math.log(refProbs[v]));
export const expected = (probs, values) => sum(probs.map((p, v) => p * values[v]));
export const kl = (probs, refProbs) => expected(probs, logRatios(probs, refProbs));

export function expectedSpread(probs, values) {
  const middle = expected(probs, values);
  return Math.sqrt(expected(probs, values.map((x) => (x - middle) ** 2)));
}

// What a loss follows on average if tokens are drawn from the policy and the draw is not differentiated: the sum over
// all tokens of probability times slope, taken through the softmax to the policy's logits.
export function expectedGradient(probs, slopes) {
  const middle = expected(probs, slopes);
  return probs.map((p, v) => p * (slopes[v] - middle));
}

// Gradient of the exact KL(policy || reference) and of KL(reference || policy) on the policy's logits.
export const reverseGradient = (probs, refProbs) => expectedGradient(probs, logRatios(probs, refProbs));
export const forwardGradient = (probs, refProbs) => probs.map((p, v) => p - refProbs[v]);

// aggregation.py: a loss type is an average, and so a weight of each token

const AVERAGES = { bnpo: "mean over tokens", dr_grpo: "sum by limit", luspo: "mean of row sums" };
for (const name of ["grpo", "sapo", "gmpo"]) AVERAGES[name] = "mean of row means";
for (const name of ["dapo", "cispo", "vespo"]) AVERAGES[name] = "sum by total";

// The weight of one token of each completion. limit: the length limit of sampling; items: the tokens of the whole
// batch if these lengths are a slice of it.
export function tokenWeights(lengths, lossType, { limit, items = sum(lengths) } = {}) {
  const rows = lengths.length;
  const weight = {
    "mean of row means": (length) => 1 / (rows * Math.max(length, 1)),
    "mean over tokens": () => 1 / Math.max(sum(lengths), 1),
    "sum by limit": () => 1 / (rows * limit),
    "sum by total": () => 1 / Math.max(items, 1),
    "mean of row sums": () => 1 / rows,
  };
  return lengths.map(weight[AVERAGES[lossType]]);
}

// What the loss of a slice is multiplied with, so that the slices add up to the loss of the whole batch.
export function sliceShare(lengths, batch, lossType) {
  if (AVERAGES[lossType] === "sum by total") return 1;
  if (AVERAGES[lossType] === "mean over tokens") return sum(lengths) / sum(batch);
  return lengths.length / batch.length;
}

// Chance that can be repeated: numbers from 0 to 1, always the same for the same seed (mulberry32).
export function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), seed | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

// The token that a number from 0 to 1 draws.
export function draw(probs, chance) {
  let token = 0;
  for (let left = chance - probs[0]; left >= 0 && token < probs.length - 1; left -= probs[token]) token += 1;
  return token;
}
