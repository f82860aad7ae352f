// A page that shows an explorer loads its module; the others load nothing.
const NAMES = ["group", "clip", "kl", "loss", "policy", "model", "scrub", "inspect", "attack", "family", "diagnosis"];
for (const name of NAMES) {
  if (document.querySelector(`${name}-explorer`)) import(`./explorers/${name}.js`);
}
