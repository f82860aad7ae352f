// What the theme leaves out for readers who use the keyboard or a screen reader.
(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");

  // The theme opens the drawer and, on small screens, the search by labels, which Tab skips.
  for (const label of document.querySelectorAll(".md-header label.md-header__button[for^='__']")) {
    const name = { __drawer: "Navigation", __search: "Search" }[label.htmlFor];
    if (!name) continue;
    label.tabIndex = 0;
    label.setAttribute("role", "button");
    label.setAttribute("aria-label", name);
    label.addEventListener("keydown", (event) => {
      if (event.key !== " ") return; // Enter is the theme's
      event.preventDefault();
      label.click();
    });
  }

  // What scrolls sideways must be reachable with the arrow keys, and only that.
  const scrollers = document.querySelectorAll(
    ".nb-output pre, .nb-html, .md-typeset .highlight code, .md-typeset__scrollwrap, .katex-display",
  );
  const mark = () => {
    for (const element of scrollers) {
      if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);

  // The theme adds the copy buttons later, in a nav without a name.
  new MutationObserver(() => {
    document.querySelectorAll("nav.md-code__nav").forEach((nav, i) => {
      if (!nav.hasAttribute("aria-label")) nav.setAttribute("aria-label", `Code block ${i + 1}`);
    });
  }).observe(document.body, { childList: true, subtree: true });

  // Paper has no folds.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("article details:not([open])")];
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
  });
})();
