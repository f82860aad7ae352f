// <diagnosis-explorer>: curves of real runs without a name. Which one broke first, and what was it?
import { numberIn } from "./address.js";
import { Explorer, make } from "./base.js";
import { drawRun, written } from "./diagnosis_picture.js";
import { bandOf, diagnosisGoals, firstOut, METRICS, NONE, optionsOf, OPTIONS } from "./diagnosis_state.js";
import { orderOf, outAt, total, updatesOf } from "./diagnosis_state.js";
import { generator } from "./grpo.js";
import "./words_diagnosis.js";

const RUNS = new URL("../../runs/sick.json", import.meta.url);

class DiagnosisExplorer extends Explorer {
  // asked: the answers given so far to the two questions about the run of the moment; points: the runs before it.
  static start = { seed: 1, at: 0, curves: [], causes: [], points: [] };
  static goals = diagnosisGoals;

  build() {
    const { words } = this;
    this.place = make(this, "p", { class: "diagnosis-place" });
    this.question = make(this, "p", { class: "diagnosis-question" });
    const panels = make(this, "div", { class: "diagnosis-panels" });
    this.panels = METRICS.map((metric) => {
      const button = make(panels, "button", { type: "button" });
      button.addEventListener("click", () => this.answer("curves", metric));
      const svg = make(button, "svg", { "aria-hidden": "true" });
      return { metric, button, svg, said: make(button, "span", { class: "explorer-unseen" }, words.metrics[metric]) };
    });
    this.none = make(panels, "button", { type: "button", class: "diagnosis-none" }, words.none);
    this.none.addEventListener("click", () => this.answer("curves", NONE));
    this.second = make(this, "p", { class: "diagnosis-question" }, words.what);
    this.choices = make(this, "div", { class: "diagnosis-choices" });
    this.sentence = make(this, "p", { class: "explorer-sentence" }); // behind the last question
    this.told = make(this, "p", { class: "diagnosis-told" });
    this.forward = this.button(this.row(), words.next, () => this.next());
    this.forward.addEventListener("click", () => this.place.getBoundingClientRect().top < 0 && this.place.scrollIntoView());
    this.readers.seed = numberIn({ min: 1, max: 9999, step: 1 });
    this.readers.at = numberIn({ min: 0, max: Object.keys(OPTIONS).length - 1, step: 1 });
    this.load();
  }

  async load() {
    try {
      const answer = await fetch(RUNS);
      if (!answer.ok) throw new Error(answer.status);
      this.data = await answer.json();
    } catch (error) {
      this.failure = error.message;
    }
    this.set({}, false, false);
  }

  get name() {
    return orderOf(this.state.seed, generator(this.state.seed))[this.state.at];
  }

  // What was right ends a question. Until then each answer is one more guess; only the first earns a point.
  answer(key, given) {
    if (!this.data || this.isDone(key) || this.state[key].includes(given)) return;
    const change = { [key]: [...this.state[key], given] };
    const { curves, causes, points } = { ...this.state, ...change };
    const done = key === "causes" && this.isRight(key, given);
    if (done) change.points = [...points, { name: this.name, first: curves.length === 1, cause: causes.length === 1 }];
    this.set(change, true);
    if (done) this.forward.focus();
  }

  isRight(key, given) {
    return (key === "curves" ? firstOut(this.data, this.name) : [OPTIONS[this.name][0]]).includes(given);
  }

  isDone(key) {
    return this.state[key].some((given) => this.isRight(key, given));
  }

  // The class of an answer that was given.
  mark(key, given) {
    if (!this.state[key].includes(given)) return "";
    return this.isRight(key, given) ? "right" : "wrong";
  }

  next() {
    const { seed, at } = this.state;
    const fresh = { curves: [], causes: [] };
    if (at + 1 < Object.keys(OPTIONS).length) return { ...fresh, at: at + 1 };
    return { ...fresh, at: 0, seed: seed + 1, points: [] };
  }

  draw(state) {
    const { words } = this;
    const all = Object.keys(OPTIONS).length;
    this.place.textContent = words.place(state.at + 1, all, total(state.points), 2 * state.points.length);
    if (!this.data) return this.failure ? words.failed(this.failure) : words.loading;
    const [curveDone, causeDone] = [this.isDone("curves"), this.isDone("causes")];
    const run = this.data.runs[this.name];
    this.question.textContent = words.which;
    make(this.question, "span", {}, words.run(run.reward.length, run.reward.length / (run.right.length - 1) === 8));
    for (const panel of this.panels) this.drawPanel(panel, curveDone);
    this.none.setAttribute("aria-disabled", curveDone);
    this.none.className = `diagnosis-none ${this.mark("curves", NONE)}`;
    this.second.hidden = this.choices.hidden = !curveDone;
    this.drawChoices(state, causeDone);
    this.told.textContent = causeDone ? words.told[this.name] : "";
    this.told.hidden = !causeDone;
    this.forward.hidden = !causeDone;
    this.forward.textContent = state.at + 1 < all ? words.next : words.over;
    return this.feedback(state, curveDone, causeDone);
  }

  drawPanel({ metric, button, svg, said }, done) {
    const { words, data, name } = this;
    const run = data.runs[name];
    const [values, band] = [run[metric], bandOf(data, name, metric)];
    drawRun(svg, { metric, run, band, out: done ? outAt(data, name, metric) : null, words }, this.time);
    button.className = this.mark("curves", metric);
    button.setAttribute("aria-disabled", done);
    said.textContent = this.describe(metric, values, band, updatesOf(metric, values, run));
  }

  // Five points of a curve, each with the healthy runs, for those who do not see it.
  describe(metric, values, band, updates) {
    const { words } = this;
    const places = [0, 1, 2, 3, 4].map((k) => Math.round((k * (values.length - 1)) / 4));
    const points = places.map((i) => words.point(updates[i], written(values[i]), band && band[i].map(written)));
    return `${words.names[metric]}. ${points.join("; ")}.`;
  }

  // The same buttons stay as long as the run does, so that the focus stays.
  drawChoices({ causes }, done) {
    if (this.offered !== this.name) {
      this.offered = this.name;
      this.choices.replaceChildren();
      this.offers = optionsOf(this.name).map((cause) => {
        const button = make(this.choices, "button", { type: "button" }, this.words.causes[cause]);
        button.addEventListener("click", () => this.answer("causes", cause));
        return [cause, button];
      });
    }
    for (const [cause, button] of this.offers) {
      button.className = this.mark("causes", cause);
      button.setAttribute("aria-disabled", done || causes.includes(cause));
    }
  }

  feedback({ curves, causes, points }, curveDone, causeDone) {
    const { words, data, name } = this;
    if (causeDone) return words.done(total(points.slice(-1)));
    if (causes.length > 0) return words.wrong[name][causes.at(-1)];
    if (curves.length === 0) return words.start;
    const given = curves.at(-1);
    const out = given === NONE ? null : outAt(data, name, given);
    if (curveDone) return given === NONE ? words.noneOut : words.firstOut(words.names[given], out);
    if (given === NONE) return words.someOut;
    return out === null ? words.inside(words.names[given]) : words.later(words.names[given], out);
  }
}

customElements.define("diagnosis-explorer", DiagnosisExplorer);
