// What a reader may try to reach in an explorer, as questions to its state: plain data in, yes or no out. None of them is
// met at the start, and a test reaches each.
import { ESTIMATORS, draw, expectedGradient, generator, groupAdvantages, isClipped, kl } from "./grpo.js";
import { leaveOneOutAdvantages, logRatios, mean, reverseGradient, sum, tokenWeights } from "./grpo.js";
import { LENGTH, steps } from "./run.js";

export const advantagesOf = ({ rewards, scale }) =>
  scale === "leave_one_out" ? leaveOneOutAdvantages(rewards) : groupAdvantages(rewards, scale);

export const groupGoals = {
  relative: (state) => advantagesOf(state).some((advantage, i) => state.rewards[i] >= 0.8 && advantage < 0),
  lone: (state) => Math.max(...advantagesOf(state)) > 2.4,
  close: (state) =>
    Math.max(...state.rewards) - Math.min(...state.rewards) <= 0.1 && Math.max(...advantagesOf(state)) > 1,
  silent: (state) => advantagesOf(state).every((advantage) => advantage === 0),
};

const clipped = ({ sign, ratio, low, high }) => isClipped(ratio, Number(sign), low, high);

export const clipGoals = {
  good: (state) => state.sign === "1" && clipped(state),
  bad: (state) => state.sign === "-1" && clipped(state),
  back: (state) => (state.ratio < 1 - state.low || state.ratio > 1 + state.high) && !clipped(state),
  room: (state) => state.sign === "1" && state.ratio >= 1.25 && !clipped(state) && state.low <= 0.2,
};

// The same chances for whatever policy: what changes in the picture is not luck.
export function tokensOf({ policy, drawn, seed }) {
  const chance = generator(seed);
  return Array.from({ length: drawn }, () => draw(policy, chance()));
}

const estimates = ({ policy, reference }, name) => logRatios(policy, reference).map(ESTIMATORS[name].value);

const drawnMean = (state, name) => mean(tokensOf(state).map((v) => estimates(state, name)[v]));

export const klGoals = {
  same: ({ policy, reference }) => kl(policy, reference) < 0.005,
  negative: (state) => state.drawn >= 10 && drawnMean(state, "k1") <= -0.001,
  calm: (state) => state.drawn >= 100 && drawnMean(state, "k3") < kl(state.policy, state.reference) / 2,
  opposite: ({ policy, reference, view }) => {
    const slopes = logRatios(policy, reference).map(ESTIMATORS.k3.slope);
    const [ours, wanted] = [expectedGradient(policy, slopes), reverseGradient(policy, reference)];
    const apart = (x, y) => x * y < 0 && Math.min(Math.abs(x), Math.abs(y)) > 0.02;
    return view === "gradient" && ours.some((slope, v) => apart(slope, wanted[v]));
  },
};

const weightsOf = ({ lengths, lossType }, limit) => tokenWeights(lengths, lossType, { limit });

// limit: of the length.
export const lossGoals = (limit) => ({
  eight: (state) => Math.max(...weightsOf(state, limit)) > 7.9 * Math.min(...weightsOf(state, limit)),
  most: (state) => {
    const sums = weightsOf(state, limit).map((weight, i) => weight * state.lengths[i]);
    return Math.max(...sums) > 0.6 * sum(sums);
  },
  fair: ({ lengths, lossType }) => lossType === "grpo" && new Set(lengths).size === 1,
  half: ({ lengths, lossType }) => lossType === "dr_grpo" && 2 * sum(lengths) === limit * lengths.length,
});

const endsEasy = ({ question, run }) => question === "easy" && steps(run) === LENGTH; // what a run only passes is no end
const last = ({ run }) => run.trace.at(-1);

export const policyGoals = {
  fast: ({ question, run }) => question === "easy" && run.trace.slice(0, 21).some(({ right }) => right > 0.95),
  clip: ({ run }) => run.trace.some(({ clipFraction }) => clipFraction > 0),
  leash: (state) => endsEasy(state) && last(state).right > 0.7 && last(state).kl < 1,
  hard: ({ question, run }) => question === "hard" && run.trace.some(({ right }) => right > 0.5),
  break: (state) => endsEasy(state) && last(state).right < 0.03,
};

const rightOf = ({ result }, i) => (result ? sum(result.groups[i].rewards) : NaN);
const [BASE, TRAINED] = [0, 1];

export const modelGoals = {
  agree: (state) => rightOf(state, TRAINED) === 8,
  beyond: (state) => rightOf(state, TRAINED) === 0,
  blurt: ({ result }) => result !== null && result.groups[BASE].facts[1] === 0,
  hot: (state) => state.result?.sum.match(/\d\+/g).length === 3 && rightOf(state, TRAINED) <= 4,
};
