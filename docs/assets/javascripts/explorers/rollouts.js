// Completions as rows of chips, a token each, with their reward and advantage: what the recording is shown by.
import { make } from "./base.js";
import { number } from "./drawing.js";
import { chips } from "./recording.js";

const LARGEST = 2.5; // of the advantages of eight: one dissenter has 7 / sqrt(8) = 2.47
const FACES = { "<think>": "think", "<answer>": "answer", "</think>": "/", "</answer>": "/", "<eos>": "■" };

// Chips for the eyes; who does not see them gets the text of the row.
export function drawChips(parent, row) {
  const line = make(parent, "span", { class: "chips", "aria-hidden": "true" });
  return row.map(({ text, kind }) => make(line, "span", { class: `tile ${kind}` }, FACES[text] ?? text));
}

// Eight rows, made once and filled again and again, so that what stays the same does not move.
export class Rows {
  constructor(parent, words) {
    this.words = words;
    this.list = make(parent, "ol", { class: "rollouts", "aria-label": words.rows });
    this.items = Array.from({ length: 8 }, () => make(this.list, "li"));
  }

  // A row is { ids, reward, advantage, notes, said }; all but the first may be missing. A note stands below its token,
  // as { text, kind, bars }, and `said` is what the notes say to those who do not see them.
  fill(rows, recorded) {
    rows.forEach((row, i) => {
      const item = this.items[i];
      const key = JSON.stringify(row);
      if (item.key === key) return;
      const before = item.key ? JSON.parse(item.key).ids : row.ids;
      item.key = key;
      item.replaceChildren();
      this.fillRow(item, row, chips(row.ids, recorded), before);
    });
  }

  fillRow(item, { ids, reward, advantage, notes, said }, row, before) {
    const { words } = this;
    const kind = reward === undefined ? "unjudged" : reward > 0 ? "right" : "wrong";
    item.className = `rollout ${kind}`;
    const text = row.map((chip) => chip.text).join("");
    make(item, "span", { class: "explorer-unseen" }, words.row(text, reward, advantage && number(advantage)) + (said ?? ""));
    const drawn = drawChips(item, row);
    drawn.forEach((chip, t) => ids[t] !== before[t] && chip.classList.add("new"));
    notes?.forEach((note, t) => drawNote(drawn[t], note));
    const pay = make(item, "span", { class: "pay", "aria-hidden": "true" });
    if (reward !== undefined) {
      make(pay, "span", { class: "mark" }, reward > 0 ? "✓" : "✗");
      make(pay, "span", { class: "bar" }).style.setProperty("--size", reward);
    }
    const push = make(item, "span", { class: "push", "aria-hidden": "true" });
    if (advantage === undefined) return;
    const side = advantage > 0 ? "positive" : advantage < 0 ? "negative" : "none";
    make(push, "span", { class: `bar ${side}` }).style.setProperty("--size", Math.abs(advantage) / LARGEST);
    make(push, "span", { class: "value" }, number(advantage));
  }
}

function drawNote(chip, { text = "", kind = "", bars = [] }) {
  if (kind) chip.classList.add(...kind.split(" "));
  const note = make(chip, "span", { class: "note" }, text);
  for (const [who, size] of bars) make(note, "i", { class: who }).style.setProperty("--size", size);
}
