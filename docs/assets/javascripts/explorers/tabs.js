// Panels of which one is seen, each with its tab: arrow keys go from tab to tab, Tab goes into the panel.
import { oneOf } from "./address.js";
import { make } from "./drawing.js";

let count = 0;

// options: value of `explorer.state[key]` -> name of the tab. Returns a panel for each.
export function tabs(explorer, key, name, options) {
  const values = Object.keys(options);
  const list = make(explorer, "div", { class: "explorer-tabs", role: "tablist", "aria-label": name });
  const buttons = values.map((value) => {
    const id = `explorer-tab-${(count += 1)}`;
    return make(list, "button", { type: "button", role: "tab", id, "aria-controls": `${id}-panel` }, options[value]);
  });
  const panels = buttons.map(({ id }) => make(explorer, "div", { id: `${id}-panel`, role: "tabpanel", "aria-labelledby": id }));
  const open = (i) => explorer.set({ [key]: values[i] });
  for (const [i, button] of buttons.entries()) {
    button.addEventListener("click", () => open(i));
    button.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1 + values.length, Home: 0, End: values.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      open(to % values.length);
      buttons[to % values.length].focus();
    });
  }
  explorer.syncs.push(() => {
    for (const [i, button] of buttons.entries()) {
      const chosen = explorer.state[key] === values[i];
      button.setAttribute("aria-selected", chosen);
      button.tabIndex = chosen ? 0 : -1;
      panels[i].hidden = !chosen;
    }
  });
  explorer.readers[key] = oneOf(values);
  return panels;
}
