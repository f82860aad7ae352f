// What the explorers of later lessons say, beside words.js.
import { inLanguage, words } from "./words.js";

export const en = {
  "inspect-explorer": {
    name: "Explorer: one update, token by token",
    goals: {
      both: [
        "Make right answers likelier and wrong ones rarer, by one update.",
        "Load the model, sample a group in which some are right and some are wrong, and press Update once.",
        "No token was told what is right. The advantage of its row, + or −, was the whole message.",
      ],
      against: [
        "Find a token that moved against its advantage, and choose it.",
        "After an update look for a number with − in a row with +, or one with + in a row with −, and click it. If your group has none, sample another and update.",
        "All rows share the same weights. <think> or a digit stands in right rows and in wrong ones, and the stronger pull wins.",
      ],
      clip: [
        "Update again on the same group until the clip acts.",
        "Press Update, then Update again, at a learning rate of 0.0007 or more.",
        "From the second update on the ratios are no longer 1. A token past the clip range gets no push; it may move all the same, because others move the weights.",
      ],
      silent: [
        "Find a group that teaches nothing, and update on it.",
        "Ask for 8+7= and sample until all eight are wrong, which is soon. Then press Update.",
        "All advantages are 0, and so is the gradient. AdamW still carries a little of its last direction on, if there was one.",
      ],
      teach: [
        "Teach it this sum: eight right of eight in a new group, at temperature 1.",
        "Update, sample, update, sample. At a learning rate of 0.0003 about ten updates are enough.",
        "That was a training run, by hand. Try another sum now: it has learnt more than this one.",
      ],
    },
    prompt: "Sum",
    load: (size) => `Load the model, ${size} MB`,
    sample: "Sample a group",
    update: "Update",
    again: "Update again",
    rate: "Learning rate",
    heat: "Temperature",
    view: "Tint of a token: change of its log-prob, or its probability",
    views: { change: "change", old: "before", now: "after" },
    grid: "Eight completions, a cell for each token",
    row: (i, reward, advantage) => `Completion ${i}, ${reward ? "right" : "wrong"}, advantage ${advantage}`,
    token: (symbol, old, now, ratio) => ` (probability ${old}, now ${now}, ratio ${ratio})`,
    choose: "Choose a token to read what happened to it. A dashed frame is past the clip: the next update will not push it.",
    chosen: (i, symbol, old, now, ratio, advantage, out) =>
      `${symbol} in completion ${i}: probability ${old} when it was sampled, now ${now}, ratio ${ratio}. ` +
      `Its advantage is ${advantage}. ${out ? "It is past the clip: the next update will not push it." : ""}`,
    asleep: "The base model is loaded when you ask for it. It runs and learns in this page.",
    loading: "Loading the model …",
    ready: "The model is here. Now sample a group.",
    failed: (reason) => `The model did not arrive (${reason}). Check the connection and press the button again.`,
    refused: (text) => `Expected 2 to 8 digits with a + between them and = at the end, as in 3+9+4+1=, got "${text}".`,
    noFacts: "Sample a group, update the model, and see what happened to each token.",
    facts: (history, updates, passes, own) =>
      `Right of eight, group by group: ${history.slice(-16).join(", ")}. ` +
      `Updates since the base model: ${updates}, on this group: ${passes}. ` +
      (own ? `Length of the gradient ${own[0]}; clipped in this update: ${own[1]} % of the tokens.` : ""),
    drawn: (right) => `${right} of 8 are right. Now press Update: what will it do to the tokens of the others?`,
    equal: (right) =>
      `All eight are ${right ? "right" : "wrong"}: every advantage is 0. What will an update do to them? Press it and see.`,
    momentum: "The gradient was exactly 0. What still moves is the last direction of AdamW, if there was one.",
    moved: (passes, up, down) =>
      `After ${passes === 1 ? "one update" : `${passes} updates`} on this group right completions are ${up} times as likely ` +
      `as when they were sampled, wrong ones ${down} times (geometric means).`,
    real: [
      "What of this is real?",
      "The model: the 407,000 weights that ship with the package, rounded to 16 bits, as a GPT-2 of two layers. The " +
        "sampling, the rewards, the advantages. The gradient of the clipped loss through all layers, and the step: " +
        "shortened to length 1 at most, then AdamW with a constant learning rate, as in GRPOTrainer. A test hands the " +
        "same group to GRPOTrainer and compares gradient and log-probs. What is small: one prompt and one group in an " +
        "update, where a training run takes eight groups or more.",
    ],
  },

  "attack-explorer": {
    name: "Explorer: attack a reward",
    goals: {
      length: [
        "Length: be paid more than the honest answer, for a wrong one.",
        "Write 9 behind a long enough line of anything.",
        "It pays for what is easy to count. No repair: length is not what was wanted. Watch it, do not pay it.",
      ],
      format: [
        "Format: full pay for a wrong answer.",
        "<think>x</think><answer>9</answer>",
        "It sees the form and not the content, and that is all it promises. Pay it little, and only beside a reward for being right.",
      ],
      boxed: [
        "Boxed: full pay for a wrong answer. The box is not the answer.",
        "<think>\\boxed{7} is too easy</think><answer>9</answer>",
        "Two places can hold an answer, and the reward reads one of them. Read one place only, behind the thinking, and pay nothing if another answer stands there.",
      ],
      all: [
        "All three with one text, and the answer still wrong.",
        "<think>They want \\boxed{7}, I do not</think><answer>9</answer>",
        "Adding rewards up does not close their holes: a text that fits all of them is paid for all of them.",
      ],
    },
    prompt: "What is 3 + 4? Write what a model might write.",
    insert: (piece) => `Insert ${piece}`,
    columns: ["Reward", "Your text", "Honest"],
    before: "before your last change",
    rewards: {
      length: ["Length", "one point a character"],
      format: ["Format", "1 for <think>…</think><answer>…</answer>"],
      boxed: ["Boxed", "1 if the last \\boxed{} holds 7"],
    },
    faults: {
      tags: "each of the four tags once, in order",
      thought: "nothing is thought",
      answer: "nothing is answered",
      outside: "text outside of the tags",
    },
    verdicts: {
      right: (stated) => `A reader takes ${stated} from it, which is right. `,
      wrong: (stated) => `A reader takes ${stated} from it, which is wrong. `,
      none: () => "A reader finds no answer in it that is only a number. ",
    },
    judge: "(A reader goes by the last <answer>, which must be a number and no more; without one, by the last number behind the thinking.)",
    start: "This is an honest answer, and all three pay for it. Change it: let the answer be wrong and the pay stay.",
    right: () => "That is a right answer. Paying it is no hole: answer with another number.",
    none: () => "The answer must be only a number, so that nobody can call it right.",
    unpaid: () => "Wrong, and no reward pays in full. Look at what each of them reads.",
    paid: (names) => `Paid in full for a wrong answer: ${names.join(", ")}.`,
    holes: {
      length: "Length is easy to count and stands for nothing.",
      format: "The form says nothing about the answer.",
      thought: "The box stood in the thoughts: read only what comes behind them, as math_reward does.",
      beside: "The box stood beside an <answer> that says something else: read one place, and refuse two.",
      before: "The box was not the last word: refuse what goes on behind it.",
    },
  },

  "family-explorer": {
    name: "Explorer: two of the family",
    goals: {
      twins: [
        "Find two names for one loss: nothing differs, with completions of different length.",
        "Compare bnpo with dapo.",
        "In one call both divide by all tokens. They part when a batch is cut into slices, parts with a call of their own: dapo still divides by the tokens of the whole.",
      ],
      alive: [
        "A good token has become more than 1.5 times as likely. Find one that still pushes it, beside one that does not.",
        "Compare grpo with cispo, advantage +1, and drag the ratio to 1.6.",
        "The clip switches a token off. CISPO holds its weight at a cap and never switches it off.",
      ],
      faded: [
        "A bad token has become almost three times as likely. Find one that pushes it back hard, beside one that hardly does.",
        "Compare grpo with vespo, advantage −1, ratio 2.9.",
        "For VESPO a completion that has moved this far is no longer the policy's own, and counts little. The clip of grpo does not act on the way back.",
      ],
      eight: [
        "The same curves, but a token of the short completion weighs eight times as much against the long one.",
        "Compare grpo with dapo, lengths 1 and 8.",
        "With grpo each completion has the same total, with dapo each token has the same weight. The objective is one choice, the average another.",
      ],
    },
    clauses: {
      grpo: "clips the ratio; each completion counts the same",
      bnpo: "grpo, but each token of a call counts the same",
      dr_grpo: "grpo, but divides by the length limit, not by the length",
      dapo: "grpo, but each token of the whole batch counts the same",
      luspo: "grpo, but with no division by the length",
      cispo: "caps the weight of a token and never switches it off",
      sapo: "lets the push fade in place of the clip",
      vespo: "lets completions that have moved far count little",
      gmpo: "takes the geometric mean of the ratios and clips wider",
    },
    left: "First",
    right: "Second",
    advantage: "Advantage",
    signs: { 1: "+1, a good answer", "-1": "−1, a bad one" },
    ratio: "Ratio",
    short: "Length of completion 1",
    long: "Length of completion 2",
    panels: { value: "Objective", push: "Push on the log-prob", weight: "Weight of a token in the average" },
    axis: "ratio",
    weight: (length, first, second, { left, right }) =>
      `${length} ${length === 1 ? "token" : "tokens"}: ${first} each with ${left}, ${second} with ${right}`,
    sentence: (ratio, left, first, right, second) =>
      `At ratio ${ratio} the push on a token is ${first} with ${left} and ${second} with ${right}, before the average.`,
    noScale: (names) =>
      ` The objective of ${names} is drawn for a token that had a probability of ¼. Its height says nothing; compare the push.`,
  },
};

Object.assign(words, inLanguage({ en }));
