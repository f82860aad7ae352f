// The search of a built site without a browser: its worker, in a scope that has what a worker has. Prints, for each query,
// the addresses that are found, the best first. Usage: node search.mjs SITE QUERY...
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

const [folder, ...queries] = process.argv.slice(2);
const site = pathToFileURL(`${folder}/`);
const read = (url) => readFileSync(new URL(url), "utf8");
const home = read(new URL("404.html", site));
const address = new URL(home.match(/assets\/javascripts\/search\.js\?[^"]+/)[0], site);

const loaded = [];
const messages = [];
const listeners = [];
const scope = {
  URL, console, setTimeout,
  location: { href: address.href, search: address.search, toString: () => address.href },
  addEventListener: (_, listener) => listeners.push(listener),
  postMessage: (message) => messages.push(message),
  fetch: async (url) => (loaded.push(url.href), { json: async () => JSON.parse(read(url)) }),
  importScripts: (url) => (loaded.push(url.href), vm.runInContext(read(url), scope)),
};
scope.self = vm.createContext(scope);
vm.runInContext(readFileSync(new URL(address.pathname, address), "utf8"), scope);

async function ask(type, data) {
  messages.length = 0;
  await listeners[0]({ data: { type, data } });
  for (let turn = 0; !messages.some((message) => message.type === type + 1) && turn < 9; turn++) await null;
  return messages.at(-1);
}

const stub = JSON.parse(read(new URL("search/search_index.json", site)));
await ask(0, { ...stub, options: { suggest: true } });
await ask(2, "");
const early = loaded.length;
const found = {};
for (const query of queries) {
  const { data } = await ask(2, query);
  found[query] = data.items.map((page) => page.toSorted((a, b) => b.score - a.score)[0].location);
}
console.log(JSON.stringify({ early, loaded: loaded.map((url) => url.replace(site.href, "")), found }));
