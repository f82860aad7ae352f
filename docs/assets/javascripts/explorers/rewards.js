// The three simplest rewards of grpo_lite/rewards/text.py. A test pays hundreds of texts here and there.

const TAGS = ["<think>", "</think>", "<answer>", "</answer>"];
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"; // Python's
const isBlank = (text) => new RegExp(`^${SPACE}*$`).test(text);
const tidy = (text) => text.split(new RegExp(`${SPACE}+`)).filter(Boolean).join(" ");

export const lengthReward = (text) => [...text].length; // characters, not the units that JavaScript counts

// What is amiss with the form: "tags", "thought", "answer", "outside", or "" if nothing is.
export function formatFault(text) {
  const parts = text.split(/(<\/?(?:think|answer)>)/);
  const found = parts.filter((_, i) => i % 2 === 1);
  if (found.join() !== TAGS.join()) return "tags";
  const [before, thought, between, answer, after] = parts.filter((_, i) => i % 2 === 0);
  if (isBlank(thought)) return "thought";
  if (isBlank(answer)) return "answer";
  return isBlank(before + between + after) ? "" : "outside";
}

export const formatReward = (text) => (formatFault(text) === "" ? 1 : 0);

// Where the last box stands: from behind its brace to the brace that closes it; null if there is none or it stays open.
function lastBoxAt(text) {
  const start = text.lastIndexOf("\\boxed{") + 7;
  if (start === 6) return null;
  let depth = 1;
  for (const { 0: brace, index } of text.slice(start).matchAll(/\\.|[{}]/gs)) {
    depth += { "{": 1, "}": -1 }[brace] ?? 0; // a brace behind a backslash is text
    if (depth === 0) return [start, start + index];
  }
  return null;
}

export const lastBox = (text) => text.slice(...(lastBoxAt(text) ?? [0, 0]));

export const boxedReward = (text, truth) => (sameAnswer(lastBox(text), truth) ? 1 : 0);

function sameAnswer(answer, truth) {
  const [one, other] = [tidy(answer), tidy(truth)];
  const [x, y] = [decimal(one), decimal(other)];
  if (x !== null && y !== null) return x === y;
  return one === other && one !== "";
}

// A plain number in one way of writing: +07.50 is 7.5; null for anything else. No digit is rounded away.
function decimal(text) {
  const [, sign, whole, fraction] = text.match(/^([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)$/) ?? [];
  if (whole === undefined) return null;
  const digits = `${whole.replace(/^0+/, "")}.${fraction.replace(/0+$/, "")}`;
  return digits !== "." && sign === "-" ? `-${digits}` : digits;
}

// The answer that a reader would take from a text, if it is a plain number: what stands in the last <answer>, or else
// the last number behind the thinking. Only a number can be wrong beyond doubt.
export function statedAnswer(text) {
  const answers = [...text.matchAll(/<answer>([^<]*)<\/answer>/g)].map((match) => unboxed(match[1]));
  if (answers.length > 0) return decimal(answers.at(-1)) === null ? null : answers.at(-1);
  const behind = text.slice(text.lastIndexOf("</think>") + 1);
  return behind.match(/[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)/g)?.at(-1) ?? null;
}

const unboxed = (answer) => tidy(tidy(answer).replace(/^\\boxed\{([^{}]*)\}$/, "$1"));

// "right", "wrong", or "none" where no number is stated.
export function verdict(text, truth) {
  const stated = statedAnswer(text);
  if (stated === null) return "none";
  return sameAnswer(stated, truth) ? "right" : "wrong";
}

// Which hole a paid box has found: it stands in the thoughts, beside another <answer>, or before the last word.
export function boxHole(text) {
  const [start] = lastBoxAt(text);
  const open = text.lastIndexOf("<think>", start);
  const closed = text.indexOf("</think>", start);
  if (open >= 0 && closed >= 0 && text.lastIndexOf("</think>", start) < open) return "thought";
  return text.includes("<answer>") ? "beside" : "before";
}
