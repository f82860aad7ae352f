// <policy-explorer>: a policy over five answers, trained step by step while the reader turns the knobs.
import { numberIn } from "./address.js";
import { Explorer, calm, make } from "./base.js";
import { number } from "./drawing.js";
import { policyGoals } from "./goals.js";
import { drawAnswers, drawCurve, percent } from "./policy_picture.js";
import { ANSWERS, LENGTH, MOVES, RIGHT, answers, canBeRepeated, fresh, isOver, next, repeat, steps, toTheEnd } from "./run.js";
import { mean, spread } from "./grpo.js";

const SETTINGS = { question: "easy", size: "8", rate: 0.5, mu: 1, epsilon: 0.2, beta: 0 };
const MORE = ["question", "mu", "epsilon", "beta"]; // in a fold
const BEAT = 160; // milliseconds from step to step
const MOVE = 900; // from move to move of one step
const COLORS = { right: "policy", clipFraction: "clipped", kl: "reference" };

class PolicyExplorer extends Explorer {
  // old: the curves of the run before, which stay as ghosts
  static start = { ...SETTINGS, seed: 1, playing: false, move: "done", run: fresh(SETTINGS.question), old: null };
  static goals = policyGoals;

  build() {
    const { words } = this;
    const head = this.row();
    this.choice(head, "size", words.size, words.sizes);
    this.range(head, "rate", words.rate, { min: 0.1, max: 1, step: 0.1 });
    this.more = make(this, "details", { class: "explorer-more" });
    make(this.more, "summary", {}, words.more);
    this.choice(make(this.more, "div", { class: "explorer-row" }), "question", words.question, words.questions);
    const ranges = make(this.more, "div", { class: "explorer-ranges" });
    this.range(ranges, "mu", words.mu, { min: 1, max: 8, step: 1 });
    this.range(ranges, "epsilon", words.epsilon, { min: 0, max: 0.5, step: 0.05 });
    this.range(ranges, "beta", words.beta, { min: 0, max: 1, step: 0.05 });
    this.buildButtons(this.row());
    const moves = this.row("policy-moves");
    this.choice(moves, "move", words.move, words.moves);
    this.laterOnly(moves);
    this.sentence = make(this, "p", { class: "explorer-sentence" }); // beside the name of the move that it tells
    const pictures = make(this, "div", { class: "explorer-live" });
    this.svg = make(pictures, "svg", { role: "img" });
    const charts = make(pictures, "div");
    this.charts = Object.keys(COLORS).map((key) => ({ key, svg: make(charts, "svg", { role: "img" }) }));
    new IntersectionObserver((entries) => entries.at(-1).isIntersecting || this.halt()).observe(this);
    document.addEventListener("visibilitychange", () => document.hidden && this.halt());
    this.readers.seed = numberIn({ min: 1, max: 9999, step: 1 });
    this.readers.steps = numberIn({ min: 0, max: 10 * LENGTH, step: 1 });
  }

  mount() {
    if (this.state) return;
    super.mount();
    if (MORE.some((key) => this.state[key] !== SETTINGS[key])) this.more.open = true;
    this.shows(this.ticks.shown);
  }

  // All goals but the first ask for more settings than those that stand there.
  shows(goal) {
    if (this.more && goal !== "fast") this.more.open = true;
  }

  // What needs a step to have a meaning.
  laterOnly(...nodes) {
    this.syncs.push(() => nodes.forEach((node) => (node.hidden = !this.state.run.group && !this.state.old)));
  }

  buildButtons(row) {
    const { words } = this;
    this.button(row, words.step, () => this.step());
    const play = this.button(row, words.play, () => (this.state.playing ? { playing: false } : this.play({})));
    play.className = "explorer-go";
    this.syncs.push(() => (play.textContent = this.state.playing ? words.pause : words.play));
    this.laterOnly(
      this.button(row, words.again, () => this.again(this.state.seed)),
      this.button(row, words.other, () => this.again(this.state.seed + 1)),
    );
  }

  // Another question is another policy. Whoever asks for one move wants to look at it.
  set(change, ...how) {
    const looks = Object.keys(change).join() === "move";
    if ("question" in change || looks) clearTimeout(this.timer);
    const other = "question" in change ? { run: fresh(change.question), old: null, playing: false, move: "done" } : {};
    super.set({ ...other, ...(looks ? { playing: false } : {}), ...change }, ...how);
  }

