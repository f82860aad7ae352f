// <family-explorer>: two loss types side by side: objective, push and the weight of a token.
import { oneOf } from "./address.js";
import { Explorer, make, onDrag } from "./base.js";
import { curve, dot, fit, isNarrow, label, line, number, paint, rect, scale } from "./drawing.js";
import { FARTHEST, LIMIT, OLD_LOGP, familyGoals, weightsOf } from "./family_state.js";
import { OBJECTIVES, hasNoScale } from "./objectives.js";
import "./words_play.js";

const TOP = 34;
const [SIDE_BY_SIDE, STACKED] = [214, 156]; // heights of a panel: on a phone both are in sight together with the ratio
const [NEAREST, STEPS] = [0.02, 300];
const [CELL, ROW, LEFT] = [40, 74, 0];

class FamilyExplorer extends Explorer {
  static start = { left: "grpo", right: "dapo", sign: "1", ratio: 1.1, short: 2, long: 6 };
  static goals = familyGoals;

  build() {
    const { words } = this;
    const names = Object.keys(OBJECTIVES);
    const pair = this.row();
    this.pick(pair, "left", words.left, names);
    this.pick(pair, "right", words.right, names);
    this.choice(this.row(), "sign", words.advantage, words.signs);
    const panels = make(this, "div", { class: "explorer-panels" });
    this.panels = ["value", "push"].map((kind) => this.panel(panels, kind));
    const ranges = make(this, "div", { class: "explorer-ranges" });
    this.range(ranges, "ratio", words.ratio, { min: 0.02, max: FARTHEST, step: 0.02 });
    this.range(ranges, "short", words.short, { min: 1, max: LIMIT, step: 1 });
    this.range(ranges, "long", words.long, { min: 1, max: LIMIT, step: 1 });
    this.weights = make(this, "svg", { role: "img", class: "family-weights" });
  }

  pick(parent, key, name, names) {
    const field = make(parent, "label", { class: `explorer-pick ${key}` }, name);
    const select = make(field, "select", { "aria-label": name });
    for (const option of names) make(select, "option", { value: option }, option);
    select.addEventListener("change", () => this.set({ [key]: select.value }, true));
    const clause = make(field, "span", { "aria-hidden": true });
    this.syncs.push(() => {
      select.value = this.state[key];
      clause.textContent = this.words.clauses[this.state[key]];
      select.setAttribute("aria-description", clause.textContent);
    });
    this.readers[key] = oneOf(names);
  }

  panel(parent, kind) {
    const panel = { svg: make(parent, "svg", { role: "img", class: "horizontal" }), kind };
    onDrag(panel.svg, panel.svg, ({ x }) => {
      const ratio = Math.min(FARTHEST, Math.max(NEAREST, panel.x.invert(x)));
      this.set({ ratio: Number((Math.round(ratio / 0.02) * 0.02).toFixed(2)) });
    });
    return panel;
  }

  draw(state) {
    const sentence = this.conclusion(state);
    for (const panel of this.panels) {
      this.drawPanel(panel, state);
      panel.svg.setAttribute("aria-label", `${this.words.panels[panel.kind]}. ${sentence}`);
    }
    this.drawWeights(state);
    return sentence;
  }

  drawPanel(panel, { left, right, sign, ratio }) {
    const { svg, kind } = panel;
    const height = isNarrow(this) ? STACKED : SIDE_BY_SIDE;
    const [width, bottom] = [fit(svg, height), height - 22];
    const x = (panel.x = scale([0, FARTHEST], [30, width - 10]));
    const of = (name) => (r) => OBJECTIVES[name][kind](r, Number(sign), OLD_LOGP);
    const ratios = Array.from({ length: STEPS + 1 }, (_, i) => NEAREST + (i / STEPS) * (FARTHEST - NEAREST));
    const { y, ticks } = upright([left, right].flatMap((name) => ratios.map(of(name))), bottom);
    const pair = [[of(left), "first"], [of(right), "second"]];
    const pieces = [
      label(0, 13, this.words.panels[kind], "title"),
      label(width, 13, this.ghostKey, "end"),
      line(x(0), y(0), x(FARTHEST), y(0), "axis"),
      ...[0, 1, 2, 3].map((tick) => label(x(tick), bottom + 17, tick, "middle")),
      ...ticks.map((tick) => label(x(0) - 7, y(tick) + 4, number(tick, Number.isInteger(ticks[1] - ticks[0]) ? 0 : 1), "end")),
      label(x(2.5), bottom + 17, this.words.axis, "middle"),
      line(x(1), TOP, x(1), bottom, "dotted"),
      line(x(ratio), TOP, x(ratio), bottom, "cursor"),
      ...this.drawGhosts(kind, ratios, x, y),
      ...pair.map(([formula, color]) => curve(ratios.map((r) => [x(r), y(formula(r))]), color)),
      ...pair.map(([formula, color]) => dot(x(ratio), y(formula(ratio)), color)),
    ];
    paint(svg, pieces.join(""), this.time);
  }

