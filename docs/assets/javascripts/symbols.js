/* global renderFormulas */
// Point at a symbol of a formula or tap it: a note says in one line what it means, and lights it wherever it stands. Beside
// a symbol, or by the button, the note has all of them. The meanings stand on the page of symbols and nowhere else; it is
// fetched when the first note is asked for.
const page = new URL("../../symbols/", import.meta.url);
const names = { en: "Symbols of this formula" };
const DELAY = 250; // milliseconds: to pass over a formula asks for nothing

// The name in code under which the page of symbols explains something -> how it looks in TeX.
const LOOKS = {
  prompt_ids: /(?<![A-Za-z\\])q(?![A-Za-z])/,
  ids: /(?<![A-Za-z\\])o_/,
  "mask.sum(dim=1)": /\| ?o_?i? ?\||\\lvert o(_i)? ?\\rvert/,
  rewards: /(?<![A-Za-z\\])r_[ij]/,
  "expected reward": /(?<!\\mathcal )(?<![A-Za-z\\])J(?![A-Za-z])/,
  advantages: /\\hat A(?!_t|_\{ik\})/, // not PPO's of a token, nor that of one reward function
  logits: /(?<![A-Za-z\\])z(?![A-Za-z])/,
  model: /\\pi_\\theta/,
  logps: /\\log ?\\pi_\\theta/,
  old_logps: /\\text\{old\}/,
  ref_logps: /\\text\{ref\}/,
  ratio: /\\rho/,
  "kl_k3(...)": /\\mathbb D|k_\{?3/,
  "kl_k1(...)": /k_\{?1/,
  "kl_k2(...)": /k_\{?2/,
  "clipped_surrogate(...)": /(?<![A-Za-z\\])S_\{i/,
  "ref_logps - logps": /e\^\{?d/, // a lone d may be anything
  loss: /\\mathcal [JL]/,
  num_generations: /(?<![A-Za-z\\])G(?![A-Za-z])/,
  epsilon: /\\epsilon(?!_)/, // that of CISPO is a cap
  delta: /\\delta(?!_)/,
  beta: /\\beta/,
  num_iterations: /\\mu/,
  temperature: /\\tau(?!_|\(|\}\\,)/, // not SAPO's
};

// The same names -> the sign as KaTeX draws it, and what its index must say where one sign has several meanings.
const SIGNS = {
  prompt_ids: ["q"],
  ids: ["o"],
  rewards: ["r"],
  advantages: ["A"],
  model: ["π", /^θ(?!.*(?:old|ref))/],
  old_logps: ["π", /old/],
  ref_logps: ["π", /ref/],
  logps: ["log"],
  ratio: ["ρ"],
  "kl_k3(...)": ["D"],
  "clipped_surrogate(...)": ["S"],
  loss: ["L", "J"],
  num_generations: ["G"],
  epsilon: ["ϵ"],
  beta: ["β"],
  num_iterations: ["μ"],
  temperature: ["τ"],
};

const note = document.body.appendChild(document.createElement("div"));
note.className = "symbols md-typeset";
note.popover = "manual";
let owner = null; // the formula that the note is about
let symbol = null; // the one that the note is about, or null: all of them
let timer = 0;
let meanings = null;

function symbolsOf(formula) {
  const tex = formula.querySelector("annotation")?.textContent ?? "";
  if (tex.includes("{sampler}")) return []; // there the old policy is not the one that sampled
  return Object.keys(LOOKS).filter((key) => LOOKS[key].test(tex));
}

async function fetchMeanings() {
  const answer = await fetch(page);
  if (!answer.ok) throw new Error(`${answer.status} for ${page}`);
  const there = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const link of there.querySelectorAll("a[href]")) link.href = new URL(link.getAttribute("href"), page);
  const rows = [...there.querySelectorAll("article tr")].filter(({ cells }) => cells.length === 3 && cells[0].textContent);
  return new Map(rows.map(({ cells }) => [(cells[1].querySelector("code") ?? cells[1].firstChild)?.textContent, cells]));
}

// The elements of a formula that are drawn for a symbol.
function occurrences(formula, key) {
  const [...signs] = SIGNS[key] ?? [];
  const index = signs.at(-1) instanceof RegExp ? signs.pop() : null;
  return [...formula.querySelectorAll(".katex-html .mord, .katex-html .mop")].filter((drawn) => {
    if (drawn.firstElementChild || !signs.includes(drawn.textContent)) return false;
    return !index || index.test(drawn.parentElement.querySelector(":scope > .msupsub")?.textContent.replaceAll("\u200b", "") ?? "");
  });
}

// The symbol at which a reader points; by its place, because KaTeX lays empty boxes over what it draws.
function symbolAt(formula, { clientX, clientY }) {
  const there = ({ left, right, top, bottom }) => left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
  const hit = (key) => occurrences(formula, key).some((drawn) => there(drawn.getBoundingClientRect()));
  return symbolsOf(formula).find(hit) ?? null;
}

// A symbol as the formula writes it, with its index; where a pattern finds a part of it only, as the table does.
function written(formula, key) {
  const tex = formula.querySelector("annotation").textContent;
  const found = tex.match(new RegExp(`(?:${LOOKS[key].source})(?:_(?:\\{[^{}]*\\}|\\\\?\\w+))?`))?.[0] ?? "";
  const whole = (found.match(/\{/g) ?? []).length === (found.match(/\}/g) ?? []).length;
  return whole && !/^\\text|_$|[|^]/.test(found) ? found : "";
}

function light(formula, key) {
  for (const lit of document.querySelectorAll(".katex .lit")) lit.classList.remove("lit");
  if (key) for (const drawn of occurrences(formula, key)) drawn.classList.add("lit");
}

async function show(formula, key = null) {
  [owner, symbol] = [formula, key];
  try {
    const all = await (meanings ??= fetchMeanings());
    if (owner !== formula || symbol !== key) return; // the reader has gone on
    note.replaceChildren();
    for (const name of key ? [key] : symbolsOf(formula)) {
      if (!all.has(name)) continue;
      const [sign, , text] = all.get(name);
      const line = note.appendChild(document.createElement("p"));
      const own = line.appendChild(document.createElement("b"));
      const tex = written(formula, name);
      if (tex) own.textContent = `$${tex}$`;
      else own.innerHTML = sign.innerHTML;
      line.insertAdjacentHTML("beforeend", ` ${text.innerHTML}`);
    }
  } catch {
    meanings = null; // offline perhaps: the next time may work
    return;
  }
  renderFormulas(note);
  light(formula, key);
  note.style.maxHeight = "";
  if (!note.matches(":popover-open")) note.showPopover();
  // Below the formula or above it, and never on it: where neither has room, the note scrolls.
  const [place, size] = [(formula.closest(".katex-display") ?? formula).getBoundingClientRect(), note.getBoundingClientRect()];
  const [above, below] = [place.top - 14, innerHeight - place.bottom - 14];
  const under = size.height <= below || below >= above;
  note.style.maxHeight = `${Math.max(60, under ? below : above)}px`;
  note.style.left = `${Math.max(8, Math.min(formula.getBoundingClientRect().left, innerWidth - size.width - 8))}px`;
  note.style.top = `${under ? place.bottom + 6 : Math.max(8, place.top - 6 - Math.min(size.height, above))}px`;
}

function hide() {
  clearTimeout(timer);
  owner = null;
  light(null, null);
  if (note.matches(":popover-open")) note.hidePopover();
}

function soon(action) {
  clearTimeout(timer);
  timer = setTimeout(action, DELAY);
}

for (const formula of document.querySelectorAll("article .katex")) {
  if (location.pathname === page.pathname || !symbolsOf(formula).length) continue;
  formula.classList.add("explained");
  formula.addEventListener("pointermove", (move) => {
    if (move.pointerType !== "mouse") return;
    const key = symbolAt(formula, move);
    if (owner === formula && symbol === key) clearTimeout(timer);
    else soon(() => show(formula, key));
  });
  formula.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && soon(hide));
  const toggle = (key) => (owner === formula && symbol === key ? hide() : show(formula, key));
  formula.addEventListener("click", (click) => toggle(symbolAt(formula, click)));
  const display = formula.closest(".katex-display");
  if (!display) continue;
  const button = document.createElement("button"); // for the keyboard; it shows when it has the focus
  button.className = "symbols-open";
  button.type = "button";
  button.textContent = "?";
  button.setAttribute("aria-label", names[document.documentElement.lang] ?? names.en);
  button.addEventListener("click", () => toggle(null));
  display.after(button);
}
note.addEventListener("pointerenter", () => clearTimeout(timer));
note.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && soon(hide));
addEventListener("pointerdown", ({ target }) => owner && !target.closest(".symbols, .katex, .symbols-open") && hide());
addEventListener("keydown", ({ key }) => key === "Escape" && hide());
addEventListener("scroll", hide, { passive: true });
