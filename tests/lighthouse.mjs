// Runs Lighthouse on the addresses it is given, as a desktop, and prints one line of JSON for each.
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const [chromePath, flags, ...addresses] = process.argv.slice(2);
const chrome = await launch({ chromePath, chromeFlags: ["--headless=new", ...flags.split(" ")] });
for (const address of addresses) {
  const { lhr } = await lighthouse(address, { port: chrome.port, logLevel: "error" }, desktopConfig);
  const scores = Object.values(lhr.categories).map(({ id, score }) => [id, Math.round(100 * score)]);
  const counted = Object.values(lhr.categories).flatMap(({ auditRefs }) => auditRefs.filter(({ weight }) => weight > 0));
  const short = counted.map(({ id }) => lhr.audits[id]).filter(({ score }) => score !== null && score < 1);
  console.log(JSON.stringify({ address, ...Object.fromEntries(scores), short: short.map(({ id }) => id) }));
}
await chrome.kill();
