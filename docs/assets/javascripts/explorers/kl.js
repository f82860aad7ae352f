// <kl-explorer>: policy and reference over five tokens, the exact KL, and three estimates of it from drawn tokens.
import { numberIn, several } from "./address.js";
import { Explorer, make } from "./base.js";
import { clearOf, fit, label, line, near, number, paint, rect, scale } from "./drawing.js";
import { klGoals, tokensOf } from "./goals.js";
import * as grpo from "./grpo.js";
import { drawGradient, drawSamples } from "./kl_picture.js";
import { tabs } from "./tabs.js";

const TOKENS = ["a", "b", "c", "d", "e"];
const NAMES = Object.keys(grpo.ESTIMATORS);
const MOST = 500; // tokens to draw
const LEFT = 26;
const HEIGHT = 214;
const REFERENCE = grpo.softmax([2, 1, 0, 0, -1]); // both as in the lesson "The leash"
const PRESETS = { far: grpo.softmax([6, 4, 0, -4, 2]), same: REFERENCE };

class KlExplorer extends Explorer {
  static start = {
    policy: grpo.softmax([1.5, 1, 0, -1, 0.5]),
    reference: REFERENCE,
    estimator: "k1",
    view: "value",
    drawn: 0,
    seed: 1,
  };
  static goals = klGoals;

  build() {
    const { words } = this;
    const presets = this.row("explorer-presets");
    for (const [name, policy] of Object.entries(PRESETS)) this.button(presets, words.presets[name], () => ({ policy }));
    this.svg = make(this, "svg", { role: "group", "aria-label": words.drawing });
    this.picture = make(this.svg, "g");
    this.y = scale([0, 1], [182, 46]);
    const bounds = { min: 0, max: 1, step: 0.01 };
    this.knobs = TOKENS.map((token, v) => {
      const change = (p) => this.set({ policy: withProbability(this.state.policy, v, p) });
      return this.knob(this.svg, words.knob(token), bounds, (point) => this.y.invert(point.y), change);
    });
    this.sentence = make(this, "p", { class: "explorer-sentence" }); // beside the bars that move the KL
    const [value, gradient] = tabs(this, "view", words.views, { value: words.value, gradient: words.gradient });
    const draws = make(value, "div", { class: "explorer-row" });
    this.choice(draws, "estimator", words.estimator, words.estimators);
    for (const more of [1, 10, 100]) {
      this.button(draws, words.draw(more), () => ({ drawn: Math.min(this.state.drawn + more, MOST) }));
    }
    this.button(draws, words.again, () => ({ drawn: 0, seed: this.state.seed + 1 }));
    this.samples = make(value, "svg", { role: "img" });
    this.formula = make(value, "p", { class: "explorer-formula" });
    this.table = make(value, "table", { class: "explorer-group" });
    make(gradient, "p", { class: "explorer-formula" }, words.gradientSaid);
    this.pulls = make(gradient, "svg", { role: "img" });
    const read = several(5, numberIn({ min: 1e-6, max: 1 }));
    this.readers.policy = (text) => normal(read(text));
    this.readers.drawn = numberIn({ min: 0, max: MOST, step: 1 });
    this.readers.seed = numberIn({ min: 1, max: 9999, step: 1 });
  }

  draw(state) {
    const { policy, reference, estimator, view, drawn } = state;
    const { words } = this;
    this.drawDistributions({ policy, reference, before: (this.before ?? state).policy });
    const tokens = tokensOf(state);
    const logRatios = grpo.logRatios(policy, reference);
    const estimates = NAMES.map((name) => {
      const { value, slope } = grpo.ESTIMATORS[name];
      const values = logRatios.map(value);
      const samples = tokens.map((token) => values[token]);
      const seen = [drawn > 0 ? near(grpo.mean(samples)) : "–", drawn > 1 ? near(grpo.spread(samples)) : "–"];
      const exact = [grpo.expected(policy, values), grpo.expectedSpread(policy, values)];
      return { name, samples, seen, exact, gradient: grpo.expectedGradient(policy, logRatios.map(slope)) };
    });
    const chosen = estimates.find(({ name }) => name === estimator);
    const kl = grpo.kl(policy, reference);
    if (view === "value") drawSamples(this.samples, { estimates, chosen, kl, drawn, words }, this.time);
    else drawGradient(this.pulls, { estimates, wanted: grpo.reverseGradient(policy, reference), TOKENS, words }, this.time);
    this.formula.textContent = words.formulas[estimator];
    fillTable(this.table, estimates, chosen, words);
    const both = words.both(number(kl, 4), number(grpo.kl(reference, policy), 4));
    return view === "value" ? both + words.said(drawn, estimator, chosen.seen[0]) : both;
  }

  drawDistributions(probabilities) {
    const { y, words } = this;
    const width = fit(this.svg, HEIGHT);
    const step = (width - LEFT) / TOKENS.length;
    const thick = Math.min(step / 2 - 2, 52);
    const middle = (v) => LEFT + step * (v + 0.5);
    const legend = ["policy", "reference"].map((who) => `<tspan class="${who}">■ ${words[who]}</tspan>`).join(" ") + this.ghostKey;
    const bar = (who, v, x) => {
      const p = probabilities[who][v];
      const old = who === "policy" ? y(probabilities.before[v]) : y(p);
      return [
        rect(x - thick / 2, y(p), thick, y(0) - y(p), who),
        line(x - thick / 2, old, x + thick / 2, old, who === "policy" ? this.ghost : "hidden"),
        label(x, clearOf(old, y(p), -9), number(p), "middle small"),
      ].join("");
    };
    const pieces = [
      label(0, 13, words.probability, "title"),
      label(width, 13, legend, "end"),
      ...[0, 0.5, 1].map((tick) => label(LEFT - 6, y(tick) + 4, tick, "end")),
      line(LEFT, y(0), width, y(0), "axis"),
      ...TOKENS.flatMap((token, v) => {
        const [left, right] = [middle(v) - thick / 2 - 1, middle(v) + thick / 2 + 1];
        this.knobs[v](left, y(probabilities.policy[v]), 44, 48, probabilities.policy[v].toFixed(4), number(probabilities.policy[v]));
        return [
          label(middle(v), HEIGHT - 12, token, "middle title"),
          bar("policy", v, left),
          bar("reference", v, right),
        ];
      }),
    ];
    paint(this.picture, pieces.join(""), this.time);
  }
}

// All three side by side: what was drawn, and what is exact.
function fillTable(table, estimates, chosen, words) {
  table.replaceChildren();
  const head = make(make(table, "thead"), "tr");
  for (const column of words.columns) make(head, "th", { scope: "col" }, column);
  const body = make(table, "tbody");
  for (const { name, seen, exact } of estimates) {
    const row = make(body, "tr", { class: name === chosen.name ? "chosen" : "" });
    make(row, "th", { scope: "row" }, name);
    for (const text of [...seen, ...exact.map(near)]) make(row, "td", {}, text);
  }
}

// One probability changes; the others keep their proportions.
function withProbability(probs, v, p) {
  const value = Math.min(Math.max(p, 0.01), 0.95);
  return normal(probs.map((q, u) => (u === v ? value : Math.max((q * (1 - value)) / (1 - probs[v]), 0.002))));
}

const normal = (probs) => probs?.map((q) => q / grpo.sum(probs));

customElements.define("kl-explorer", KlExplorer);
