// <model-explorer>: the base model and the trained one write a group of completions each, in the page.
import { Explorer, make } from "./base.js";
import { number } from "./drawing.js";
import { generator, groupAdvantages, mean, sum } from "./grpo.js";
import { accuracy, chainSum, thinks } from "./tasks.js";
import { decode, readSafetensors, sampleGroup, Transformer } from "./transformer.js";

const SIZE = 8; // of a group
const MEGABYTES = 1.6; // both files
const FILES = ["base", "trained"].map((name) => new URL(`../../models/${name}.safetensors`, import.meta.url));

class ModelExplorer extends Explorer {
  static start = { prompt: "3+9+4+1=", temperature: 1, seed: 1, refused: null, result: null };

  connectedCallback() {
    super.connectedCallback();
    this.panels.before(this.sentence); // near the button: below two tables a phone would not show it
  }

  build() {
    const { words } = this;
    this.status = words.asleep;
    const form = make(this, "form", { class: "explorer-row" });
    this.input = this.textInput(form, "prompt", words.prompt);
    this.go = make(form, "button", { type: "submit" });
    this.resetButton(form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.models) this.sample();
      else this.load();
    });
    const ranges = make(this, "div", { class: "explorer-ranges" });
    this.range(ranges, "temperature", words.temperature, { min: 0.1, max: 2, step: 0.1 });
    this.panels = make(this, "div", { class: "explorer-panels" });
    this.tables = words.models.map(() => make(this.panels, "table", { class: "explorer-group" }));
  }

  textInput(parent, key, name) {
    const label = make(parent, "label", { class: "explorer-text" }, name);
    const input = make(label, "input", { type: "text", size: 18, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", () => this.set({ [key]: input.value }));
    this.syncs.push(() => (input.value = this.state[key]));
    return input;
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    this.tell(this.words.loading);
    try {
      this.models = await Promise.all(FILES.map(loadModel));
      this.tell(this.words.ready);
    } catch (error) {
      this.tell(this.words.failed(error.message));
    }
    this.loading = false;
  }

  tell(status) {
    this.status = status;
    this.set({});
  }

  sample() {
    const { temperature, seed } = this.state;
    const prompt = this.state.prompt.replaceAll(" ", "");
    const total = chainSum(prompt);
    if (total === null) return this.set({ refused: prompt });
    const truth = String(total % 10);
    const write = (model) => sampleGroup(model, prompt, SIZE, generator(seed), temperature);
    const groups = this.models.map((model) => judge(write(model), truth));
    this.set({ seed: seed + 1, refused: null, result: { sum: prompt + total, truth, temperature, groups } });
  }

  draw({ refused, result }) {
    const { words } = this;
    this.go.textContent = this.models ? words.sample : words.load(MEGABYTES);
    this.input.setAttribute("aria-invalid", refused !== null);
    if (this.shown !== result) this.show(result); // else what a reader has selected in a table stays selected
    if (refused !== null) return words.refused(refused);
    if (!result) return this.status;
    const equal = words.models.filter((_, i) => result.groups[i].advantages.every((advantage) => advantage === 0));
    const sentence = words.sentence(result.sum, result.truth, number(result.temperature, 1));
    return equal.length > 0 ? sentence + words.equal(equal) : sentence;
  }

  show(result) {
    this.shown = result;
    for (const [i, table] of this.tables.entries()) {
      table.replaceChildren();
      if (result) drawGroup(table, this.words, this.words.models[i], result.groups[i]);
    }
  }
}

async function loadModel(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(answer.status);
  return new Transformer(readSafetensors(await answer.arrayBuffer()));
}

function judge(group, truth) {
  const texts = group.map(decode);
  const rewards = texts.map((text) => accuracy(text, truth));
  const facts = [sum(rewards), texts.filter(thinks).length, mean(group.map((tokens) => tokens.length))];
  return { texts, rewards, advantages: groupAdvantages(rewards), facts };
}

function drawGroup(table, words, name, { texts, rewards, advantages, facts: [right, thinking, length] }) {
  const caption = make(table, "caption");
  make(caption, "strong", {}, name);
  make(caption, "span", {}, words.facts(right, thinking, number(length, 1)));
  const head = make(make(table, "thead"), "tr");
  for (const column of words.columns) make(head, "th", { scope: "col" }, column);
  const body = make(table, "tbody");
  for (const [i, text] of texts.entries()) {
    const row = make(body, "tr");
    drawText(make(row, "td"), text);
    make(row, "td", {}, number(rewards[i], 0));
    const side = advantages[i] === 0 ? "" : advantages[i] > 0 ? "positive" : "negative";
    make(row, "td", { class: side }, number(advantages[i]));
  }
}

// The tags step back behind what stands between them.
function drawText(cell, text) {
  for (const part of text.split(/(<\/?[a-z]+>)/).filter(Boolean)) {
    if (part === "<answer>" && cell.firstChild) make(cell, "wbr");
    make(cell, part.startsWith("<") ? "span" : "b", {}, part);
  }
}

customElements.define("model-explorer", ModelExplorer);
