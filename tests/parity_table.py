"""Every loss type with every option, alone and in pairs, computed by TRL and by us; run this file to write the table.

    python tests/parity_table.py

The table is docs/parity.md. tests/test_parity.py computes it again and compares.
"""

import functools
import itertools
import math
import tempfile
import warnings
from pathlib import Path

import torch

import grpo_lite
from helpers.trl_names import trl_weights
from helpers.trl_trainer import make_trainer, trl_loss, trl_sampler_correction

PAGE = Path(__file__).parents[1] / "docs" / "parity.md"
CLIPPED = ["grpo", "bnpo", "dr_grpo", "dapo", "luspo"]
LOSS_TYPES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo", "gmpo"]
SIZES = {"max_completion_length": 9, "num_items_in_batch": 277}
VLLM = "vllm_importance_sampling_"
RANGE = {VLLM + "clip_max": 1.3, VLLM + "clip_min": 0.7}

# Option -> settings by TRL's names, and the loss types to which TRL applies it (None: all but gmpo).
OPTIONS = {
    "no option": ({}, LOSS_TYPES),
    "on-policy": ({"old_logps": None}, LOSS_TYPES),
    "clip range": ({"epsilon": 0.1, "epsilon_high": 0.28}, [*CLIPPED, "cispo", "gmpo"]),
    "delta": ({"delta": 1.25}, CLIPPED),
    "sapo's settings": ({"sapo_temperature_pos": 0.7, "sapo_temperature_neg": 1.4}, ["sapo"]),
    "vespo's settings": (
        {"vespo_k_pos": 1.5, "vespo_lambda_pos": 2.5, "vespo_k_neg": 2.2, "vespo_lambda_neg": 1.1},
        ["vespo"],
    ),
    "sequence ratio": ({"importance_sampling_level": "sequence"}, None),
    "KL": ({"beta": 0.04}, LOSS_TYPES),
    "corrected KL": ({"beta": 0.1, "use_bias_correction_kl": True}, None),
    "off-policy mask": ({"off_policy_mask_threshold": 0.05}, None),
    "high-entropy tokens": ({"top_entropy_quantile": 0.4}, LOSS_TYPES),
    "entropy bonus": ({"entropy_coef": 0.1}, None),
    "token truncate": ({VLLM + "mode": "token_truncate", **RANGE}, None),
    "token mask": ({VLLM + "mode": "token_mask", **RANGE}, None),
    "sequence truncate": ({VLLM + "mode": "sequence_truncate", **RANGE}, [*CLIPPED, "cispo", "sapo"]),
    "sequence mask": ({VLLM + "mode": "sequence_mask", **RANGE}, [*CLIPPED, "cispo", "sapo"]),
}


def applies(loss_type, option):
    types = OPTIONS[option][1]
    return loss_type != "gmpo" if types is None else loss_type in types


def partners(loss_type, option):
    """The options that can stand beside this one: they set nothing that it sets."""
    own = set(OPTIONS[option][0])
    if not own:
        return []
    return [other for other in OPTIONS if applies(loss_type, other) and not own & set(OPTIONS[other][0])]


def random_batch(num_generations, seed):
    """Three groups: ragged rows, one of them empty, one of them full; the rewards of one group are all equal.

    Ratios lie between about 0.3 and 3, so that every branch is taken, and the sampler gives no log-prob for one token.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, tokens = 3 * num_generations, 7

    def draw(scale):
        return torch.randn(rows, tokens, generator=generator, dtype=torch.float64) * scale

    old = -draw(1.0).abs() - 0.5
    lengths = torch.randint(1, tokens + 1, (rows,), generator=generator)
    lengths[0], lengths[1] = 0, tokens
    rewards = torch.randn(rows, generator=generator, dtype=torch.float64)
    rewards[num_generations : 2 * num_generations] = 0.6
    sampling = old + draw(0.2)
    sampling[1, 2] = torch.nan
    return {
        "logps": old + draw(0.5),
        "old_logps": old,
        "ref_logps": old + draw(0.5),
        "advantages": grpo_lite.group_advantages(rewards, num_generations),
        "mask": torch.arange(tokens) < lengths[:, None],
        "sampling_logps": sampling,
        "entropies": draw(1.0).abs().float().double(),  # TRL rounds the threshold to float32
    }


@functools.cache
def trainers():
    """TRL's two trainers, and the folder that they want."""
    folder = tempfile.mkdtemp()
    return {name: make_trainer(folder, name) for name in ("grpo", "gmpo")}


