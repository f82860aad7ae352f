import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import completion_mask, masked_mean
from grpo_lite.masking import position_ids

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


@pytest.mark.usefixtures("as_user")
class TestErrors:
    def test_mask_of_float_ids(self):
        with pytest.raises(ValueError, match=r"completion_ids must hold integer token ids, got torch.float32"):
            completion_mask(torch.ones(1, 2), 0)

    def test_mask_of_one_row_without_batch(self):
        with pytest.raises(ValueError, match=r"completion_ids must have shape \[B, T\], got \[2\]"):
            completion_mask(torch.tensor([1, 2]), 0)

    @pytest.mark.parametrize("eos", [None, [], 2.5, [2, None], True])
    def test_end_token_that_is_no_id(self, eos):
        with pytest.raises(ValueError, match=r"eos_token_id must be a token id or a list of token ids, got .* can pad"):
            completion_mask(torch.tensor([[1, 2]]), eos)

    def test_ids_that_would_wrap_round(self):
        with pytest.raises(ValueError, match=r"completion_ids must hold integer token ids, got torch.uint8: call"):
            completion_mask(torch.tensor([[1, 2]], dtype=torch.uint8), 258)

    def test_mean_with_a_mask_of_numbers(self):
        with pytest.raises(ValueError, match=r"mask must be a bool tensor, got torch.int64: call mask.bool\(\) first"):
            masked_mean(torch.ones(2), torch.tensor([1, 0]))

    def test_mean_of_integers(self):
        with pytest.raises(ValueError, match=r"x must be a floating-point tensor, got torch.int64"):
            masked_mean(torch.tensor([1, 2]), torch.tensor([T, T]))

    def test_mean_with_a_mask_that_would_broadcast(self):
        with pytest.raises(ValueError, match=r"mask must have the shape of x, \[2, 3\], got \[2, 1\]"):
            masked_mean(torch.ones(2, 3), torch.ones(2, 1, dtype=torch.bool))
