// What <update-explorer> shows of a group, and its goals: questions to its state, none of them met at the start.
import { isClipped, mean, sum } from "./grpo.js";

export const EPSILON = 0.2; // of the clip
export const RATES = [1e-5, 3e-5, 1e-4, 3e-4, 7e-4, 1.5e-3, 3e-3]; // learning rates

export const PASSED = { now: null, norm: null, clipped: null, passes: 0 }; // before the first update on a group

// One token of a group.
export function tokenOf(group, i, t) {
  const [old, now] = [group.old[i][t], (group.now ?? group.old)[i][t]];
  const ratio = Math.exp(now - old);
  const advantage = group.advantages[i];
  const out = isClipped(ratio, advantage, EPSILON);
  return { symbol: group.symbols[i][t], old: Math.exp(old), now: Math.exp(now), change: now - old, ratio, advantage, out };
}

// By how much the log-prob of a whole completion has changed.
export const changeOf = (group, i) => sum(group.now[i]) - sum(group.old[i]);

// The mean of it over the right or the wrong completions; nan if there is none.
export const changeOfAll = (group, reward) => {
  const some = group.rewards.flatMap((own, i) => (own === reward ? [changeOf(group, i)] : []));
  return some.length > 0 ? mean(some) : NaN;
};

export const clipFraction = ({ clipped }) => mean(clipped.flat().map(Number));

export const agrees = ({ advantages }) => advantages.every((advantage) => advantage === 0);

const updated = ({ group }) => group !== null && group.passes > 0;

export const updateGoals = {
  both: (state) => updated(state) && changeOfAll(state.group, 1) > 0 && changeOfAll(state.group, 0) < 0,
  against: (state) => {
    if (!updated(state) || !state.at) return false;
    const { advantage, change } = tokenOf(state.group, ...state.at);
    return advantage * change < 0 && Math.abs(change) >= 0.01;
  },
  clip: (state) => updated(state) && state.group.passes > 1 && clipFraction(state.group) > 0,
  silent: (state) => updated(state) && agrees(state.group),
  teach: ({ group, updates }) =>
    group !== null && group.passes === 0 && updates > 0 && group.heat >= 1 && sum(group.rewards) === group.rewards.length,
};
