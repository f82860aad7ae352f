import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import token_entropies, token_logps


def test_entropies_by_hand():
    # Probabilities 3/4 and 1/4; all alike among three; certain; one of three ruled out.
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 5.0], [-100.0, 100.0]]])
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert_close(token_entropies(logits), torch.tensor([[expected, math.log(2), 0.0]]))
    assert_close(token_entropies(torch.tensor([[[7.0, 7.0, -math.inf]]])).item(), math.log(2))
    # At temperature 1/2 the logits double: 9/10 and 1/10.
    hotter = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert_close(token_entropies(logits[:, :1], temperature=0.5).item(), hotter)


@given(seed=st.integers(0, 10**6), temperature=st.sampled_from([1.0, 0.7, 3.0]))
def test_entropy_is_the_mean_surprise_of_a_token(seed, temperature):
    """-sum of p log p over the vocabulary, with the log-probs of token_logps."""
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    logps = torch.stack([token_logps(logits, torch.full((2, 3), v), temperature=temperature) for v in range(5)], dim=-1)
    assert_close(token_entropies(logits, temperature=temperature), -(logps.exp() * logps).sum(dim=-1))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_gradient_by_hand(temperature):
    """d H / d logit_v = -p_v (log p_v + H) / temperature, and 0 for a token that is ruled out."""
    logits = torch.tensor([[[0.3, -1.2, 2.0, -math.inf]]], dtype=torch.float64, requires_grad=True)
    entropy = token_entropies(logits, temperature=temperature)
    entropy.backward()
    p = [math.exp(z / temperature) for z in logits[0, 0, :3].tolist()]
    p = [x / sum(p) for x in p]
    expected = [-x * (math.log(x) + entropy.item()) / temperature for x in p] + [0.0]
    assert_close(logits.grad[0, 0].tolist(), expected)


def test_half_precision_and_large_logits():
    logits = torch.tensor([[[1e4, 1e4, 0.0]]])
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        entropy = token_entropies(logits.to(dtype))
        assert entropy.dtype == torch.float32
        assert_close(entropy.item(), math.log(2))
    assert token_entropies(logits.double()).dtype == torch.float64
    shapes = [token_entropies(torch.zeros(*shape)).shape for shape in itertools.product((1, 2), (1, 3), (4,))]
    assert shapes == [(1, 1), (1, 3), (2, 1), (2, 3)]
