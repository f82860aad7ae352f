// The goals of an explorer, one of them in view, in a strip that stays at the top of the page while one plays. What is
// reached stays ticked: it is kept in the browser and sent to nobody.
import { make } from "./drawing.js";
import { words } from "./words.js";

const SHELF = "grpo_lite.goals"; // in localStorage: {"clip-explorer": ["dead"]}

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
    Object.assign(this, { host, goals, texts, was: {}, names: Object.keys(goals) });
    this.met = new Set([shelf()[host.localName] ?? []].flat());
    if (this.names.length === 0) return;
    this.strip = make(host, "div", { class: "explorer-goals", role: "group", "aria-label": words.goals });
    const dots = make(this.strip, "div", { class: "explorer-dots" });
    const lines = make(this.strip, "div", { class: "explorer-goal" });
    this.items = this.names.map((name) => {
      const button = make(dots, "button", { type: "button" });
      button.addEventListener("click", () => this.show(name));
      const line = make(lines, "p");
      const state = make(line, "span");
      line.append(texts[name][0]);
      return { name, button, line, state };
    });
    this.how = make(this.strip, "button", { type: "button" });
    this.how.addEventListener("click", () => this.explain(this.note.hidden || this.isBelow));
    this.note = make(host, "p", { class: "explorer-why" });
    this.show(this.next() ?? this.names[0]);
    const isDrag = ({ target }) => target.closest(".knob, svg.horizontal") !== null;
    host.addEventListener("gotpointercapture", (event) => (this.held = isDrag(event)));
    host.addEventListener("lostpointercapture", () => {
      this.held = false;
      host.say(host.sentence.textContent, this.check(host.state, true));
    });
  }

  next() {
    return this.names.find((name) => !this.met.has(name));
  }

  // A goal counts when the reader makes it true, not when a page or a link begins with it, and when the hand lets go: what
  // a drag only passes is not reached. Returns what there is to tell.
  check(state, byReader) {
    if (this.held) return [];
    const news = [];
    for (const [name, isMet] of Object.entries(this.goals)) {
      const now = isMet(state);
      if (byReader && now && !this.was[name] && !this.met.has(name)) news.push(name);
      this.was[name] = now;
    }
    if (news.length > 0) this.reach(news);
    return news.map((name) => `${this.texts[name][0]} ${words.reached} ${this.texts[name][2]}`);
  }

  // The goal in view stays until it is reached itself: another is ticked beside it.
  reach(names) {
    const done = this.met.has(this.shown);
    for (const name of names) this.met.add(name);
    keep(this.host.localName, this.met);
    if (!done && !names.includes(this.shown)) return this.mark();
    this.show(done ? names[0] : this.shown);
    this.explain(true, true);
  }

  clearButton(parent) {
    this.over = make(parent, "button", { type: "button" }, words.over);
    this.over.addEventListener("click", () => {
      this.met.clear();
      keep(this.host.localName, this.met);
      this.show(this.names[0]);
      this.items[0].button.focus(); // the one that was pressed has gone
    });
    this.over.hidden = this.met.size === 0;
  }

  show(name) {
    this.shown = name;
    this.mark();
    this.explain(false);
    this.host.shows?.(name);
  }

  // One goal is read at a time; all of them take their room, so that nothing moves.
  mark() {
    for (const [i, { name: own, button, line, state }] of this.items.entries()) {
      const met = this.met.has(own);
      button.textContent = met ? "✓" : i + 1;
      button.classList.toggle("met", met);
      button.setAttribute("aria-label", `${words.goal(i + 1, this.texts[own][0])}${met ? ` ${words.reached}` : ""}`);
      button.setAttribute("aria-current", own === this.shown);
      line.classList.toggle("shown", own === this.shown);
      state.textContent = met ? words.reachedGoal : words.toReach;
    }
    if (this.over) this.over.hidden = this.met.size === 0;
  }

  // What a goal shows. Whoever asks reads it below the strip. When it is reached it comes below all the rest, so that
  // nothing moves away from under the pointer.
  explain(opens, isBelow = false) {
    const [goal, way, why] = this.texts[this.shown];
    this.isBelow = isBelow;
    this.note.hidden = !opens;
    this.how.textContent = this.met.has(this.shown) ? words.why : words.show;
    this.how.setAttribute("aria-expanded", opens && !isBelow);
    if (!opens) return;
    this.note.replaceChildren();
    if (isBelow) make(this.note, "b", {}, `✓ ${goal} `);
    this.note.append(isBelow ? why : `${way} ${why}`);
    if (isBelow) this.host.foot.before(this.note);
    else this.strip.after(this.note);
    const next = this.next();
    if (!this.met.has(this.shown) || !next) return;
    make(this.note, "button", { type: "button" }, words.nextGoal).addEventListener("click", () => {
      this.show(next);
      this.items[this.names.indexOf(next)].button.focus();
    });
  }
}
