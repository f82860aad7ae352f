// The page for what is not found: which of the pages that it lists have a name most like the address that leads nowhere.
(() => {
  const words = { en: { meant: "Perhaps you meant" } };
  const say = words[document.documentElement.lang] ?? words.en;

  // The last part of an address, or a title, as plain words without a lesson's number.
  const plain = (name) => name.toLowerCase().replace(/\.\w+$/, "").replace(/[\W_]+/g, " ").replace(/^ ?\d+ /, "").trim();
  const last = (path) => plain(path.replace(/(\/|\/index(\.\w+)?)$/, "").split("/").at(-1));

  // Share of the pairs of letters that two names have in common, 0 to 1.
  function likeness(one, other) {
    const [a, b] = [one, other].map((name) => new Set([...name].slice(1).map((letter, i) => name[i] + letter)));
    return (2 * [...a].filter((pair) => b.has(pair)).length) / (a.size + b.size || 1);
  }

  const wanted = last(location.pathname);
  const near = [...document.querySelectorAll(".short-map a")]
    .map((link) => [Math.max(likeness(wanted, last(link.pathname)), likeness(wanted, plain(link.textContent))), link])
    .sort(([a], [b]) => b - a);
  const [best] = near[0];
  const links = near.filter(([share]) => share >= Math.max(0.4, 0.6 * best)).map(([, link]) => link.outerHTML);
  if (links.length) {
    const line = document.createElement("p");
    line.className = "asks";
    line.innerHTML = `${say.meant} ${links.slice(0, 3).join(", ")}`;
    document.querySelector(".short-map").before(line);
  }
})();
