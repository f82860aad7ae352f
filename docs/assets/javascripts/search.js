// The worker of the search: the theme's, which is named behind our address, but nothing is loaded before the field is entered.
const [SETUP, READY, QUERY, RESULT] = [0, 1, 2, 3]; // kinds of messages, as the theme numbers them
let options;
let answer; // the theme's way to take a message
let loading = null;

async function load() {
  const listen = self.addEventListener;
  self.addEventListener = (_, listener) => (answer = listener);
  importScripts(new URL(location.search.slice(1), location));
  self.addEventListener = listen;
  const response = await fetch(new URL("../../search/docs.json", location));
  await answer({ data: { type: SETUP, data: { ...(await response.json()), options } } });
}

// The theme takes each word for the beginning of one. A letter or a short word that is complete means itself: the "dr" of
// "dr grpo" is not the beginning of "dropout". A number is left out beside words, 0 is read as zero: lunr can take it for a term
// that it does not have, and then finds nothing at all.
function exact(query) {
  const whole = query.replaceAll("-", " ");
  const words = whole.replace(/(?<!\S)0(?!\S)/g, "zero").replace(/(?<!\S)\d+(?!\S)/g, " ");
  return (words.trim() ? words : whole).replace(/(?<!\S)(\d+|\w|\w{2,3}(?=\s))(?!\S)/g, "$1^1");
}

self.addEventListener("message", async ({ data: { type, data } }) => {
  if (type === SETUP) {
    options = data.options;
    postMessage({ type: READY });
  } else if (!data.trim()) {
    postMessage({ type: RESULT, data: { items: [] } });
  } else {
    try {
      await (loading ??= load());
      answer({ data: { type: QUERY, data: exact(data) } });
    } catch {
      loading = null; // offline perhaps: the next letter may work
    }
  }
});
