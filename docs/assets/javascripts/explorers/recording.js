// The recording of lesson "Watch it learn" (grpo_lite/data/recording.json), read for the page: which chip a token is,
// which running sum is a slip, and in which phase the run is.
import { clippedSurrogate, isClipped, surrogateGradient, tokenWeights } from "./grpo.js";

let asked; // once for all that show it
export const recording = () =>
  (asked ??= fetch(new URL("../../recording.json", import.meta.url)).then((answer) => answer.json()));

// The tokens of a completion: its text, and its kind, "tag", "thought", "slip", "answer" or "end". A thought is a
// running sum without its tens; a slip is one that does not follow from what stands before it.
export function chips(ids, { tokens, prompt }) {
  const summands = prompt.match(/\d/g).map(Number);
  let [thinking, sum, place] = [false, 0, 0];
  return ids.map((id) => {
    const text = tokens[id];
    if (text === "<think>") thinking = true;
    if (text === "</think>") thinking = false;
    if (text === "<eos>") return { text, kind: "end" };
    if (text.startsWith("<")) return { text, kind: text.includes("think") ? "think" : "tag" };
    if (!thinking) return { text, kind: "answer" };
    const follows = (sum + summands[place]) % 10 === Number(text);
    [sum, place] = [Number(text), place + 1];
    return { text, kind: follows ? "thought" : "slip" };
  });
}

// By the share of completions that think: first it mostly guesses, then thinking spreads, then only slips are left.
export const phase = ({ thinks }) => (thinks < 0.5 ? "guessing" : thinks < 0.95 ? "spreading" : "slips");

// All that the third update computes from the recording, token by token: what the seven stations show.
export function tokensOf({ frames, batch }) {
  const { advantages, epsilon, old_logps: old } = batch;
  const weights = tokenWeights(old.map((row) => row.length), "grpo");
  return frames[0].ids.map((ids, i) =>
    ids.map((id, t) => {
      const ratio = Math.exp(batch.logps[i][t] - old[i][t]);
      return {
        old: old[i][t],
        now: batch.logps[i][t],
        after: batch.after[i][t],
        ratio,
        clipped: isClipped(ratio, advantages[i], epsilon),
        weight: weights[i],
        gain: weights[i] * clippedSurrogate(ratio, advantages[i], epsilon),
        push: weights[i] * surrogateGradient(ratio, advantages[i], epsilon),
      };
    }),
  );
}
