// <scrub-explorer>: the run of lesson "Watch it learn", played back from its recording.
import { Explorer, make } from "./base.js";
import { area, curve, dot, fit, label, line, scale } from "./drawing.js";
import { groupAdvantages } from "./grpo.js";
import { phase, recording } from "./recording.js";
import { drawChips, Rows } from "./rollouts.js";

const PACE = 650; // milliseconds an evaluation
const HEIGHT = 84;
const CURVES = { right: "positive", thinks: "policy" };

class ScrubExplorer extends Explorer {
  static start = { step: 0, playing: false };

  async connectedCallback() {
    this.recorded ??= await recording(); // what fails leaves the picture that stands here
    if (this.isConnected) super.connectedCallback();
  }

  build() {
    const { words, recorded } = this;
    this.frames = recorded.frames;
    this.last = this.frames.at(-1).step;
    this.pace = this.frames[1].step;
    this.heading();
    this.rows = new Rows(this, words);
    const controls = make(this, "div", { class: "scrub-controls" });
    this.play = this.button(controls, words.play, () => this.toggle());
    this.play.className = "explorer-go scrub-play";
    this.range(controls, "step", words.step, { min: 0, max: this.last, step: this.pace });
    this.strip();
    const panels = make(this, "div", { class: "scrub-curves" });
    this.panels = Object.keys(CURVES).map((key) => [key, make(panels, "svg", { role: "img" })]);
    // Whoever takes the slider plays for himself.
    this.querySelector("input[type=range]").addEventListener("pointerdown", () => this.set({ playing: false }));
  }

  // The home page has one thing to press, and it plays.
  mount() {
    super.mount();
    this.foot.remove();
  }

  heading() {
    const head = make(this, "div", { class: "rollout head" });
    const prompt = make(head, "span", { class: "prompt" }, this.words.prompt);
    const text = [...this.recorded.prompt].map((token) => ({ text: token, kind: "plain" }));
    drawChips(prompt, text);
    make(prompt, "span", { class: "explorer-unseen" }, this.recorded.prompt);
    make(head, "span", { class: "pay" }, this.words.reward);
    make(head, "span", { class: "push" }, this.words.advantage);
  }

  // Below the slider: each phase as wide as its share of the run, with its name.
  strip() {
    const strip = make(this, "div", { class: "scrub-phases", "aria-hidden": "true" });
    this.phases = Object.entries(this.words.phases).map(([key, name]) => {
      const part = make(strip, "span", {}, name);
      part.style.setProperty("--size", this.frames.filter((frame) => phase(frame) === key).length);
      return [key, part];
    });
  }

  toggle() {
    if (this.state.playing) return { playing: false };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tick(), PACE);
    return { playing: true, step: this.state.step === this.last ? 0 : this.state.step };
  }

  tick() {
    if (!this.state.playing || !this.isConnected) return;
    const step = Math.min(this.state.step + this.pace, this.last);
    this.set({ step, playing: step < this.last });
    this.timer = setTimeout(() => this.tick(), PACE);
  }

  draw({ step, playing }) {
    const { words } = this;
    const at = Math.round(step / this.pace);
    const frame = this.frames[at];
    this.play.textContent = playing ? words.pause : words.play;
    this.play.classList.toggle("playing", playing);
    const advantages = groupAdvantages(frame.rewards);
    const rows = frame.ids.map((ids, i) => ({ ids, reward: frame.rewards[i], advantage: advantages[i] }));
    this.rows.fill(rows, this.recorded);
    for (const [key, part] of this.phases) part.classList.toggle("now", key === phase(frame));
    for (const [key, svg] of this.panels) this.drawCurve(svg, key, at);
    const agree = advantages.every((advantage) => advantage === 0);
    return words.sentences[phase(frame)](percent(frame.right), percent(frame.thinks)) + (agree ? words.agree : "");
  }

  // What was measured so far; the rest of the run, still to come, is a light line.
  drawCurve(svg, key, at) {
    const width = fit(svg, HEIGHT);
    const [x, y] = [scale([0, this.last], [2, width - 8]), scale([0, 1], [HEIGHT - 4, 28])];
    const run = this.frames.map((frame) => [x(frame.step), y(frame[key])]);
    const measured = run.slice(0, at + 1);
    const [endX, endY] = measured.at(-1);
    const [value, end] = [this.frames[at], this.frames.at(-1)].map((frame) => `${percent(frame[key])} %`);
    svg.setAttribute("aria-label", `${this.words.curves[key]}: ${value}${this.words.end(end)}`);
    svg.innerHTML = [
      label(0, 13, this.words.curves[key]),
      label(width, 13, value, "value end"),
      line(x(0), y(1), width, y(1), "dotted"),
      line(x(0), y(0), width, y(0), "axis"),
      curve(run.slice(at), "ghost"),
      at > 0 ? area([[x(0), y(0)], ...measured, [endX, y(0)]], `under ${CURVES[key]}`) : "",
      curve(measured, CURVES[key]),
      dot(endX, endY, CURVES[key], 5),
    ].join("");
  }
}

const percent = (share) => String(Math.round(100 * share));

customElements.define("scrub-explorer", ScrubExplorer);
