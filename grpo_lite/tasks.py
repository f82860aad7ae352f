"""Two tasks small enough to learn on a CPU in seconds, and the base model that starts on them.

Chain sums: the prompt `3+9+4+1=` asks for the sum modulo 10. A completion may think first, one running sum a token,
or answer straight; in one step the sum is too hard for a model this small. Sorting: the prompt `52817>` asks for the
digits in order; there is nothing to think about.

The base model has learnt from imperfect demonstrations of both; of chain sums four in ten thought, with slips. Its 19
symbols are the digits, `+`, `=` and `>`, `<think>`, `</think>`, `<answer>` and `</answer>`, `<pad>` and `<eos>`.
"""

import hashlib
import random
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from grpo_lite._checks import check_choice, check_count, check_installed
from grpo_lite.rewards.protocol import Completion, texts

BASE_MODEL = Path(str(files("grpo_lite") / "data" / "base"))

# Settings under which both tasks are learnt, as names of GRPOConfig.
RECIPE: dict[str, Any] = {
    "max_steps": 120,
    "learning_rate": 7e-4,
    "per_device_train_batch_size": 128,
    "num_generations": 16,
    "max_completion_length": 16,
    "reward_weights": [1.0, 0.0],  # right answers are paid; thinking is watched
    "eval_steps": 5,
    "per_device_eval_batch_size": 500,
    "save_steps": 30,
    "save_total_limit": 2,
}

_ANSWER = re.compile(r"<answer>([0-9]*)</answer>$")


def load_base_model(path: str | Path = BASE_MODEL) -> tuple:
    """Load the base model, or a checkpoint that was trained from it.

    Args:
        path: a folder as transformers writes it; the default is the model that ships with the package.

    Returns:
        The model, in eval mode, and its tokenizer, both of transformers.

    Raises:
        ImportError: transformers is not installed.
        ValueError: there is no such folder, or weights are missing in it.

    Example:
        >>> model, tokenizer = load_base_model()
        >>> tokenizer.decode(tokenizer("3+9+4+1=")["input_ids"])
        '3+9+4+1='
    """
    check_installed("transformers", "the base model needs transformers", "train")
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    if not (Path(path) / "config.json").exists():
        raise ValueError(f"path must be a folder with a saved model (config.json), got {str(path)!r}")
    # No code that stands in the folder is run.
    loaded: Any = AutoModelForCausalLM.from_pretrained(path, trust_remote_code=False, output_loading_info=True)
    model, info = loaded
    if info["missing_keys"]:
        raise ValueError(f"{path} lacks weights: {', '.join(sorted(info['missing_keys']))}; they would be random")
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(path)


def make_problems(task: str, split: str, size: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Draw different problems of a task, from its training or its held-out part.

    Which part a problem belongs to is decided by a hash of its prompt: one in ten is held out, the same ones on every
    machine and for every seed. No seed can leak a test problem into training.

    Args:
        task: "chain-sum" or "sort-digits".
        split: "train" or "test".
        size: number of problems, at least 1.
        seed: another seed draws other problems, or the same ones in another order.

    Returns:
        Rows `{"prompt": ..., "ground_truth": ...}`, as trainers and reward functions take them.

    Raises:
        ValueError: unknown task or split, or more problems than the split holds.

    Source: our own. Used in lesson "Watch it learn".

    Example:
        >>> make_problems("chain-sum", "test", 2)
        [{'prompt': '8+7+6+4=', 'ground_truth': '5'}, {'prompt': '7+8+4+0=', 'ground_truth': '9'}]
    """
    check_choice("task", task, tuple(TASKS))
    draw, holds = TASKS[task]
    check_choice("split", split, tuple(holds))
    check_count("size", size, 1)
    if size > holds[split]:
        raise ValueError(f"size must be at most {holds[split]}, what {task!r} {split!r} holds, got {size}")
    rng = random.Random(seed)
    problems: dict[str, str] = {}
    while len(problems) < size:
        prompt, answer = draw(rng)
        if is_held_out(prompt) == (split == "test"):
            problems[prompt] = answer
    return [{"prompt": prompt, "ground_truth": answer} for prompt, answer in problems.items()]


def is_held_out(prompt: str) -> bool:
    """Say whether a problem is kept from all training: one in ten is, chosen by a hash that is the same everywhere."""
    return hashlib.sha256(prompt.encode()).digest()[0] % 10 == 0


def accuracy(completions: Sequence[Completion], ground_truth: Sequence[str], **columns) -> list[float | None]:
    """Pay 1 if the completion ends with the right `<answer>`, whatever came before it.

    Args:
        completions: strings or chat lists.
        ground_truth: the right answer of each, as text: "0123" and "123" are different ones.
        columns: ignored.

    Returns:
        1.0 or 0.0 a completion. A completion without an answer at its end gets 0.

    Raises:
        ValueError: an answer that is not a text, or another number of them than of completions.

    Source: the accuracy reward of DeepSeek-R1 (arXiv:2501.12948). Used in lesson "Watch it learn".

    Example:
        >>> accuracy(["<think>3267</think><answer>7</answer>", "<answer>4</answer>"], ["7", "7"])
        [1.0, 0.0]
    """
    found = [_ANSWER.search(text) for text in texts(completions)]
    if len(ground_truth) != len(found) or not all(isinstance(truth, str) for truth in ground_truth):
        raise ValueError(f"ground_truth must hold one text for each of {len(found)} completions, got {ground_truth!r}")
    return [float(m is not None and m[1] == truth) for m, truth in zip(found, ground_truth, strict=True)]


def think_rate(completions: Sequence[Completion], **columns) -> list[float | None]:
    """Mark completions that start with `<think>`, 1 or 0: a reward function to watch, with the weight 0.

    Example:
        >>> think_rate(["<think>3267</think><answer>7</answer>", "<answer>7</answer>"])
        [1.0, 0.0]
    """
    return [float(text.startswith("<think>")) for text in texts(completions)]


def _draw_chain_sum(rng: random.Random) -> tuple[str, str]:
    digits = [rng.randrange(10) for _ in range(4)]
    return "+".join(map(str, digits)) + "=", str(sum(digits) % 10)


def _draw_digits(rng: random.Random) -> tuple[str, str]:
    digits = [str(rng.randrange(10)) for _ in range(5)]
    return "".join(digits) + ">", "".join(sorted(digits))


# How one problem is drawn, a prompt and its right answer, and how many different ones each split holds.
TASKS = {
    "chain-sum": (_draw_chain_sum, {"train": 8980, "test": 1020}),
    "sort-digits": (_draw_digits, {"train": 89_848, "test": 10_152}),
}
