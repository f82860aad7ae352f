// The chain sums of grpo_lite/tasks.py, and what a completion of one is worth.
import { sum } from "./grpo.js";

const ALLOWED = /^[0-9](\+[0-9]){1,7}=$/; // the models have practised sums of four digits only

// 17 for "3+9+4+1="; null for what is not such a sum.
export const chainSum = (prompt) => (ALLOWED.test(prompt) ? sum(prompt.slice(0, -1).split("+").map(Number)) : null);

export function accuracy(completion, truth) {
  const answer = completion.match(/<answer>([0-9]*)<\/answer>$/)?.[1];
  return answer === truth ? 1 : 0;
}

export const thinks = (completion) => completion.startsWith("<think>");
