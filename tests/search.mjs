// The search of a built site without a browser: its workers, each in a scope that has what a worker has. Prints what is
// loaded before a reader turns to it and in the end, the best title that the first query finds before and after the index is
// made, and for each query the addresses that are found, the best first. Usage: node search.mjs SITE QUERY...
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

const [folder, ...queries] = process.argv.slice(2);
const site = pathToFileURL(`${folder}/`);
const read = (url) => readFileSync(new URL(url), "utf8");
const home = read(new URL("404.html", site));
const address = new URL(home.match(/assets\/javascripts\/search\.js\?[^"]+/)[0], site);
const loaded = [];

class Worker {
  constructor(url) {
    this.listeners = [];
    const scope = {
      URL, console, Worker,
      location: { href: url.href, search: url.search, toString: () => url.href },
      addEventListener: (_, listener) => this.listeners.push(listener),
      postMessage: (data) => this.onmessage({ data: structuredClone(data) }),
      fetch: async (file) => (loaded.push(file.href), { json: async () => JSON.parse(read(file)) }),
    };
    scope.self = vm.createContext(scope);
    loaded.push(url.href);
    vm.runInContext(readFileSync(new URL(url.pathname, url), "utf8"), scope);
  }
  postMessage(data) {
    setImmediate(() => this.listeners.forEach((listener) => listener({ data: structuredClone(data) })));
  }
}

const worker = new Worker(address);
const heard = [];
let wake;
worker.onmessage = ({ data }) => (heard.push(data), wake?.());
async function hear() {
  while (!heard.length) await new Promise((done) => (wake = done));
  return heard.shift();
}
async function ask(data) {
  worker.postMessage({ type: 2, data });
  return (await hear()).data;
}
const places = ({ items }) => items.map((page) => page.toSorted((a, b) => b.score - a.score)[0].location);

worker.postMessage({ type: 0, data: { ...JSON.parse(read(new URL("search/search_index.json", site))), options: { suggest: true } } });
await hear();
await ask("");
const early = loaded.length;
worker.postMessage({ type: 2, data: " " });
const found = {};
const shown = [];
for (const query of queries) {
  const answers = [await ask(query)];
  if (!shown.length) answers.push((await hear()).data); // before it, what titles answer while the index is made
  for (const { items } of answers) shown.push(items[0]?.[0].title);
  found[query] = places(answers.at(-1));
}
console.log(JSON.stringify({ early, loaded: loaded.map((url) => url.replace(site.href, "")), shown: shown.slice(0, 2), found }));
