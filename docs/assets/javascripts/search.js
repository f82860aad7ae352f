// The worker of the search. The theme's own, which is named behind our address, makes the index, and that takes a while: it
// is started when a reader turns to the field and has a thread to itself, so that titles can answer until it is ready.
const [SETUP, READY, QUERY, RESULT] = [0, 1, 2, 3]; // kinds of messages, as the theme numbers them
let options;
let asked = "";
let titles = [];
let theirs = null; // the theme's worker
let ready = false;
let waiting = 0; // questions that it has not answered yet
let guessing = false;

async function load() {
  theirs = new Worker(new URL(location.search.slice(1), location));
  theirs.onmessage = ({ data: { type, data } }) => {
    if (type === READY) {
      ready = true;
      answer();
    } else if (!--waiting && asked) {
      const meant = loose(asked);
      if (data.items.length || guessing || !meant) return show(data.items, data.suggest);
      guessing = true;
      ask(meant);
    }
  };
  try {
    const response = await fetch(new URL("../../search/docs.json", location));
    const index = await response.json();
    theirs.postMessage({ type: SETUP, data: { ...index, options } });
    titles = index.docs;
    answer();
  } catch {
    theirs.terminate();
    theirs = null; // offline perhaps: the next letter may work
  }
}

function answer() {
  if (!asked) return;
  guessing = false;
  if (ready) ask(exact(asked));
  else {
    const found = entitled(asked);
    if (found.length) show(found);
  }
}

function ask(data) {
  waiting += 1;
  theirs.postMessage({ type: QUERY, data });
}

// A lesson is shown with its number, by which it is not found: "0" is what people look for.
function show(items, suggest) {
  const numbered = (entry) => (entry.number ? { ...entry, title: `${entry.number} ${entry.title}` } : entry);
  postMessage({ type: RESULT, data: { items: items.map((page) => page.map(numbered)), suggest } });
}

// What has each word at the beginning of one in its title or in what else it is called, by pages, in the form of the theme.
function entitled(query) {
  const words = query.toLowerCase().split(/[\s-]+/);
  const names = ({ title, tags = [] }) => ` ${[title, ...tags].join(" ")}`.toLowerCase().replace(/<.*?>|-/g, " ");
  const weight = ({ location, boost }) => (location.includes("#") ? boost : 2 * boost);
  const pages = new Map();
  for (const entry of titles.toSorted((a, b) => weight(b) - weight(a))) {
    if (!words.every((word) => names(entry).includes(` ${word}`))) continue;
    const place = entry.location.split("#")[0];
    if (!pages.has(place)) pages.set(place, new Set([titles.find(({ location }) => location === place)]));
    pages.get(place).add(entry);
  }
  return [...pages.values()].map((page) => [...page].map((entry) => ({ ...entry, text: "", tags: [], score: 1, terms: {} })));
}

// The theme takes each word for the beginning of one. A letter or a short word that is complete means itself: the "dr" of
// "dr grpo" is not the beginning of "dropout". A number is left out beside words, 0 is read as zero: lunr can take it for a term
// that it does not have, and then finds nothing at all.
function exact(query) {
  const whole = query.replaceAll("-", " ");
  const words = whole.replace(/(?<!\S)0(?!\S)/g, "zero").replace(/(?<!\S)\d+(?!\S)/g, " ");
  return (words.trim() ? words : whole).replace(/(?<!\S)(\d+|\w|\w{2,3}(?=\s))(?!\S)/g, "$1^1");
}

// What was mistyped: each word of four letters or more may have one letter too many, too few or another, two from eight on.
function loose(query) {
  const words = query.toLowerCase().match(/[a-z]{4,}/g) ?? [];
  return words.map((word) => `${word}~${word.length < 8 ? 1 : 2}`).join(" ");
}

self.addEventListener("message", ({ data: { type, data } }) => {
  if (type === SETUP) {
    options = data.options;
    return postMessage({ type: READY });
  }
  asked = data.trim();
  if (data && !theirs) load(); // a blank means that a question is to come
  if (data) answer();
  else show([]);
});
