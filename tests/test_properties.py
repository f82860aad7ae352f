"""What must not matter, and what must: for every loss type, with every option switched on, on inputs that are drawn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import group_advantages, leave_one_out_advantages, normalize_then_sum
from grpo_lite.aggregation import SLICE_SHARE
from grpo_lite.algorithms import ALGORITHMS
from parity_table import our_loss

# A loss type by its own settings; "gspo" is "grpo" over sequence ratios.
FAMILY = {name: {"loss_type": name} for name in ALGORITHMS} | {
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
    "luspo": {"loss_type": "luspo", "importance_sampling_level": "sequence"},
    "cispo": {"loss_type": "cispo", "epsilon_high": 2.0},
}
# All that multiplies the objective, and a penalty. The sampler is corrected token by token, as vespo wants it.
OPTIONS = {
    "beta": 0.1,
    "use_bias_correction_kl": True,
    "top_entropy_quantile": 0.6,
    "entropy_coef": 0.1,
    "off_policy_mask_threshold": 0.1,
    "vllm_importance_sampling_mode": "token_truncate",
    "vllm_importance_sampling_clip_max": 1.2,
    "max_completion_length": 9,
}
TENSORS = ("logps", "old_logps", "ref_logps", "sampling_logps", "entropies")
every_member = pytest.mark.parametrize("name", FAMILY)
a_few = settings(max_examples=12)  # a property is drawn anew for each of the ten members


def random_batch(seed, rows=4, tokens=5):
    generator = torch.Generator().manual_seed(seed)

    def draw(scale=0.4):
        return torch.randn(rows, tokens, generator=generator, dtype=torch.float64) * scale

    old = -1 - draw().abs()
    batch = {"logps": old + draw(), "old_logps": old, "ref_logps": old + draw(), "sampling_logps": old + draw(0.2)}
    mask = torch.arange(tokens) < torch.randint(0, tokens + 1, (rows,), generator=generator)[:, None]
    advantages = torch.randn(rows, generator=generator, dtype=torch.float64)
    return batch | {"entropies": draw(1.0).abs(), "mask": mask, "advantages": advantages}


def outcome(batch, **settings):
    """The four numbers of the loss, and its gradient with respect to log-probs and entropies."""
    leaves = {name: batch[name].clone().requires_grad_() for name in ("logps", "entropies")}
    rest = {name: batch[name] for name in ("ref_logps", "sampling_logps") if name in batch}
    out = our_loss(
        leaves["logps"],
        batch["old_logps"],
        batch["advantages"],
        batch["mask"],
        entropies=leaves["entropies"],
        **rest,
        **settings,
    )
    gradients = torch.autograd.grad(out.loss, list(leaves.values()), allow_unused=True)
    zeros = [torch.zeros_like(x) for x in leaves.values()]
    return [*(x.detach() for x in out), *(z if g is None else g for g, z in zip(gradients, zeros, strict=True))]


@every_member
@a_few
@given(seed=st.integers(0, 10**6), extra=st.integers(1, 4))
def test_padding_to_the_right_changes_nothing(name, seed, extra):
    batch = random_batch(seed)
    wider = {key: torch.nn.functional.pad(x, (0, extra)) if x.dim() == 2 else x for key, x in batch.items()}
    plain, padded = (outcome(b, **OPTIONS, **FAMILY[name]) for b in (batch, wider))
    for a, b in zip(plain[:4], padded[:4], strict=True):
        assert_close(a, b)
    for a, b in zip(plain[4:], padded[4:], strict=True):
        assert_close(torch.nn.functional.pad(a, (0, extra)), b)


@every_member
@a_few
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)))
def test_the_order_of_rows_changes_nothing(name, seed, order):
    batch = random_batch(seed)
    plain, moved = (outcome(b, **OPTIONS, **FAMILY[name]) for b in (batch, {key: x[order] for key, x in batch.items()}))
    for a, b in zip(plain[:4], moved[:4], strict=True):
        assert_close(a, b)
    for a, b in zip(plain[4:], moved[4:], strict=True):
        assert_close(a[order], b)


@every_member
@a_few
@given(
    seed=st.integers(0, 10**6),
    garbage=st.sampled_from([float("inf"), float("-inf"), float("nan"), 1e30, -1e30, 700.0]),
    where=st.sets(st.sampled_from(TENSORS), min_size=1),
)
def test_garbage_under_the_mask_reaches_neither_value_nor_gradient(name, seed, garbage, where):
    batch = random_batch(seed)
    dirty = batch | {key: torch.where(batch["mask"], batch[key], garbage) for key in where}
    clean_one, dirty_one = (outcome(b, **OPTIONS, **FAMILY[name]) for b in (batch, dirty))
    for a, b in zip(clean_one, dirty_one, strict=True):
        assert_close(a, b)
    for g in dirty_one[4:]:
        assert g[~batch["mask"]].abs().sum() == 0


def reinforce(batch, name, limit, items):
    """Minus the advantage times the gradient of the log-prob, each token weighed as the loss type weighs it."""
    mask, advantages = batch["mask"], batch["advantages"][:, None]
    rows, lengths = len(mask), mask.sum(dim=1, keepdim=True).clamp(min=1)
    weight = {
        "mean of row means": 1 / (rows * lengths),
        "mean over tokens": 1 / mask.sum().clamp(min=1),
        "sum by limit": torch.tensor(1 / (rows * limit)),
        "sum by total": torch.tensor(1 / items),
        "mean of row sums": torch.tensor(1 / rows),
    }[ALGORITHMS[FAMILY[name]["loss_type"]].aggregation]
    return -advantages * weight * mask


@every_member
@a_few
@given(seed=st.integers(0, 10**6))
def test_on_policy_gradient_is_reinforce_with_the_group_baseline(name, seed):
    """All members are one algorithm at ratio 1, but for the weight of a token; with old log-probs and without."""
    batch = random_batch(seed)
    rewards = batch["advantages"]
    batch["advantages"] = group_advantages(rewards, 2, scale_rewards="none")
    by_hand = (rewards.view(2, 2) - rewards.view(2, 2).mean(dim=1, keepdim=True)).flatten()
    expected = reinforce(batch | {"advantages": by_hand}, name, limit=9, items=53)
    del batch["ref_logps"], batch["sampling_logps"]
    for old in (None, batch["logps"]):
        *_, gradient, _ = outcome(
            batch | {"old_logps": old}, max_completion_length=9, num_items_in_batch=53, **FAMILY[name]
        )
        assert_close(gradient, expected.double())


@every_member
@a_few
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 5))
def test_slices_add_up_to_the_whole(name, seed, cut):
    """With the share that SLICE_SHARE names, in value and gradient, for slices of unequal size."""
    batch = random_batch(seed, rows=6)
    mask = batch["mask"]
    row_options = {k: v for k, v in OPTIONS.items() if k not in ("top_entropy_quantile", "entropy_coef")}
    chosen = row_options | {"num_items_in_batch": mask.sum()} | FAMILY[name]
    share_of = SLICE_SHARE[FAMILY[name]["loss_type"]]
    whole = outcome(batch, **chosen)
    value, gradients = 0.0, []
    for part in (slice(0, cut), slice(cut, 6)):
        loss, *_, gradient, _ = outcome({key: x[part] for key, x in batch.items()}, **chosen)
        tokens = mask[part].sum() / mask.sum().clamp(min=1)
        share = {"rows": len(mask[part]) / 6, "tokens": tokens, "total": 1.0}[share_of]
        value = value + share * loss
        gradients.append(share * gradient)
    assert_close(value, whole[0])
    assert_close(torch.cat(gradients), whole[4])


@pytest.mark.parametrize("advantages_of", [group_advantages, leave_one_out_advantages])
@every_member
@a_few
@given(seed=st.integers(0, 10**6), shift=st.integers(-20, 20))
def test_rewards_that_are_all_shifted_give_the_same_loss(name, advantages_of, seed, shift):
    batch = random_batch(seed)
    rewards = batch["advantages"]
    chosen = {"max_completion_length": 9, **FAMILY[name]}
    del batch["ref_logps"], batch["sampling_logps"]
    one, other = (outcome(batch | {"advantages": advantages_of(r, 2)}, **chosen) for r in (rewards, rewards + shift))
    for a, b in zip(one, other, strict=True):
        assert_close(a, b)


@given(seed=st.integers(0, 10**6), factor=st.floats(0.5, 50), shift=st.integers(-20, 20))
def test_normalize_then_sum_does_not_see_the_unit_of_a_reward_function(seed, factor, shift):
    rewards = torch.randn(8, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 100
    moved = rewards * torch.tensor([factor, 1.0]) + shift
    # Equal up to the 1e-4 beside the spread, which has a unit.
    assert_close(normalize_then_sum(moved, 4), normalize_then_sum(rewards, 4), rtol=1e-3, atol=1e-3)
