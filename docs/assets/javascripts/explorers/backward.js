// The GPT-2 of transformer.js with its gradient: a text is read at once, and what a loss asks of the logits is carried
// back to all weights. A test gives the same to PyTorch and compares every number.
//
// A layer takes rows of numbers, one row a token, and returns two things: what comes out, and a function that takes the
// gradient there, adds to the gradients of its weights and returns the gradient of what came in.
import { softmax } from "./grpo.js";
import { addTo, dot, HEADS, LAYERS } from "./transformer.js";

const BEND = Math.sqrt(2 / Math.PI); // of gelu

export const zeros = (weights) =>
  Object.fromEntries(Object.entries(weights).map(([name, { length }]) => [name, new Float64Array(length)]));

// The logits behind each token, in one row, and the way back. `weights` and `gradients` have the same names.
export function read(weights, gradients, tokens) {
  const both = (name) => [weights[`transformer.${name}`], gradients[`transformer.${name}`]];
  const own = (layer, name) => layer(both(`${name}.weight`), both(`${name}.bias`));
  const width = weights["transformer.ln_f.weight"].length;
  const mix = (name) => [own(linear, `${name}.c_attn`), attention(width), own(linear, `${name}.c_proj`)];
  const think = (name) => [own(linear, `${name}.c_fc`), gelu, own(linear, `${name}.c_proj`)];
  const block = (i) => [
    residual(own(norm, `h.${i}.ln_1`), ...mix(`h.${i}.attn`)),
    residual(own(norm, `h.${i}.ln_2`), ...think(`h.${i}.mlp`)),
  ];
  const blocks = Array.from({ length: LAYERS }, (_, i) => block(i)).flat();
  const embedding = both("wte.weight");
  const layers = [embed(embedding, both("wpe.weight"), width), ...blocks, own(norm, "ln_f"), head(embedding, width)];
  return chain(...layers)(tokens);
}

// One layer after the other, and back in the other direction.
const chain = (...layers) => (x) => {
  const backs = [];
  for (const layer of layers) {
    const [out, back] = layer(x);
    backs.unshift(back);
    x = out;
  }
  return [x, (slope) => backs.reduce((sofar, back) => back(sofar), slope)];
};

// What the layers make of x is added to x.
const residual = (...layers) => (x) => {
  const [out, back] = chain(...layers)(x);
  return [add(x, out), (slope) => add(slope, back(slope))];
};

const add = (x, y) => x.map((value, i) => value + y[i]);

const embed = ([token, tokenSlope], [place, placeSlope], width) => (tokens) => {
  const out = new Float64Array(tokens.length * width);
  const each = (go) => {
    for (const [t, id] of tokens.entries()) {
      for (let i = 0; i < width; i++) go(t * width + i, id * width + i);
    }
  };
  each((at, from) => (out[at] = token[from] + place[at]));
  const back = (slope) => {
    each((at, from) => {
      tokenSlope[from] += slope[at];
      placeSlope[at] += slope[at];
    });
  };
  return [out, back];
};

// x W + b; a row of W belongs to one input.
const linear = ([weight, weightSlope], [bias, biasSlope]) => (x) => {
  const outer = bias.length;
  const inner = weight.length / outer;
  const count = x.length / inner;
  const out = new Float64Array(count * outer);
  for (let t = 0; t < count; t++) {
    const row = rowOf(out, t, outer);
    row.set(bias);
    for (let i = 0; i < inner; i++) addTo(row, x[t * inner + i], rowOf(weight, i, outer));
  }
  const back = (slope) => {
    const down = new Float64Array(x.length);
    for (let t = 0; t < count; t++) {
      const row = rowOf(slope, t, outer);
      addTo(biasSlope, 1, row);
      for (let i = 0; i < inner; i++) {
        down[t * inner + i] = dot(row, rowOf(weight, i, outer));
        addTo(rowOf(weightSlope, i, outer), x[t * inner + i], row);
      }
    }
    return down;
  };
  return [out, back];
};

