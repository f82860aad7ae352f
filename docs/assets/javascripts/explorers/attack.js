// <attack-explorer>: three rewards, and a text that the reader writes to be paid in full for a wrong answer.
import { Explorer, make } from "./base.js";
import { attackGoals, HONEST, judged, LONGEST, TRUTH } from "./attack_state.js";
import { boxHole } from "./rewards.js";
import "./words_play.js";

const REWARDS = ["length", "format", "boxed"];
const INSERTS = ["<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}"];

class AttackExplorer extends Explorer {
  static start = { text: HONEST };
  static goals = attackGoals;

  build() {
    const { words } = this;
    this.readers.text = (text) => (text.length <= LONGEST ? text : undefined);
    const label = make(this, "label", { class: "explorer-text attack-text" }, words.prompt);
    this.area = make(label, "textarea", { rows: 3, maxlength: LONGEST, spellcheck: "false", autocapitalize: "off" });
    this.area.addEventListener("input", () => this.set({ text: this.area.value }));
    this.syncs.push(() => this.area.value !== this.state.text && (this.area.value = this.state.text));
    const row = make(this, "div", { class: "explorer-row attack-inserts" });
    for (const piece of INSERTS) {
      const button = make(row, "button", { type: "button", "aria-label": words.insert(piece) });
      make(button, "code", {}, piece);
      button.addEventListener("click", () => this.insert(piece));
    }
    this.table = make(this, "table", { class: "explorer-group attack-pay" });
    const head = make(make(this.table, "thead"), "tr");
    for (const column of words.columns) make(head, "th", { scope: "col" }, column);
    const body = make(this.table, "tbody");
    this.cells = REWARDS.map((name) => {
      const line = make(body, "tr");
      const first = make(line, "th", { scope: "row" }, words.rewards[name][0]);
      make(first, "span", {}, words.rewards[name][1]);
      return Array.from({ length: 2 }, () => make(line, "td"));
    });
    this.judge = make(this, "p", { class: "attack-judge" });
  }

  // At the cursor, as if it had been typed, so that the browser can undo it.
  insert(piece) {
    this.area.focus();
    this.area.setRangeText(piece, this.area.selectionStart, this.area.selectionEnd, "end");
    this.set({ text: this.area.value });
  }

  draw({ text }) {
    const { words } = this;
    const { pay, honest, stated, verdict, fault } = judged(text);
    this.judge.replaceChildren();
    make(this.judge, "b", { class: verdict }, words.verdicts[verdict](stated));
    this.judge.append(words.judge);
    const old = judged((this.before ?? this.state).text).pay;
    for (const [i, name] of REWARDS.entries()) {
      const [own, other] = this.cells[i];
      own.replaceChildren();
      if (old[name] !== pay[name]) make(own, "small", { title: words.before }, `${old[name]}\u00a0→\u00a0`);
      make(own, "b", {}, pay[name]);
      own.className = pay[name] >= honest[name] ? "positive" : "";
      const hint = name === "format" && fault && text ? words.faults[fault] : "";
      if (hint) make(own, "span", {}, hint);
      other.textContent = honest[name];
    }
    return this.conclusion(text, pay, verdict);
  }

  conclusion(text, pay, verdict) {
    const { words } = this;
    if (text === HONEST) return words.start;
    const paid = REWARDS.filter((name) => attackGoals[name]({ text }));
    if (paid.length === 0) return words[verdict === "right" ? "right" : verdict === "none" ? "none" : "unpaid"](TRUTH);
    const holes = paid.map((name) => words.holes[name === "boxed" ? boxHole(text) : name]);
    return `${words.paid(paid.map((name) => words.rewards[name][0]))} ${holes.join(" ")}`;
  }
}

customElements.define("attack-explorer", AttackExplorer);
