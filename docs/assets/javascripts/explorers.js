// A page that shows explorers loads their modules when it has nothing else to do, one after the other, the one that a
// link opens first; the others load nothing. The number is that of its goals.
const GOALS = { group: 4, attack: 4, clip: 4, diagnosis: 4, loss: 4, policy: 5, model: 4, inspect: 5, kl: 4, family: 4 };
const OF_THE_RECORDING = { scrub: 0, stations: 0 };

const idle = () => new Promise((go) => (window.requestIdleCallback ?? setTimeout)(go, { timeout: 500 }));
const isHere = ([name]) => document.querySelector(`${name}-explorer`) !== null;
const here = Object.entries({ ...GOALS, ...OF_THE_RECORDING }).filter(isHere);
if (here.length > 0) {
  const { reached, tally } = await import("./explorers/shelf.js");
  for (const [name, goals] of here) tally(`${name}-explorer`, reached(`${name}-explorer`).length, goals);
}
const isLinked = ([name]) => location.hash === `#${name}`;
for (const [name] of here.sort((one, other) => isLinked(other) - isLinked(one))) {
  await idle();
  await import(`./explorers/${name}.js`).catch(console.error);
}
