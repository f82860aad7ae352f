// The goals of an explorer on its page. What is reached stays ticked: it is kept in the browser and sent to nobody.
import { make } from "./drawing.js";
import { words } from "./words.js";

const SHELF = "grpo_lite.goals"; // in localStorage: {"clip-explorer": ["dead"]}

const FLAG = 4000; // milliseconds that a reached goal is shown for

// Private windows and old settings may have no storage; then the ticks live as long as the page.
function shelf() {
  try {
    return JSON.parse(localStorage.getItem(SHELF)) ?? {};
  } catch {
    return {};
  }
}

function keep(tag, names) {
  try {
    localStorage.setItem(SHELF, JSON.stringify({ ...shelf(), [tag]: [...names] }));
  } catch {
    // nothing to be done
  }
}

// goals: name -> whether a state meets it. texts: name -> [the goal, how to reach it, what it shows].
export class Ticks {
  constructor(host, goals, texts) {
    Object.assign(this, { tag: host.localName, goals, texts, was: {} });
    this.met = new Set([shelf()[this.tag] ?? []].flat());
    this.any = Object.keys(goals).length > 0;
    this.list = make(host, "ol", { class: "explorer-goals", "aria-label": words.goals });
    this.list.hidden = !this.any;
    this.items = Object.keys(goals).map((name) => {
      const item = make(this.list, "li");
      make(item, "span", {}, texts[name][0]);
      return [name, item, make(item, "span", { class: "explorer-unseen" })];
    });
    this.fill();
  }

  // Below the explorer: what a goal shows, once it is reached or asked for.
  foot(host) {
    this.note = make(host, "p", { class: "explorer-why", role: "status" });
    const row = make(host, "div", { class: "explorer-row explorer-foot" });
    if (this.any) make(row, "span", {}, words.show);
    this.buttons = Object.keys(this.goals).map((name, i) => {
      const button = make(row, "button", { type: "button", "aria-label": words.showGoal(i + 1, this.texts[name][0]) });
      button.append(i + 1);
      button.addEventListener("click", () => this.tell(this.told === name ? null : name, true));
      return [name, button];
    });
    this.over = make(row, "button", { type: "button" }, words.over);
    this.over.addEventListener("click", () => this.clear());
    this.tell(null);
    this.fill();
    return row;
  }

  // A goal counts when the reader makes it true, not when a page or a link begins with it.
  check(state, byReader) {
    for (const [name, isMet] of Object.entries(this.goals)) {
      const now = isMet(state);
      if (byReader && now && !this.was[name] && !this.met.has(name)) this.reach(name);
      this.was[name] = now;
    }
  }

  reach(name) {
    this.met.add(name);
    keep(this.tag, this.met);
    this.fill();
    this.tell(name);
    // List and note may be out of view. They are what a screen reader is told.
    const flag = make(document.body, "p", { class: "explorer-flag", "aria-hidden": "true" }, `✓ ${this.texts[name][0]}`);
    setTimeout(() => flag.remove(), FLAG);
  }

  clear() {
    this.met.clear();
    keep(this.tag, this.met);
    this.fill();
    this.tell(null);
    this.buttons[0][1].focus(); // the one that was pressed has gone
  }

  fill() {
    for (const [name, item, said] of this.items) {
      item.classList.toggle("met", this.met.has(name));
      said.textContent = this.met.has(name) ? words.reached : "";
    }
    if (this.over) this.over.hidden = this.met.size === 0;
  }

  tell(name, how = false) {
    this.told = name;
    this.note.replaceChildren();
    if (name) {
      const [goal, way, why] = this.texts[name];
      make(this.note, "b", {}, `${goal}${this.met.has(name) ? ` ${words.reached}` : ""} `);
      this.note.append(how ? `${way} ${why}` : why);
    }
    for (const [key, button] of this.buttons) button.setAttribute("aria-expanded", key === name);
  }
}
