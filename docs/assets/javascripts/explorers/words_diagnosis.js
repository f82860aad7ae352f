// What <diagnosis-explorer> says, beside words.js. Runs and causes have the names of diagnosis_state.js.
import { inLanguage, words } from "./words.js";

const metrics = {
  reward: "Reward",
  right: "Right, held out",
  spread: "No spread",
  entropy: "Entropy",
  norm: "Gradient norm",
  length: "Mean length",
  cut: "Cut off",
  clip: "Clip fraction",
};

export const en = {
  "diagnosis-explorer": {
    name: "Explorer: what is wrong with this run",
    goals: {
      one: [
        "Two points on one run: the curve that broke first, and what it was, each at the first try.",
        "Go through the curves from the left: which one leaves the grey band first, and stays outside?",
        "The first update that looks wrong says most. In the end most sick runs look alike.",
      ],
      healthy: [
        "Find the healthy run at the first try.",
        "If all curves stay within the band or near it, there is nothing to repair.",
        "A healthy run has noise: its reward falls now and then. Compare with other seeds before you stop one.",
      ],
      slow: [
        "Do not stop a run that is only slow.",
        "One of the eight begins with four of five completions cut off, and earns next to nothing for ten updates. Look at the band.",
        "What matters is where healthy runs of the same setting are at that time, not how high a curve stands.",
      ],
      good: [
        "Reach 12 of 16 points in one round.",
        "Go by lesson When a run is sick: texts, a second judge, spread, gradient, lengths and clip, and only then the learning rate.",
        "You read curves as one reads a chart at a bedside: what broke first, what can explain it, which look decides.",
      ],
    },
    loading: "The curves are on their way …",
    failed: (reason) => `The curves did not arrive (${reason}). Load the page again.`,
    place: (i, all, points, most) => `Run ${i} of ${all}` + (most ? ` · ${points} of ${most} points` : ""),
    which: "Which curve broke first?",
    run: (updates, reused) =>
      ` ${updates} updates, ${reused ? "eight on each batch" : "one on each batch"}. Dark grey is where three healthy ` +
      "runs with other seeds were, light grey is still near them.",
    metrics,
    names: {
      ...metrics,
      right: "Right answers on held-out problems, at temperature 1",
      spread: "Share of groups without spread",
      cut: "Share of completions cut off at the limit of 16 tokens",
    },
    unit: "in points of its own",
    at: (update) => update,
    point: (update, value, band) => `update ${update}: ${value}` + (band ? `, healthy ${band[0]} to ${band[1]}` : ""),
    none: "None of them broke",
    what: "What was it?",
    next: "Next run",
    over: "Play again, in another order",
    start: "Choose the curve that is out first: beyond the light grey for three updates in a row. Of right answers, looked " +
      "up less often, two points in a row count.",
    firstOut: (metric, update) => `Right: ${metric}, outside from update ${update} on. Now what was it?`,
    noneOut: "Right: all of them stay with the healthy runs. Now what was it?",
    someOut: "One of them does leave the healthy runs, and stays outside for three updates or more.",
    inside: (metric) => `${metric}: never clearly outside for three updates in a row.`,
    later: (metric, update) => `${metric} is outside from update ${update} on. Another one broke before.`,
    done: (points) => `${points} of 2 points.`,
    causes: {
      fine: "Nothing: let it run",
      cold: "The temperature of sampling is too low",
      rate: "The learning rate is too high",
      low: "The learning rate is too low",
      hack: "The reward pays for something else than right answers",
      end: "The end token is not trained",
      blind: "No completion is ever paid, right or wrong",
      fresh: "The old log-probs are computed again before each update",
      easy: "The problems are too easy",
      heart: "It has learnt its training problems by heart",
      limit: "The length limit is too short",
    },
    wrong: {
      healthy: {
        cold: "Then the entropy would be near 0 from the first update on. Here it falls slowly, as the policy learns.",
        rate: "Then the reward would break off and groups would agree on wrong answers. Here it climbs with the others.",
        hack: "Then right answers on held-out problems would fall while the reward rises. They rise together.",
      },
      "healthy, E": {
        end: "Then ever more completions would be cut off. Late, but clearly, they become fewer: it learns to stop.",
        blind: "Then no group would have any spread, and the gradient would be 0. Some are paid, and it is not 0.",
        rate: "Then something would break. Nothing does: the run is slow, as its healthy siblings are.",
      },
      A: {
        cold: "Then the samples of a group would be copies and the entropy near 0. It climbs.",
        hack: "A hacked reward rises, for that is what hacking means. Here the reward itself falls.",
        fresh: "With one update on each batch every ratio is 1, whatever the old log-probs are.",
      },
      B: {
        low: "A learning rate makes steps short, not gradients. Here the gradient itself is 0.",
        cold: "Then the entropy would be near 0. It stands at 0.4, where healthy runs begin.",
        end: "Then completions would be cut off. Hardly one is.",
      },
      C: {
        fine: "Look at the right answers on held-out problems, sampled at temperature 1, beside its reward.",
        easy: "Then they would be solved at any temperature. At 1 about half of the answers are wrong.",
        rate: "Then the reward would fall again. It stays up, because hardly anything moves any more.",
      },
      D: {
        heart: "Then it would still be right as often as at the start on new problems. It is never right there in the end.",
        rate: "Then the reward would fall. It rises to the end: the optimiser does its work well.",
        end: "Then the reward would go down with the right answers. It rises as completions reach the limit.",
      },
      E: {
        limit: "The limit is the same in the healthy runs, and under it they learn to stop.",
        hack: "Then the reward would rise. It goes to 0.",
        blind: "Then the gradient would have been 0 from the first update on. Some completions were paid at first.",
      },
      F: {
        rate: "Then the ratios would leave 1 faster and the clip would act more, not less. It never acts.",
        fine: "With one update on each batch a clip fraction of 0 is healthy. With eight, a clip that never acts has noticed nothing.",
        hack: "Then the reward would rise while the right answers fall. Both fall.",
      },
    },
    told: {
      healthy:
        "Nothing was wrong: seed 0 of the healthy run. Reward and right answers rise, the entropy falls as the policy becomes surer, " +
        "and late in the run some groups agree because they are right.",
      "healthy, E":
        "Nothing was wrong. It starts from a model that seldom stops, so most completions are cut off and unpaid, and it has to " +
        "learn to stop first. The look that decides: the same setting with another seed.",
      A:
        "The learning rate was 1.6e-3, where 5e-4 is healthy: each step overshoots what 64 completions can tell. In the end it gives " +
        "nearly the same answer to all problems, so groups agree. The look that decides: the same seed at a third of the rate.",
      B:
        "The reward function looked for a tag that no completion has. Sampling is lively, every reward is 0. The look that decides: " +
        "pay one completion that you know to be right.",
      C:
        "It was sampled at temperature 0.1. It differs at the very first update, before anything was learnt. Groups become copies, " +
        "the reward looks best of all, and learning stops. The look that decides: evaluate at the temperature you care about.",
      D:
        "It was paid by the character. The reward rises, the lengths run away, and a second judge that is not paid saw it within the " +
        "first updates. The look that decides: right answers with weight 0, and reading texts.",
      E:
        "The end token was left out of the loss, so all of a right completion was praised but its end. The look that decides: of the " +
        "completions that ended, for how many does the end token count?",
      F:
        "The old log-probs were computed again before each update, so every ratio was 1 and the clip never acted. The full gradient " +
        "was followed eight times on one batch. The look that decides: the ratios at the second update on a batch.",
    },
  },
};

Object.assign(words, inLanguage({ en }));
