// The two large pictures of the KL explorer. The estimate that was chosen is drawn in full, the others as ghosts.
import { area, curve, fit, label, line, number, paint, rect, scale } from "./drawing.js";
import { running } from "./grpo.js";

const HEIGHT = 300;
const [LEFT, TOP, BOTTOM] = [30, 62, HEIGHT - 26];
const ROOM = 34; // for what stands at the right of the curves
const APART = 44; // of two numbers

// Every drawn token as a stem, the mean so far as a curve with its spread as a band, the exact mean dashed. At the right
// the exact mean ± spread as a bracket. A stem that leaves the picture says how long it is.
export function drawSamples(svg, { estimates, chosen, kl, drawn, words }, time) {
  const { name, samples, seen, exact } = chosen;
  const width = fit(svg, HEIGHT);
  const all = estimates.flatMap((estimate) => estimate.samples);
  const ends = [exact[0] - exact[1], exact[0] + exact[1]];
  const bounds = [Math.max(Math.min(...all, ends[0], -0.5), -2), Math.min(Math.max(...all, ends[1], 1.2), 3)];
  const [x, y] = [scale([1, Math.max(drawn, 20)], [LEFT + 4, width - ROOM]), scale(bounds, [BOTTOM, TOP])];
  const inside = (value) => y(Math.min(Math.max(value, bounds[0]), bounds[1]));
  const sofar = running(samples);
  const edge = (sign) => sofar.map(({ mean, spread }, i) => [x(i + 1), inside(mean + sign * spread)]);
  const ghosts = estimates.filter((estimate) => estimate !== chosen);
  const ticks = Array.from({ length: Math.floor(bounds[1]) - Math.ceil(bounds[0]) + 1 }, (_, i) => Math.ceil(bounds[0]) + i);
  const [low, high] = ends.map(inside);
  const at = width - ROOM + 14;
  const pieces = [
    label(0, 14, words.drawnOf(name, ...seen), "title"),
    label(0, 34, words.exactOf(...exact.map((value) => number(value))), "title"),
    ...ticks.map((tick) => label(LEFT - 8, y(tick) + 4, number(tick, 0), "end")),
    area([...edge(1), ...edge(-1).reverse()], "band"),
    line(LEFT, y(0), width - ROOM, y(0), "axis"),
    `<path class="samples" d="${samples.map((value, i) => `M${x(i + 1)} ${y(0)}V${inside(value)}`).join("")}"/>`,
    spikes(samples, bounds[1], x),
    ...ghosts.map((estimate) => curve(running(estimate.samples).map(({ mean }, i) => [x(i + 1), inside(mean)]), "ghost")),
    line(LEFT, inside(kl), width - ROOM, inside(kl), "dashed"),
    curve(sofar.map(({ mean }, i) => [x(i + 1), inside(mean)]), "policy"),
    line(at, low, at, high, "bracket"),
    line(at - 5, low, at + 5, low, ends[0] < bounds[0] ? "hidden" : "bracket"),
    line(at - 5, high, at + 5, high, ends[1] > bounds[1] ? "hidden" : "bracket"),
    label(at, BOTTOM + 12, ends[0] < bounds[0] ? "▼" : "", "middle small"),
    label(at, TOP - 3, ends[1] > bounds[1] ? "▲" : "", "middle small"),
    line(at - 8, inside(exact[0]), at + 8, inside(exact[0]), "bracket"),
    label((LEFT + width - ROOM) / 2, HEIGHT - 6, words.axis, "middle"),
  ];
  paint(svg, pieces.join(""), time);
  const facts = estimates.map((one) => words.panel(one.name, one.seen, one.exact.map((value) => number(value))));
  svg.setAttribute("aria-label", facts.join(" "));
}

function spikes(samples, top, x) {
  let last = -APART;
  const pieces = samples.map((value, i) => {
    if (value <= top) return "";
    const at = x(i + 1);
    const stem = line(at, BOTTOM, at, TOP - 2, "spike");
    if (at - last < APART) return stem;
    last = at;
    return stem + label(at, TOP - 7, `↑ ${number(value, 0)}`, "middle spike");
  });
  return pieces.join("");
}

// The expected gradient on the logit of each token as bars, that of the exact KL as a thick line.
export function drawGradient(svg, { estimates, chosen, wanted, TOKENS, words }, time) {
  const width = fit(svg, HEIGHT + 24);
  const steepest = Math.max(0.1, ...[wanted, ...estimates.map(({ gradient }) => gradient)].flat().map(Math.abs));
  const y = scale([-steepest, steepest], [BOTTOM - 46, 50]);
  const left = 62;
  const step = (width - left) / TOKENS.length;
  const half = Math.min(step / 2 - 6, 30);
  const bar = (slope, middle, kind) =>
    rect(middle - half, Math.min(y(0), y(slope)), 2 * half, Math.abs(y(slope) - y(0)), kind);
  const columns = TOKENS.map((token, v) => {
    const middle = left + step * (v + 0.5);
    const ghosts = estimates.filter((estimate) => estimate !== chosen);
    return [
      ...ghosts.map(({ gradient }) => bar(gradient[v], middle, "ghost")),
      bar(chosen.gradient[v], middle, "policy"),
      line(middle - half - 4, y(wanted[v]), middle + half + 4, y(wanted[v]), "wanted"),
      label(middle, HEIGHT - 44, token, "middle title"),
      label(middle, HEIGHT - 20, number(chosen.gradient[v], 3), "middle"),
      label(middle, HEIGHT, number(wanted[v], 3), "middle"),
    ].join("");
  });
  const pieces = [
    label(0, 14, words.gradientOf, "title"),
    label(0, 34, words.legend(chosen.name)),
    line(left, y(0), width, y(0), "axis"),
    ...columns,
    label(0, HEIGHT - 20, chosen.name, "title"),
    label(0, HEIGHT, words.exactKl, "title"),
  ];
  paint(svg, pieces.join(""), time);
  const facts = TOKENS.map((token, v) => words.pull(token, number(chosen.gradient[v], 3), number(wanted[v], 3)));
  svg.setAttribute("aria-label", `${chosen.name}. ${facts.join(" ")}`);
}