def our_loss(
    logps, old_logps, advantages, mask, *, loss_type, entropies=None, entropy_coef=0.0, top_entropy_quantile=1.0,
    off_policy_mask_threshold=None, sampling_logps=None, **settings,
):  # fmt: skip
    """`grpo_loss` under settings by TRL's names; the entropy bonus is added at the call."""
    vllm = {name: settings.pop(name) for name in list(settings) if name.startswith(VLLM)}
    high_entropy = {"entropies": entropies, "top_entropy_quantile": top_entropy_quantile}
    weights = trl_weights(
        loss_type, logps, old_logps, advantages, mask, sampling_logps=sampling_logps,
        off_policy_mask_threshold=off_policy_mask_threshold, **high_entropy, **vllm,
    )  # fmt: skip
    out = grpo_lite.grpo_loss(logps, old_logps, advantages, mask, loss_type=loss_type, **settings, **weights)
    if entropy_coef:
        keep = grpo_lite.high_entropy_mask(entropies, mask, top_entropy_quantile=top_entropy_quantile)
        out = out._replace(loss=out.loss - entropy_coef * grpo_lite.masked_mean(entropies, keep))
    return out


def differences(loss_type, settings, num_generations, seed=0):
    """Return the largest difference between TRL and us in value and in gradient."""
    batch = random_batch(num_generations, seed)
    settings = {"epsilon_high": 2.0} | settings if loss_type == "cispo" else dict(settings)
    old = settings.pop("old_logps", batch["old_logps"])
    ref = batch["ref_logps"] if "beta" in settings else None
    sampler = {name: settings.pop(name) for name in list(settings) if name.startswith(VLLM)}
    theirs_only = {}
    if sampler:
        # TRL always has old log-probs when vLLM samples; on-policy they are those of the policy.
        stored = batch["logps"] if old is None else old
        mode, cap, floor = (sampler[VLLM + name] for name in ("mode", "clip_max", "clip_min"))
        sampler["sampling_logps"] = theirs_only["sampling_logps"] = batch["sampling_logps"]
        theirs_only["importance_sampling_ratio"] = trl_sampler_correction(
            trainers()["grpo"], stored, batch["sampling_logps"], batch["mask"], mode=mode, cap=cap, floor=floor
        )
    results = []
    for ours in (True, False):
        leaves = [batch[name].clone().requires_grad_() for name in ("logps", "entropies")]
        args = (leaves[0], old, batch["advantages"], batch["mask"])
        common = {"ref_logps": ref, "entropies": leaves[1], "loss_type": loss_type, **SIZES, **settings}
        if ours:
            loss = our_loss(*args, **common, **sampler).loss
        else:
            loss, _ = trl_loss(trainers()["gmpo" if loss_type == "gmpo" else "grpo"], *args, **common, **theirs_only)
            if loss_type == "gmpo":  # a row without tokens adds its advantage to TRL's value, nothing to its gradient
                loss = loss + batch["advantages"][~batch["mask"].any(dim=1)].sum() / len(batch["mask"])
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        gradients = [torch.zeros_like(x) if g is None else g for g, x in zip(gradients, leaves, strict=True)]
        results.append([loss.detach(), torch.stack(gradients)])
    return [(a - b).abs().max().item() for a, b in zip(*results, strict=True)]


@functools.cache
def worst(loss_type, option):
    """The largest differences of an option alone, for groups of 2, 3, 8 and 16, and with each other option."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "importance_sampling_level=", UserWarning)  # of unusual pairs
        found = [differences(loss_type, OPTIONS[option][0], g, seed=g) for g in (2, 3, 8, 16)]
        for g, other in zip(itertools.cycle((2, 5, 8)), partners(loss_type, option)):
            found.append(differences(loss_type, OPTIONS[option][0] | OPTIONS[other][0], g))
    if any(math.isnan(x) for pair in found for x in pair):
        return math.nan, math.nan
    return tuple(max(column) for column in zip(*found, strict=True))


def at_most(difference):
    """Round up to a power of ten, with room for another processor's rounding, and not below that of float64."""
    return max(-15, math.ceil(math.log10(3 * difference))) if difference else -15


def table():
    """The lines of the table: one row an option, one column a loss type, a power of ten for value and gradient."""
    lines = ["| | " + " | ".join(f"`{loss_type}`" for loss_type in LOSS_TYPES) + " |", "|---" * 10 + "|"]
    for option in OPTIONS:
        cells = []
        for loss_type in LOSS_TYPES:
            powers = [at_most(x) for x in worst(loss_type, option)] if applies(loss_type, option) else []
            cells.append(" / ".join(f"\u2212{-power}" for power in powers) or "\u00b7")
        lines.append(f"| {option} | " + " | ".join(cells) + " |")
    return lines


def write():
    """Put the table between the two marks of the page."""
    start, end = "<!-- table -->", "<!-- end of table -->"
    before, rest = PAGE.read_text().split(start)
    PAGE.write_text(before + "\n".join([start, "", *table(), "", end]) + rest.split(end)[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    write()
