// <model-explorer>: the base model and the trained one write a group of completions each, in the page.
import { numberIn } from "./address.js";
import { Explorer, make } from "./base.js";
import { number } from "./drawing.js";
import { modelGoals } from "./goals.js";
import { fillTable, fillText } from "./model_table.js";
import { chainSum, judge } from "./tasks.js";
import { decode } from "./transformer.js";

const SIZE = 8; // of a group
const MEGABYTES = 1.6; // both files
const FILES = ["base", "trained"].map((name) => new URL(`../../models/${name}.safetensors`, import.meta.url));

class ModelExplorer extends Explorer {
  static start = { prompt: "3+9+4+1=", temperature: 1, seed: 1, refused: null, writing: false, result: null };
  static goals = modelGoals;

  build() {
    const { words } = this;
    this.status = words.asleep;
    this.run = 0; // the last group that was asked for
    const form = make(this, "form", { class: "explorer-row" });
    this.input = this.textInput(form, "prompt", words.prompt);
    this.go = make(form, "button", { type: "submit", class: "explorer-go" });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.ready) this.sample();
      else this.load();
    });
    this.sentence = make(this, "p", { class: "explorer-sentence" }); // on a phone in sight with the button and both tables
    const panels = make(this, "div", { class: "explorer-panels" });
    this.tables = words.models.map(() => make(panels, "table", { class: "explorer-group" }));
    const ranges = make(this, "div", { class: "explorer-ranges" });
    this.range(ranges, "temperature", words.temperature, { min: 0.1, max: 2, step: 0.1 });
    this.readers.prompt = (text) => (chainSum(text) === null ? undefined : text);
    this.readers.seed = numberIn({ min: 1, max: 9999, step: 1 });
  }

  // What is still being written for a group that has gone is for nobody.
  set(change, ...how) {
    if (change.result === null) this.run += 1;
    super.set(change, ...how);
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
      await this.hire(await Promise.all(FILES.map(fetchFile)));
      this.ready = true;
      this.tell(this.words.ready);
    } catch (error) {
      this.tell(this.words.failed(error.message));
    }
    this.loading = false;
  }

  // Start the worker that writes; it is done when the worker has read the files.
  hire(files) {
    this.worker?.terminate();
    this.worker = new Worker(new URL("./sampler.js", import.meta.url), { type: "module" });
    return new Promise((done, fail) => {
      this.worker.addEventListener("error", ({ message }) => fail(new Error(message ?? "no worker")));
      this.worker.addEventListener("message", ({ data }) => {
        if (data.ready) done();
        else if (data.failed !== undefined) fail(new Error(data.failed));
        else if (data.run === this.run) this.hear(data);
      });
      this.worker.postMessage({ files }, files);
    });
  }

  tell(status) {
    this.status = status;
    this.set({}, false, false);
  }

  sample() {
    const { temperature, seed } = this.state;
    const prompt = this.state.prompt.replaceAll(" ", "");
    if (chainSum(prompt) === null) return this.set({ refused: prompt });
    this.old = this.state.result;
    this.asked = { prompt, temperature };
    this.groups = this.tables.map(() => Array.from({ length: SIZE }, () => []));
    this.set({ seed: seed + 1, refused: null, result: null, writing: true });
    this.worker.postMessage({ run: this.run, prompt, size: SIZE, temperature, seed });
  }

  // A token has been written, or all have.
  hear({ model, row, token, done }) {
    if (done) return this.judge();
    this.groups[model][row].push(token);
    fillText(this.tables[model].tBodies[0].rows[row].cells[0], decode(this.groups[model][row]));
  }

  judge() {
    const { prompt, temperature } = this.asked;
    const total = chainSum(prompt);
    const truth = String(total % 10);
    const groups = this.groups.map((group) => judge(group, truth));
    this.set({ result: { sum: prompt + total, truth, temperature, groups }, writing: false }, true);
  }

  draw({ refused, result, writing }) {
    const { words } = this;
    this.go.textContent = this.ready ? words.sample : words.load(MEGABYTES);
    this.input.setAttribute("aria-invalid", refused !== null);
    if (this.shown !== (result ?? writing)) this.show(result, writing); // else what is selected in a table stays so
    if (refused !== null) return words.refused(refused);
    if (!result) return writing ? words.writing : this.status;
    const equal = words.models.filter((_, i) => result.groups[i].advantages.every((advantage) => advantage === 0));
    const sentence = words.sentence(result.sum, result.truth, number(result.temperature, 1));
    return equal.length > 0 ? sentence + words.equal(equal) : sentence;
  }

  show(result, writing) {
    this.shown = result ?? writing;
    const empty = { texts: Array(SIZE).fill("") };
    for (const [i, table] of this.tables.entries()) {
      table.replaceChildren();
      if (result) fillTable(table, this.words, this.words.models[i], result.groups[i], this.old?.groups[i]);
      else if (writing) fillTable(table, this.words, this.words.models[i], empty);
    }
  }
}

async function fetchFile(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(answer.status);
  return answer.arrayBuffer();
}

customElements.define("model-explorer", ModelExplorer);
