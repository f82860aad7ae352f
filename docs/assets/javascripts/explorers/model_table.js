// A group of completions as a table.
import { make, number } from "./drawing.js";

// Without rewards the group is still being written; `old` is the group before.
export function fillTable(table, words, name, { texts, rewards, advantages, facts }, old) {
  const caption = make(table, "caption");
  make(caption, "strong", {}, name);
  make(caption, "span", {}, facts ? words.facts(facts[0], facts[1], number(facts[2], 1)) : words.writing);
  make(caption, "span", {}, old ? words.old(old.facts[0], old.facts[1]) : "\u00a0"); // so that the next group moves nothing
  const head = make(make(table, "thead"), "tr");
  for (const column of words.columns) make(head, "th", { scope: "col" }, column);
  const body = make(table, "tbody");
  for (const [i, text] of texts.entries()) {
    const row = make(body, "tr");
    fillText(make(row, "td"), text);
    make(row, "td", {}, rewards ? number(rewards[i], 0) : "");
    const side = !rewards || advantages[i] === 0 ? "" : advantages[i] > 0 ? "positive" : "negative";
    make(row, "td", { class: side }, rewards ? number(advantages[i]) : "");
  }
}

// The tags step back behind what stands between them.
export function fillText(cell, text) {
  cell.replaceChildren();
  for (const part of text.split(/(<\/?[a-z]+>)/).filter(Boolean)) {
    if (part === "<answer>" && cell.firstChild) make(cell, "wbr");
    fillTag(make(cell, part.startsWith("<") ? "span" : "b"), part);
  }
}

// A phone shows "think" and "/" of <think> and </think>, and all of what is no tag.
export function fillTag(node, text) {
  const [, open, face, rest] = /^(<)(\/|\w+)(.*)$/.exec(text) ?? [text, "", text, ""];
  make(node, "i", {}, open);
  node.append(face);
  make(node, "i", {}, rest);
}
