// <clip-explorer>: the clipped objective of one token, and its gradient, over the ratio.
import { Explorer, make, onDrag } from "./base.js";
import { curve, dot, fit, isNarrow, label, line, number, paint, rect, scale } from "./drawing.js";
import { clipGoals } from "./goals.js";
import { clippedSurrogate, isClipped, surrogateGradient } from "./grpo.js";

const TOP = 44;
const [SIDE_BY_SIDE, STACKED] = [234, 160]; // heights of a panel: on a phone both are in sight together with the ranges
const FARTHEST = 2; // of the ratio, and so of the objective

class ClipExplorer extends Explorer {
  static start = { sign: "1", ratio: 1.1, low: 0.2, high: 0.2 };
  static goals = clipGoals;

  build() {
    const { words } = this;
    const head = this.row();
    this.choice(head, "sign", words.advantage, words.signs);
    const panels = make(this, "div", { class: "explorer-panels" });
    this.panels = [
      this.panel(panels, words.objective, clippedSurrogate),
      this.panel(panels, words.gradient, surrogateGradient),
    ];
    const ranges = make(this, "div", { class: "explorer-ranges" });
    this.range(ranges, "ratio", words.ratio, { min: 0, max: FARTHEST, step: 0.01 });
    this.range(ranges, "low", words.low, { min: 0, max: 0.5, step: 0.01 });
    this.range(ranges, "high", words.high, { min: 0, max: 0.5, step: 0.01 });
  }

  // Dragging anywhere in a panel moves the point; for the keyboard there is the range of the ratio.
  panel(parent, title, formula) {
    const panel = { svg: make(parent, "svg", { role: "img", class: "horizontal" }), title, formula };
    onDrag(panel.svg, panel.svg, ({ x }) => {
      const ratio = Math.min(FARTHEST, Math.max(0, panel.x.invert(x)));
      this.set({ ratio: Number(ratio.toFixed(2)) });
    });
    return panel;
  }

  draw(state) {
    const advantage = Number(state.sign);
    const gradient = surrogateGradient(state.ratio, advantage, state.low, state.high);
    const sentence = this.words[situation(state, advantage)](number(state.ratio), number(gradient));
    this.ghostIsSeen = this.before?.sign === state.sign && Object.keys(state).some((key) => this.before[key] !== state[key]);
    for (const panel of this.panels) {
      this.drawPanel(panel, state, advantage);
      panel.svg.setAttribute("aria-label", `${panel.title}. ${sentence}`);
    }
    return sentence;
  }

  drawPanel(panel, { ratio, low, high }, advantage) {
    const { svg, title, formula } = panel;
    const [good, isGradient] = [advantage > 0, formula === surrogateGradient];
    const height = isNarrow(this) ? STACKED : SIDE_BY_SIDE;
    const [width, bottom] = [fit(svg, height), height - 22];
    const x = (panel.x = scale([0, FARTHEST], [26, width - 10]));
    const y = scale(good ? [0, FARTHEST] : [-FARTHEST, 0], [bottom, TOP]);
    const value = (r) => formula(r, advantage, low, high);
    const color = good ? "positive" : "negative";
    const now = isClipped(ratio, advantage, low, high) ? "clipped" : color;
    // The gradient dies on the side that the advantage asks for.
    const edge = good ? 1 + high : 1 - low;
    const [alive, dead] = good ? [0, FARTHEST] : [FARTHEST, 0];
    const flat = y(value((edge + dead) / 2));
    const pieces = [
      label(0, 13, title, "title"),
      label(width, 13, (isGradient ? "" : this.words.unclipped) + (this.ghostIsSeen ? this.ghostKey : ""), "end"),
      rect(Math.min(x(edge), x(dead)), TOP, Math.abs(x(dead) - x(edge)), bottom - TOP, "dead"),
      label((x(edge) + x(dead)) / 2, isGradient && good ? TOP + 17 : bottom - 9, this.words.dead, "middle small"),
      axes(x, y, [0, 1, 2], good ? [0, 1, 2] : [-2, -1, 0], this.words.axis),
      ...[1 - low, 1 + high].map((r) => line(x(r), TOP, x(r), bottom, "dotted")),
      label(x(1 - low) - 3, TOP - 6, number(1 - low), "end"),
      label(x(1 + high) + 3, TOP - 6, number(1 + high)),
      isGradient ? "" : line(x(0), y(0), x(FARTHEST), y(FARTHEST * advantage), "dashed"),
      this.drawGhost(x, y, formula, advantage),
      curve([[x(alive), y(value(alive))], [x(edge), y(value(edge))]], color),
      curve([[x(edge), flat], [x(dead), flat]], "clipped"),
      line(x(ratio), TOP, x(ratio), bottom, "cursor"),
      dot(x(ratio), y(value(ratio)), now),
      label(Math.max(x(ratio) - 9, 62), y(value(ratio)) + (good && (isGradient || now !== "clipped") ? -9 : 20), number(value(ratio)), "value end"),
    ];
    paint(svg, pieces.join(""), this.time);
  }

  // The curve before the last move, and its point.
  drawGhost(x, y, formula, advantage) {
    const { ratio, low, high } = this.before?.sign === this.state.sign ? this.before : this.state;
    const value = (r) => y(formula(r, advantage, low, high));
    const edges = [0, 1 - low, 1 + high, FARTHEST];
    const parts = [0, 1, 2].map((i) => [edges[i] + 1e-9, edges[i + 1] - 1e-9]); // at its edges the gradient may jump
    const lines = parts.map((ends) => curve(ends.map((r) => [x(r), value(r)]), this.ghost));
    return lines.join("") + dot(x(ratio), value(ratio), this.ghost);
  }
}

function axes(x, y, xTicks, yTicks, name) {
  const [[left, right], [bottom]] = [x.range, y.range];
  return [
    line(left, bottom, right, bottom, "axis"),
    ...xTicks.map((tick) => label(x(tick), bottom + 17, number(tick, 0), "middle")),
    ...yTicks.map((tick) => label(left - 7, y(tick) + 4, number(tick, 0), "end")),
    label(left + 0.75 * (right - left), bottom + 17, name, "middle"),
  ].join("");
}

function situation({ ratio, low, high }, advantage) {
  const direction = advantage > 0 ? "Up" : "Down";
  if (isClipped(ratio, advantage, low, high)) return `enough${direction}`;
  return ratio < 1 - low || ratio > 1 + high ? `back${direction}` : `inside${direction}`;
}

customElements.define("clip-explorer", ClipExplorer);
