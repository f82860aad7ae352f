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
}
renderFormulas(document.body);