  // One step, to be looked at move by move.
  step() {
    clearTimeout(this.timer);
    const run = next(this.state.run, this.state);
    if (calm() || run.lost) return { run, playing: false, move: "done" };
    this.timer = setTimeout(() => this.move(1), MOVE);
    return { run, playing: false, move: MOVES[0] };
  }

  move(i) {
    this.set({ move: MOVES[i] }, true);
    if (i + 1 < MOVES.length) this.timer = setTimeout(() => this.move(i + 1), MOVE);
  }

  play(change) {
    clearTimeout(this.timer);
    const run = change.run ?? this.state.run;
    if (calm()) return { ...change, run: toTheEnd(run, { ...this.state, ...change }), playing: false, move: "done" };
    this.timer = setTimeout(() => this.beat(), BEAT);
    return { ...change, playing: true, move: "done" };
  }

  again(seed) {
    const { run, old, question } = this.state;
    return this.play({ seed, old: steps(run) > 0 ? run.trace : old, run: fresh(question) });
  }

  beat() {
    if (!this.state.playing) return;
    const run = next(this.state.run, this.state);
    this.timer = setTimeout(() => this.beat(), BEAT);
    super.set({ run, playing: !isOver(run) }, true);
  }

  halt() {
    if (!this.state.playing) return;
    this.set({ playing: false });
    this.sentence.append(this.words.halted);
  }

  fromLink({ steps: count = 0, ...change }) {
    return { ...change, run: repeat({ ...this.state, ...change }, count) };
  }

  toLink(state) {
    const count = steps(state.run);
    return count > 0 && canBeRepeated(state.run, state) ? { ...state, steps: count } : state;
  }

  draw({ question, size, run, move, old }) {
    const [{ words }, shown] = [this, run.group ? move : "done"];
    const all = answers(run, question);
    drawAnswers(this.svg, all, run.group, shown, words, this.time);
    this.svg.setAttribute("aria-label", all.map((answer) => this.describe(answer)).join(" "));
    const trace = shown === "done" ? run.trace : run.trace.slice(0, -1);
    const end = Math.max(LENGTH, Math.ceil(steps(run) / LENGTH) * LENGTH);
    for (const { key, svg } of this.charts) {
      const name = `${words.charts[key]} ${percent(trace.at(-1)[key])}`;
      drawCurve(svg, { name, key, trace, old, end, color: COLORS[key], words }, this.time);
      svg.setAttribute("aria-label", old ? `${name}. ${words.oldRun(percent(old.at(-1)[key]), old.length - 1)}` : name);
    }
    return shown === "done" ? this.conclusion(run, Number(size)) : this.tellMove(run, shown, all);
  }

  describe({ name, p, reference, reward, count, advantage, ratio }) {
    const drawn = count ? this.words.drawn(count, number(advantage), number(ratio)) : "";
    return this.words.answer(name, percent(p), percent(reference), reward) + drawn;
  }

  tellMove(run, move, all) {
    const { rewards, clipped, still, passes } = run.group;
    const [middle, around] = [number(mean(rewards)), number(spread(rewards))];
    const drawn = all.filter(({ count }) => count > 0);
    return this.words.told[move]({ step: steps(run), drawn, middle, around, still, passes, clipped: clipped.filter(Boolean).length });
  }

  conclusion(run, size) {
    const [{ words }, { trace, group, lost }] = [this, run];
    const [name, p] = [ANSWERS[RIGHT], trace.at(-1).right];
    const outlook = words.outlook(size, number(100 * (1 - (1 - p) ** size), 1));
    if (lost) return words.lost;
    if (!group) return words.start(name, percent(p)) + outlook;
    const { rewards, clipped, passes, still } = group;
    const count = (reward) => rewards.filter((other) => other === reward).length;
    if (count(rewards[0]) === rewards.length) {
      const said = words.equal(steps(run), rewards.length, rewards[0], still);
      return rewards[0] < 1 ? said + outlook : said;
    }
    const said = words.mixed(steps(run), rewards.length, count(1), count(0.5));
    const moved = words.moved(name, percent(trace.at(-2).right), percent(p));
    return said + moved + (passes > 1 ? words.clip(clipped.filter(Boolean).length, passes) : "");
  }
}

customElements.define("policy-explorer", PolicyExplorer);
