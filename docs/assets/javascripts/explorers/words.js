// All that the explorers say, by the language of the page. Another edition adds a table beside `en`.
const en = {
  reset: "Reset",
  goals: "Goals",
  reached: "(reached)",
  show: "Show me",
  toReach: "Goal: ",
  reachedGoal: "Reached: ",
  why: "Why",
  goal: (i, goal) => `Goal ${i}: ${goal}`,
  nextGoal: "Next goal",
  also: (numbers) => `✓ Reached as well: ${numbers.length > 1 ? "goals" : "goal"} ${numbers.join(", ")}. Press a ✓ for why.`,
  all: (count) => `All ${count} goals are reached.`,
  ghost: "before",
  over: "Clear the ticks",
  link: "Link to this",
  copied: "Link copied",
  inAddress: "It is in the address",

  "group-explorer": {
    name: "Explorer: advantages of a group",
    goals: {
      relative: [
        "Drag the rewards until one of 0.8 or more has a negative advantage.",
        "Set one reward to 0.8 and all the others to 1.",
        "A reward is good or bad only beside the others of its group. 0.8 among ones is the worst of the eight.",
      ],
      lone: [
        "Get an advantage above 2.4.",
        "Press “One right of eight”, with “divided by the spread”.",
        "One against seven is the most extreme that a group of eight can be: (8 − 1) / √8 = 2.47. The one is pushed hard, " +
          "the seven a little each.",
      ],
      close: [
        "Keep all rewards within 0.1 of each other, and get an advantage above 1.",
        "Press “All equal” and raise one reward by one step, with “divided by the spread”.",
        "Dividing by the spread makes a small difference as large as any other. Without it this group would hardly push.",
      ],
      silent: [
        "Make all eight advantages 0.",
        "Press “All equal”.",
        "Nobody did better than anybody, so there is nothing to learn, however high the rewards are.",
      ],
    },
    scale: "Advantage",
    scales: { group: "divided by the spread", none: "not divided", leave_one_out: "leave one out" },
    presets: { one: "One right of eight", equal: "All equal", outlier: "One outlier" },
    drawing: "Rewards of eight completions, and their advantages",
    rewards: "Rewards",
    mean: (mean, spread) => `┅ mean ${mean}, band: spread ${spread}`,
    others: "┅ mean of the other seven",
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
      `Completion ${i} gets the strongest push: ${advantage}, its reward minus the mean of the others: 8/7 of “not divided”.`,
  },

  "clip-explorer": {
    name: "Explorer: the clip",
    goals: {
      good: [
        "Move the ratio until the gradient of a good answer vanishes.",
        "Choose +1 and move the ratio above 1.2.",
        "The token has become likely enough. Nothing pushes it further, and nothing pulls it back.",
      ],
      bad: [
        "Make the gradient of a bad answer vanish.",
        "Choose −1 and move the ratio below 0.8.",
        "The token has become rare enough. The clip acts on the side to which the advantage points.",
      ],
      back: [
        "Leave the clip range, and keep a gradient.",
        "Choose +1 and move the ratio below 0.8, or −1 and above 1.2.",
        "A token that has moved the wrong way is never stopped: the gradient stays on and leads back.",
      ],
      room: [
        "Let a good token go to 1.25 or beyond with its gradient on, and stop a bad one at 0.8 as before.",
        "Raise epsilon high alone, with the sign +1 and the ratio at 1.25 or more.",
        "This is clip-higher of DAPO: good tokens get more room, and a rare one can become likely. Bad ones are held as before.",
      ],
    },
    advantage: "Advantage",
    signs: { 1: "+1, a good answer", "-1": "−1, a bad one" },
    objective: "Objective",
    gradient: "Gradient on the log-prob",
    axis: "ratio",
    dead: "no gradient",
    unclipped: "┅ without clip",
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
    goals: {
      negative: [
        "Draw ten tokens or more whose mean of k1 is below 0.",
        "Drag the policy near to the reference, then press “Again” and “Draw 10” until it happens.",
        "The KL is never negative, but single values of k1 are, and so can be the mean of a few.",
      ],
      calm: [
        "Draw 100 tokens or more, and get a k3 that is less than half of the exact KL.",
        "Press “Far from the reference”, then “Draw 100”.",
        "k3 looks calm because nearly all of its mean comes from tokens that are hardly ever drawn. When one comes, it is a " +
          "spike of 33 or of 2,033. The exact spread says so: ± 12.83.",
      ],
      same: [
        "Drag the policy until the KL is below 0.005.",
        "Drag each bar of the policy to the height of the reference, or press “Equal to the reference”.",
        "It is 0 only if the two agree in every token, and near 0 long before.",
      ],
      opposite: [
        "Find a policy for which k3 pulls a token down that the exact KL pulls up. Look at the gradient.",
        "Open “Gradient” and give token e a probability of 0.5, then token b one of 0.3.",
        "The mean of k3 is the KL, and its gradient is that of another one, KL(reference‖policy). k1 pulls nowhere at all, " +
          "and k2, whose value is wrong, has the gradient of the exact KL.",
      ],
    },
    presets: { far: "Far from the reference", same: "Equal to the reference" },
    drawing: "Probabilities of five tokens under policy and reference",
    probability: "Probability",
    policy: "policy",
    reference: "reference",
    knob: (token) => `Probability of token ${token} under the policy`,
    estimator: "Estimate",
    estimators: { k1: "k1", k2: "k2", k3: "k3" },
    formulas: {
      k1: "k1: log-prob of the policy minus that of the reference.",
      k2: "k2: half the square of k1.",
      k3: "k3: probability under the reference, divided by that under the policy, minus 1, plus k1.",
    },
    views: "What of it",
    value: "Value",
    gradient: "Gradient",
    draw: (n) => `Draw ${n}`,
    again: "Again",
    axis: '<tspan class="policy">━ mean so far</tspan> <tspan class="ghost">━ others</tspan> ┅ exact KL',
    tokens: (n) => `${n} tokens`,
    drawnOf: (n, name, mean, spread) =>
      `${name} drawn: ${n === 0 ? "no tokens yet" : n === 1 ? `${mean}, from one token` : `${mean} ± ${spread}`}`,
    exactOf: (mean, spread) => `exact: ${mean} ± ${spread}`,
    columns: ["Estimate", "Drawn mean", "spread", "Exact mean", "spread"],
    gradientOf: "Expected gradient",
    none: "that of k1 is 0",
    pulls: ["exact", "k2", "k3"],
    panel: (name, [mean, spread], [exactMean, exactSpread]) =>
      `${name}: drawn mean ${mean}, spread ${spread}; exact mean ${exactMean}, spread ${exactSpread}.`,
    pull: (token, wanted, second, third) => `Token ${token}: exact KL ${wanted}, k2 ${second}, k3 ${third}.`,
    both: (reverse, forward) => `KL(policy‖reference) is ${reverse}, the other way round it is ${forward}. `,
    said: (n, name, mean) => `${n} ${n === 1 ? "token" : "tokens"} drawn${n ? `: ${name} says ${mean}` : ""}.`,
    gradientSaid:
      "Each token has a logit. A bar up says that the penalty rises with it, so the penalty pulls that token down; a bar " +
      "down, that it pulls the token up.",
  },

  "loss-explorer": {
    name: "Explorer: what a token weighs",
    goals: {
      eight: [
        "Drag until one token weighs eight times as much as another.",
        "Choose grpo, with one completion of 1 token and one of 8.",
        "Each row weighs the same, so a token of a short completion weighs more: 1/3 here, and 1/24 in the long one.",
      ],
      fair: [
        "Make all tokens weigh the same, with grpo.",
        "Give all three completions the same length.",
        "The loss types differ only where lengths do.",
      ],
      most: [
        "Let one completion make more than 60 % of the loss.",
        "Choose any other type than grpo, and make one completion long and the others short.",
        "With every type but grpo a token weighs the same wherever it stands, so a long completion says more than a short one.",
      ],
      half: [
        "Bring the total to 1/2 with dr_grpo.",
        "Choose dr_grpo and drag until there are 12 tokens in all.",
        "It divides by the limit, which is 24 cells here, and not by what was sampled. The empty cells count, so the total " +
          "is the share of the cells that are filled.",
      ],
    },
    lossType: "Loss type",
    lossTypes: { grpo: "grpo", bnpo: "bnpo", dr_grpo: "dr_grpo", dapo: "dapo", luspo: "luspo" },
    slices: "Batch (each slice has a call of its own)",
    calls: { one: "in one call", two: "in two slices" },
    drawing: "Three completions as rows of tokens, with the weight of each token",
    cells: { one: "Weight of each token; full is 1/3", two: "Weight in its call; height: in batch" },
    sliced: " The number in a cell is for its own call, the height for the whole batch, where full is 1/3.",
    divisors: {
      grpo: ({ rows }) => `÷ length ÷ ${rows} ${rows > 1 ? "rows" : "row"}`,
      bnpo: ({ own }) => `÷ ${own} tokens of the call`,
      dr_grpo: ({ rows, limit }) => `÷ ${rows} × ${limit} cells`,
      dapo: ({ all }) => `÷ ${all} tokens of the batch`,
      luspo: ({ rows }) => `÷ ${rows} ${rows > 1 ? "rows" : "row"}`,
    },
    rowSum: "Row",
    knob: (i) => `Length of completion ${i}`,
    value: (length, weight, row) => `${length} ${length === 1 ? "token" : "tokens"}, each weighs ${weight}, the row ${row}`,
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
    goals: {
      fast: [
        "Easy question: bring d, the right answer, above 0.95 within 20 steps.",
        "Set the learning rate to 1 and press Play, or “Again, same luck” if a run stands there.",
        "Larger steps arrive earlier. So do better ones: in the mean of a larger group luck counts less.",
      ],
      clip: [
        "Bring the clip fraction above 0.",
        "Raise the passes μ to 4, and press Play.",
        "The first pass uses the policy that drew the group, so every ratio is 1. From the second on they leave 1. With one " +
          "pass nothing can be clipped.",
      ],
      leash: [
        "Easy question: after 60 steps d above 0.7, at a KL to the reference below 1.",
        "Set β to 0.6 and press Play.",
        "A KL penalty holds the policy for good, a small learning rate only for a while. With neither, all as at the start, " +
          "d ends at 0.98 and the KL at 1.79.",
      ],
      hard: [
        "Save the hard question: bring d above 0.5.",
        "Choose the hard question, groups of 32 and a learning rate of 1, then Play. If this luck does not do it, take another.",
        "Of eight answers hardly ever one is right, and a group that agrees teaches nothing. A larger group finds the right " +
          "one more often, and a larger step makes the most of it.",
      ],
      break: [
        "Break it: easy question, d below 0.03 after 60 steps.",
        "Press Reset. Then groups of 2, four passes, a clip range of 0.5 and a learning rate of 1, and Play: the first luck breaks, of others one in six.",
        "Two answers and large steps: the half right b beat the wrong ones and took nearly all. d is hardly drawn any more, and " +
          "what is not drawn is not praised.",
      ],
    },
    more: "More settings",
    move: "The last step, move by move",
    moves: { draw: "1 draw", pay: "2 pay", compare: "3 compare", push: "4 push", done: "5 new" },
    told: {
      draw: ({ step, drawn }) =>
        `Step ${step}, draw: the policy answers. ${drawn.map(({ name, count }) => `${name} ${count}`).join(", ")}.`,
      pay: ({ step, drawn, middle }) =>
        `Step ${step}, pay: ${drawn.map(({ name, reward }) => `${name} earns ${reward}`).join(", ")}. The mean of the group is ${middle}.`,
      compare: ({ step, middle, around, still }) =>
        still && around === "0.00"
          ? `Step ${step}, compare: all earn the same. Every advantage is 0.`
          : `Step ${step}, compare: each reward minus the mean ${middle}, in units of the spread ${around}, is an advantage.`,
      push: ({ step, passes, clipped, still }) =>
        still
          ? `Step ${step}, push: there is nothing to push.`
          : `Step ${step}, push: the arrows show which answers get a higher logit and which a lower one.` +
            (passes > 1 ? ` ${passes} passes; clipped in the last one: ${clipped}.` : ""),
    },
    oldName: "run before",
    oldRun: (value, steps) => `The run before: ${value} after ${steps} steps.`,
    fact: (mean) => `mean ${mean}`,
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
    halted: " Paused while out of sight: Play goes on.",
    again: "Again, same luck",
    other: "Other luck",
    probability: "Probability",
    now: "policy",
    before: "before",
    reference: "reference",
    group: "Last group",
    noGroup: "none yet: press Step",
    facts: (mean, spread) => `mean ${mean}, spread ${spread}`,
    rows: { reward: "Reward", drawn: "Drawn", advantage: "Advantage", ratio: "Ratio" },
    clipped: "clipped",
    charts: { right: "Chance of d", clipFraction: "Clip fraction", kl: "KL" },
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
    goals: {
      agree: [
        "Get eight right answers that teach nothing.",
        "Sample a group of the sum that stands there.",
        "The trained model is right eight times of eight. Where all agree every advantage is 0.",
      ],
      blurt: [
        "Bring the base model to answer all eight without thinking.",
        "Lower the temperature to 0.1.",
        "It begins with <answer> more often than with <think>. Near temperature 0 the favourite beginning is the only one.",
      ],
      hot: [
        "Four digits: make the trained model wrong four times or more.",
        "Raise the temperature to 2.",
        "It still knows the sum, but at a high temperature it hardly says what it finds most likely.",
      ],
      beyond: [
        "Find a sum that the trained model gets wrong eight times of eight.",
        "Add a fifth digit: 3+9+4+1+5=",
        "It still begins with <think>, but often forgets to close it or opens it twice, and what comes out is wrong: it has " +
          "learnt sums of four digits, not sums.",
      ],
    },
    writing: "writing …",
    old: (right, thinking) => `before: right ${right}, thinks ${thinking}`,
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
    columns: ["Completion", "Reward", "Adv."],
    facts: (right, thinking, length) => `right ${right} of 8, thinks ${thinking} of 8, mean length ${length}`,
    sentence: (sum, answer, temperature) => `${sum}, so ${answer} is right (temperature ${temperature}).`,
    equal: (names) => ` ${names.join(", ")}: all rewards are equal. Every advantage is 0, and nothing is learnt.`,
  },

  "scrub-explorer": {
    name: "A training run, played back",
    prompt: "Prompt",
    reward: "Reward",
    advantage: "Advantage",
    rows: "Eight completions of the prompt",
    row: (text, reward, advantage) => `${text}, reward ${reward}, advantage ${advantage}`,
    play: "Play",
    pause: "Pause",
    step: "Training step",
    phases: { guessing: "guessing", spreading: "thinking spreads", slips: "slips vanish" },
    curves: { right: "right answers", thinks: "thinking answers" },
    end: (value) => `, ${value} at the end of the run`,
    sentences: {
      guessing: (right, thinks) =>
        `Guessing: ${thinks} of 100 answers think first, the others guess. Of 100 answers, ${right} are right.`,
      spreading: (right, thinks) =>
        `Thinking spreads: answers that think are right more often, so they become more likely. ${thinks} of 100 ` +
        `think first, ${right} are right.`,
      slips: (right) =>
        `Slips vanish: nearly every answer thinks, and a slip in its running sums costs the reward. ${right} of 100 ` +
        "are right.",
    },
    agree: " These eight agree, so every advantage is 0: they teach nothing.",
  },

  "stations-explorer": {
    name: "One batch through GRPO, in seven stations",
    prompt: "Prompt",
    reward: "Reward",
    advantage: "Adv.",
    rows: "Eight completions of the prompt",
    row: (text, reward, advantage) =>
      text + (reward === undefined ? "" : `, reward ${reward}`) + (advantage ? `, advantage ${advantage}` : ""),
    mean: "mean",
    back: "Back",
    next: "Next",
    station: "Station",
    stations: ["Sample", "Rewards", "Advantages", "Log-probs", "Ratio and clip", "Loss", "Gradient step"],
    title: (at, name) => `${at} of 7: ${name}`,
    total: (loss) => `Loss ${loss}`,
    logps: (old, now) => `log-prob ${old}, now ${now}`,
    ratio: (ratio, clipped) => `ratio ${ratio}${clipped ? ", clipped" : ""}`,
    gain: (gain) => `adds ${gain}`,
    step: (now, after, push) => `${push > 0 ? "up" : push < 0 ? "down" : "no push"}, log-prob ${now}, then ${after}`,
    sentences: [
      ({ answer }) =>
        `The policy of this moment, the old policy, reads the prompt and writes eight completions. The right answer is ${answer}. ` +
        "A chip is a token.",
      ({ right, answer }) => `A function reads each completion and pays 1 if it ends with ${answer}, else 0. It pays ${right} of 8.`,
      ({ mean, advantage }) =>
        `The mean reward is ${mean}. A completion above it has the advantage +${advantage}, one below it ` +
        `−${advantage}, counted in spreads of the group.`,
      ({ old, now, chances, passes }) =>
        `These rows serve ${passes} updates, and this is the last of them. Upper bar: how likely the token was when it was ` +
        `sampled; lower bar: now. The first <think> had the log-prob ${old} (probability ${chances[0]}) and has ${now} ` +
        `(${chances[1]}).`,
      ({ ratio, old, now, clipped, count }) =>
        `The ratio is exp(now − then): exp(${now} − (${old})) = ${ratio} for the first <think>. Past 1.2 in a good row, or ` +
        `below 0.8 in a bad one, the clip takes the push away: ${clipped} of ${count} tokens, hatched. In the sixth row, a bad one, ` +
        "the same <think> keeps its push.",
      ({ loss }) =>
        "Advantage times clipped ratio, the mean over the tokens of a row, the mean over the rows, and a minus: the loss is " +
        `${loss}. A bar is what a token adds; one of a short row weighs 1/32, one of a long row 1/80. β is 0: no KL penalty.`,
      ({ chances, good, bad }) =>
        `The gradient goes back to each token: up in good rows, down in bad ones, no push where the clip acts. All chips ` +
        `share one model, so the others move too. In the three updates <think> went from ${chances[0]} to ${chances[2]}, the ` +
        `whole first row from ${good[0]} to ${good[1]}, the second from ${bad[0]} to ${bad[1]}.`,
    ],
  },
};

export const inLanguage = (tables) => tables[globalThis.document?.documentElement.lang] ?? tables.en;
export const words = inLanguage({ en }); // further files add to it what only their explorers say
