// Which goals are reached: kept in the browser, sent to nobody, and told in the contents of the page of explorers.
const SHELF = "grpo_lite.goals"; // in localStorage: {"clip-explorer": ["good"]}

// Private windows and old settings may have no storage; then the ticks live as long as the page.
function shelf() {
  try {
    return JSON.parse(localStorage.getItem(SHELF)) ?? {};
  } catch {
    return {};
  }
}

export const reached = (tag) => [shelf()[tag] ?? []].flat();

export function keep(tag, names) {
  try {
    localStorage.setItem(SHELF, JSON.stringify({ ...shelf(), [tag]: names }));
  } catch {
    // nothing to be done
  }
}

// Beside each link to the section of an explorer: "2/4", or a tick once all are reached.
export function tally(tag, count, all) {
  if (!document.querySelector(".explorer-list")) return;
  const host = document.querySelector(tag);
  const isBefore = (heading) => heading.compareDocumentPosition(host) & Node.DOCUMENT_POSITION_FOLLOWING;
  const { id } = [...document.querySelectorAll("h2[id]")].findLast(isBefore);
  for (const link of document.querySelectorAll(`:is(.explorer-list, .md-nav) a[href$="#${id}"]`)) {
    link.dataset.ticks = count === 0 ? "" : count < all ? `${count}/${all}` : "✓";
  }
}