// The embedding is the head, too: a row of it belongs to one output.
const head = ([embedding, slopes], width) => (x) => {
  const [count, outer] = [x.length / width, embedding.length / width];
  const out = Float64Array.from({ length: count * outer }, (_, at) =>
    dot(rowOf(x, Math.floor(at / outer), width), rowOf(embedding, at % outer, width)),
  );
  const back = (slope) => {
    const down = new Float64Array(x.length);
    for (const [at, value] of slope.entries()) {
      const [t, v] = [Math.floor(at / outer), at % outer];
      addTo(rowOf(down, t, width), value, rowOf(embedding, v, width));
      addTo(rowOf(slopes, v, width), value, rowOf(x, t, width));
    }
    return down;
  };
  return [out, back];
};

const gelu = (x) => {
  const tanh = x.map((value) => Math.tanh(BEND * (value + 0.044715 * value ** 3)));
  const steep = (value, t) => (1 + t) / 2 + (value / 2) * (1 - t * t) * BEND * (1 + 3 * 0.044715 * value * value);
  return [x.map((value, i) => (value / 2) * (1 + tanh[i])), (slope) => slope.map((s, i) => s * steep(x[i], tanh[i]))];
};

const norm = ([gain, gainSlope], [bias, biasSlope]) => (x) => {
  const width = gain.length;
  const count = x.length / width;
  const [unit, out] = [new Float64Array(x.length), new Float64Array(x.length)]; // unit: mean 0, variance 1
  const scales = Array.from({ length: count }, (_, t) => {
    const row = rowOf(x, t, width);
    const mean = total(row) / width;
    const scale = 1 / Math.sqrt(total(row.map((value) => (value - mean) ** 2)) / width + 1e-5);
    rowOf(unit, t, width).set(row.map((value) => (value - mean) * scale));
    return scale;
  });
  for (const [at, value] of unit.entries()) out[at] = value * gain[at % width] + bias[at % width];
  const back = (slope) => {
    const down = new Float64Array(x.length);
    for (const [t, scale] of scales.entries()) {
      const [row, own] = [rowOf(slope, t, width), rowOf(unit, t, width)];
      addTo(biasSlope, 1, row);
      addTo(gainSlope, 1, row.map((s, i) => s * own[i]));
      const inner = row.map((s, i) => s * gain[i]);
      const [mean, tilt] = [total(inner) / width, dot(inner, own) / width];
      rowOf(down, t, width).set(inner.map((s, i) => (s - mean - own[i] * tilt) * scale));
    }
    return down;
  };
  return [out, back];
};

// In each row stand query, key and value. A token mixes the values up to its own, each head its part of them.
const attention = (width) => (x) => {
  const [count, size] = [x.length / (3 * width), width / HEADS];
  const part = (all, which, t, h) => rowOf(all, (3 * t + which) * HEADS + h, size);
  const own = (all, t, h) => rowOf(all, t * HEADS + h, size);
  const each = (go) => {
    for (let t = 0; t < count; t++) for (let h = 0; h < HEADS; h++) go(t, h);
  };
  const [QUERY, KEY, VALUE] = [0, 1, 2];
  const out = new Float64Array(count * width);
  const shares = [];
  each((t, h) => {
    const query = part(x, QUERY, t, h);
    const scores = Array.from({ length: t + 1 }, (_, s) => dot(query, part(x, KEY, s, h)) / Math.sqrt(size));
    shares.push(softmax(scores));
    shares.at(-1).forEach((share, s) => addTo(own(out, t, h), share, part(x, VALUE, s, h)));
  });
  const back = (slope) => {
    const down = new Float64Array(x.length);
    each((t, h) => {
      const [from, share] = [own(slope, t, h), shares[t * HEADS + h]];
      const wanted = share.map((_, s) => dot(from, part(x, VALUE, s, h)));
      const middle = dot(share, wanted);
      share.forEach((p, s) => {
        addTo(part(down, VALUE, s, h), p, from);
        const pull = (p * (wanted[s] - middle)) / Math.sqrt(size);
        addTo(part(down, QUERY, t, h), pull, part(x, KEY, s, h));
        addTo(part(down, KEY, s, h), pull, part(x, QUERY, t, h));
      });
    });
    return down;
  };
  return [out, back];
};

const rowOf = (matrix, i, width) => matrix.subarray(i * width, (i + 1) * width);
const total = (row) => row.reduce((sofar, value) => sofar + value, 0);
