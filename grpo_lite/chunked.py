"""Log-probs straight from hidden states: where the vocabulary is large, the logits never exist all at once."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from grpo_lite._checks import widen
from grpo_lite.reading import eval_mode

SLICES = 64  # The vocabulary is walked through in so many steps; one of them exists at a time.


def linear_logps(
    hidden: Float[Tensor, "N H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, "V"] | None,
    ids: Int[Tensor, "N"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, "N"]:
    r"""Give the log-prob of each token under the softmax of $(W h + b)$ / temperature, without the table of logits.

    The logits of all tokens, [N, V], are what fills the memory at a vocabulary of 150,000. Here one slice of the
    vocabulary is computed after another, and of each only the sum of its exponentials is kept. The backward pass
    computes the slices once more: $\frac{\partial \log\pi(o)}{\partial z_v} = 1[v = o] - \pi(v)$ needs no more than
    the logits and that sum.

    `hidden` is what the last layer of the model reads, one row a token; it, `weight` and `bias` get a gradient. The
    log-probs are in float32 (float64 if `hidden` is). Under autocast the logits are computed in its type.

    Example:
        >>> linear_logps(torch.ones(1, 2), torch.tensor([[0.0, 0.0], [1.0, 2.0]]), None, torch.tensor([1]))
        tensor([-0.0486])
    """
    device = hidden.device.type
    if torch.is_autocast_enabled(device) and hidden.dtype != torch.float64:  # which autocast leaves alone
        dtype = torch.get_autocast_dtype(device)  # in the backward pass too, which runs outside of it
        hidden, weight, bias = hidden.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    return _LinearLogps.apply(hidden, weight, bias, ids.long(), temperature)


class _LinearLogps(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, ids, temperature):
        chosen = widen(hidden.new_zeros(len(hidden)))
        normaliser = torch.full_like(chosen, -torch.inf)
        for part, place, here in _walk(ids, len(weight)):
            logits = _logits(hidden, weight, bias, part, temperature)
            normaliser = torch.logaddexp(normaliser, logits.logsumexp(dim=1))
            chosen = torch.where(here, logits.gather(1, place).squeeze(1), chosen)
        ctx.save_for_backward(hidden, weight, bias, ids, normaliser)
        ctx.temperature = temperature
        return chosen - normaliser

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        hidden, weight, bias, ids, normaliser = ctx.saved_tensors
        grad = grad / ctx.temperature
        grad_hidden = torch.zeros_like(hidden, dtype=grad.dtype)
        grad_weight = torch.empty_like(weight) if ctx.needs_input_grad[1] else None
        grad_bias = torch.empty_like(bias) if ctx.needs_input_grad[2] else None
        for part, place, here in _walk(ids, len(weight)):
            probs = _logits(hidden, weight, bias, part, ctx.temperature).sub_(normaliser[:, None]).exp_()
            grad_logits = probs.mul_(-grad[:, None]).scatter_add_(1, place, (grad * here)[:, None]).to(weight.dtype)
            grad_hidden += grad_logits @ weight[part]
            if grad_weight is not None:
                torch.mm(grad_logits.T, hidden, out=grad_weight[part])
            if grad_bias is not None:
                grad_bias[part] = grad_logits.sum(dim=0)
        return grad_hidden.to(hidden.dtype), grad_weight, grad_bias, None, None


def _logits(hidden, weight, bias, part: slice, temperature: float) -> Tensor:
    logits = torch.nn.functional.linear(hidden, weight[part], None if bias is None else bias[part])
    return widen(logits).div_(temperature)


def _walk(ids: Tensor, vocab_size: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield the slices of the vocabulary, the place of each token's id in the slice, and whether it is there."""
    size = -(-vocab_size // SLICES)
    for start in range(0, vocab_size, size):
        stop = min(start + size, vocab_size)
        yield slice(start, stop), (ids - start).clamp(0, stop - start - 1)[:, None], (ids >= start) & (ids < stop)


def linear_head(model: torch.nn.Module, ids: Int[Tensor, "1 1"]) -> torch.nn.Linear | None:
    """Return the last layer of a model whose logits are what that layer gives and nothing more, None for any other.

    Some models cap or scale their logits after the last layer (Gemma 2, Cohere, Granite), and a hook or an adapter may
    change it. To leave such a step out would be silently wrong, so the model reads one token, `ids`, both ways.
    """
    get_head = getattr(model, "get_output_embeddings", None)
    head = get_head() if get_head else None
    if type(head) is not torch.nn.Linear or hasattr(model, "_orig_mod"):  # compiled, the parts are not what runs
        return None
    with torch.no_grad(), eval_mode(model):  # dropout would make the two differ
        logits, hidden = (
            part(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)[0]
            for part in (model, getattr(model, "base_model", model))
        )
    torch.clear_autocast_cache()  # up to PyTorch 2.10 it keeps weights in 16 bits without a way back to the gradient
    if hidden.shape[-1] != head.in_features or hidden.dtype != head.weight.dtype:
        return None
    expected = torch.nn.functional.linear(hidden, head.weight, head.bias).to(logits.dtype)
    # All zeros would be the same after scaling them.
    return head if torch.equal(logits, expected) and logits.any() else None
