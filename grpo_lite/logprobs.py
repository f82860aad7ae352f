"""Log-probabilities of the tokens that were sampled: the only thing the loss ever sees of a model."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grpo_lite._checks import (
    check_float,
    check_ids,
    check_mask,
    check_prompt_mask,
    check_same_shape,
    check_temperature,
    vocabulary_size,
    widen,
)
from grpo_lite.chunked import linear_head, linear_logps
from grpo_lite.reading import read

LARGE = 2**24  # So many logits (64 MB in float32) are no longer computed all at once.


def token_logps(
    logits: Float[Tensor, "B T V"], ids: Int[Tensor, "B T"], *, temperature: float = 1.0
) -> Float[Tensor, "B T"]:
    r"""Pick the log-prob of each token out of the logits that predict it.

    $\log\pi(o_t) = z_{o_t} - \log\sum_v e^{z_v}$ with $z$ = logits / temperature. Only the chosen logit and the
    normaliser are kept, one number a token each; the [B, T, V] table of all log-probs is not. (A temperature
    other than 1 costs one scaled copy of the logits, half precision one copy in float32.)

    Args:
        logits: `logits[:, t]` are the ones that predict `ids[:, t]`. A model's own output predicts the *next*
            token: shift it by one before it comes here.
        ids: the tokens that were sampled.
        temperature: the one used for sampling, greater than 0.

    Returns:
        Log-probs in nats, at most 0, in float32 (float64 if the logits are).

    Raises:
        ValueError: wrong shapes or dtypes, an id outside of the vocabulary, temperature not above 0.

    Source: DeepSeekMath, $\pi_\theta(o_{i,t} \mid q, o_{i,<t})$ in eq. 3 (arXiv:2402.03300).
    Built in lesson "Token log-probs".

    Example:
        >>> logits = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]])
        >>> token_logps(logits, torch.tensor([[0, 1]]))
        tensor([[-0.6931, -0.0486]])
    """
    check_float("logits", logits, "B T V")
    check_ids("ids", ids, vocab_size=logits.shape[-1])
    check_same_shape("ids", ids, "logits[:, :, 0]", logits[:, :, 0])
    check_temperature(temperature)
    logits = widen(logits)
    if temperature != 1.0:
        logits = logits / temperature
    chosen = logits.gather(dim=-1, index=ids.long()[..., None]).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)


def completion_logps(
    model: torch.nn.Module,
    prompt_ids: Int[Tensor, "N P"],
    completion_ids: Int[Tensor, "B T"],
    *,
    prompt_mask: Bool[Tensor, "N P"] | None = None,
    completion_mask: Bool[Tensor, "B T"] | None = None,
    temperature: float = 1.0,
) -> Float[Tensor, "B T"]:
    """Read the completions: one log-prob a completion token, with gradient to the model.

    The shift happens here, once: the logits at position t predict the token at t + 1, so the first completion
    token is predicted at the last token of the prompt. Only the logits of the completion are computed. The model
    is used in the mode that it is in; switch dropout off (`model.eval()`) or the log-probs are noisy.

    A prompt that is given once for its group is read once, and what the model remembers of it (the key-value cache)
    serves every completion, with gradient. A model without such a cache reads the prompt once a completion.

    Where the logits would fill more than 64 MB, they are computed a slice of the vocabulary at a time, as in
    `grpo_lite.chunked`. That takes a model whose logits are what its last layer gives; one that does more to them
    (Gemma 2 caps them) computes all of them at once.

    Args:
        model: a causal language model of transformers, or one that is called like it.
        prompt_ids: one row a prompt, whose completions are consecutive rows, or one row a completion; padded on the
            left.
        completion_ids: sampled tokens, padded on the right.
        prompt_mask: True on real prompt tokens; None if no prompt is padded.
        completion_mask: True up to and including the end token, as from `completion_mask`; None if all tokens count.
        temperature: the one used for sampling, greater than 0.

    Returns:
        Log-probs in nats, at most 0, with gradient to the model. Exactly 0, without gradient, where
        `completion_mask` is False.

    Raises:
        ValueError: wrong shapes or dtypes, completions that do not divide evenly among the prompts, padding on the
            right of a prompt or between tokens, an id outside of the vocabulary, temperature not above 0.

    Source: DeepSeekMath, eq. 3 (arXiv:2402.03300). Built in lesson "Token log-probs".

    Example:
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> config = GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
        >>> model = GPT2LMHeadModel(config)
        >>> prompt, group = torch.tensor([[1, 2, 3]]), torch.tensor([[4, 5], [6, 7]])
        >>> completion_logps(model, prompt, group).shape
        torch.Size([2, 2])
    """
    check_ids("prompt_ids", prompt_ids, vocabulary_size(model))
    check_ids("completion_ids", completion_ids, vocabulary_size(model))
    check_temperature(temperature)
    prompt_mask = check_prompt_mask(prompt_ids, prompt_mask)
    if len(completion_ids) == 0 or len(completion_ids) % len(prompt_ids) != 0:
        raise ValueError(
            "prompt_ids must have one row a completion, or one row a prompt for groups of the same size, "
            f"got {len(prompt_ids)} prompts for {len(completion_ids)} completions: "
            "prompt_ids.repeat_interleave(sizes, dim=0) repeats each prompt for its group"
        )
    completion_mask = _check_completion_mask(completion_ids, completion_mask)
    large = completion_ids.numel() * (vocabulary_size(model) or 0) >= LARGE
    head = linear_head(model, completion_ids[:1, :1]) if large else None
    outputs = _outputs(model, head is not None, prompt_ids, completion_ids, prompt_mask, completion_mask)
    if head is None:
        logps = token_logps(outputs, completion_ids, temperature=temperature)
        return torch.where(completion_mask, logps, 0)
    chosen = completion_ids[completion_mask]
    logps = linear_logps(outputs[completion_mask], head.weight, head.bias, chosen, temperature=temperature)
    return logps.new_zeros(completion_ids.shape).masked_scatter(completion_mask, logps)


def _outputs(model, hidden, prompt_ids, completion_ids, prompt_mask, completion_mask) -> Tensor:
    """Return the logits that predict the completions, or the hidden states that these would come from."""
    group, length = len(completion_ids) // len(prompt_ids), completion_ids.shape[1]
    rows = torch.arange(len(completion_ids), device=prompt_ids.device) // group
    whole_mask = torch.cat([prompt_mask[rows], completion_mask], dim=1)
    if group > 1:
        first, memory = read(model, prompt_ids, prompt_mask, keep=1, hidden=hidden)
        [cache] = memory.values()
        if _is_shareable(cache, prompt_ids.shape[1]):
            if length == 1:
                return first[rows]
            cache.reorder_cache(rows)
            so_far = whole_mask[:, :-1]
            rest, _ = read(model, completion_ids[:, :-1], so_far, keep=length - 1, hidden=hidden, **memory)
            return torch.cat([first[rows], rest], dim=1)
    whole_ids = torch.cat([prompt_ids[rows], completion_ids], dim=1)
    return read(model, whole_ids, whole_mask, keep=length + 1, hidden=hidden, use_cache=False)[0][:, :-1]


def _is_shareable(cache, length: int) -> bool:
    """Whether the cache holds keys and values of the whole prompt, and adds to them without overwriting any.

    A state that is overwritten (linear attention) is lost to the backward pass; with gradient checkpointing nothing
    is kept.
    """
    kinds = {type(layer).__name__ for layer in getattr(cache, "layers", [])}
    appending = kinds and kinds <= {"DynamicLayer", "DynamicSlidingWindowLayer"}
    return bool(appending and cache.get_seq_length() == length)


def _check_completion_mask(completion_ids: Tensor, completion_mask: Tensor | None) -> Tensor:
    """Return the mask of the completion tokens that count, all True for None; refuse holes and empty completions."""
    if completion_ids.shape[1] == 0:
        raise ValueError("completion_ids must hold at least one token a row, got shape [B, 0]")
    if completion_mask is None:
        completion_mask = torch.ones_like(completion_ids, dtype=torch.bool)
    check_mask("completion_mask", completion_mask, "completion_ids", completion_ids)
    if (~completion_mask[:, :-1] & completion_mask[:, 1:]).any():
        raise ValueError(
            "completion_mask must be True, then False along each row, got a row with a hole: what is masked here is "
            "hidden from later tokens too; leave tokens out of the loss by the mask of grpo_loss"
        )
    return completion_mask


def token_entropies(logits: Float[Tensor, "B T V"], *, temperature: float = 1.0) -> Float[Tensor, "B T"]:
    r"""Say how uncertain the policy is at each position: the entropy of its next token.

    $H = -\sum_v \pi(v)\log\pi(v)$. It is 0 where one token is certain and $\log V$ where all are alike. Unlike a
    log-prob it looks at every token, so the whole [B, T, V] table of log-probs is made.

    Args:
        logits: `logits[:, t]` are the ones that predict token t of the completion.
        temperature: the one used for sampling, greater than 0.

    Returns:
        Entropies in nats, from 0 to log V, with gradient, in float32 (float64 if the logits are).

    Raises:
        ValueError: wrong shape or dtype, temperature not above 0.

    Source: Shannon (1948); as a bonus in policy gradients: Williams and Peng (1991). Built in lesson "The family".

    Example:
        >>> token_entropies(torch.tensor([[[0.0, 0.0], [0.0, 3.0]]]))
        tensor([[0.6931, 0.1909]])
    """
    check_float("logits", logits, "B T V")
    check_temperature(temperature)
    logps = (widen(logits) / temperature).log_softmax(dim=-1)
    # A token that is ruled out has logit -inf and adds 0, not 0 * inf.
    return -(logps.exp() * torch.where(logps > -torch.inf, logps, 0)).sum(dim=-1)
