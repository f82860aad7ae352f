"""Sample a group: G completions of each prompt, with the log-probs they were sampled at."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grpo_lite._checks import (
    as_ids,
    check_count,
    check_ids,
    check_prompt_mask,
    check_temperature,
    vocabulary_size,
    widen,
)
from grpo_lite.reading import eval_mode, read


class Completions(NamedTuple):
    """What `sample_group` and `greedy_decode` return; the rows of a prompt are consecutive.

    Attributes:
        ids: the tokens that were written, padded on the right; T is the length of the longest completion.
        mask: True up to and including each row's end token.
        logps: the log-prob at which each token was drawn, nats; exactly 0 where the mask is False.
    """

    ids: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    logps: Float[Tensor, "B T"]


@torch.no_grad()
def sample_group(
    model: torch.nn.Module,
    prompt_ids: Int[Tensor, "N P"],
    num_generations: int,
    *,
    max_new_tokens: int,
    eos_token_id: int | Sequence[int],
    pad_token_id: int,
    temperature: float = 1.0,
    prompt_mask: Bool[Tensor, "N P"] | None = None,
    generator: torch.Generator | None = None,
) -> Completions:
    """Sample `num_generations` completions of each prompt.

    Each prompt is read once, and so is every beginning that several of its completions share: what the model remembers
    (the key-value cache) is copied where they part. Tokens are drawn from the whole softmax at the given temperature.
    There is no top-k or top-p, because the loss needs the probability with which a token was really drawn.
    `completion_logps` of the model in eval mode gives the same numbers again, up to rounding (1e-5 in float32, a few
    hundredths of a nat in bfloat16).

    Args:
        model: a causal language model of transformers that keeps a cache. It samples in eval mode (no dropout) and is
            returned to the mode in which it came.
        prompt_ids: one row a prompt, padded on the left.
        num_generations: G, the size of a group, at least 1 (a group needs 2 to have advantages).
        max_new_tokens: longest completion, in tokens, at least 1.
        eos_token_id: the id that ends a completion, or several such ids.
        pad_token_id: the id that fills up finished rows; it may be the end token.
        temperature: above 0; divides the logits.
        prompt_mask: True on real prompt tokens; None if no prompt is padded.
        generator: the source of randomness, on the model's device; None for PyTorch's global one.

    Returns:
        `Completions(ids, mask, logps)`, each [B, T] with B = prompts x G.

    Raises:
        ValueError: wrong shapes or dtypes, a prompt padded on the right, an id outside of the vocabulary, a
            setting out of range.

    Source: DeepSeekMath, algorithm 1, line 7 (arXiv:2402.03300). Built in lesson "Sampling a group".

    Example:
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> config = GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
        >>> model = GPT2LMHeadModel(config)
        >>> group = sample_group(model, torch.tensor([[1, 2, 3]]), 4, max_new_tokens=5, eos_token_id=0, pad_token_id=0)
        >>> len(group.ids), group.ids.shape == group.mask.shape == group.logps.shape
        (4, True)
    """
    choose = at_random(temperature, generator)
    return decode(model, prompt_ids, prompt_mask, num_generations, choose, max_new_tokens, eos_token_id, pad_token_id)


@torch.no_grad()
def greedy_decode(
    model: torch.nn.Module,
    prompt_ids: Int[Tensor, "B P"],
    *,
    max_new_tokens: int,
    eos_token_id: int | Sequence[int],
    pad_token_id: int,
    prompt_mask: Bool[Tensor, "B P"] | None = None,
) -> Completions:
    r"""Write one completion of each prompt, taking the most likely token every time.

    Nothing is random, so two models can be compared without noise. It tells less than samples do: a token of
    probability 0.51 and one of probability 1 give the same completion, and training changes what is sampled. Of tokens
    that are equally likely the one with the lowest id is taken.

    Args:
        model: as in `sample_group`, like all that follows.
        prompt_ids: one row a prompt, padded on the left.
        max_new_tokens: longest completion, in tokens, at least 1.
        eos_token_id: the id that ends a completion, or several such ids.
        pad_token_id: the id that fills up finished rows; it may be the end token.
        prompt_mask: True on real prompt tokens; None if no prompt is padded.

    Returns:
        `Completions(ids, mask, logps)`, each [B, T], one row a prompt; the log-probs are those at temperature 1.

    Raises:
        ValueError: what `sample_group` refuses.

    Source: the limit of `sample_group` as the temperature falls to 0; the log-probs are those of $\pi_\theta$ in
    DeepSeekMath, eq. 3 (arXiv:2402.03300). Built in lesson "The training loop".

    Example:
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> config = GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
        >>> model = GPT2LMHeadModel(config)
        >>> best = greedy_decode(model, torch.tensor([[1, 2, 3]]), max_new_tokens=5, eos_token_id=0, pad_token_id=0)
        >>> len(best.ids), best.ids.shape == best.mask.shape == best.logps.shape
        (1, True)
    """
    return decode(model, prompt_ids, prompt_mask, 1, _most_likely, max_new_tokens, eos_token_id, pad_token_id)


def decode(
    model: torch.nn.Module,
    prompt_ids: Tensor,
    prompt_mask: Tensor | None,
    num_generations: int,
    choose: Callable[[Tensor], tuple[Tensor, Tensor]],
    max_new_tokens: int,
    eos_token_id: int | Sequence[int],
    pad_token_id: int,
    ends: Callable[[list[Tensor], Tensor], Tensor] = lambda ids, at_end: at_end,
) -> Completions:
    """Write token by token.

    `choose` turns the logits [B, V] into the next tokens [B] and their log-probs [B]; `ends` is told the tokens so far,
    a column [B] each, and which rows are at an end token, and says which rows end there.
    """
    check_count("num_generations", num_generations, 1)
    known = vocabulary_size(model)
    check_ids("prompt_ids", prompt_ids, known)
    check_count("max_new_tokens", max_new_tokens, 1)
    eos_ids = as_ids("eos_token_id", eos_token_id, prompt_ids.device, known)
    pad_id = as_ids("pad_token_id", pad_token_id, prompt_ids.device, known)[0]
    attention_mask = check_prompt_mask(prompt_ids, prompt_mask)
    ids, mask, logps = [], [], []
    with eval_mode(model):
        logits, memory = read(model, prompt_ids, attention_mask, keep=1)
        [cache] = memory.values()
        # Completions that have begun alike are read once: `place` is the row of the cache where each one stands.
        place = torch.arange(len(prompt_ids), device=prompt_ids.device).repeat_interleave(num_generations)
        alive = torch.ones_like(place, dtype=torch.bool)
        while True:
            token, logp = choose(logits[place, -1])
            ids.append(torch.where(alive, token, pad_id))
            mask.append(alive)
            logps.append(torch.where(alive, logp, 0))
            alive = alive & ~ends(ids, alive & torch.isin(token, eos_ids))
            if len(ids) == max_new_tokens or not alive.any():
                return Completions(torch.stack(ids, dim=1), torch.stack(mask, dim=1), torch.stack(logps, dim=1))
            vocab_size = logits.shape[-1]
            different, found = (place * vocab_size + token)[alive].unique(return_inverse=True)
            # Finished rows are drawn from in vain, anywhere, so that the random numbers of the others stay the same.
            place = torch.zeros_like(place).masked_scatter(alive, found)
            before, new_ids = different // vocab_size, different % vocab_size
            if not torch.equal(before, torch.arange(len(attention_mask), device=before.device)):
                cache.reorder_cache(before)
                attention_mask = attention_mask[before]
            attention_mask = torch.nn.functional.pad(attention_mask, (0, 1), value=True)
            logits, _ = read(model, new_ids[:, None], attention_mask, keep=1, **memory)


def at_random(temperature: float, generator: torch.Generator | None) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return what draws the next tokens [B] from logits [B, V], with the log-probs at which they were drawn."""
    check_temperature(temperature)

    def choose(logits: Tensor) -> tuple[Tensor, Tensor]:
        all_logps = (widen(logits) / temperature).log_softmax(dim=-1)
        token = torch.multinomial(all_logps.exp(), num_samples=1, generator=generator)
        return token.squeeze(1), all_logps.gather(1, token).squeeze(1)

    return choose


def _most_likely(logits: Tensor) -> tuple[Tensor, Tensor]:
    logits = widen(logits)
    highest, token = logits.max(dim=-1)
    return token, highest - logits.logsumexp(dim=-1)
