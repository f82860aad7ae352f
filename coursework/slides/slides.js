// One slide at a time: arrow keys, page keys, space or a click on the right or left half; N shows the notes.
const all = [...document.querySelectorAll("section")];
const at = () => Math.min(Math.max(Number(location.hash.slice(1)) || 1, 1), all.length);

function show() {
  all.forEach((slide, i) => slide.classList.toggle("now", i + 1 === at()));
  document.title = `${at()}/${all.length} ${all[at() - 1].querySelector("h1, h2").textContent}`;
}

function go(step) {
  location.hash = Math.min(Math.max(at() + step, 1), all.length);
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
addEventListener("keydown", (event) => {
  if (event.key in STEPS) go(STEPS[event.key]);
  else if (event.key === "Home") go(-all.length);
  else if (event.key === "End") go(all.length);
  else if (event.key.toLowerCase() === "n") document.body.classList.toggle("notes");
  else return;
  event.preventDefault();
});
addEventListener("hashchange", show);
document.querySelector("main").addEventListener("click", (event) => {
  if (!getSelection().toString()) go(event.clientX > innerWidth / 2 ? 1 : -1);
});
document.body.classList.add("one");
renderMathInElement(document.body, { delimiters: [
  { left: "\\[", right: "\\]", display: true },
  { left: "\\(", right: "\\)", display: false },
] });
show();
