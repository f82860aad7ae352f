// A page that shows an explorer loads its module; the others load nothing.
for (const name of ["group", "clip", "kl", "loss", "policy", "model", "scrub"]) {
  if (document.querySelector(`${name}-explorer`)) import(`./explorers/${name}.js`);
}
