// All that the explorers say, by the language of the page. Another edition adds a table beside `en`.
const en = {
  reset: "Reset",

  "group-explorer": {
    name: "Explorer: advantages of a group",
    scale: "Advantage",
    scales: { group: "divided by the spread", none: "not divided", leave_one_out: "leave one out" },
    presets: { one: "One right of eight", equal: "All equal", outlier: "One outlier" },
    drawing: "Rewards of eight completions, and their advantages",
    rewards: "Rewards",
    mean: (mean, spread) => `dashed: mean ${mean}, band: spread ${spread}`,
    others: "dashed: mean of the other seven",
    advantages: "Advantages",
    axis: "they add up to 0",
    knob: (i) => `Reward of completion ${i}`,
    value: (reward, advantage) => `${reward}, advantage ${advantage}`,
    equal: "All rewards are equal: nobody did better than anybody. Every advantage is 0: this group teaches nothing.",
    group: (i, advantage) =>
      `Completion ${i} gets the strongest push: ${advantage}, counted in spreads. In a group of 8 none exceeds 2.47.`,
    none: (i, advantage) =>
      `Completion ${i} gets the strongest push: ${advantage}, its reward minus the mean. A close group pushes little.`,
    leave_one_out: (i, advantage) =>
      `Completion ${i} gets the strongest push: ${advantage}, its reward minus the mean of the others. ` +
      "That is 8/7 of the undivided advantage.",
  },

  "clip-explorer": {
    name: "Explorer: the clip",
    advantage: "Advantage",
    signs: { 1: "+1, a good answer", "-1": "−1, a bad one" },
    objective: "Objective",
    gradient: "Gradient on the log-prob",
    axis: "ratio",
    dead: "no gradient",
    unclipped: "without clip",
    ratio: "Ratio",
    low: "Epsilon low",
    high: "Epsilon high",
    insideUp: (ratio, gradient) =>
      `Ratio ${ratio}, inside the clip range. The gradient is ${gradient}: the token is pushed up.`,
    insideDown: (ratio, gradient) =>
      `Ratio ${ratio}, inside the clip range. The gradient is ${gradient}: the token is pushed down.`,
    enoughUp: (ratio) =>
      `Ratio ${ratio}: a good token that has gone up far enough. The gradient is 0: no push further, none back.`,
    enoughDown: (ratio) =>
      `Ratio ${ratio}: a bad token that has gone down far enough. The gradient is 0: no push further, none back.`,
    backUp: (ratio, gradient) =>
      `Ratio ${ratio}: a good token that has become rarer. The gradient stays on: ${gradient}, up.`,
    backDown: (ratio, gradient) =>
      `Ratio ${ratio}: a bad token that has become more likely. The gradient stays on: ${gradient}, down.`,
  },

  "kl-explorer": {
    name: "Explorer: KL and its estimates",
    presets: { far: "Far from the reference", same: "Equal to the reference" },
    drawing: "Probabilities of five tokens under policy and reference",
    probability: "Probability",
    policy: "policy",
    reference: "reference",
    knob: (token, who) => `Probability of token ${token} under the ${who}`,
    draw: (n) => `Draw ${n}`,
    again: "Again",
    drawn: (mean, spread) => `drawn ${mean} ± ${spread}`,
    exact: (mean, spread) => `exact ${mean} ± ${spread}`,
    gradient: "Expected gradient",
    legend: (name) => `bars ${name}, lines exact KL`,
    pulls: { k1: "0: pulls nowhere", k2: "that of the exact KL", k3: "KL(reference‖policy)" },
    panel: (name, [mean, spread], [exactMean, exactSpread], pull) =>
      `${name}: drawn mean ${mean}, spread ${spread}; exact mean ${exactMean}, spread ${exactSpread}. ` +
      `Expected gradient: ${pull}.`,
    sentence: (reverse, forward, n) =>
      `KL(policy‖reference) is ${reverse}, KL(reference‖policy) is ${forward}. ${n} tokens drawn from the policy.`,
  },

  "loss-explorer": {
    name: "Explorer: what a token weighs",
    lossType: "Loss type",
    lossTypes: { grpo: "grpo", bnpo: "bnpo", dr_grpo: "dr_grpo", dapo: "dapo", luspo: "luspo" },
    slices: "Batch",
    calls: { one: "in one call", two: "in two slices" },
    drawing: "Three completions as rows of tokens, with the weight of each token",
    cells: "Weight of each token",
    rowSum: "Row",
    knob: (i) => `Length of completion ${i}`,
    value: (length, weight, row) => `${length} tokens, each weighs ${weight}, the row ${row}`,
    slice: (k, total, share) => `slice ${k}: ${total} × ${share}`,
    total: (fraction, number) => (fraction.includes("/") ? `total ${fraction} = ${number}` : `total ${fraction}`),
    sentences: {
      grpo: () => "Divided by the length of the row, then by the rows. A token of a short completion weighs more.",
      bnpo: () => "Divided by the tokens of the call. A long completion weighs more, by its length.",
      dr_grpo: (tokens, limit) => `Divided by the rows times ${limit}, the length limit. No sampled length enters.`,
      dapo: (tokens) => `Divided by the ${tokens} tokens of the whole batch, also if the call sees only a slice.`,
      luspo: () => "Divided by the rows only. No length enters, and the total is the mean length.",
    },
    shares: {
      grpo: "A slice counts by its share of the rows.",
      bnpo: "A slice counts by its share of the tokens.",
      dr_grpo: "A slice counts by its share of the rows.",
      dapo: "So the slices are simply added.",
      luspo: "A slice counts by its share of the rows.",
    },
  },

  "policy-explorer": {
    name: "Explorer: GRPO on a tiny policy",
    question: "Question",
    questions: { easy: "easy", hard: "hard" },
    size: "Group size G",
    sizes: { 2: "2", 4: "4", 8: "8", 16: "16", 32: "32" },
    rate: "Learning rate",
    mu: "Passes μ",
    epsilon: "Clip range ε",
    beta: "KL weight β",
    step: "Step",
    play: "Play",
    pause: "Pause",
    again: "Again, same luck",
    other: "Again, other luck",
    probability: "Probability",
    now: "policy",
    before: "before",
    reference: "reference",
    group: "Last group",
    facts: (mean, spread) => `mean ${mean}, spread ${spread}`,
    rows: { reward: "Reward", drawn: "Drawn", advantage: "Advantage", ratio: "Ratio" },
    clipped: "clipped",
    charts: { right: "Probability of d", clipFraction: "Clip fraction", kl: "KL to the reference" },
    steps: "steps",
    answer: (name, p, reference, reward) => `${name}: probability ${p}, reference ${reference}, reward ${reward}.`,
    drawn: (count, advantage, ratio) => ` Drawn ${count} times, advantage ${advantage}, ratio ${ratio}.`,
    start: (name, p) => `The right answer is ${name}, with a probability of ${p}.`,
    outlook: (size, percent) => ` A group of ${size} holds a right answer with a chance of ${percent} %.`,
    equal: (step, size, reward, still) =>
      `Step ${step}: all ${size} ${{ 0: "wrong", 0.5: "half right", 1: "right" }[reward]}. Every advantage is 0, so ` +
      (still ? "the policy does not move." : "only the KL penalty moves the policy."),
    mixed: (step, size, right, half) =>
      `Step ${step}: ${right} of ${size} right${half ? `, ${half} half right` : ""}.`,
    moved: (name, from, to) => (from === to ? ` ${name} stays at ${to}.` : ` ${name} goes from ${from} to ${to}.`),
    clip: (count, passes) => ` Clipped in the last of ${passes} passes: ${count}.`,
    lost: "A pass was so large that the numbers ran away: no policy is left. Choose smaller settings and start again.",
  },

  "model-explorer": {
    name: "Explorer: the model itself",
    prompt: "Sum",
    temperature: "Temperature",
    load: (size) => `Load the two models, ${size} MB`,
    sample: "Sample a group",
    asleep: "The models are loaded when you ask for them. They run in this page.",
    loading: "Loading the two models …",
    ready: "Both models are here. Now sample a group.",
    failed: (reason) => `The models did not arrive (${reason}). Check the connection and press the button again.`,
    refused: (text) => `Expected 2 to 8 digits with a + between them and = at the end, as in 3+9+4+1=, got "${text}".`,
    models: ["Base model", "Trained model"],
    columns: ["Completion", "Reward", "Advantage"],
    facts: (right, thinking, length) => `right ${right} of 8, thinks ${thinking} of 8, mean length ${length}`,
    sentence: (sum, answer, temperature) => `${sum}, so ${answer} is right (temperature ${temperature}).`,
    equal: (names) => ` ${names.join(", ")}: all rewards are equal. Every advantage is 0, and nothing is learnt.`,
  },
};

const tables = { en };
export const words = tables[document.documentElement.lang] ?? en;
