// <kl-explorer>: policy and reference over five tokens, the exact KL, and three estimates of it from drawn tokens.
import { Explorer, make } from "./base.js";
import { area, curve, fit, label, line, number, rect, scale } from "./drawing.js";
import * as grpo from "./grpo.js";

const TOKENS = ["a", "b", "c", "d", "e"];
const MOST = 500; // tokens to draw
const LEFT = 24;
const HEIGHT = 214;
const REFERENCE = grpo.softmax([2, 1, 0, 0, -1]); // both as in the lesson "The leash"
const PRESETS = { far: grpo.softmax([6, 4, 0, -4, 2]), same: REFERENCE };

class KlExplorer extends Explorer {
  static start = { policy: grpo.softmax([1.5, 1, 0, -1, 0.5]), reference: REFERENCE, drawn: 30, seed: 1 };

  build() {
    const { words } = this;
    const presets = this.row();
    for (const [name, policy] of Object.entries(PRESETS)) {
      this.button(presets, words.presets[name], () => ({ policy, reference: REFERENCE }));
    }
    this.resetButton(presets);
    this.svg = make(this, "svg", { role: "group", "aria-label": words.drawing });
    this.picture = make(this.svg, "g");
    this.y = scale([0, 1], [182, 46]);
    this.bars = TOKENS.flatMap((_, v) => [this.bar(v, "policy", -0.5), this.bar(v, "reference", 0.5)]);
    const draws = this.row();
    for (const more of [1, 10, 100]) {
      this.button(draws, words.draw(more), () => ({ drawn: Math.min(this.state.drawn + more, MOST) }));
    }
    this.button(draws, words.again, () => ({ drawn: 0, seed: this.state.seed + 1 }));
    const panels = make(this, "div", { class: "explorer-panels" });
    this.panels = Object.keys(grpo.ESTIMATORS).map((name) => ({ name, svg: make(panels, "svg", { role: "img" }) }));
  }

  // The bar of one token; those of policy and reference stand to the left and the right of its middle.
  bar(v, who, side) {
    const bounds = { min: 0, max: 1, step: 0.01 };
    const change = (p) => this.set({ [who]: withProbability(this.state[who], v, p) });
    const name = this.words.knob(TOKENS[v], this.words[who]);
    return { v, who, side, place: this.knob(this.svg, name, bounds, (point) => this.y.invert(point.y), change) };
  }

  draw({ policy, reference, drawn, seed }) {
    this.drawDistributions({ policy, reference });
    // The same chances for whatever distributions: what changes in the picture is not luck.
    const chance = grpo.generator(seed);
    const tokens = Array.from({ length: drawn }, () => grpo.draw(policy, chance()));
    const logRatios = grpo.logRatios(policy, reference);
    const kl = grpo.kl(policy, reference);
    const wanted = grpo.reverseGradient(policy, reference);
    for (const panel of this.panels) {
      const { value, slope } = grpo.ESTIMATORS[panel.name];
      panel.values = logRatios.map(value);
      panel.gradient = grpo.expectedGradient(policy, logRatios.map(slope));
    }
    const seen = this.panels.flatMap((panel) => tokens.map((token) => panel.values[token]));
    // The estimate of a rare token can be in the hundreds; the picture ends at 4.
    const bounds = [Math.max(Math.min(...seen, -0.5), -2.5), Math.min(Math.max(...seen, 1.2), 4)];
    const steepest = Math.max(0.1, ...[wanted, ...this.panels.map((panel) => panel.gradient)].flat().map(Math.abs));
    for (const panel of this.panels) this.drawPanel(panel, { policy, tokens, kl, wanted, bounds, steepest });
    return this.words.sentence(number(kl, 4), number(grpo.kl(reference, policy), 4), drawn);
  }

