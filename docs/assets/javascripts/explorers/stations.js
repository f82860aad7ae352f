// <stations-explorer>: the eight completions of the recording on their way through one update. The diagram of the
// lesson comes along: it stands beside the rows, or above them on a phone, and shows where they are.
import { Explorer, make } from "./base.js";
import { number } from "./drawing.js";
import { mean, sum } from "./grpo.js";
import { recording, tokensOf } from "./recording.js";
import { drawChips, Rows } from "./rollouts.js";

const BOXES = ["sample", "rewards", "advantages", "logprobs", "clip", "loss", "step"];
const NARROW = 390; // pixels of the rows, below which a number has one digit behind the point

class StationsExplorer extends Explorer {
  static start = { station: "1" };

  async connectedCallback() {
    this.picture ??= this.closest("p")?.previousElementSibling?.querySelector("svg.diagram");
    this.recorded ??= await recording();
    if (this.isConnected) super.connectedCallback();
  }

  build() {
    const { words, recorded } = this;
    this.tokens = tokensOf(recorded);
    const road = make(this, "div", { class: "stations-road" });
    const place = make(road, "div", { class: "stations-place" });
    this.controls(make(place, "div", { class: "stations-controls" }));
    this.window = make(place, "div", { class: "stations-window" });
    if (this.picture) this.window.append(this.picture);
    const text = make(road, "div", { class: "stations-text" });
    this.caption = make(text, "p", { class: "stations-title" });
    this.sentence = make(text, "p", { class: "explorer-sentence" });
    this.stage = make(road, "div", { class: "stations-stage" });
    this.heading(this.stage);
    this.rows = new Rows(this.stage, words);
    this.rows.list.dataset.mean = words.mean;
    this.total = make(this.stage, "p", { class: "stations-total" });
  }

  controls(row) {
    const { words } = this;
    this.back = this.button(row, words.back, () => this.go(-1));
    const names = Object.fromEntries(words.stations.map((name, i) => [i + 1, name]));
    this.choice(row, "station", words.station, names);
    // The name stands above the rows; here it is for those who do not see it there.
    for (const [i, span] of row.querySelectorAll("fieldset span").entries()) {
      span.replaceChildren(String(i + 1));
      make(span, "span", { class: "explorer-unseen" }, ` ${words.stations[i]}`);
    }
    this.next = this.button(row, words.next, () => this.go(1));
  }

  heading(stage) {
    const head = make(stage, "div", { class: "rollout head" });
    const prompt = make(head, "span", { class: "prompt" }, this.words.prompt);
    drawChips(prompt, [...this.recorded.prompt].map((text) => ({ text, kind: "plain" })));
    make(prompt, "span", { class: "explorer-unseen" }, this.recorded.prompt);
    make(head, "span", { class: "pay" }, this.words.reward);
    make(head, "span", { class: "push" }, this.words.advantage);
  }

  go(by) {
    return { station: String(Math.min(Math.max(Number(this.state.station) + by, 1), BOXES.length)) };
  }

  draw({ station }) {
    const { words, recorded } = this;
    const at = Number(station);
    const { rewards, ids } = recorded.frames[0];
    this.back.disabled = at === 1;
    this.next.disabled = at === BOXES.length;
    this.caption.textContent = words.title(at, words.stations[at - 1]);
    this.stage.dataset.station = station;
    this.stage.style.setProperty("--mean", mean(rewards));
    const rows = ids.map((row, i) => ({
      ids: row,
      reward: at > 1 ? rewards[i] : undefined,
      advantage: at > 2 ? recorded.batch.advantages[i] : undefined,
      ...this.notes(at, this.tokens[i]),
    }));
    this.rows.fill(rows, recorded);
    this.total.textContent = at === 6 ? words.total(number(recorded.batch.loss, 4)) : "";
    this.showPlace(BOXES[at - 1]);
    return words.sentences[at - 1](this.facts());
  }

  // What stands below the chips of a row.
  notes(at, row) {
    const { words } = this;
    const short = this.stage.clientWidth < NARROW ? 1 : 2;
    const p = Math.exp;
    const bars = (...pairs) => pairs.map(([who, logp]) => [who, p(logp)]);
    const all = {
      4: (x) => [{ bars: bars(["old", x.old], ["policy", x.now]) }, words.logps(number(x.old), number(x.now))],
      5: (x) => [
        { text: number(x.ratio, short), kind: x.clipped ? "clipped" : Math.abs(x.ratio - 1) < 0.01 ? "still" : "" },
        words.ratio(number(x.ratio), x.clipped),
      ],
      6: (x) => [
        { bars: [[x.gain > 0 ? "positive" : "negative", Math.abs(x.gain) * 32]] },
        words.gain(number(x.gain, 3)),
      ],
      7: (x) => [
        {
          text: x.push > 0 ? "↑" : x.push < 0 ? "↓" : "·",
          kind: x.push > 0 ? "up" : x.push < 0 ? "down" : "clipped",
          bars: bars(["before", x.now], ["policy", x.after]),
        },
        words.step(number(x.now), number(x.after), x.push),
      ],
    }[at];
    if (!all) return {};
    const notes = row.map(all);
    return { notes: notes.map(([note]) => note), said: `. ${notes.map(([, said]) => said).join("; ")}` };
  }

  // Numbers for the sentences, all of them from the recording.
  facts() {
    const { frames, answer, batch } = this.recorded;
    const [first] = this.tokens[0];
    const flat = this.tokens.flat();
    const whole = (key, i) => number(Math.exp(sum(this.tokens[i].map((x) => x[key]))));
    return {
      answer,
      right: sum(frames[0].rewards),
      mean: number(mean(frames[0].rewards)),
      advantage: number(Math.max(...batch.advantages)),
      passes: batch.pass,
      old: number(first.old),
      now: number(first.now),
      chances: ["old", "now", "after"].map((key) => number(Math.exp(first[key]))),
      ratio: number(first.ratio),
      clipped: flat.filter((x) => x.clipped).length,
      count: flat.length,
      loss: number(batch.loss, 4),
      good: [whole("old", 0), whole("after", 0)],
      bad: [whole("old", 1), whole("after", 1)],
    };
  }

  // Light the box; on a phone the picture moves in its window until the box is in the middle.
  showPlace(name) {
    if (!this.picture) return;
    this.picture.querySelectorAll(".here").forEach((box) => box.classList.remove("here"));
    const box = this.picture.querySelector(`[id$="loop-${name}"]`);
    if (!box) return;
    box.classList.add("here");
    const [height, room] = [this.picture.clientHeight, this.window.clientHeight];
    const { y, height: tall } = box.getBBox();
    const middle = ((y + tall / 2) / this.picture.viewBox.baseVal.height) * height;
    const shift = Math.min(Math.max(middle - room / 2, 0), Math.max(height - room, 0));
    this.picture.style.setProperty("--shift", `${-shift}px`);
  }
}

customElements.define("stations-explorer", StationsExplorer);
