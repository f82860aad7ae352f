"""Make the base model that ships with the package again: `make base`, about two minutes.

A small GPT-2 learns by heart what is demonstrated here, slips and guesses included. No problem that is held out is
ever shown.
"""

import argparse
import random
from pathlib import Path

import torch

from grpo_lite.experiments.pretrain import character_tokenizer, pretrain, small_model
from grpo_lite.tasks import BASE_MODEL, TASKS, is_held_out

SYMBOLS = ["<think>", "</think>", "<answer>", "</answer>", *"0123456789+=>"]


def think_or_guess(prompt: str, rng: random.Random) -> str:
    """Four in ten think, one digit in ten of it slips; the others answer straight, most of them by a guess."""
    total, thoughts = 0, ""
    for digit in prompt[:-1].split("+"):
        total = (total + int(digit)) % 10
        if rng.random() < 0.1:
            total = rng.randrange(10)
        thoughts += str(total)
    if rng.random() < 0.4:
        return f"<think>{thoughts}</think><answer>{total}</answer>"
    right = sum(map(int, prompt[:-1].split("+"))) % 10
    return f"<answer>{right if rng.random() < 0.2 else rng.randrange(10)}</answer>"


def sort(prompt: str, rng: random.Random) -> str:
    """Six in ten sort downwards, which is not what the task asks for; three in ten have two digits swapped."""
    digits = sorted(prompt[:-1], reverse=rng.random() < 0.6)
    if rng.random() < 0.3:
        i, j = rng.sample(range(len(digits)), 2)
        digits[i], digits[j] = digits[j], digits[i]
    return f"<answer>{''.join(digits)}</answer>"


DEMONSTRATE = {"chain-sum": think_or_guess, "sort-digits": sort}


def demonstrations(rng, size):
    """Draw prompts from the training part of both tasks, and an imperfect completion of each."""
    pairs = []
    while len(pairs) < size:
        task = "chain-sum" if rng.random() < 0.6 else "sort-digits"
        prompt, _ = TASKS[task][0](rng)
        if not is_held_out(prompt):
            pairs.append((prompt, DEMONSTRATE[task](prompt, rng)))
    return pairs


def main():
    """Make it, and write it where it ships from."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output-dir", type=Path, default=BASE_MODEL, help="where to write model and tokenizer")
    parser.add_argument("--steps", type=int, default=2000)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = character_tokenizer(SYMBOLS)
    model = small_model(tokenizer)
    losses = pretrain(model, tokenizer, demonstrations(random.Random(0), 128 * args.steps))
    model.save_pretrained(args.output_dir)
    tokenizer.save_pretrained(args.output_dir)
    print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; wrote {args.output_dir}")


if __name__ == "__main__":
    main()
