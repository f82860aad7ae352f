// A run of the policy explorer: two questions, and steps of GRPO one after the other. A run is plain data.
import { draw, generator, softmax } from "./grpo.js";
import { grpoStep, klOfLogits } from "./step.js";

export const ANSWERS = ["a", "b", "c", "d", "e"];
export const RIGHT = 3; // d
export const LENGTH = 60; // steps, and Play stops

// The policy starts as the reference.
const QUESTIONS = {
  easy: { reference: [0.3, 0.3, 0.15, 0.15, 0.1], rewards: [0, 0.5, 0, 1, 0] },
  hard: { reference: [0.3, 0.2, 0.2, 0.003, 0.297], rewards: [0, 0, 0, 1, 0] },
};

export function fresh(question) {
  const { reference } = QUESTIONS[question];
  const start = { right: reference[RIGHT], clipFraction: 0, kl: 0 };
  return { logits: reference.map(Math.log), trace: [start], group: null, lost: false };
}

export const steps = ({ trace }) => trace.length - 1;
export const isOver = (run) => run.lost || steps(run) % LENGTH === 0;

// The run after a step with the settings of the moment. The same seed draws with the same chances, whatever they are.
export function next(run, { question, size, rate, beta, epsilon, mu, seed }) {
  if (run.lost) return run;
  const { logits, trace } = run;
  const refLogits = fresh(question).logits;
  const before = softmax(logits);
  const chance = generator(1000 * seed + steps(run));
  const ids = Array.from({ length: Number(size) }, () => draw(before, chance()));
  const rewards = ids.map((id) => QUESTIONS[question].rewards[id]);
  const samples = { oldLogits: logits, refLogits, ids, rewards };
  const { logits: after, advantages, passes } = grpoStep(logits, samples, { rate, beta, epsilon, mu });
  if (!after.every(Number.isFinite)) return { ...run, lost: true };
  const { ratios, clipped, clipFraction } = passes.at(-1);
  const still = after.every((z, v) => z === logits[v]);
  const pushes = after.map((z, v) => z - logits[v]);
  const group = { ids, rewards, advantages, ratios, clipped, before, pushes, still, passes: mu };
  const now = { right: softmax(after)[RIGHT], clipFraction, kl: klOfLogits(after, refLogits) };
  return { logits: after, trace: [...trace, now], group, lost: false };
}

// The moves of a step, one after the other; after the last one the step is done.
export const MOVES = ["draw", "pay", "compare", "push", "done"];

// What there is to be seen of the last step at one of its moves.
export const has = (move, other) => MOVES.indexOf(move) >= MOVES.indexOf(other);

// A link tells settings and a number of steps. It can give back a run whose steps all had these settings, and no other.
export function repeat(settings, count) {
  let run = fresh(settings.question);
  while (steps(run) < count && !run.lost) run = next(run, settings);
  return run;
}

export function canBeRepeated(run, settings) {
  const again = repeat(settings, steps(run));
  return again.logits.every((z, v) => z === run.logits[v]);
}

export function toTheEnd(run, settings) {
  do run = next(run, settings);
  while (!isOver(run));
  return run;
}

// What is to be seen of each answer: all completions that gave it share reward, advantage, ratio and clip.
export function answers({ logits, group }, question) {
  const { reference, rewards } = QUESTIONS[question];
  return softmax(logits).map((p, v) => {
    const answer = { name: ANSWERS[v], p, reference: reference[v], reward: rewards[v], count: 0 };
    if (!group) return answer;
    const first = group.ids.indexOf(v);
    const [advantage, ratio, clipped] = [group.advantages, group.ratios, group.clipped].map((all) => all[first]);
    const count = group.ids.filter((id) => id === v).length;
    return { ...answer, count, before: group.before[v], push: group.pushes[v], advantage, ratio, clipped };
  });
}
