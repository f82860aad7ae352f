// The pictures of the policy explorer: a column for each answer, and curves over the steps.
import { curve, dot, fit, label, line, number, paint, rect, scale } from "./drawing.js";
import { mean, spread } from "./grpo.js";
import { has, steps } from "./run.js";

const [LEFT, DOT] = [74, 9];
const [HEIGHT, ROWS] = [396, { reward: 174, drawn: 272, advantage: 324, ratio: 378 }];

// Two digits are too few for what is rare.
export const percent = (p) => number(p, p > 0 && p < 0.01 ? 3 : 2);

// A column for each answer: its probability, and below what the last group had of it, up to a move of the step.
export function drawAnswers(svg, all, group, move, words, time) {
  const width = fit(svg, HEIGHT);
  const step = (width - LEFT) / all.length;
  const y = scale([0, 1], [136, 42]);
  const largest = Math.max(2.5, ...(group ? group.advantages.map(Math.abs) : []));
  const push = scale([-largest, largest], [ROWS.advantage + 28, ROWS.advantage - 36]);
  const parts = { policy: `■ ${words.now}`, before: `━ ${words.before}`, origin: `━ ${words.reference}` };
  const legend = Object.entries(parts).map(([kind, text]) => `<tspan class="${kind}">${text}</tspan>`);
  const columns = all.map((answer, v) => ({ ...answer, x: LEFT + step * (v + 0.5), step }));
  const pieces = [
    label(0, 13, words.probability, "title"),
    label(width, 13, legend.join(" "), "end"),
    ...[0, 0.5, 1].map((tick) => label(LEFT - 8, y(tick) + 4, tick, "end")),
    ...columns.map((column) => drawProbability(column, y, move)),
    line(LEFT, y(0), width, y(0), "axis"),
    label(0, 202, words.group, "title"),
    label(width, 202, group ? facts(group, move, words) : words.noGroup, "end"),
    ...Object.entries(ROWS).map(([name, at]) => label(0, at, words.rows[name])),
    ...columns.map((column) => drawGroup(column, push, move, words.clipped)),
    line(LEFT, push(0), width, push(0), "axis"),
  ];
  paint(svg, pieces.join(""), time);
}

function facts({ rewards }, move, words) {
  if (has(move, "compare")) return words.facts(number(mean(rewards)), number(spread(rewards)));
  return has(move, "pay") ? words.fact(number(mean(rewards))) : "";
}

function drawProbability({ name, p, before, reference, reward, push, count, x, step }, y, move) {
  const half = Math.min(step / 2 - 6, 26);
  const done = move === "done";
  const now = done ? p : before;
  const top = y(Math.max(now, done ? (before ?? p) : 0, reference)) - 7;
  const arrow = Math.abs(push) < 1e-9 ? "" : push > 0 ? "▲" : "▼";
  return [
    rect(x - half, y(now), 2 * half, y(0) - y(now), "policy"),
    line(x - half, y(before ?? p), x + half, y(before ?? p), done && before !== undefined ? "before" : "hidden"),
    line(x - half - 4, y(reference), x + half + 4, y(reference), "origin"),
    label(x, top, percent(now), "middle value"),
    label(x, top - 15, move === "push" ? arrow : "", `middle ${push > 0 ? "up" : "down"}`),
    label(x, 155, name, "middle title"),
    label(x, ROWS.reward, reward, move === "pay" && count > 0 ? "middle value" : "middle"),
  ].join("");
}

// Completions as dots, piled up from below.
function drawGroup({ count, reward, advantage, ratio, clipped, x, step }, push, move, word) {
  if (count === 0) return label(x, ROWS.drawn, "–", "middle");
  const [compared, pushed] = [has(move, "compare"), has(move, "push")];
  const kind = pushed && clipped ? "clipped" : advantage > 0 ? "positive" : advantage < 0 ? "negative" : "idle";
  const wide = Math.min(count, Math.max(Math.min(Math.floor((step - 8) / DOT), 8), Math.ceil(count / 8)));
  const place = (i) => [x + DOT * ((i % wide) - (wide - 1) / 2), ROWS.drawn - 4 - DOT * Math.floor(i / wide)];
  const size = compared ? advantage : 0;
  const color = compared ? kind : move === "pay" && reward > 0 ? "paid" : "idle";
  return [
    ...Array.from({ length: count }, (_, i) => dot(...place(i), color, color === "idle" ? 3 : 4)),
    rect(x - 9, Math.min(push(0), push(size)), 18, Math.abs(push(size) - push(0)), kind),
    label(x, push(size) + (size < 0 ? 14 : -5), compared ? number(advantage) : "", "middle small"),
    label(x, ROWS.ratio, pushed ? number(ratio) : "", "middle"),
    label(x, ROWS.ratio + 14, pushed && clipped ? word : "", "middle small"),
  ].join("");
}

export function drawCurve(svg, { name, key, trace, old, end, color, words }, time) {
  const [values, ghost] = [trace, old ?? []].map((list) => list.map((at) => at[key]));
  const height = svg.clientWidth < 160 ? 108 : 136; // on a phone all three stand in a row
  const width = fit(svg, height);
  const last = Math.max(end, ghost.length - 1);
  const top = Math.max(1, Math.ceil(Math.max(...values, ...ghost)));
  const [x, y] = [scale([0, last], [20, width - 10]), scale([0, top], [height - 36, 30])];
  const points = (list) => list.map((value, i) => [x(i), y(value)]);
  const pieces = [
    label(0, 13, name, "title"),
    ...[0, top].map((tick) => label(12, y(tick) + 4, tick, "end")),
    line(20, y(0), width, y(0), "axis"),
    ...[0, last].map((tick) => label(x(tick), height - 20, tick, "middle")),
    label(x(last / 2), height - 20, words.steps, "middle"),
    curve(points(ghost), "ghost"),
    curve(points(values), color),
    dot(x(steps({ trace })), y(values.at(-1)), color, 4),
    label(width, y(0) - 6, old && key === "right" ? `<tspan class="ghost">━ ${words.oldName}</tspan>` : "", "end small"),
  ];
  paint(svg, pieces.join(""), time);
}
