// Something to drag that is a slider for the keyboard, too.
import { make, place, put } from "./drawing.js";

const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5, Home: -1e9, End: 1e9 };

// `toValue` reads a value off a point of the drawing; what comes back puts the knob into the drawing, in `time()`.
export function knob(svg, name, { min, max, step, vertical = true }, toValue, change, time) {
  const orientation = vertical ? "vertical" : "horizontal";
  const aria = { "aria-valuemin": min, "aria-valuemax": max, "aria-orientation": orientation, "aria-label": name };
  const node = make(svg, "g", { class: `knob ${orientation}`, role: "slider", tabindex: 0, ...aria });
  const [target, grip] = [make(node, "rect", { class: "target" }), make(node, "rect", { class: "grip", rx: 4 })];
  const now = () => Number(node.getAttribute("aria-valuenow"));
  const onStep = (value) => Number((Math.round(value / step) * step).toFixed(6)); // 0.15, not 0.15000000000000002
  const go = (value) => change(Math.min(max, Math.max(min, onStep(value))));
  node.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); // or the page scrolls
    go(now() + KEYS[event.key] * step);
  });
  // A finger on a knob does not scroll the page. Chromium does not heed touch-action inside an SVG.
  node.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  let offset = 0; // between what was grabbed and the value itself, so that nothing jumps
  onDrag(node, svg, (point, first) => {
    if (first) offset = now() - toValue(point);
    else go(toValue(point) + offset);
  });
  return (x, y, width, height, value, text) => {
    const [long, short] = [Math.min(26, vertical ? width - 4 : height - 4), 8];
    const [w, h] = vertical ? [long, short] : [short, long];
    put(target, { x: x - width / 2, y: y - height / 2, width, height });
    place(grip, { x: x - w / 2, y: y - h / 2, width: w, height: h }, time());
    put(node, { "aria-valuenow": value, "aria-valuetext": text });
  };
}

// Mouse, pen and finger: `go` is told each point of a drag, in the coordinates of the drawing, and which is the first.
export function onDrag(node, svg, go) {
  const tell = (event, first) => {
    const box = svg.getBoundingClientRect();
    go({ x: event.clientX - box.left, y: event.clientY - box.top }, first);
  };
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    tell(event, true);
  });
  node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && tell(event, false));
}
