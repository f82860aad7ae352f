// A small GPT-2, as grpo_lite/data/base/config.json describes it: tokens in, logits out, in numbers of 64 bits. A test
// loads the same files into PyTorch and compares the logits to 1e-9.
import { draw, softmax, sum } from "./grpo.js";

export const HEADS = 4;
export const LAYERS = 2;
const LIMIT = 16; // tokens of a completion, as in training

// One token for each symbol.
export const SYMBOLS = ["<pad>", "<eos>", "<think>", "</think>", "<answer>", "</answer>", ..."0123456789+=>"];
const END = SYMBOLS.indexOf("<eos>");

export const encode = (text) => text.match(/<\/?[a-z]+>|./g).map((symbol) => SYMBOLS.indexOf(symbol));
export const decode = (tokens) => tokens.filter((token) => token > END).map((token) => SYMBOLS[token]).join("");

// Safetensors: 8 bytes with the length of the header, the header in JSON (name -> where its numbers are), the numbers.
export function readSafetensors(buffer) {
  const view = new DataView(buffer);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  const read = ({ data_offsets: [from, to] }) =>
    Float64Array.from({ length: (to - from) / 2 }, (_, i) => float16(view.getUint16(start + from + 2 * i, true)));
  return Object.fromEntries(Object.entries(header).map(([name, entry]) => [name, read(entry)]));
}

// One bit of sign, five of exponent, ten of fraction. Weights are finite, so the codes of infinity are not needed.
export function float16(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  return sign * (exponent === 0 ? 2 ** -14 * fraction : 2 ** (exponent - 15) * (1 + fraction));
}

export class Transformer {
  constructor(weights) {
    this.weights = (name) => weights[`transformer.${name}`];
    this.width = this.weights("ln_f.weight").length;
    this.tokens = rows(this.weights("wte.weight"), this.width);
    this.positions = rows(this.weights("wpe.weight"), this.width);
  }

  // Read one more token: the logits of the token that follows it. The cache remembers those that were read before.
  read(token, cache) {
    let x = add(this.tokens[token], this.positions[cache[0].keys.length]);
    for (const [i, memory] of cache.entries()) {
      x = add(x, this.attention(this.norm(x, `h.${i}.ln_1`), `h.${i}.attn`, memory));
      x = add(x, this.mlp(this.norm(x, `h.${i}.ln_2`), `h.${i}.mlp`));
    }
    const last = this.norm(x, "ln_f");
    return this.tokens.map((embedding) => dot(last, embedding)); // the embedding is the head, too
  }

  // What the token takes over from those before it and from itself. It cannot look ahead: the rest is not written yet.
  attention(x, name, { keys, values }) {
    const [query, key, value] = rows(this.linear(x, `${name}.c_attn`), this.width);
    keys.push(key);
    values.push(value);
    const mixed = new Float64Array(this.width);
    const size = this.width / HEADS;
    for (let start = 0; start < this.width; start += size) {
      const part = (vector) => vector.subarray(start, start + size); // what one head sees
      const scores = keys.map((key) => dot(part(query), part(key)) / Math.sqrt(size));
      softmax(scores).forEach((weight, t) => addTo(part(mixed), weight, part(values[t])));
    }
    return this.linear(mixed, `${name}.c_proj`);
  }

  mlp(x, name) {
    return this.linear(this.linear(x, `${name}.c_fc`).map(gelu), `${name}.c_proj`);
  }

  norm(x, name) {
    const [gain, bias] = [this.weights(`${name}.weight`), this.weights(`${name}.bias`)];
    const mean = sum(x) / x.length;
    const variance = sum(x.map((value) => (value - mean) ** 2)) / x.length;
    return x.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * gain[i] + bias[i]);
  }

  linear(x, name) {
    const [weight, bias] = [this.weights(`${name}.weight`), this.weights(`${name}.bias`)];
    const out = bias.slice();
    for (let i = 0, at = 0; i < x.length; i++) {
      const value = x[i];
      for (let j = 0; j < out.length; j++, at++) out[j] += value * weight[at];
    }
    return out;
  }
}

function rows(matrix, width) {
  return Array.from({ length: matrix.length / width }, (_, i) => matrix.subarray(i * width, (i + 1) * width));
}

const add = (x, y) => x.map((value, i) => value + y[i]);
const gelu = (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

export function dot(x, y) {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i] * y[i];
  return total;
}

export function addTo(out, factor, x) {
  for (let i = 0; i < x.length; i++) out[i] += factor * x[i];
}

// The logits after each token of a text.
export function allLogits(model, tokens) {
  const cache = emptyCache();
  return tokens.map((token) => model.read(token, cache));
}

// Completions of a prompt, token by token: [which completion, token]. The prompt is read once; `chance` gives numbers
// from 0 to 1.
export function* writeGroup(model, prompt, size, chance, temperature = 1) {
  const cache = emptyCache();
  const first = encode(prompt).map((token) => model.read(token, cache)).at(-1);
  for (let row = 0; row < size; row += 1) {
    const own = cache.map(({ keys, values }) => ({ keys: [...keys], values: [...values] }));
    const tokens = [];
    while (tokens.length < LIMIT && tokens.at(-1) !== END) {
      const logits = tokens.length > 0 ? model.read(tokens.at(-1), own) : first;
      tokens.push(draw(softmax(logits.map((logit) => logit / temperature)), chance()));
      yield [row, tokens.at(-1)];
    }
  }
}

// The same at once, as lists of tokens.
export function sampleGroup(model, prompt, size, chance, temperature) {
  const group = Array.from({ length: size }, () => []);
  for (const [row, token] of writeGroup(model, prompt, size, chance, temperature)) group[row].push(token);
  return group;
}

const emptyCache = () => Array.from({ length: LAYERS }, () => ({ keys: [], values: [] }));
