/* global renderMathInElement */
// Both forms of delimiters are needed: notebooks keep $...$, pages of Markdown come as \\(...\\).
function renderFormulas(element) {
  renderMathInElement(element, {
    throwOnError: false,
    delimiters: [
      { left: "$$", right: "$$", display: true },
      { left: "$", right: "$", display: false },
      { left: "\\(", right: "\\)", display: false },
      { left: "\\[", right: "\\]", display: true },
      { left: "\\begin{equation}", right: "\\end{equation}", display: true },
      { left: "\\begin{align}", right: "\\end{align}", display: true },
      { left: "\\begin{aligned}", right: "\\end{aligned}", display: true },
    ],
    ignoredClasses: ["highlight", "nb-stdout", "nb-result", "nb-html", "nb-plot", "md-search"],
  });
  element.querySelectorAll(":not(.katex-display) > .katex").forEach(keepTogether);
}

const SHORT = 12; // signs; a longer formula may break after its = or +

// A short formula stays on one line, with the bracket before it and the mark behind it.
function keepTogether(formula) {
  if (formula.querySelector(".katex-html").textContent.length > SHORT) return;
  const whole = formula.closest(".arithmatex") ?? formula.parentElement;
  whole.classList.add("whole");
  whole.prepend(cut(whole.previousSibling, /[([“]+$/));
  whole.append(cut(whole.nextSibling, /^[)\].,;:”]+/));
}

// What matches is taken out of a text.
function cut(node, pattern) {
  if (node?.nodeType !== Node.TEXT_NODE) return "";
  const [found = ""] = pattern.exec(node.data) ?? [];
  node.data = node.data.replace(pattern, "");
  return found;
}

renderFormulas(document.body);
