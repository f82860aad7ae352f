// Folds of a lesson: a switch that opens all of them and is remembered, and the way to what lies inside one. Without this
// file each opens by itself. What answers a question stays closed: to open it is to choose it.
const FOLDS = "article details:not(.right, .wrong)";
const KEY = "show-everything";

function remembered() {
  try {
    return localStorage.getItem(KEY) === "true";
  } catch {
    return false; // a browser that keeps nothing
  }
}

function remember(open) {
  try {
    localStorage.setItem(KEY, open);
  } catch {
    return;
  }
}

const button = document.querySelector(".show-everything");
if (button) {
  const set = (open) => {
    button.setAttribute("aria-checked", open);
    for (const fold of document.querySelectorAll(FOLDS)) fold.open = open;
  };
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-checked") !== "true";
    const before = button.getBoundingClientRect().top;
    set(open);
    scrollBy({ top: button.getBoundingClientRect().top - before, behavior: "instant" });
    remember(open);
  });
  button.disabled = false; // it waits in its place, so that nothing moves
  if (remembered()) set(true);
}

// An address may point into a fold, and into one inside another.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  let opened = false;
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    opened ||= !fold.open;
    fold.open = true;
  }
  if (opened) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();

// Paper has no folds.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("article details:not([open])")];
  for (const fold of folded) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of folded) fold.open = false;
});
