// <policy-explorer>: a policy over five answers, trained step by step while the reader turns the knobs.
import { Explorer, make } from "./base.js";
import { curve, dot, fit, label, line, number, rect, scale } from "./drawing.js";
import { mean, spread } from "./grpo.js";
import { ANSWERS, LENGTH, RIGHT, answers, fresh, isOver, next, steps, toTheEnd } from "./run.js";

const SETTINGS = { question: "easy", size: "8", rate: 0.5, mu: 1, epsilon: 0.2, beta: 0 };
const BEAT = 160; // milliseconds from step to step
const [LEFT, DOT] = [66, 9];
const [HEIGHT, ROWS] = [432, { reward: 192, drawn: 302, advantage: 354, ratio: 416 }];
const COLORS = { right: "policy", clipFraction: "clipped", kl: "reference" };

class PolicyExplorer extends Explorer {
  static start = { ...SETTINGS, seed: 1, playing: false, run: fresh(SETTINGS.question) };

  build() {
    const { words } = this;
    const head = this.row();
    this.choice(head, "question", words.question, words.questions);
    this.choice(head, "size", words.size, words.sizes);
    const ranges = make(this, "div", { class: "explorer-ranges" });
    this.range(ranges, "rate", words.rate, { min: 0.1, max: 1, step: 0.1 });
    this.range(ranges, "mu", words.mu, { min: 1, max: 8, step: 1 });
    this.range(ranges, "epsilon", words.epsilon, { min: 0, max: 0.5, step: 0.05 });
    this.range(ranges, "beta", words.beta, { min: 0, max: 1, step: 0.05 });
    this.buildButtons(this.row());
    const pictures = make(this, "div", { class: "explorer-live" });
    this.svg = make(pictures, "svg", { role: "img" });
    const charts = make(pictures, "div");
    this.charts = Object.keys(COLORS).map((key) => ({ key, svg: make(charts, "svg", { role: "img" }) }));
    new IntersectionObserver((entries) => entries.at(-1).isIntersecting || this.halt()).observe(this);
    document.addEventListener("visibilitychange", () => document.hidden && this.halt());
  }

  buildButtons(row) {
    const { words } = this;
    const again = (seed) => ({ seed, run: fresh(this.state.question), playing: false });
    this.button(row, words.step, () => ({ run: next(this.state.run, this.state), playing: false }));
    const play = this.button(row, words.play, () => this.play());
    this.syncs.push(() => (play.textContent = this.state.playing ? words.pause : words.play));
    this.button(row, words.again, () => again(this.state.seed));
    this.button(row, words.other, () => again(this.state.seed + 1));
    this.resetButton(row);
  }

  // Another question is another policy.
  set(change) {
    const other = "question" in change ? { run: fresh(change.question), playing: false } : {};
    super.set({ ...other, ...change });
  }

  play() {
    clearTimeout(this.timer);
    if (this.state.playing) return { playing: false };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return { run: toTheEnd(this.state.run, this.state) };
    this.timer = setTimeout(() => this.beat(), BEAT);
    return { playing: true };
  }

  beat() {
    if (!this.state.playing) return;
    const run = next(this.state.run, this.state);
    this.set({ run, playing: !isOver(run) });
    this.timer = setTimeout(() => this.beat(), BEAT);
  }

  halt() {
    if (this.state.playing) this.set({ playing: false });
  }

  draw({ question, size, run, playing }) {
    // Sixty steps in ten seconds are there to be seen; only the last one is read out.
    this.sentence.setAttribute("aria-live", playing ? "off" : "polite");
    this.drawAnswers(answers(run, question), run.group);
    for (const chart of this.charts) this.drawChart(chart, run);
    return this.conclusion(run, Number(size));
  }

  // A column for each answer: its probability, and below what the last group had of it.
  drawAnswers(all, group) {
    const { svg, words } = this;
    const width = fit(svg, HEIGHT);
    const step = (width - LEFT) / all.length;
    const y = scale([0, 1], [152, 42]);
    const largest = Math.max(2.5, ...(group ? group.advantages.map(Math.abs) : []));
    const push = scale([-largest, largest], [ROWS.advantage + 28, ROWS.advantage - 36]);
    const parts = { policy: `■ ${words.now}`, before: `━ ${words.before}`, origin: `━ ${words.reference}` };
    const legend = Object.entries(parts).map(([kind, text]) => `<tspan class="${kind}">${text}</tspan>`);
    const facts = group ? words.facts(number(mean(group.rewards)), number(spread(group.rewards))) : "";
    const columns = all.map((answer, v) => ({ ...answer, x: LEFT + step * (v + 0.5), step }));
    svg.innerHTML = [
      label(0, 13, words.probability, "title"),
      label(width, 13, legend.join(" "), "end"),
      ...[0, 0.5, 1].map((tick) => label(LEFT - 8, y(tick) + 4, tick, "end")),
      ...columns.map((column) => drawProbability(column, y)),
      line(LEFT, y(0), width, y(0), "axis"),
      label(0, 224, words.group, "title"),
      label(width, 224, facts, "end"),
      ...Object.entries(ROWS).map(([name, at]) => label(0, at, words.rows[name])),
      ...columns.map((column) => drawGroup(column, push, words.clipped)),
      line(LEFT, push(0), width, push(0), "axis"),
    ].join("");
    svg.setAttribute("aria-label", all.map((answer) => this.describe(answer)).join(" "));
  }

