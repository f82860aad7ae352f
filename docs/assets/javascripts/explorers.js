// A page that shows an explorer loads its module; the others load nothing.
const OF_THE_RECORDING = ["scrub", "stations"];
const NAMES = ["group", "clip", "kl", "loss", "policy", "model", "inspect", "attack", "family", "diagnosis"];
for (const name of [...NAMES, ...OF_THE_RECORDING]) {
  if (document.querySelector(`${name}-explorer`)) import(`./explorers/${name}.js`);
}
