// Drawings in SVG: one unit is one pixel of the page, and pieces are text for `paint`.

const SVG = "http://www.w3.org/2000/svg";

export function make(parent, tag, attributes = {}, text = "") {
  const inSVG = tag === "svg" || parent.namespaceURI === SVG;
  const node = inSVG ? document.createElementNS(SVG, tag) : document.createElement(tag);
  put(node, attributes);
  node.append(text);
  return parent.appendChild(node);
}

export function put(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

// Give a drawing the width that it has on the page, so that letters keep their size. Returns that width.
export function fit(svg, height) {
  const width = Math.round(svg.getBoundingClientRect().width) || 320;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return width;
}

// A phone, or a column as narrow as one.
export const isNarrow = (node) => node.clientWidth < 450;

// From values to pixels, and back.
export function scale([from, to], [start, end]) {
  const map = (value) => start + ((value - from) / (to - from)) * (end - start);
  map.domain = [from, to];
  map.range = [start, end];
  map.invert = (pixel) => from + ((pixel - start) / (end - start)) * (to - from);
  return map;
}

export const line = (x1, y1, x2, y2, kind) => `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
export const rect = (x, y, width, height, kind) =>
  `<rect class="${kind}" x="${x}" y="${y}" width="${Math.max(width, 0)}" height="${Math.max(height, 0)}"/>`;
export const dot = (x, y, kind, r = 6) => `<circle class="${kind}" cx="${x}" cy="${y}" r="${r}"/>`;
export const label = (x, y, text, kind = "") => `<text class="${kind}" x="${x}" y="${y}">${text}</text>`;
export const curve = (points, kind) => `<polyline class="${kind}" points="${points.join(" ")}"/>`;
export const area = (points, kind) => `<polygon class="${kind}" points="${points.join(" ")}"/>`;

// Where a number at the end of a bar stands, `gap` pixels off and clear of a mark at `other`.
export function clearOf(other, end, gap) {
  const overlaps = Math.abs(other - (end + gap - 5)) < 12;
  return (overlaps ? (gap < 0 ? Math.min : Math.max)(end, other) : end) + gap;
}

// 0.125 -> "0.13", with a real minus and no "-0.00".
export function number(x, digits = 2) {
  const text = Math.abs(x).toFixed(digits);
  return x < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// Two digits are too few near 0, where the sign is what matters: -0.004 -> "−0.004".
export const near = (x) => number(x, x !== 0 && Math.abs(x) < 0.0095 ? 3 : 2);

// What moves of each kind of piece.
const PLACES = {
  circle: ["cx", "cy", "r"],
  line: ["x1", "y1", "x2", "y2"],
  polygon: ["points"],
  polyline: ["points"],
  rect: ["x", "y", "width", "height"],
  text: ["x", "y"],
};
const running = new WeakMap(); // drawing -> the frame in which it moves on
const numbers = (text) => text.split(/[ ,]/).map(Number);

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Fill a drawing. In `time` milliseconds the new pieces go from where those before them stood to their own places;
// pieces of one kind are matched in their order, if there are as many as before.
export function paint(node, html, time = 0) {
  cancelAnimationFrame(running.get(node));
  const before = time ? Object.keys(PLACES).map((tag) => placesOf(node, tag)) : [];
  node.innerHTML = html;
  const moves = before.flatMap((olds, i) => {
    const tag = Object.keys(PLACES)[i];
    const news = [...node.querySelectorAll(tag)];
    if (news.length !== olds.length) return [];
    return news.flatMap((piece, k) => PLACES[tag].map((name, j) => [piece, name, olds[k][j]]));
  });
  glide(node, moves, time);
}

// Put pieces that stay to their places, in the same time.
export function place(node, places, time = 0) {
  cancelAnimationFrame(running.get(node));
  const moves = time ? Object.keys(places).map((name) => [node, name, node.getAttribute(name)]) : [];
  put(node, places);
  glide(node, moves, time);
}

const placesOf = (node, tag) =>
  [...node.querySelectorAll(tag)].map((piece) => PLACES[tag].map((name) => piece.getAttribute(name)));

// moves: [piece, attribute, where it comes from].
function glide(node, moves, time) {
  const ways = moves
    .map(([piece, name, old]) => ({ piece, name, end: piece.getAttribute(name), old }))
    .filter(({ end, old }) => old !== null && end !== old)
    .map((way) => ({ ...way, from: numbers(way.old), to: numbers(way.end) }))
    .filter(({ from, to }) => from.length === to.length);
  if (ways.length === 0) return;
  const start = performance.now();
  const go = (now) => {
    const left = 1 - Math.min(Math.max((now - start) / time, 0), 1);
    const done = 1 - left ** 3; // fast first, then slowly into place
    for (const { piece, name, from, to, end } of ways) {
      piece.setAttribute(name, left ? from.map((x, i) => x + (to[i] - x) * done).join(" ") : end);
    }
    if (left) running.set(node, requestAnimationFrame(go));
  };
  go(start);
}
