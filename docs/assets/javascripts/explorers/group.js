// <group-explorer>: the rewards of eight completions, and the advantages that their group makes of them.
import { numberIn, several } from "./address.js";
import { Explorer, make } from "./base.js";
import { clearOf, fit, label, line, number, paint, rect, scale } from "./drawing.js";
import { advantagesOf, groupGoals } from "./goals.js";
import { mean, spread } from "./grpo.js";

const HEIGHT = 400;
const LEFT = 26;
const LARGEST = 2.6; // of the advantages of eight: one dissenter has 7 / sqrt(8) = 2.47
const PRESETS = {
  one: [1, 0, 0, 0, 0, 0, 0, 0],
  equal: [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6],
  outlier: [0.1, 0.2, 0.15, 1, 0.1, 0.2, 0.15, 0.1],
};

class GroupExplorer extends Explorer {
  static start = { rewards: [1, 0.3, 0.8, 0.1, 0.5, 0.9, 0.2, 0.4], scale: "group" };
  static goals = groupGoals;

  build() {
    const { words } = this;
    const head = this.row();
    this.choice(head, "scale", words.scale, words.scales);
    const presets = this.row("explorer-presets");
    for (const [name, rewards] of Object.entries(PRESETS)) {
      this.button(presets, words.presets[name], () => ({ rewards }));
    }
    this.svg = make(this, "svg", { role: "group", "aria-label": words.drawing });
    this.picture = make(this.svg, "g");
    this.y = scale([0, 1], [190, 52]);
    const bounds = { min: 0, max: 1, step: 0.05 };
    this.readers.rewards = several(8, numberIn(bounds));
    this.knobs = this.state.rewards.map((_, i) => {
      const change = (reward) => this.set({ rewards: this.state.rewards.with(i, reward) });
      const toReward = (point) => this.y.invert(point.y);
      return this.knob(this.svg, words.knob(i + 1), bounds, toReward, change);
    });
  }

  draw({ rewards, scale: kind }) {
    const leaveOneOut = kind === "leave_one_out";
    const advantages = advantagesOf(this.state);
    const ghosts = advantagesOf(this.before ?? this.state);
    const width = fit(this.svg, HEIGHT);
    const step = (width - LEFT) / rewards.length;
    const layout = { width, step, x: (i) => LEFT + step * (i + 0.5) };
    const pieces = [
      this.drawRewards(rewards, advantages, leaveOneOut, layout),
      this.drawAdvantages(advantages, ghosts, layout),
    ];
    paint(this.picture, pieces.join(""), this.time);
    this.knobs.forEach((place, i) => {
      const text = this.words.value(number(rewards[i]), number(advantages[i]));
      place(layout.x(i), this.y(rewards[i]), Math.max(step, 44), 44, rewards[i], text);
    });
    return this.conclusion(kind, rewards, advantages);
  }

  // What is compared with what: a bar goes from the mean to the reward.
  drawRewards(rewards, advantages, leaveOneOut, { width, step, x }) {
    const { y, words } = this;
    const [middle, around] = [mean(rewards), spread(rewards)];
    const [high, low] = [Math.min(middle + around, 1), Math.max(middle - around, 0)];
    return [
      label(0, 13, words.rewards, "title"),
      label(width, 13, leaveOneOut ? words.others : words.mean(number(middle), number(around)), "end"),
      rect(LEFT, y(high), leaveOneOut ? 0 : width - LEFT, y(low) - y(high), "band"),
      ...[0, 0.5, 1].map((tick) => label(LEFT - 6, y(tick) + 4, tick, "end")),
      line(LEFT, y(0), width, y(0), "axis"),
      ...rewards.map((reward, i) => {
        const base = leaveOneOut ? reward - advantages[i] : middle;
        const below = y(reward) + 19 < y(0) ? y(reward) + 19 : Math.max(y(reward) + 19, y(0) + 14); // and not on the axis
        return [
          rect(x(i) - 3, Math.min(y(reward), y(base)), 6, Math.abs(y(reward) - y(base)), sign(advantages[i])),
          line(x(i) - step / 2 + 1, y(base), x(i) + step / 2 - 1, y(base), "dashed"),
          label(x(i), reward < base ? below : y(reward) - 10, number(reward), "middle small"),
        ].join("");
      }),
    ].join("");
  }

  // A line marks where a bar ended before the last move; a number keeps clear of it.
  drawAdvantages(advantages, ghosts, { width, x }) {
    const y = scale([-LARGEST, LARGEST], [HEIGHT - 36, 256]);
    return [
      label(0, 230, this.words.advantages, "title"),
      label(width, 230, this.words.axis + this.ghostKey, "end"),
      ...[-2, 0, 2].map((tick) => label(LEFT - 6, y(tick) + 4, number(tick, 0), "end")),
      line(LEFT, y(0), width, y(0), "axis"),
      ...advantages.map((a, i) => {
        const bar = rect(x(i) - 9, Math.min(y(0), y(a)), 18, Math.abs(y(a) - y(0)), sign(a));
        const old = line(x(i) - 15, y(ghosts[i]), x(i) + 15, y(ghosts[i]), this.ghost);
        const value = label(x(i), clearOf(y(ghosts[i]), y(a), a < 0 ? 16 : -6), number(a), "middle small");
        return bar + old + value + label(x(i), HEIGHT - 4, i + 1, "middle");
      }),
    ].join("");
  }

  conclusion(kind, rewards, advantages) {
    if (advantages.every((advantage) => advantage === 0)) return this.words.equal;
    const sizes = advantages.map((a) => Math.round(Math.abs(a) * 1e6)); // of equal ones the first
    const strongest = sizes.indexOf(Math.max(...sizes));
    return this.words[kind](strongest + 1, number(advantages[strongest]));
  }
}

const sign = (advantage) => (advantage < 0 ? "negative" : "positive");

customElements.define("group-explorer", GroupExplorer);
