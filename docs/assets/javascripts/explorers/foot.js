// The row at the end of an explorer: back to the start, no ticks, and a link to what is seen.
import { make } from "./drawing.js";
import { words } from "./words.js";

export function foot(explorer) {
  const row = make(explorer, "div", { class: "explorer-row explorer-foot" });
  if (explorer.constructor.goals) {
    const reset = make(row, "button", { type: "button" }, words.reset);
    reset.addEventListener("click", () => {
      explorer.reset();
      if (explorer.isLinked()) history.replaceState(null, "", explorer.link()); // or a reload would bring the old state back
    });
    explorer.ticks.clearButton(row);
  }
  const link = make(row, "button", { type: "button", "aria-live": "polite" }, words.link);
  link.addEventListener("click", async () => {
    history.replaceState(null, "", explorer.link()); // there it can be copied by hand, too
    const copy = navigator.clipboard?.writeText(location.href) ?? Promise.reject();
    link.textContent = await copy.then(() => words.copied, () => words.inAddress);
    setTimeout(() => (link.textContent = words.link), 2000);
  });
  return row;
}
