import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import completion_mask, mask_truncated, masked_mean
from grpo_lite.masking import masked_difference, position_ids

T, F = True, False


def test_mask_counts_the_first_end_token_and_nothing_after_it():
    ids = torch.tensor([[5, 2, 2, 2], [5, 6, 7, 8], [2, 2, 5, 2], [5, 6, 7, 2]])
    expected = torch.tensor([[T, T, F, F], [T, T, T, T], [T, F, F, F], [T, T, T, T]])
    assert_close(completion_mask(ids, eos_token_id=2), expected)


def test_mask_knows_several_end_tokens():
    ids = torch.tensor([[5, 3, 2, 7], [5, 2, 3, 7]])
    assert_close(completion_mask(ids, eos_token_id=[2, 3]), torch.tensor([[T, T, F, F], [T, T, F, F]]))


@given(st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=5))
def test_mask_is_what_a_loop_finds(rows):
    expected = []
    for row in rows:
        end = row.index(0) if 0 in row else len(row)
        expected.append([t <= end for t in range(len(row))])
    assert completion_mask(torch.tensor(rows), eos_token_id=0).tolist() == expected


def test_mean_by_hand():
    x = torch.tensor([[1.0, 3.0, 100.0], [5.0, 7.0, 9.0]])
    mask = torch.tensor([[T, T, F], [F, F, F]])
    assert_close(masked_mean(x, mask, dim=1), torch.tensor([2.0, 0.0]))
    assert_close(masked_mean(x, mask, dim=0), torch.tensor([1.0, 3.0, 0.0]))
    assert_close(masked_mean(x, mask), torch.tensor(2.0))
    assert_close(masked_mean(x, torch.zeros_like(mask)), torch.tensor(0.0))
    assert_close(masked_mean(x, x == 100), torch.tensor(100.0))


def test_half_precision_is_added_in_float32():
    x = torch.full((2000,), 100.0, dtype=torch.float16)
    assert masked_mean(x, torch.ones(2000, dtype=torch.bool)).item() == 100.0


@pytest.mark.parametrize("garbage", [float("inf"), float("-inf"), float("nan"), 1e30])
def test_what_is_masked_reaches_neither_value_nor_gradient(garbage):
    x = torch.tensor([[1.0, garbage], [3.0, 5.0]], requires_grad=True)
    mean = masked_mean(x, torch.tensor([[T, F], [T, T]]))
    mean.backward()
    assert mean.item() == 3.0
    assert_close(x.grad, torch.tensor([[1 / 3, 0.0], [1 / 3, 1 / 3]]))


def test_positions_start_at_the_first_real_token():
    mask = torch.tensor([[F, F, T, T, T], [T, T, T, T, T]])
    assert position_ids(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]


def test_a_truncated_completion_loses_all_its_tokens():
    ids = torch.tensor([[5, 2, 2], [5, 6, 7], [5, 6, 2], [2, 2, 2], [5, 3, 0]])
    mask = completion_mask(ids, [2, 3])
    expected = torch.tensor([[T, T, F], [F, F, F], [T, T, T], [T, F, F], [T, T, F]])
    assert torch.equal(mask_truncated(mask, ids, [2, 3]), expected)
    assert torch.equal(mask_truncated(mask, ids, 2)[4], torch.tensor([F, F, F]))
    # An end token in the padding is not the end of the completion.
    assert mask_truncated(torch.tensor([[T, F]]), torch.tensor([[5, 2]]), 2).tolist() == [[F, F]]


def test_difference_is_zero_under_the_mask_and_its_second_part_a_constant():
    x = torch.tensor([[-1.0, float("inf"), float("nan")]], requires_grad=True)
    y = torch.tensor([[-3.0, float("inf"), 1.0]], requires_grad=True)
    difference = masked_difference(x, y, torch.tensor([[T, F, F]]))
    difference.sum().backward()
    assert difference.tolist() == [[2.0, 0.0, 0.0]]
    assert x.grad.tolist() == [[1.0, 0.0, 0.0]]
    assert y.grad is None
    half = torch.tensor([[-1.0]], dtype=torch.float16)
    assert masked_difference(half, half, torch.tensor([[T]])).dtype == torch.float32
