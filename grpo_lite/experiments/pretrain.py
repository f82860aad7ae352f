"""A small model of your own: a tokenizer, a GPT-2, and pretraining on demonstrations that need not be good ones.

The base model that ships with the package was made in this way.
"""

import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from grpo_lite._checks import check_installed, tokenize


def character_tokenizer(symbols: Sequence[str]):
    """Make a tokenizer with one token for each symbol, a character or a tag, and two more: `<pad>` and `<eos>`.

    Args:
        symbols: all that prompts and completions are made of, as a list or a string, each once. The order decides
            about the token ids.

    Returns:
        A tokenizer of transformers. A text with any other symbol is an error.

    Raises:
        ImportError: transformers is not installed.
        ValueError: a symbol that is empty, stands there twice, or is one of the two.

    Example:
        >>> tokenizer = character_tokenizer(["<think>", *"abc"])
        >>> tokenizer("<think>cab")["input_ids"]
        [2, 5, 3, 4]
    """
    check_installed("transformers", "a tokenizer needs transformers", "train")
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = ["<pad>", "<eos>", *symbols]
    if "" in known or len(set(known)) < len(known):
        raise ValueError(f"symbols must differ from each other, from '', '<pad>' and '<eos>', got {list(symbols)}")
    # No symbol stands for the unknown ones: a text with others in it is an error, not a row of padding.
    tokenizer = Tokenizer(models.WordLevel({symbol: i for i, symbol in enumerate(known)}, unk_token="<unk>"))
    longest_first = sorted(known, key=len, reverse=True)
    pieces = Regex("|".join([*map(re.escape, longest_first), r"[\s\S]"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pieces, behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    # transformers 4 adds token types to these names, and GPT-2 would add an embedding for them.
    names = ["input_ids", "attention_mask"]
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "padding_side": "left"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **special)


def small_model(tokenizer, *, width: int = 128, layers: int = 2, positions: int = 64):
    """Make a GPT-2 with random weights for the symbols of a tokenizer, without dropout; it learns on a CPU.

    Args:
        tokenizer: what `character_tokenizer` returns.
        width: size of a hidden state, a multiple of 4, since there are four heads.
        layers: number of blocks. With 128 and 2 the model has about 0.4 million parameters.
        positions: longest prompt and completion together, in tokens.

    Returns:
        The model, in eval mode. `torch.manual_seed` decides about its weights.

    Example:
        >>> small_model(character_tokenizer("01="), width=32, layers=1).num_parameters()
        14976
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=positions, n_embd=width, n_layer=layers, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, by the name under which it is computed in one piece
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def pretrain(
    model, tokenizer, demonstrations: Sequence[tuple[str, str]], *, batch_size: int = 128, learning_rate: float = 2e-3
) -> list[float]:
    """Teach a model to write what was demonstrated, by cross-entropy on the tokens of the completions alone.

    Args:
        model: a causal language model of transformers; it is trained in place.
        tokenizer: the one that belongs to it.
        demonstrations: pairs of a prompt and a completion, each learnt from once, in this order. The end token is
            put behind a completion here.
        batch_size: demonstrations in an update.
        learning_rate: step size at its highest; it rises over the first third and then falls to 0.

    Returns:
        The loss of each update, in nats a token.

    Raises:
        ValueError: no demonstration, one with a symbol that the tokenizer does not know, or one that is too long.

    Example:
        >>> tokenizer = character_tokenizer("ab>")
        >>> losses = pretrain(small_model(tokenizer, width=32), tokenizer, [("ab>", "ba"), ("aa>", "aa")] * 640)
        >>> len(losses), losses[-1] < losses[0]
        (10, True)
    """
    starts = range(0, len(demonstrations), batch_size)
    if not starts:
        raise ValueError("demonstrations must hold pairs of a prompt and a completion, got none")
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=len(starts))
    losses = []
    for start in starts:
        ids, real, mask = _rows(model, tokenizer, demonstrations[start : start + batch_size])
        if ids.shape[1] > model.config.n_positions:
            raise ValueError(
                f"a demonstration must fit into the model's {model.config.n_positions} positions, got one of "
                f"{ids.shape[1]} tokens: shorten it, or make the model with more positions"
            )
        logits = model(ids, attention_mask=real, use_cache=False).logits
        loss = F.cross_entropy(logits[:, :-1][mask[:, 1:]], ids[:, 1:][mask[:, 1:]])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def _rows(model, tokenizer, pairs: Sequence[tuple[str, str]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return prompts and completions as tokens, padded on the right, which of them are real, and which to be learnt."""
    prompts = tokenize(tokenizer, [prompt for prompt, _ in pairs])["input_ids"]
    texts = [prompt + completion + tokenizer.eos_token for prompt, completion in pairs]
    rows = tokenize(tokenizer, texts, padding=True, padding_side="right", return_tensors="pt").to(model.device)
    mask = rows["attention_mask"].bool()
    for row, prompt in zip(mask, prompts, strict=True):
        row[: len(prompt)] = False
    return rows["input_ids"], rows["attention_mask"], mask
