// What a reader does with a page as a whole: tick off a lesson, reach its contents on a phone, take it along, open it from
// a disk. What is ticked stays in this browser; nothing is sent.
(() => {
  const KEY = "grpo-lite:done";
  const words = {
    en: {
      contents: "Contents",
      copy: "Copy as Markdown",
      copied: "Copied",
      index: "The index is being loaded …",
      forget: "Forget",
      count: (done, all) => `You have done ${done} of ${all} lessons. This is kept in your browser only.`,
      disk: "Opened from a disk, the browser blocks the search and the explorers. They run behind any web server, such as python -m http.server in this folder.",
    },
  };
  const say = words[document.documentElement.lang] ?? words.en;

  function make(parent, tag, attributes, text) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return parent.appendChild(element);
  }

  // Lessons that are done, by name.
  function read() {
    try {
      return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
    } catch {
      return new Set(); // the browser keeps nothing
    }
  }

  function write(done) {
    try {
      localStorage.setItem(KEY, JSON.stringify([...done]));
    } catch {
      // The browser keeps nothing: the tick holds until the page is left.
    }
  }

  const place = document.querySelector(".lesson-done");
  if (place) {
    const box = place.querySelector("input");
    box.checked = read().has(box.value);
    box.addEventListener("change", () => {
      const done = read();
      if (box.checked) done.add(box.value);
      else done.delete(box.value);
      write(done);
      mark(done);
    });
    place.hidden = false;
  }

  // In the menu and on the map.
  function mark(done) {
    for (const link of document.querySelectorAll(".md-nav a[href], .ledger li > a[href], .map a[href]")) {
      const name = new URL(link.href.baseVal ?? link.href, location).pathname.match(/\/lessons\/(\w+)\/(index\.html)?$/)?.[1];
      if (name && !link.hash) link.classList.toggle("is-done", done.has(name));
    }
    const map = document.querySelector("figure:has(.map)");
    if (!map) return;
    document.querySelector(".map-done")?.remove();
    const all = document.querySelectorAll(".map a[href]").length;
    if (!done.size) return;
    const line = document.createElement("p");
    line.className = "map-done";
    line.append(`${say.count(done.size, all)} `);
    make(line, "button", { type: "button", class: "page-button" }, say.forget).addEventListener("click", () => {
      write(new Set());
      mark(new Set());
    });
    map.before(line);
  }
  mark(read());

  // On a phone the contents of a page are two steps away in the drawer; here they are one, in the header.
  const headings = [...document.querySelectorAll("article h2[id]")];
  const header = document.querySelector(".md-header__inner");
  if (headings.length > 2 && header && "popover" in HTMLElement.prototype) {
    const list = make(document.body, "nav", { id: "contents", class: "contents", popover: "", "aria-label": say.contents }, "");
    for (const heading of headings) {
      const name = heading.cloneNode(true);
      for (const extra of name.querySelectorAll(".headerlink, .katex-mathml")) extra.remove();
      make(list, "a", { href: `#${heading.id}` }, name.textContent.trim());
    }
    list.addEventListener("click", ({ target }) => target.closest("a") && list.hidePopover());
    const button = make(header, "button", { type: "button", class: "contents-open", popovertarget: "contents" }, say.contents);
    header.querySelector(".md-header__title").after(button); // where it moves nothing but the title's end
  }

  // The search begins to load when a reader turns to its field: the theme passes a blank on to our worker (search.js), to
  // which it means just that. Until something is there to show, the panel says so.
  const field = document.querySelector(".md-search__input");
  const panel = document.querySelector(".md-search-result__meta");
  if (field && panel) {
    const { translations } = JSON.parse(document.getElementById("__config").textContent);
    const idle = ["", say.index, translations["search.result.placeholder"]];
    const turn = () => {
      if (field.value) return;
      field.value = " ";
      field.dispatchEvent(new Event("keyup"));
      field.value = "";
    };
    field.addEventListener("pointerenter", turn, { once: true });
    field.addEventListener("focus", turn, { once: true });
    field.addEventListener("input", () => {
      if (field.value.trim() && idle.includes(panel.textContent.trim())) panel.textContent = say.index;
    });
  }

  const copy = document.querySelector(".page-copy");
  if (copy && navigator.clipboard && location.protocol !== "file:") {
    const button = document.createElement("button");
    button.className = "page-button";
    button.type = "button";
    button.textContent = say.copy;
    button.addEventListener("click", async () => {
      const response = await fetch(copy.href);
      await navigator.clipboard.writeText(await response.text());
      button.textContent = say.copied;
      setTimeout(() => (button.textContent = say.copy), 2000);
    });
    copy.after(button);
  }

  // A folder is no page there, and its listing no help.
  if (location.protocol === "file:") {
    for (const link of document.querySelectorAll("a[href]")) {
      if (link.protocol === "file:" && link.pathname.endsWith("/")) link.pathname += "index.html";
    }
    const foot = document.querySelector(".page-foot");
    if (foot) make(foot, "span", {}, say.disk);
  }
})();
