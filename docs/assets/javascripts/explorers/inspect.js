// <inspect-explorer>: one real update of the model in the page, and what it did to each token.
import { Explorer, make } from "./base.js";
import { number } from "./drawing.js";
import { sum } from "./grpo.js";
import { chainSum } from "./tasks.js";
import { GroupTable, signed, written } from "./update_group.js";
import { agrees, changeOfAll, clipFraction, PASSED, RATES, tokenOf, updateGoals } from "./update_state.js";
import "./words_play.js";

const MODEL = new URL("../../models/base.safetensors", import.meta.url);
const MEGABYTES = 0.8;

class InspectExplorer extends Explorer {
  static start = {
    prompt: "3+9+4+1=", rate: 3, heat: 1, view: "change", at: null, seed: 1, updates: 0, history: [], group: null, refused: null,
  };
  static goals = updateGoals;

  build() {
    const { words } = this;
    this.status = words.asleep;
    const form = make(this, "form", { class: "explorer-row" });
    this.input = this.textInput(form);
    this.sampleButton = make(form, "button", { type: "submit", class: "explorer-go" });
    this.updateButton = make(form, "button", { type: "button", class: "explorer-go" }, words.update);
    this.updateButton.addEventListener("click", () => this.update());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.ready) this.sample();
      else this.load();
    });
    this.sentence = make(this, "p", { class: "explorer-sentence" }); // near the buttons: below the group a phone would not show it
    this.table = new GroupTable(this, words, (at) => this.set({ at }, true));
    this.token = make(this, "p", { class: "update-token" });
    const views = this.row();
    this.choice(views, "view", words.view, words.views);
    const ranges = make(this, "div", { class: "explorer-ranges" });
    this.rateRange(ranges);
    this.range(ranges, "heat", words.heat, { min: 0.5, max: 1.5, step: 0.1 });
    this.facts = make(this, "p", { class: "update-facts" });
    const real = make(this, "details", { class: "update-real" });
    make(real, "summary", {}, words.real[0]);
    make(real, "p", {}, words.real[1]);
    this.whenEmpty = [views, this.token];
  }

  textInput(parent) {
    const label = make(parent, "label", { class: "explorer-text" }, this.words.prompt);
    const input = make(label, "input", { type: "text", size: 18, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", () => this.set({ prompt: input.value }));
    this.syncs.push(() => input.value !== this.state.prompt && (input.value = this.state.prompt));
    this.readers.prompt = (text) => (text.length <= 20 ? text : undefined);
    return input;
  }

  // A scale of steps that grow.
  rateRange(parent) {
    const label = make(parent, "label", { class: "explorer-range" }, this.words.rate);
    const shown = make(label, "span");
    const input = make(label, "input", { type: "range", min: 0, max: RATES.length - 1, step: 1 });
    input.setAttribute("aria-label", this.words.rate);
    input.addEventListener("input", () => this.set({ rate: Number(input.value) }));
    this.syncs.push(() => {
      input.value = this.state.rate;
      shown.textContent = RATES[this.state.rate];
      input.setAttribute("aria-valuetext", RATES[this.state.rate]);
    });
    this.readers.rate = (text) => (/^\d$/.test(text) && Number(text) < RATES.length ? Number(text) : undefined);
  }

  // Ask the worker; while it works the buttons wait. Its answer, or null if it failed or Reset was pressed meanwhile.
  async ask(name, given) {
    const id = (this.asked = (this.asked ?? 0) + 1);
    this.busy = true;
    this.set({}, false, false);
    this.worker.postMessage({ id, name, given });
    const answer = await new Promise((done) => this.waiting.set(id, done));
    if (this.asked === id) this.busy = false;
    if (answer.error) throw new Error(answer.error);
    return this.asked === id ? answer.value : null;
  }

  async load() {
    if (this.busy) return;
    this.waiting = new Map();
    this.worker = new Worker(new URL("./update_worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.waiting.get(data.id)?.(data));
    this.worker.addEventListener("error", () => this.waiting.forEach((done) => done({ error: "worker" })));
    this.status = this.words.loading;
    try {
      await this.ask("load", MODEL.href);
      this.ready = true;
      this.status = this.words.ready;
    } catch (error) {
      this.status = this.words.failed(error.message);
      this.worker.terminate();
      this.worker = null;
    }
    this.set({}, false, false);
  }

  async sample() {
    const prompt = this.state.prompt.replaceAll(" ", "");
    if (this.busy) return;
    if (chainSum(prompt) === null) return this.set({ refused: prompt });
    const { seed, heat } = this.state;
    const drawn = await this.ask("sample", { prompt, seed, heat });
    const history = drawn && [...this.state.history, sum(drawn.rewards)];
    if (drawn) this.set({ group: { ...drawn, ...PASSED }, history, at: null, seed: seed + 1, refused: null }, true);
  }

  async update() {
    if (this.busy || !this.state.group) return;
    const seen = await this.ask("update", { rate: RATES[this.state.rate] });
    const { group, updates } = this.state;
    if (seen) this.set({ group: { ...group, ...seen, passes: group.passes + 1 }, updates: updates + 1 }, true);
  }

  // The weights go back, too. What the worker is still busy with counts no more.
  set(change, ...how) {
    if (this.worker && change.updates === 0) {
      this.asked += 1;
      this.busy = false;
      this.worker.postMessage({ id: this.asked, name: "reset" });
    }
    super.set(change, ...how);
  }

  draw({ group, view, at, refused, updates, history }) {
    const { words } = this;
    this.sampleButton.textContent = this.ready ? words.sample : words.load(MEGABYTES);
    this.updateButton.textContent = group?.passes ? words.again : words.update;
    this.updateButton.hidden = !group;
    this.sampleButton.classList.toggle("explorer-go", !group); // one button at a time says what comes next
    this.setAttribute("aria-busy", Boolean(this.busy));
    this.input.setAttribute("aria-invalid", refused !== null);
    for (const node of this.whenEmpty) node.hidden = !group;
    if (group?.symbols !== this.shown) {
      this.shown = group?.symbols;
      if (group) this.table.build(group);
      else this.table.node.replaceChildren();
    }
    this.facts.textContent = group ? this.factsOf(group, updates, history) : words.noFacts;
    if (group) {
      this.table.fill(group, view, at);
      const token = at && tokenOf(group, ...at);
      const said = (i) => words.chosen(i + 1, ...written(token), signed(token.advantage), token.out);
      this.token.textContent = at ? said(at[0]) : words.choose;
    }
    if (refused !== null) return words.refused(refused);
    return group ? this.conclusion(group) : this.status;
  }

  factsOf({ passes, norm, clipped }, updates, history) {
    const own = passes ? [number(norm), number(100 * clipFraction({ clipped }), 0)] : null;
    return this.words.facts(history, updates, passes, own);
  }

  conclusion(group) {
    const { words } = this;
    const right = sum(group.rewards);
    if (agrees(group)) return group.passes ? words.momentum : words.equal(right);
    if (group.passes === 0) return words.drawn(right);
    const [up, down] = [1, 0].map((reward) => number(Math.exp(changeOfAll(group, reward))));
    return words.moved(group.passes, up, down);
  }
}

customElements.define("inspect-explorer", InspectExplorer);
