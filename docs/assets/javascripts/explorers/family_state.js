// What <family-explorer> compares, and its goals: questions to its state, none of them met at the start.
import { tokenWeights } from "./grpo.js";
import { OBJECTIVES } from "./objectives.js";

export const FARTHEST = 3; // of the ratio
export const LIMIT = 8; // of the length
export const OLD_LOGP = Math.log(0.25); // of the token whose ratio is turned

export const weightsOf = ({ short, long }, lossType) => tokenWeights([short, long], lossType, { limit: LIMIT });

const PROBES = Array.from({ length: 60 }, (_, i) => 0.05 * (i + 1));
const samePush = ({ left, right }) =>
  [1, -1].every((a) => PROBES.every((r) => OBJECTIVES[left].push(r, a) === OBJECTIVES[right].push(r, a)));
const sameWeights = (state) => weightsOf(state, state.left).every((w, i) => w === weightsOf(state, state.right)[i]);
const pushes = ({ left, right, ratio, sign }) => [left, right].map((name) => OBJECTIVES[name].push(ratio, Number(sign)));

export const familyGoals = {
  twins: (state) => state.left !== state.right && state.short !== state.long && samePush(state) && sameWeights(state),
  alive: (state) => {
    const [less, more] = pushes(state).sort((x, y) => x - y);
    return state.sign === "1" && state.ratio > 1.5 && less === 0 && more >= 1.5;
  },
  faded: (state) => {
    const [more, less] = pushes(state).sort((x, y) => x - y);
    return state.sign === "-1" && state.ratio >= 2.8 && more < -2.7 && less > -0.8;
  },
  eight: (state) => {
    const [left, right] = [weightsOf(state, state.left), weightsOf(state, state.right)].map(([x, y]) => x / y);
    return samePush(state) && Math.max(left / right, right / left) >= 7.9;
  },
};
