// One curve of the diagnosis explorer: dark grey where the healthy runs are, light grey what is still near them.
import { area, curve, fit, label, line, number, paint, scale } from "./drawing.js";
import { marginOf, topOf, updatesOf } from "./diagnosis_state.js";

const [HEIGHT, TOP, BOTTOM] = [104, 26, 88];

export const written = (x) => number(x, Number.isInteger(x) || x >= 10 ? 0 : x >= 2 ? 1 : 2);

// out: the update at which the curve is said to leave; null as long as it is not told, or where it never does.
export function drawRun(svg, { metric, run, band, out, words }, time) {
  const values = run[metric];
  const updates = updatesOf(metric, values, run);
  const top = topOf(metric, values, band);
  const width = fit(svg, HEIGHT);
  const x = scale([0, run.reward.length], [2, width - 4]);
  const y = scale([0, top], [BOTTOM, TOP]);
  const inside = (value) => y(Math.min(top, Math.max(0, value)));
  const edge = (side, more) => band.map((both, i) => [x(updates[i]), inside(both[side] + more)]);
  const near = (margin) => area([...edge(0, -margin), ...edge(1, margin).reverse()], "healthy");
  const [aside, side] = x(out) > width / 2 ? [-3, "end small"] : [3, "small"]; // clear of the numbers at the ends
  const pieces = [
    label(0, 14, words.metrics[metric], "title"),
    line(x(0), BOTTOM, width, BOTTOM, "axis"),
    label(width - 2, 14, written(top), "end small"),
    label(x(0), HEIGHT - 2, "0", "small"),
    label(width - 2, HEIGHT - 2, run.reward.length, "end small"),
    band ? near(marginOf(metric, values, band)) + near(0) : label(x(0) + 4, TOP + 10, words.unit, "small"),
    curve(values.map((value, i) => [x(updates[i]), y(value)]), "sick"),
    out === null ? "" : line(x(out), TOP, x(out), BOTTOM, "broken") + label(x(out) + aside, HEIGHT - 2, words.at(out), side),
  ];
  paint(svg, pieces.join(""), time);
}
