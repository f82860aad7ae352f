// The chain sums of grpo_lite/tasks.py, and what a completion of one is worth.
import { groupAdvantages, mean, sum } from "./grpo.js";
import { decode } from "./transformer.js";

const ALLOWED = /^[0-9](\+[0-9]){1,7}=$/; // the models have practised sums of four digits only

// 17 for "3+9+4+1="; null for what is not such a sum.
export const chainSum = (prompt) => (ALLOWED.test(prompt) ? sum(prompt.slice(0, -1).split("+").map(Number)) : null);

export function accuracy(completion, truth) {
  const answer = completion.match(/<answer>([0-9]*)<\/answer>$/)?.[1];
  return answer === truth ? 1 : 0;
}

export const thinks = (completion) => completion.startsWith("<think>");

// A group of completions, as lists of tokens: texts, rewards, advantages, and as facts how many are right, how many think
// and how long they are.
export function judge(group, truth) {
  const texts = group.map(decode);
  const rewards = texts.map((text) => accuracy(text, truth));
  const facts = [sum(rewards), texts.filter(thinks).length, mean(group.map((tokens) => tokens.length))];
  return { texts, rewards, advantages: groupAdvantages(rewards), facts };
}
