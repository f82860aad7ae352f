// A group on the page, a row for each completion and a chip for each token. Arrow keys go from token to token.
import { isNarrow, make, number } from "./drawing.js";
import { fillTag } from "./model_table.js";
import { tokenOf } from "./update_state.js";

const FULL = 50; // per cent of colour, for a probability of 1 and for a change by a factor of e or more
const MOVES = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

export class GroupTable {
  constructor(parent, words, choose) {
    Object.assign(this, { words, choose, rows: [] });
    this.node = make(parent, "div", { class: "update-group", role: "grid", "aria-label": words.grid });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
  }

  // The chips of a new group; `fill` puts numbers and colours into them.
  build(group) {
    this.node.replaceChildren();
    this.rows = group.symbols.map((symbols, i) => {
      const row = make(this.node, "div", { role: "row" });
      const [head, chips] = [make(row, "div", { role: "rowheader" }), make(row, "div", { role: "presentation" })];
      make(head, "b", {}, group.rewards[i] ? "✓" : "✗");
      const side = group.advantages[i] > 0 ? "positive" : group.advantages[i] < 0 ? "negative" : "";
      make(head, "span", { class: side }, signed(group.advantages[i]));
      head.setAttribute("aria-label", this.words.row(i + 1, group.rewards[i], number(group.advantages[i])));
      return symbols.map((symbol, t) => {
        const chip = make(chips, "div", { role: "gridcell", class: symbol.length > 1 ? "tag" : "" });
        fillTag(make(chip, "b"), symbol);
        make(chip, "span");
        make(chip, "span", { class: "explorer-unseen" });
        chip.addEventListener("click", () => this.choose([i, t]));
        return chip;
      });
    });
  }

  fill(group, view, at) {
    const narrow = isNarrow(this.node);
    for (const [i, row] of this.rows.entries()) {
      for (const [t, chip] of row.entries()) {
        const token = tokenOf(group, i, t);
        const value = token[view];
        const chosen = at?.[0] === i && at[1] === t;
        const text = view === "change" ? (group.passes ? signed(value) : "·") : number(value);
        chip.children[1].textContent = narrow ? text.replace("0.", ".") : text;
        chip.style.setProperty("--tint", `${Math.round(FULL * Math.sqrt(Math.min(1, Math.abs(value))))}%`);
        chip.dataset.side = view !== "change" ? "policy" : value < 0 ? "negative" : "positive";
        chip.classList.toggle("out", token.out);
        chip.classList.toggle("chosen", chosen);
        chip.tabIndex = chosen || (!at && i + t === 0) ? 0 : -1;
        chip.setAttribute("aria-selected", chosen);
        chip.lastChild.textContent = this.words.token(...written(token));
      }
    }
  }

  onKey(event) {
    const at = this.rows.flatMap((row, i) => row.map((chip, t) => [chip, i, t])).find(([chip]) => chip === event.target);
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const [, i, t] = at;
    const ends = { Home: 0, End: Infinity }[event.key];
    const [down, right] = MOVES[event.key] ?? [0, 0];
    if (ends === undefined && !down && !right) return;
    event.preventDefault();
    const row = Math.min(this.rows.length - 1, Math.max(0, i + down));
    const place = Math.min(this.rows[row].length - 1, Math.max(0, ends ?? t + right));
    this.choose([row, place]);
    this.rows[row][place].focus();
  }
}

export const signed = (x) => (Number(x.toFixed(2)) > 0 ? `+${number(x)}` : number(x));

// What is said of a token: its symbol, its probability before and after, their ratio.
export const written = ({ symbol, old, now, ratio }) => [symbol, chance(old), chance(now), number(ratio)];

// Two digits are too few for what is rare, and for what is nearly certain.
const chance = (p) => number(p, p < 0.01 || p > 0.99 ? 4 : 2);