  // The pair before the last choice, as far as it fits into the picture.
  drawGhosts(kind, ratios, x, y) {
    const { left, right, sign } = this.before ?? this.state;
    const inside = (value) => Math.min(Math.max(y(value), y.range[1]), y.range[0]);
    const points = (name) => ratios.map((r) => [x(r), inside(OBJECTIVES[name][kind](r, Number(sign), OLD_LOGP))]);
    return [left, right].map((name) => curve(points(name), this.ghost));
  }

  // Two completions as rows of cells; in each cell a bar for either loss type, on one scale for all of them.
  drawWeights(state) {
    const { weights: svg, words } = this;
    const width = fit(svg, 22 + 2 * ROW);
    const x = scale([0, LIMIT], [LEFT, width]);
    const [first, second] = [weightsOf(state, state.left), weightsOf(state, state.right)];
    const rows = [state.short, state.long].map((length, i) => {
      const top = 28 + i * ROW;
      const y = scale([0, 0.5], [top + CELL, top]); // no token weighs more than one half
      const bar = (t, weight, color, part) => {
        const wide = (x(1) - x(0) - 4) / 2;
        return rect(x(t) + part * wide, y(weight), wide, y(0) - y(weight), color);
      };
      const cells = Array.from({ length: LIMIT }, (_, t) =>
        t >= length
          ? rect(x(t), top, x(1) - x(0) - 4, CELL, "padding")
          : bar(t, first[i], "first", 0) + bar(t, second[i], "second", 1) + rect(x(t), top, x(1) - x(0) - 4, CELL, "cell"),
      );
      return cells.join("") + label(0, top + CELL + 17, words.weight(length, unit(first[i]), unit(second[i]), state));
    });
    paint(svg, label(0, 13, words.panels.weight, "title") + rows.join(""), this.time);
    const said = [state.short, state.long].map((n, i) => words.weight(n, unit(first[i]), unit(second[i]), state));
    svg.setAttribute("aria-label", `${words.panels.weight}. ${said.join(". ")}`);
  }

  conclusion({ left, right, sign, ratio }) {
    const { words } = this;
    const pushes = [left, right].map((name) => OBJECTIVES[name].push(ratio, Number(sign)));
    const said = words.sentence(number(ratio), left, number(pushes[0]), right, number(pushes[1]));
    const odd = [left, right].filter(hasNoScale);
    return odd.length > 0 ? said + words.noScale(odd.join(", ")) : said;
  }
}

// From values to pixels so that the curves fill their picture: halves at its ends, and 0 is in it.
function upright(values, bottom) {
  const [low, high] = [Math.floor(2 * Math.min(0, ...values)) / 2, Math.ceil(2 * Math.max(0, ...values)) / 2];
  const domain = low === high ? [-0.5, 0.5] : [low, high];
  const step = domain[1] - domain[0] > 2 ? 1 : 0.5;
  const ticks = Array.from({ length: 9 }, (_, i) => (i - 4) * step).filter((tick) => tick >= domain[0] && tick <= domain[1]);
  return { y: scale(domain, [bottom, TOP]), ticks };
}

const unit = (weight) => `1/${Math.round(1 / weight)}`; // all of them are

customElements.define("family-explorer", FamilyExplorer);
