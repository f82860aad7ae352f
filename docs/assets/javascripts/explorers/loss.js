// <loss-explorer>: completions of different length as rows of tokens, and what each token weighs in the loss.
import { numberIn, several } from "./address.js";
import { Explorer, make } from "./base.js";
import { fit, label, line, number, paint, rect, scale } from "./drawing.js";
import { lossGoals } from "./goals.js";
import { sliceShare, sum, tokenWeights } from "./grpo.js";

const LIMIT = 8; // of the length
const [LEFT, RIGHT, TOP] = [18, 56, 28];
const HEAVIEST = 1 / 3; // that a token of three completions can be: it fills its cell
const [CELL, ROW, LINE] = [32, 46, 28]; // heights of a cell, a row with its gap, a line of text
const EDGE = 5; // of a cell, beside its number
const SLICES = { one: [[0, 1, 2]], two: [[0, 1], [2]] };

class LossExplorer extends Explorer {
  static start = { lengths: [2, 8, 4], lossType: "grpo", slices: "one" };
  static goals = lossGoals(LIMIT);

  build() {
    const { words } = this;
    this.choice(this.row(), "lossType", words.lossType, words.lossTypes);
    const second = this.row();
    this.choice(second, "slices", words.slices, words.calls);
    this.svg = make(this, "svg", { role: "group", "aria-label": words.drawing });
    this.picture = make(this.svg, "g");
    const bounds = { min: 1, max: LIMIT, step: 1, vertical: false };
    this.readers.lengths = several(3, numberIn(bounds));
    this.knobs = this.state.lengths.map((_, i) => {
      const change = (length) => this.set({ lengths: this.state.lengths.with(i, length) });
      return this.knob(this.svg, words.knob(i + 1), bounds, (point) => this.x.invert(point.x), change);
    });
  }

  draw({ lengths, lossType, slices }) {
    const parts = partsOf({ lengths, lossType, slices });
    const before = this.before ?? this.state;
    const ghosts = partsOf(before).flatMap(({ weights, share }) => weights.map((weight) => weight * share));
    const summaries = parts.length > 1 ? parts.length : 0;
    const width = fit(this.svg, TOP + lengths.length * ROW + (summaries + 1) * LINE);
    this.x = scale([0, LIMIT], [LEFT, width - RIGHT]);
    const pieces = [label(0, 13, this.words.cells[slices] + this.ghostKey, "title"), label(width, 13, this.words.rowSum, "title end")];
    let y = TOP;
    for (const [k, { members, weights, sums, share }] of parts.entries()) {
      for (const [j, i] of members.entries()) {
        pieces.push(this.drawRow(i, y, lengths[i], weights[j], share, [before.lengths[i], ghosts[i]]));
        pieces.push(label(width, y + CELL / 2 + 4, fraction(sums[j]), "end"));
        const text = this.words.value(lengths[i], fraction(weights[j]), fraction(sums[j]));
        this.knobs[i](this.x(lengths[i]), y + CELL / 2, 44, ROW, lengths[i], text);
        y += ROW;
      }
      if (!summaries) continue;
      pieces.push(label(LEFT, y + 10, this.divisor(members)));
      pieces.push(label(width, y + 10, this.words.slice(k + 1, fraction(sum(sums)), fraction(share)), "end"));
      y += LINE;
    }
    const total = sum(parts.map(({ sums, share }) => sum(sums) * share));
    pieces.push(line(LEFT, y - 2, width, y - 2, "axis"));
    if (!summaries) pieces.push(label(LEFT, y + 18, this.divisor(parts[0].members)));
    pieces.push(label(width, y + 18, this.words.total(fraction(total), number(total)), "end value"));
    paint(this.picture, pieces.join(""), this.time);
    const sentence = this.words.sentences[lossType](sum(lengths), LIMIT);
    return summaries ? `${sentence} ${this.words.shares[lossType]}${this.words.sliced}` : sentence;
  }

  // What one call divides by.
  divisor(members) {
    const { lengths, lossType } = this.state;
    const own = sum(members.map((i) => lengths[i]));
    return this.words.divisors[lossType]({ rows: members.length, own, all: sum(lengths), limit: LIMIT });
  }

  // A token fills its cell by what it weighs in the whole batch, and its edges mark what it was before the last move; what
  // lies between a row's end and the limit of the length is empty.
  drawRow(i, y, length, weight, share, [oldLength, oldWeight]) {
    const size = this.x(1) - this.x(0) - 3;
    const high = (value) => CELL * Math.min(value / HEAVIEST, 1);
    const cells = Array.from({ length: LIMIT }, (_, t) => {
      const x = this.x(t);
      const [was, kind] = [y + CELL - high(oldWeight), t < oldLength ? this.ghost : "hidden"];
      const ghost = [x, x + size - EDGE].map((from) => line(from, was, from + EDGE, was, kind)).join("");
      if (t >= length) return rect(x, y, size, CELL, "padding") + ghost;
      const filled = high(weight * share);
      const text = label(x + size / 2, y + 20, fraction(weight), "middle token");
      return rect(x, y + CELL - filled, size, filled, "weight") + rect(x, y, size, CELL, "cell") + ghost + text;
    });
    return label(0, y + 20, i + 1) + cells.join("");
  }
}

const partsOf = ({ lengths, lossType, slices }) => SLICES[slices].map((members) => slice(members, lengths, lossType));

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
