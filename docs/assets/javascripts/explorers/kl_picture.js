// The two large pictures of the KL explorer. The estimate that was chosen is drawn in full, the others as ghosts.
import { area, curve, fit, isNarrow, label, line, near, number, paint, rect, scale } from "./drawing.js";
import { running } from "./grpo.js";

const HEIGHT = 300;
const FLAT = 216; // on a phone, so that the policy is in sight, too
const [LEFT, TOP, FOOT] = [30, 62, 26];
const ROOM = 34; // for what stands at the right of the curves
const APART = 44; // of two numbers

// Every drawn token as a stem, the mean so far as a curve with its spread as a band, the exact mean dashed. At the right
// the exact mean ± spread as a bracket. A stem that leaves the picture says how long it is.
export function drawSamples(svg, { estimates, chosen, kl, drawn, words }, time) {
  const { name, samples, seen, exact } = chosen;
  const height = isNarrow(svg) ? FLAT : HEIGHT;
  const [width, bottom] = [fit(svg, height), height - FOOT];
  const all = estimates.flatMap((estimate) => estimate.samples);
  const ends = [exact[0] - exact[1], exact[0] + exact[1]];
  const bounds = [Math.max(Math.min(...all, ends[0], -0.5), -2), Math.min(Math.max(...all, ends[1], 1.2), 3)];
  const [x, y] = [scale([1, Math.max(drawn, 20)], [LEFT + 4, width - ROOM]), scale(bounds, [bottom, TOP])];
  const inside = (value) => y(Math.min(Math.max(value, bounds[0]), bounds[1]));
  const sofar = running(samples);
  const edge = (sign) => sofar.map(({ mean, spread }, i) => [x(i + 1), inside(mean + sign * spread)]);
  const ghosts = estimates.filter((estimate) => estimate !== chosen);
  const ticks = Array.from({ length: Math.floor(bounds[1]) - Math.ceil(bounds[0]) + 1 }, (_, i) => Math.ceil(bounds[0]) + i);
  const [low, high] = ends.map(inside);
  const at = width - ROOM + 14;
  const pieces = [
    label(0, 14, words.drawnOf(drawn, name, ...seen), "title"),
    label(0, 34, words.exactOf(...exact.map(near)), "title"),
    ...ticks.map((tick) => label(LEFT - 8, y(tick) + 4, number(tick, 0), "end")),
    area([...edge(1), ...edge(-1).reverse()], "band"),
    line(LEFT, y(0), width - ROOM, y(0), "axis"),
    `<path class="samples" d="${samples.map((value, i) => `M${x(i + 1)} ${y(0)}V${inside(value)}`).join("")}"/>`,
    spikes(samples, bounds[1], x, bottom),
    ...ghosts.map((estimate) => curve(running(estimate.samples).map(({ mean }, i) => [x(i + 1), inside(mean)]), "ghost")),
    line(LEFT, inside(kl), width - ROOM, inside(kl), "dashed"),
    curve(sofar.map(({ mean }, i) => [x(i + 1), inside(mean)]), "policy"),
    line(at, low, at, high, "bracket"),
    line(at - 5, low, at + 5, low, ends[0] < bounds[0] ? "hidden" : "bracket"),
    line(at - 5, high, at + 5, high, ends[1] > bounds[1] ? "hidden" : "bracket"),
    label(at, bottom + 12, ends[0] < bounds[0] ? "▼" : "", "middle small"),
    label(at, TOP - 3, ends[1] > bounds[1] ? "▲" : "", "middle small"),
    line(at - 8, inside(exact[0]), at + 8, inside(exact[0]), "bracket"),
    label(LEFT, height - 6, words.axis),
    label(width - ROOM, height - 6, words.tokens(Math.max(drawn, 20)), "end"),
  ];
  paint(svg, pieces.join(""), time);
  const facts = estimates.map((one) => words.panel(one.name, one.seen, one.exact.map(near)));
  svg.setAttribute("aria-label", facts.join(" "));
}

function spikes(samples, top, x, bottom) {
  let last = -APART;
  const pieces = samples.map((value, i) => {
    if (value <= top) return "";
    const at = x(i + 1);
    const stem = line(at, bottom, at, TOP - 2, "spike");
    if (at - last < APART) return stem;
    last = at;
    return stem + label(at, TOP - 7, `↑ ${number(value, 0)}`, "middle spike");
  });
  return pieces.join("");
}

// The expected gradient on the logit of each token: bars for k2 and k3, and that of the exact KL as a thick line. That of
// k1 is 0. A number whose sign is not that of the exact KL is marked.
export function drawGradient(svg, { estimates, wanted, TOKENS, words }, time) {
  const width = fit(svg, HEIGHT + 24);
  const [, second, third] = estimates.map(({ gradient }) => gradient);
  const steepest = Math.max(0.1, ...[wanted, second, third].flat().map(Math.abs));
  const y = scale([-steepest, steepest], [HEIGHT - FOOT - 62, 46]);
  const left = 62;
  const step = (width - left) / TOKENS.length;
  const half = Math.min(step / 2 - 6, 34);
  const bar = (slope, from, kind) => rect(from, Math.min(y(0), y(slope)), half - 1, Math.abs(y(slope) - y(0)), kind);
  const columns = TOKENS.map((token, v) => {
    const middle = left + step * (v + 0.5);
    const against = third[v] * wanted[v] < 0 && number(third[v]) !== number(0);
    return [
      bar(second[v], middle - half, "first"),
      bar(third[v], middle + 1, "second"),
      line(middle - half - 4, y(wanted[v]), middle + half + 4, y(wanted[v]), "wanted"),
      label(middle, HEIGHT - 58, token, "middle title"),
      label(middle, HEIGHT - 36, number(wanted[v], 3), "middle"),
      label(middle, HEIGHT - 15, number(second[v], 3), "middle"),
      label(middle, HEIGHT + 6, number(third[v], 3), `middle ${against ? "spike" : ""}`),
    ].join("");
  });
  const names = ["exact", "first", "second"].map((kind, i) => `<tspan class="${kind}">${"━■■"[i]} ${words.pulls[i]}</tspan>`);
  const pieces = [
    label(0, 14, words.gradientOf, "title"),
    label(width, 14, words.none, "end"),
    line(left, y(0), width, y(0), "axis"),
    ...columns,
    ...names.map((name, i) => label(0, HEIGHT - 36 + 21 * i, name, "title")),
  ];
  paint(svg, pieces.join(""), time);
  const facts = TOKENS.map((token, v) => words.pull(token, ...[wanted, second, third].map((all) => number(all[v], 3))));
  svg.setAttribute("aria-label", `${words.none}. ${facts.join(" ")}`);
}
