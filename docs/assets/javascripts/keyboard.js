// What the theme leaves out for readers who use the keyboard or a screen reader.
(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");

  // The theme opens the drawer, its sections and, on small screens, the search by labels, which Tab skips. A button in
  // the place of each looks the same: it keeps all attributes, the `for` too, which the theme's styles ask for.
  const names = { __drawer: "Navigation", __search: "Search" };
  const narrow = matchMedia("(max-width: 76.2344em)"); // where the menu is a drawer
  for (const label of document.querySelectorAll(
    ".md-header__button:is([for=__drawer], [for=__search]), .md-nav__item--section > .md-nav__link[for], .md-nav .md-nav .md-nav__title[for]",
  )) {
    const button = document.createElement("button");
    for (const { name, value } of label.attributes) button.setAttribute(name, value);
    button.type = "button";
    const name = names[label.htmlFor];
    if (name) button.setAttribute("aria-label", name);
    else tabOnlyIf(narrow, button); // in the wide menu it is a heading and does nothing
    button.append(...label.childNodes);
    button.addEventListener("click", () => document.getElementById(label.htmlFor).click());
    label.replaceWith(button);
  }

  function tabOnlyIf(query, button) {
    const heed = () => (button.tabIndex = query.matches ? 0 : -1);
    query.addEventListener("change", heed);
    heed();
  }

  // What scrolls sideways must be reachable with the arrow keys, and only that. The theme wraps tables while the page
  // loads, and a fold shows more, so they are looked for each time.
  const scrollers = ".nb-output pre, .nb-html, .md-typeset .highlight code, .md-typeset__scrollwrap, .md-typeset table, .katex-display";
  const mark = () => {
    for (const element of document.querySelectorAll(scrollers)) {
      if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
  addEventListener("toggle", mark, true);

  // The theme adds the copy buttons later, in a nav without a name.
  new MutationObserver(() => {
    document.querySelectorAll("nav.md-code__nav").forEach((nav, i) => {
      if (!nav.hasAttribute("aria-label")) nav.setAttribute("aria-label", `Code block ${i + 1}`);
    });
  }).observe(document.body, { childList: true, subtree: true });
})();
