// The goals of an explorer, one of them in view, in a strip that stays at the top of the page while one plays. What is
// reached stays ticked. Once all are, the strip says so and leaves.
import { make } from "./drawing.js";
import { keep, reached, tally } from "./shelf.js";
import { words } from "./words.js";

// goals: name -> whether a state meets it. texts: name -> [the goal, how to reach it, what it shows].
export class Ticks {
  constructor(host, goals, texts) {
    Object.assign(this, { host, goals, texts, was: {}, names: Object.keys(goals) });
    this.met = new Set(reached(host.localName).filter((name) => name in goals));
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
    this.all = make(lines, "p", {}, words.all(this.names.length));
    this.how = make(this.strip, "button", { type: "button" });
    this.how.addEventListener("click", () => this.explain(this.note.hidden));
    this.note = make(host, "p", { class: "explorer-why" });
    this.found = make(host, "p", { class: "explorer-why" });
    this.show(this.next());
  }

  next() {
    return this.names.find((name) => !this.met.has(name));
  }

  // A goal counts when the reader makes it true, not when a page or a link begins with it. Returns what there is to tell.
  check(state, byReader = true) {
    const news = [];
    for (const [name, isMet] of Object.entries(this.goals)) {
      const now = isMet(state);
      if (byReader && now && !this.was[name] && !this.met.has(name)) news.push(name);
      this.was[name] = now;
    }
    if (news.length === 0) return [];
    this.reach(news);
    const told = news.map((name) => `${this.texts[name][0]} ${words.reached} ${this.texts[name][2]}`);
    return this.next() ? told : [...told, this.all.textContent];
  }

  // The goal in view stays until it is reached itself; another is told of below the strip. What they show comes below all
  // the rest, so that nothing moves away from under the pointer.
  reach(names) {
    const others = this.met.has(this.shown) ? names.slice(1) : names.filter((name) => name !== this.shown);
    if (this.met.has(this.shown)) this.shown = names[0];
    for (const name of names) this.met.add(name);
    keep(this.host.localName, [...this.met]);
    if (!this.next()) this.shown = undefined;
    this.mark();
    for (const old of this.strip.querySelectorAll(".explorer-also")) old.remove();
    const also = words.also(others.map((name) => this.names.indexOf(name) + 1));
    if (others.length > 0) make(this.strip, "p", { class: "explorer-also", "aria-hidden": true }, also);
    this.found.hidden = false;
    this.found.replaceChildren();
    for (const name of names) {
      const one = make(this.found, "span");
      make(one, "b", {}, `✓ ${this.texts[name][0]} `);
      one.append(this.texts[name][2]);
    }
    this.host.foot.before(this.found);
    this.goOn(this.found);
  }

  goOn(note) {
    const next = this.next();
    if (!next || !this.met.has(this.shown)) return;
    make(note, "button", { type: "button" }, words.nextGoal).addEventListener("click", () => {
      this.show(next);
      this.items[this.names.indexOf(next)].button.focus();
    });
  }

  clearButton(parent) {
    this.over = make(parent, "button", { type: "button" }, words.over);
    this.over.addEventListener("click", () => {
      this.met.clear();
      keep(this.host.localName, []);
      this.show(this.names[0]);
      this.items[0].button.focus(); // the one that was pressed has gone
    });
    this.over.hidden = this.met.size === 0;
  }

  // None is shown once all are reached, until the reader asks for one.
  show(name) {
    this.shown = name;
    this.mark();
    this.explain(this.met.has(name));
    this.found.hidden = true;
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
    this.all.classList.toggle("shown", !this.shown);
    this.strip.classList.toggle("done", !this.next());
    this.how.hidden = !this.shown;
    this.how.textContent = this.met.has(this.shown) ? words.why : words.show;
    if (this.over) this.over.hidden = this.met.size === 0;
    tally(this.host.localName, this.met.size, this.names.length);
  }

  // How to reach the goal in view, and what it shows, for whoever asks.
  explain(opens) {
    this.note.hidden = !opens;
    this.how.setAttribute("aria-expanded", opens);
    if (!opens) return;
    const [, way, why] = this.texts[this.shown];
    this.note.replaceChildren(this.met.has(this.shown) ? why : `${way} ${why}`);
    this.goOn(this.note);
  }
}
