// The diagnosis game: which run is asked about, which curve left the healthy runs first, what was answered.

export const METRICS = ["reward", "right", "spread", "entropy", "norm", "length", "cut", "clip"];
export const NONE = "none"; // no curve is out

// What each run is, with three things that it is not. The first is right.
export const OPTIONS = {
  healthy: ["fine", "cold", "rate", "hack"],
  "healthy, E": ["fine", "end", "blind", "rate"],
  A: ["rate", "cold", "hack", "fresh"],
  B: ["blind", "low", "cold", "end"],
  C: ["cold", "fine", "easy", "rate"],
  D: ["hack", "heart", "rate", "end"],
  E: ["end", "limit", "hack", "blind"],
  F: ["fresh", "rate", "fine", "hack"],
};
const ORDER = ["A", "healthy", "B", "E", "C", "healthy, E", "D", "F"];

// Another order each time; the first is always the same.
export function orderOf(seed, chance) {
  const left = [...ORDER];
  return seed === 1 ? left : ORDER.map(() => left.splice(Math.floor(chance() * left.length), 1)[0]);
}

// The same four, in an order that says nothing.
export const optionsOf = (name) => [...OPTIONS[name]].sort();

// The update that a point of a curve belongs to: right answers are looked up before the first update and after every
// fifth, or after the last on a batch where a batch serves for more.
export function updatesOf(metric, curve, run) {
  if (metric !== "right") return curve.map((_, i) => i + 1);
  const every = run.reward.length / (curve.length - 1);
  return curve.map((_, i) => i * every);
}

// What a picture reaches up to; a larger value makes it larger.
const TOPS = { reward: 1, right: 1, spread: 1, entropy: 1.4, norm: 2, length: 16, cut: 1, clip: 0.3 };
export const topOf = (metric, curve, band) => Math.max(TOPS[metric], ...curve, ...(band ?? []).flat());

// A reward by the character cannot be compared with one for right answers.
export const bandOf = (data, name, metric) =>
  name === "D" && metric === "reward" ? null : data.bands[data.cases[name]][metric];

const MARGIN = 0.15; // of the height of the picture: so far from the healthy runs is still near them
export const marginOf = (metric, curve, band) => MARGIN * topOf(metric, curve, band);
const LASTS = 3; // points in a row; one alone is noise

// The first of LASTS updates in a row at which a curve is clearly beyond the healthy runs; null if there is none.
export function outAt(data, name, metric) {
  const [curve, band] = [data.runs[name][metric], bandOf(data, name, metric)];
  if (!band) return null;
  const margin = marginOf(metric, curve, band);
  const out = curve.map((x, i) => x < band[i][0] - margin || x > band[i][1] + margin);
  const lasts = metric === "right" ? 2 : LASTS;
  const first = out.findIndex((_, i) => i + lasts <= out.length && out.slice(i, i + lasts).every(Boolean));
  return first < 0 ? null : updatesOf(metric, curve, data.runs[name])[first];
}

// The metrics that are out first; ["none"] if none is.
export function firstOut(data, name) {
  const outs = METRICS.map((metric) => [metric, outAt(data, name, metric)]).filter(([, at]) => at !== null);
  const first = Math.min(...outs.map(([, at]) => at));
  return outs.length > 0 ? outs.filter(([, at]) => at === first).map(([metric]) => metric) : [NONE];
}

// points: for each finished run { name, first, cause }, whether the first answer was right.
const named = (name) => ({ points }) => points.some((point) => point.name === name && point.cause);
export const total = (points) => points.reduce((sofar, { first, cause }) => sofar + first + cause, 0);

export const diagnosisGoals = {
  one: ({ points }) => points.some(({ first, cause }) => first && cause),
  healthy: named("healthy"),
  slow: named("healthy, E"),
  good: ({ points }) => points.length === ORDER.length && total(points) >= 12,
};
