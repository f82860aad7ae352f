// What the explorers share: controls, knobs to drag, and one sentence that says what is to be seen.
import { number } from "./drawing.js";
import { words } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PAUSE = 500; // milliseconds between two sentences, so that a screen reader is not talked over
const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5, Home: -1e9, End: 1e9 };
let groups = 0; // of radio buttons, whose names must differ

export function make(parent, tag, attributes = {}, text = "") {
  const inSVG = tag === "svg" || parent.namespaceURI === SVG;
  const node = inSVG ? document.createElementNS(SVG, tag) : document.createElement(tag);
  put(node, attributes);
  node.append(text);
  return parent.appendChild(node);
}

function put(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

// A custom element. An explorer states its `start`, makes its controls and drawings in `build`, and fills them in
// `draw`, which also returns the sentence. All that a reader can change is in `state`.
export class Explorer extends HTMLElement {
  connectedCallback() {
    if (this.state) return; // it was only moved to another place
    this.words = words[this.localName];
    this.state = structuredClone(this.constructor.start);
    this.syncs = [];
    this.replaceChildren(); // the text for those who have no JavaScript
    this.classList.add("explorer");
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", this.words.name);
    this.build();
    this.sentence = make(this, "p", { class: "explorer-sentence", "aria-live": "polite" });
    // In the next frame: drawing changes the height, and an observer must not set off itself.
    new ResizeObserver(() => requestAnimationFrame(() => this.set({}))).observe(this);
    this.set({});
  }

  // Change something, and show it.
  set(change) {
    Object.assign(this.state, change);
    for (const sync of this.syncs) sync();
    this.said = this.draw(this.state);
    if (!this.pause) this.say();
  }

  say() {
    if (this.sentence.textContent === this.said) return;
    this.sentence.textContent = this.said;
    this.pause = setTimeout(() => {
      this.pause = 0;
      this.say();
    }, PAUSE);
  }

  row() {
    return make(this, "div", { class: "explorer-row" });
  }

  // One of several, as radio buttons: the browser does the keyboard.
  choice(parent, key, legend, options) {
    const field = make(parent, "fieldset");
    const group = `explorer-${(groups += 1)}`;
    make(field, "legend", {}, legend);
    for (const [value, name] of Object.entries(options)) {
      const label = make(field, "label");
      const input = make(label, "input", { type: "radio", name: group });
      make(label, "span", {}, name);
      input.addEventListener("change", () => this.set({ [key]: value }));
      this.syncs.push(() => (input.checked = this.state[key] === value));
    }
  }

  // A number on a scale.
  range(parent, key, name, { min, max, step }) {
    const label = make(parent, "label", { class: "explorer-range" }, name);
    const shown = make(label, "span");
    const input = make(label, "input", { type: "range", min, max, step, "aria-label": name });
    input.addEventListener("input", () => this.set({ [key]: Number(input.value) }));
    this.syncs.push(() => {
      input.value = this.state[key];
      shown.textContent = number(this.state[key], Number.isInteger(step) ? 0 : 2);
    });
  }

  // Sets part of the state to what `change` returns.
  button(parent, name, change) {
    const node = make(parent, "button", { type: "button" }, name);
    node.addEventListener("click", () => this.set(change()));
    return node;
  }

  resetButton(parent) {
    this.button(parent, words.reset, () => structuredClone(this.constructor.start));
  }

  // Something to drag that is a slider for the keyboard, too. `toValue` reads a value off a point of the drawing; what
  // comes back puts the knob into the drawing.
  knob(svg, name, { min, max, step, vertical = true }, toValue, change) {
    const orientation = vertical ? "vertical" : "horizontal";
    const aria = { "aria-valuemin": min, "aria-valuemax": max, "aria-orientation": orientation, "aria-label": name };
    const node = make(svg, "g", { class: `knob ${orientation}`, role: "slider", tabindex: 0, ...aria });
    const [target, grip] = [make(node, "rect", { class: "target" }), make(node, "rect", { class: "grip", rx: 4 })];
    const now = () => Number(node.getAttribute("aria-valuenow"));
    const onStep = (value) => Number((Math.round(value / step) * step).toFixed(6)); // 0.15, not 0.15000000000000002
    const go = (value) => change(Math.min(max, Math.max(min, onStep(value))));
    node.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault(); // or the page scrolls
      go(now() + KEYS[event.key] * step);
    });
    // A finger on a knob does not scroll the page. Chromium does not heed touch-action inside an SVG.
    node.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    let offset = 0; // between what was grabbed and the value itself, so that nothing jumps
    onDrag(node, svg, (point, first) => {
      if (first) offset = now() - toValue(point);
      else go(toValue(point) + offset);
    });
    return (x, y, width, height, value, text) => {
      const [long, short] = [Math.min(26, vertical ? width - 4 : height - 4), 8];
      const [w, h] = vertical ? [long, short] : [short, long];
      put(target, { x: x - width / 2, y: y - height / 2, width, height });
      put(grip, { x: x - w / 2, y: y - h / 2, width: w, height: h });
      put(node, { "aria-valuenow": value, "aria-valuetext": text });
    };
  }
}

// Mouse, pen and finger: `go` is told each point of a drag, in the coordinates of the drawing, and which is the first.
export function onDrag(node, svg, go) {
  const tell = (event, first) => {
    const box = svg.getBoundingClientRect();
    go({ x: event.clientX - box.left, y: event.clientY - box.top }, first);
  };
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    tell(event, true);
  });
  node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && tell(event, false));
}
