// The worker in which the models write, so that the page stays free. It is told {files}, the weights of the models, and
// answers {ready} or {failed}; told {run, prompt, size, temperature, seed} it answers {run, model, row, token} for every
// token, and {run, done} at the end.
import { generator } from "./grpo.js";
import { Transformer, readSafetensors, writeGroup } from "./transformer.js";

let models = [];

function load(files) {
  try {
    models = files.map((file) => new Transformer(readSafetensors(file)));
    postMessage({ ready: true });
  } catch (error) {
    postMessage({ failed: error.message });
  }
}

// All models write at once, each with the same luck.
function write({ run, prompt, size, temperature, seed }) {
  let pens = models.map((model, i) => [i, writeGroup(model, prompt, size, generator(seed), temperature)]);
  while (pens.length > 0) {
    pens = pens.filter(([i, pen]) => {
      const { value, done } = pen.next();
      if (!done) postMessage({ run, model: i, row: value[0], token: value[1] });
      return !done;
    });
  }
  postMessage({ run, done: true });
}

addEventListener("message", ({ data }) => (data.files ? load(data.files) : write(data)));