  describe({ name, p, reference, reward, count, advantage, ratio }) {
    const drawn = count ? this.words.drawn(count, number(advantage), number(ratio)) : "";
    return this.words.answer(name, chance(p), chance(reference), reward) + drawn;
  }

  drawChart({ key, svg }, run) {
    const values = run.trace.map((at) => at[key]);
    const height = svg.getBoundingClientRect().width > 280 ? 112 : 143; // beside the answers, or below
    const width = fit(svg, height);
    const end = Math.max(LENGTH, Math.ceil(steps(run) / LENGTH) * LENGTH);
    const top = Math.max(1, Math.ceil(Math.max(...values)));
    const [x, y] = [scale([0, end], [20, width - 10]), scale([0, top], [height - 36, 30])];
    const name = `${this.words.charts[key]} ${chance(values.at(-1))}`;
    svg.innerHTML = [
      label(0, 13, name, "title"),
      ...[0, top].map((tick) => label(12, y(tick) + 4, tick, "end")),
      line(20, y(0), width, y(0), "axis"),
      ...[0, end].map((tick) => label(x(tick), height - 20, tick, "middle")),
      label(x(end / 2), height - 20, this.words.steps, "middle"),
      curve(values.map((value, i) => [x(i), y(value)]), COLORS[key]),
      dot(x(steps(run)), y(values.at(-1)), COLORS[key], 4),
    ].join("");
    svg.setAttribute("aria-label", name);
  }

  conclusion(run, size) {
    const { words } = this;
    const { trace, group, lost } = run;
    const [name, p] = [ANSWERS[RIGHT], trace.at(-1).right];
    const outlook = words.outlook(size, number(100 * (1 - (1 - p) ** size), 1));
    if (lost) return words.lost;
    if (!group) return words.start(name, chance(p)) + outlook;
    const { rewards, clipped, passes, still } = group;
    const count = (reward) => rewards.filter((other) => other === reward).length;
    if (count(rewards[0]) === rewards.length) {
      const said = words.equal(steps(run), rewards.length, rewards[0], still);
      return rewards[0] < 1 ? said + outlook : said;
    }
    const said = words.mixed(steps(run), rewards.length, count(1), count(0.5));
    const moved = words.moved(name, chance(trace.at(-2).right), chance(p));
    return said + moved + (passes > 1 ? words.clip(clipped.filter(Boolean).length, passes) : "");
  }
}

function drawProbability({ name, p, before, reference, reward, x, step }, y) {
  const half = Math.min(step / 2 - 6, 26);
  return [
    rect(x - half, y(p), 2 * half, y(0) - y(p), "policy"),
    before === undefined ? "" : line(x - half, y(before), x + half, y(before), "before"),
    line(x - half - 4, y(reference), x + half + 4, y(reference), "origin"),
    label(x, y(Math.max(p, before ?? p, reference)) - 7, chance(p), "middle value"),
    label(x, 171, name, "middle title"),
    label(x, ROWS.reward, reward, "middle"),
  ].join("");
}

// Completions as dots, piled up from below.
function drawGroup({ count, advantage, ratio, clipped, x, step }, push, word) {
  if (count === 0) return label(x, ROWS.drawn, "–", "middle");
  const kind = clipped ? "clipped" : advantage > 0 ? "positive" : advantage < 0 ? "negative" : "idle";
  const wide = Math.min(count, Math.max(Math.min(Math.floor((step - 8) / DOT), 8), Math.ceil(count / 8)));
  const place = (i) => [x + DOT * ((i % wide) - (wide - 1) / 2), ROWS.drawn - 4 - DOT * Math.floor(i / wide)];
  return [
    ...Array.from({ length: count }, (_, i) => dot(...place(i), kind, kind === "idle" ? 3 : 4)),
    rect(x - 9, Math.min(push(0), push(advantage)), 18, Math.abs(push(advantage) - push(0)), kind),
    label(x, push(advantage) + (advantage < 0 ? 14 : -5), number(advantage), "middle small"),
    label(x, ROWS.ratio, number(ratio), "middle"),
    clipped ? label(x, ROWS.ratio + 14, word, "middle small") : "",
  ].join("");
}

// Two digits are too few for what is rare.
const chance = (p) => number(p, p > 0 && p < 0.01 ? 3 : 2);

customElements.define("policy-explorer", PolicyExplorer);
