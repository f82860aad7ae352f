"""How groups are cut into micro-batches and laid below each other."""

import pytest
import torch

from grpo_lite import GRPOConfig
from grpo_lite.training.gradient import logps_of, micro_batches, stack
from helpers.runs import group_of, model_of

LENGTHS = [[3, 1, 2, 3], [1, 1, 1, 1], [2, 2, 1, 1]]  # of the completions of three groups
GROUPS = [
    group_of(lengths, [i != 1 for i in range(4)], [[0.0]] * 4, [0.0] * 4, advantages=[10.0 * n + i for i in range(4)])
    for n, lengths in enumerate(LENGTHS)
]

# completions at once -> shape of each part: the shortest group first, so that no other pads it
PARTS = {
    12: [(12, 3)],
    8: [(8, 2), (4, 3)],
    4: [(4, 1), (4, 2), (4, 3)],
    2: [(2, 1), (2, 1), (2, 2), (2, 2), (2, 3), (2, 3)],
    1: [(1, 1)] * 4 + [(1, 2)] * 4 + [(1, 3)] * 4,
}


@pytest.mark.parametrize("size", PARTS)
def test_each_completion_stands_in_one_part_that_is_no_wider_than_it_must_be(size):
    parts = list(micro_batches(GROUPS, size))
    assert [tuple(part.ids.shape) for part in parts] == PARTS[size]
    found = {}
    for part in parts:
        assert len(part.prompt_ids) == max(1, size // 4) or part is parts[-1]
        for advantage, mask, ids in zip(part.advantages.tolist(), part.mask, part.ids, strict=True):
            assert advantage not in found
            found[advantage] = mask.tolist(), ids.tolist()
    for n, lengths in enumerate(LENGTHS):
        for i, length in enumerate(lengths):
            mask, ids = found[10.0 * n + i]
            assert mask == [True] * length + [False] * (len(mask) - length)
            assert ids == [*range(1, length + 1)] + [0] * (len(mask) - length)


def test_no_group_no_part():
    assert list(micro_batches([], 8)) == []


def test_rows_are_padded_where_nothing_is_read():
    """Two prompts of different lengths and a reference; the second group is the narrower one."""
    first = GROUPS[0]._replace(ref_logps=GROUPS[0].logps - 1)
    second = GROUPS[2]._replace(prompt_ids=torch.tensor([5, 6, 7]), ref_logps=GROUPS[2].logps - 2)
    rows = stack([first, second], slice(1, 3))
    assert rows.prompt_ids.tolist() == [[0, 3, 4], [5, 6, 7]]
    assert rows.prompt_mask.tolist() == [[False, True, True], [True, True, True]]
    assert rows.ids.tolist() == [[1, 0, 0], [1, 2, 0], [1, 2, 0], [1, 0, 0]]
    assert rows.mask.tolist() == [[x > 0 for x in row] for row in rows.ids.tolist()]
    assert rows.loss_mask.tolist() == [[False] * 3, [True, True, False], [False] * 3, [True, False, False]]
    assert rows.logps.tolist() == [[-0.5, 0, 0], [-0.5, -0.5, 0], [-0.5, -0.5, 0], [-0.5, 0, 0]]
    assert rows.ref_logps.tolist() == [[-1.5, -1, -1], [-1.5, -1.5, -1], [-2.5, -2.5, 0], [-2.5, -2, 0]]
    assert rows.advantages.tolist() == [1.0, 2.0, 21.0, 22.0]
    assert stack(GROUPS).ref_logps is None


def test_log_probs_of_a_batch_are_those_of_its_completions_at_a_temperature():
    model, rows = model_of().eval(), stack(GROUPS[:2])
    found = logps_of(model, rows, GRPOConfig(temperature=0.5))
    for i, length in enumerate(LENGTHS[0] + LENGTHS[1]):
        ids = torch.tensor([3, 4, *range(1, length + 1)])
        logps = torch.log_softmax(model(ids[None]).logits[0, 1:-1] / 0.5, dim=-1)
        torch.testing.assert_close(found[i, :length], logps[torch.arange(length), ids[2:]])
        assert found[i, length:].tolist() == [0.0] * (3 - length)
