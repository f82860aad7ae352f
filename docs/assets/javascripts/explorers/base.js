// What the explorers share. An explorer is an element <dice-explorer> with a class in a file of its own:
//
//   class DiceExplorer extends Explorer {
//     static start = { sides: "6", rolls: [] };  // all that a reader can change, as plain data
//     static goals = { six: ({ rolls }) => rolls.includes(6) };  // pure, so that node can test them; none met at the start
//     build() {}  // makes controls and drawings, once; and `this.sentence`, unless that comes last
//     draw(state) {}  // fills them, and returns the sentence that says what is to be seen
//   }
//   customElements.define("dice-explorer", DiceExplorer);
//
// words.js has its words under its tag: `name`, `goals: { six: [the goal, how to reach it, what it shows] }` and all that
// it says. explorers.js loads it where a page has it; explorers.css reserves its height. It is mounted, by `mount`, when
// it comes near the view. The sentence is written at once; it is read out, and goals are ticked, when the hand rests: what
// it only passes is not reached. It may use
//   this.set(change, glides)   to change the state and draw; buttons and choices glide, and tick at once
//   this.time                  milliseconds for `paint` of drawing.js and for knobs: 0 unless this drawing glides
//   this.before                the state before the reader's last move, to be drawn as a ghost; null at first
//   this.ghost, this.ghostKey  the class of ghosts, "hidden" if nothing was before, and their legend
//   row, choice, range, button, knob, and `tabs` of tabs.js   controls, bound to one key of the state
//   this.readers.KEY           how a link is read (address.js); choice, tabs and range bring theirs
//   toLink, fromLink           to override where a link carries other things than the state
// and a page may open it as a link would: <dice-explorer data-sides="8">.
import { numberIn, oneOf, readState, writeState } from "./address.js";
import { calm, make, number } from "./drawing.js";
import { foot } from "./foot.js";
import { knob } from "./knob.js";
import { Ticks } from "./ticks.js";
import { words } from "./words.js";

export { calm, make } from "./drawing.js";
export { onDrag } from "./knob.js";

const PAUSE = 500; // milliseconds without a change: the hand rests
const GLIDE = 350;
const MOVE = 700; // changes that follow each other faster are one move of the reader
let count = 0; // of controls, whose names must differ

const waiting = new Set(); // for their place to come into view
const inView =
  "IntersectionObserver" in window &&
  new IntersectionObserver((entries) => entries.forEach((at) => at.isIntersecting && at.target.mount()), {
    rootMargin: "30% 0px",
  });
addEventListener("beforeprint", () => waiting.forEach((host) => host.mount()));

export class Explorer extends HTMLElement {
  connectedCallback() {
    if (this.state) return; // it was only moved to another place
    this.classList.add("explorer-waits");
    document.body.classList.add("explorers");
    waiting.add(this);
    if (inView && !this.isLinked()) inView.observe(this);
    else this.mount();
  }

  mount() {
    if (this.state) return;
    waiting.delete(this);
    if (inView) inView.unobserve(this);
    const { start, goals = {} } = this.constructor;
    this.words = words[this.localName];
    this.state = structuredClone(start);
    Object.assign(this, { before: null, readers: {}, syncs: [], news: [], time: 0, touched: -MOVE });
    this.replaceChildren(); // the text for those who have no JavaScript
    this.classList.replace("explorer-waits", "explorer");
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", this.words.name);
    this.ticks = new Ticks(this, goals, this.words.goals ?? {});
    this.build();
    this.sentence ??= make(this, "p", { class: "explorer-sentence" });
    this.voice = make(this, "p", { class: "explorer-unseen", role: "status" });
    this.foot = foot(this);
    this.width = this.clientWidth;
    // In the next frame: drawing changes the height, and an observer must not set off itself.
    new ResizeObserver(() => requestAnimationFrame(() => this.resized())).observe(this);
    const given = this.isLinked() ? location.search : `${new URLSearchParams({ ...this.dataset })}`;
    this.set(this.fromLink(readState(given, this.readers)), false, false);
    this.ticks.check(this.state, false);
    this.spoken = this.sentence.textContent;
    if (this.isLinked()) requestAnimationFrame(() => this.scrollIntoView());
  }

  resized() {
    if (this.clientWidth === this.width) return;
    this.width = this.clientWidth;
    this.set({}, false, false);
  }

  // Change something, and show it. What a page or a link begins with is no move of the reader.
  set(change, glides = false, byReader = true) {
    const now = performance.now();
    if (byReader && now - this.touched > MOVE) this.before = { ...this.state };
    if (byReader) this.touched = now;
    Object.assign(this.state, change);
    this.time = glides && !calm() ? GLIDE : 0;
    this.ghost = this.before ? "ghost" : "hidden";
    this.ghostKey = this.before ? ` <tspan class="ghost">━ ${words.ghost}</tspan>` : "";
    for (const sync of this.syncs) sync();
    this.sentence.textContent = this.draw(this.state);
    if (glides) this.news.push(...this.ticks.check(this.state));
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.rest(), PAUSE);
  }

  // Reached goals come first.
  rest() {
    this.news.push(...this.ticks.check(this.state));
    if (this.news.length === 0 && this.spoken === this.sentence.textContent) return;
    this.spoken = this.sentence.textContent;
    this.voice.textContent = [...this.news, this.spoken].join(" ");
    this.news = [];
  }

  // explore/?size=32&rate=1#policy opens <policy-explorer> with these settings.
  isLinked() {
    return `${location.hash.slice(1)}-explorer` === this.localName;
  }

  fromLink(change) {
    return change;
  }

  toLink(state) {
    return state;
  }

  link() {
    const state = writeState(this.toLink(this.state), this.constructor.start, this.readers);
    return `${location.pathname}${state && `?${state}`}#${this.localName.replace("-explorer", "")}`;
  }

  row(kind = "") {
    return make(this, "div", { class: `explorer-row ${kind}` });
  }

  // One of several, as radio buttons: the browser does the keyboard.
  choice(parent, key, legend, options) {
    const field = make(parent, "fieldset");
    const group = `explorer-${(count += 1)}`;
    make(field, "legend", {}, legend);
    for (const [value, name] of Object.entries(options)) {
      const label = make(field, "label");
      const input = make(label, "input", { type: "radio", name: group });
      make(label, "span", {}, name);
      input.addEventListener("change", () => this.set({ [key]: value }, true));
      this.syncs.push(() => (input.checked = this.state[key] === value));
    }
    this.readers[key] = oneOf(Object.keys(options));
  }

  // A number on a scale.
  range(parent, key, name, bounds) {
    const label = make(parent, "label", { class: "explorer-range" }, name);
    const shown = make(label, "span");
    const input = make(label, "input", { type: "range", ...bounds, "aria-label": name });
    input.addEventListener("input", () => this.set({ [key]: Number(input.value) }));
    this.syncs.push(() => {
      input.value = this.state[key];
      shown.textContent = number(this.state[key], Number.isInteger(bounds.step) ? 0 : 2);
    });
    this.readers[key] = numberIn(bounds);
  }

  // Sets part of the state to what `change` returns.
  button(parent, name, change) {
    const node = make(parent, "button", { type: "button" }, name);
    node.addEventListener("click", () => this.set(change(), true));
    return node;
  }

  reset() {
    this.before = null;
    this.touched = performance.now();
    this.set(structuredClone(this.constructor.start), true);
  }

  knob(svg, name, bounds, toValue, change) {
    return knob(svg, name, bounds, toValue, change, () => this.time);
  }
}
