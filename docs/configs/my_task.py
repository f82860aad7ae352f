"""A task of one's own, as a file: `grpo-lite train --task my_task.py --output-dir run`.

Read `hal>` and write `ibm`, each letter moved on by one. Needed are the four names at the left margin that the comments
mark; lesson "Your own task" builds them one by one.
"""

import random

import torch

from grpo_lite.experiments.pretrain import character_tokenizer, pretrain, small_model
from grpo_lite.tasks import is_held_out

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def shifted(word, by):
    """Move each letter on."""
    return "".join(LETTERS[(LETTERS.index(letter) + by) % 26] for letter in word)


# Own data: rows with a prompt, and columns for the reward. One row in ten is held out, by a hash of its prompt.
dice = random.Random(0)
words = dict.fromkeys("".join(dice.choices(LETTERS, k=3)) for _ in range(2000))
rows = [{"prompt": word + ">", "answer": shifted(word, 1)} for word in words]
train_dataset = [row for row in rows if not is_held_out(row["prompt"])]
eval_dataset = [row for row in rows if is_held_out(row["prompt"])]


# Own reward: one number a completion; each column comes by its name.
def right(completions, answer, **columns):
    """Pay 1 for the right answer."""
    return [float(text == wanted) for text, wanted in zip(completions, answer, strict=True)]


reward_funcs = [right]


def demonstrate(word):
    """Move three words in five the wrong way, and write one letter in ten by chance."""
    moved = shifted(word, dice.choice([1, 1, -1, -1, -1]))
    return "".join(dice.choice(LETTERS) if dice.random() < 0.1 else letter for letter in moved)


# Own model: what training starts from, the same each time.
def load_model():
    """Make a small GPT-2 that has learnt from flawed demonstrations."""
    torch.manual_seed(0)
    tokenizer = character_tokenizer(LETTERS + ">")
    model = small_model(tokenizer, width=64)
    prompts = dice.choices([row["prompt"] for row in train_dataset], k=25_600)
    pretrain(model, tokenizer, [(p, demonstrate(p[:-1])) for p in prompts], learning_rate=4e-3)
    return model, tokenizer


# Settings of GRPOConfig that differ from those of `grpo-lite train`; may be left out.
settings = {
    "max_steps": 80,
    "learning_rate": 2e-3,
    "warmup_steps": 10,
    "num_generations": 8,
    "max_completion_length": 8,
}
