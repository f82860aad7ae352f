// Drawings in SVG: one unit is one pixel of the page, and pieces are text for innerHTML.

// Give a drawing the width that it has on the page, so that letters keep their size. Returns that width.
export function fit(svg, height) {
  const width = Math.round(svg.getBoundingClientRect().width) || 320;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return width;
}

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

// 0.125 -> "0.13", with a real minus and no "-0.00".
export function number(x, digits = 2) {
  const text = Math.abs(x).toFixed(digits);
  return x < 0 && Number(text) !== 0 ? `−${text}` : text;
}
