/* global renderFormulas */
// Point at a formula, tap it, or press the button beside it: a note says what its symbols mean. The meanings stand on the
// page of symbols and nowhere else; it is fetched when the first note is asked for.
const page = new URL("../../symbols/", import.meta.url);
const names = { en: "Symbols of this formula" };
const DELAY = 250; // milliseconds: to pass over a formula asks for nothing

// The name in code under which the page of symbols explains something -> how it looks in TeX.
const LOOKS = {
  prompt_ids: /(?<![A-Za-z\\])q(?![A-Za-z])/,
  ids: /(?<![A-Za-z\\])o_/,
  "mask.sum(dim=1)": /\| ?o_?i? ?\||\\lvert o(_i)? ?\\rvert/,
  rewards: /(?<![A-Za-z\\])r_[ij]/,
  advantages: /\\hat A(?!_t|_\{ik\})/, // not PPO's of a token, nor that of one reward function
  model: /\\pi_\\theta/,
  logps: /\\log ?\\pi_\\theta/,
  old_logps: /\\text\{old\}/,
  ref_logps: /\\text\{ref\}/,
  ratio: /\\rho/,
  "kl_k3(...)": /\\mathbb D|k_\{?3/,
  "clipped_surrogate(...)": /(?<![A-Za-z\\])S_\{i/,
  "ref_logps - logps": /e\^\{?d/, // a lone d may be anything
  loss: /\\mathcal [JL]/,
  num_generations: /(?<![A-Za-z\\])G(?![A-Za-z])/,
  epsilon: /\\epsilon(?!_)/, // that of CISPO is a cap
  beta: /\\beta/,
  "your loop": /\\mu/,
  temperature: /\\tau(?!_|\(|\}\\,)/, // not SAPO's
};

const note = document.body.appendChild(document.createElement("div"));
note.className = "symbols md-typeset";
note.popover = "manual";
let owner = null; // the formula that the note is about
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

async function show(formula) {
  owner = formula;
  try {
    const all = await (meanings ??= fetchMeanings());
    if (owner !== formula) return; // the reader has gone on
    const rows = symbolsOf(formula).map((key) => all.get(key)).filter(Boolean);
    note.innerHTML = rows.map(([symbol, , text]) => `<p><b>${symbol.innerHTML}</b> ${text.innerHTML}</p>`).join("");
  } catch {
    meanings = null; // offline perhaps: the next time may work
    return;
  }
  renderFormulas(note);
  note.showPopover();
  const [place, size] = [formula.getBoundingClientRect(), note.getBoundingClientRect()];
  const below = place.bottom + 6 + size.height < innerHeight;
  note.style.left = `${Math.max(8, Math.min(place.left, innerWidth - size.width - 8))}px`;
  note.style.top = `${below ? place.bottom + 6 : Math.max(8, place.top - size.height - 6)}px`;
}

function hide() {
  clearTimeout(timer);
  owner = null;
  if (note.matches(":popover-open")) note.hidePopover();
}

function soon(action) {
  clearTimeout(timer);
  timer = setTimeout(action, DELAY);
}

for (const formula of document.querySelectorAll("article .katex")) {
  if (location.pathname === page.pathname || !symbolsOf(formula).length) continue;
  formula.classList.add("explained");
  formula.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && soon(() => show(formula)));
  formula.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && soon(hide));
  const toggle = () => (owner === formula ? hide() : show(formula));
  formula.addEventListener("click", toggle);
  const display = formula.closest(".katex-display");
  if (!display) continue;
  const button = document.createElement("button"); // for the keyboard; it shows when it has the focus
  button.className = "symbols-open";
  button.type = "button";
  button.textContent = "?";
  button.setAttribute("aria-label", names[document.documentElement.lang] ?? names.en);
  button.addEventListener("click", toggle);
  display.after(button);
}
note.addEventListener("pointerenter", () => clearTimeout(timer));
note.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && soon(hide));
addEventListener("pointerdown", ({ target }) => owner && !target.closest(".symbols, .katex, .symbols-open") && hide());
addEventListener("keydown", ({ key }) => key === "Escape" && hide());
addEventListener("scroll", hide, { passive: true });
