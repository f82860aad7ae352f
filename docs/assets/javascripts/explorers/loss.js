// <loss-explorer>: completions of different length as rows of tokens, and what each token weighs in the loss.
import { Explorer, make } from "./base.js";
import { fit, label, line, number, rect, scale } from "./drawing.js";
import { sliceShare, sum, tokenWeights } from "./grpo.js";

const LIMIT = 8; // of the length
const [LEFT, RIGHT, TOP] = [18, 56, 28];
const [CELL, ROW, LINE] = [32, 42, 28]; // heights of a cell, a row with its gap, a line of text
const SLICES = { one: [[0, 1, 2]], two: [[0, 1], [2]] };

class LossExplorer extends Explorer {
  static start = { lengths: [2, 8, 4], lossType: "grpo", slices: "one" };

  build() {
    const { words } = this;
    this.choice(this.row(), "lossType", words.lossType, words.lossTypes);
    const second = this.row();
    this.choice(second, "slices", words.slices, words.calls);
    this.resetButton(second);
    this.svg = make(this, "svg", { role: "group", "aria-label": words.drawing });
    this.picture = make(this.svg, "g");
    const bounds = { min: 1, max: LIMIT, step: 1, vertical: false };
    this.knobs = this.state.lengths.map((_, i) => {
      const change = (length) => this.set({ lengths: this.state.lengths.with(i, length) });
      return this.knob(this.svg, words.knob(i + 1), bounds, (point) => this.x.invert(point.x), change);
    });
  }

  draw({ lengths, lossType, slices }) {
    const parts = SLICES[slices].map((members) => slice(members, lengths, lossType));
    const heaviest = Math.max(...parts.flatMap((part) => part.weights));
    const summaries = parts.length > 1 ? parts.length : 0;
    const width = fit(this.svg, TOP + lengths.length * ROW + (summaries + 1) * LINE);
    this.x = scale([0, LIMIT], [LEFT, width - RIGHT]);
    const pieces = [label(LEFT, 13, this.words.cells, "title"), label(width, 13, this.words.rowSum, "title end")];
    let y = TOP;
    for (const [k, { members, weights, sums, share }] of parts.entries()) {
      for (const [j, i] of members.entries()) {
        pieces.push(this.drawRow(i + 1, y, lengths[i], weights[j], heaviest));
        pieces.push(label(width, y + CELL / 2 + 4, fraction(sums[j]), "end"));
        const text = this.words.value(lengths[i], fraction(weights[j]), fraction(sums[j]));
        this.knobs[i](this.x(lengths[i]), y + CELL / 2, 28, ROW, lengths[i], text);
        y += ROW;
      }
      if (!summaries) continue;
      pieces.push(label(width, y + 10, this.words.slice(k + 1, fraction(sum(sums)), fraction(share)), "end"));
      y += LINE;
    }
    const total = sum(parts.map(({ sums, share }) => sum(sums) * share));
    pieces.push(line(LEFT, y - 2, width, y - 2, "axis"));
    pieces.push(label(width, y + 18, this.words.total(fraction(total), number(total)), "end value"));
    this.picture.innerHTML = pieces.join("");
    const sentence = this.words.sentences[lossType](sum(lengths), LIMIT);
    return summaries ? `${sentence} ${this.words.shares[lossType]}` : sentence;
  }

  // A token fills its cell by its weight; what lies between a row's end and the limit of the length is empty.
  drawRow(name, y, length, weight, heaviest) {
    const size = this.x(1) - this.x(0) - 3;
    const filled = CELL * (weight / heaviest);
    const cells = Array.from({ length: LIMIT }, (_, t) => {
      const x = this.x(t);
      if (t >= length) return rect(x, y, size, CELL, "padding");
      const text = label(x + size / 2, y + CELL / 2 + 4, fraction(weight), "middle token");
      return rect(x, y + CELL - filled, size, filled, "weight") + rect(x, y, size, CELL, "cell") + text;
    });
    return label(0, y + CELL / 2 + 4, name) + cells.join("");
  }
}

// The completions that one call of the loss sees: the weights of their tokens, the sums of their rows, and what this
// call is multiplied with.
function slice(members, lengths, lossType) {
  const own = members.map((i) => lengths[i]);
  const weights = tokenWeights(own, lossType, { limit: LIMIT, items: sum(lengths) });
  const sums = own.map((length, j) => length * weights[j]);
  return { members, weights, sums, share: sliceShare(own, lengths, lossType) };
}

// All weights here are fractions of small numbers, and say more as such: 0.0416... -> "1/24".
function fraction(value) {
  let below = 1;
  while (Math.abs(value * below - Math.round(value * below)) > 1e-9) below += 1;
  const above = Math.round(value * below);
  return below === 1 ? `${above}` : `${above}/${below}`;
}

customElements.define("loss-explorer", LossExplorer);