  drawDistributions(probabilities) {
    const { y, words } = this;
    const width = fit(this.svg, HEIGHT);
    const step = (width - LEFT) / TOKENS.length;
    const thick = Math.min(step / 2 - 2, 52);
    const middle = (v) => LEFT + step * (v + 0.5);
    const legend = ["policy", "reference"].map((who) => `<tspan class="${who}">■ ${words[who]}</tspan>`).join(" ");
    this.picture.innerHTML = [
      label(0, 13, words.probability, "title"),
      label(width, 13, legend, "end"),
      ...[0, 0.5, 1].map((tick) => label(LEFT - 6, y(tick) + 4, tick, "end")),
      line(LEFT, y(0), width, y(0), "axis"),
      ...TOKENS.map((token, v) => label(middle(v), HEIGHT - 12, token, "middle title")),
      ...this.bars.map(({ v, who, side, place }) => {
        const [x, p] = [middle(v) + side * (thick + 2), probabilities[who][v]];
        place(x, y(p), thick + 2, 44, p.toFixed(4), number(p));
        return rect(x - thick / 2, y(p), thick, y(0) - y(p), who) + label(x, y(p) - 9, number(p), "middle small");
      }),
    ].join("");
  }

  // Samples above the gradient; beside it where a panel has the width of a phone to itself.
  drawPanel({ name, svg, values, gradient }, { policy, tokens, kl, wanted, bounds, steepest }) {
    const { words } = this;
    const wide = svg.getBoundingClientRect().width > 280;
    const width = fit(svg, wide ? 196 : 330);
    const [left, top, end] = wide ? [width * 0.57, 0, width * 0.51] : [0, 196, width];
    const samples = tokens.map((token) => values[token]);
    const seen = [grpo.mean(samples), grpo.spread(samples)].map((x) => (Number.isFinite(x) ? number(x) : "–"));
    const exact = [grpo.expected(policy, values), grpo.expectedSpread(policy, values)].map((x) => number(x));
    svg.innerHTML = [
      label(0, 13, name, "title"),
      label(LEFT, 13, words.drawn(...seen)),
      label(LEFT, 30, words.exact(...exact)),
      drawSamples(samples, kl, scale([1, Math.max(samples.length, 20)], [LEFT, end]), scale(bounds, [182, 46])),
      label(left, top + 13, words.gradient, "title"),
      label(left, top + 30, words.legend(name)),
      drawGradient(gradient, wanted, scale([0, 5], [left, width]), scale([-steepest, steepest], [top + 96, top + 42])),
      label(left, top + 128, words.pulls[name]),
    ].join("");
    svg.setAttribute("aria-label", words.panel(name, seen, exact, words.pulls[name]));
  }
}

// Every estimate as a dot, the mean so far as a curve, and the spread so far as a band around it.
function drawSamples(samples, kl, x, y) {
  const [low, high] = y.domain;
  const inside = (value) => y(Math.min(Math.max(value, low), high));
  const sofar = grpo.running(samples);
  const edge = (sign) => sofar.map(({ mean, spread }, i) => [x(i + 1), inside(mean + sign * spread)]);
  const ticks = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i);
  const [left, right] = x.range;
  return [
    area([...edge(1), ...edge(-1).reverse()], "band"),
    ...ticks.map((tick) => label(left - 7, y(tick) + 4, number(tick, 0), "end")),
    line(left, y(0), right, y(0), "axis"),
    `<path class="samples" d="${samples.map((value, i) => `M${x(i + 1)} ${inside(value)}h0`).join("")}"/>`,
    line(left, inside(kl), right, inside(kl), "dashed"),
    curve(sofar.map(({ mean }, i) => [x(i + 1), inside(mean)]), "policy"),
  ].join("");
}

function drawGradient(gradient, wanted, x, y) {
  const bars = gradient.map((slope, v) => {
    const middle = x(v + 0.5);
    return [
      rect(middle - 7, Math.min(y(0), y(slope)), 14, Math.abs(y(slope) - y(0)), "policy"),
      line(middle - 11, y(wanted[v]), middle + 11, y(wanted[v]), "wanted"),
      label(middle, y.range[0] + 14, TOKENS[v], "middle small"),
    ].join("");
  });
  return line(x.range[0], y(0), x.range[1], y(0), "axis") + bars.join("");
}

// One probability changes; the others keep their proportions.
function withProbability(probs, v, p) {
  const value = Math.min(Math.max(p, 0.01), 0.95);
  const others = probs.map((q, u) => (u === v ? value : Math.max((q * (1 - value)) / (1 - probs[v]), 0.002)));
  return others.map((q) => q / grpo.sum(others));
}

customElements.define("kl-explorer", KlExplorer);
