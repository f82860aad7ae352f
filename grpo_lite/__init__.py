"""grpo_lite: Group Relative Policy Optimization from scratch, as functions a student can read in one breath.

In the order of one batch: `sampling` draws completions, `rewards` judges them, `advantages` makes one number of several
rewards and compares it with its group, `logprobs` reads the model again, `ratio` sets now against then, `objectives`
has the clip and its relatives, `aggregation` averages over tokens, and `loss` puts these together. `algorithms` is the
table of all losses: a new one is a function in `objectives`, which imports nothing of the wings, and a line there.
`training` is the loop around it, `experiments` has models to train with it; docs/architecture.md has the picture.
"""

from grpo_lite.advantages import combine_rewards, group_advantages, leave_one_out_advantages, normalize_then_sum
from grpo_lite.aggregation import aggregate
from grpo_lite.episodes import Episodes, sample_episodes
from grpo_lite.kl import kl_k1, kl_k2, kl_k3
from grpo_lite.logprobs import completion_logps, token_entropies, token_logps
from grpo_lite.loss import LossOutput, grpo_loss
from grpo_lite.masking import completion_mask, mask_truncated, masked_mean
from grpo_lite.objectives import cispo_objective, clipped_surrogate, gmpo_objective, sapo_objective, vespo_objective
from grpo_lite.ratio import importance_ratio
from grpo_lite.rewards import (
    RewardFunc,
    boxed_reward,
    code_reward,
    format_reward,
    language_consistency_reward,
    length_reward,
    math_reward,
    repetition_penalty_reward,
    score_completions,
    soft_overlong_reward,
    tag_count_reward,
)
from grpo_lite.sampling import Completions, greedy_decode, sample_group
from grpo_lite.token_weights import high_entropy_mask, off_policy_mask, sampler_correction
from grpo_lite.training import GRPOConfig, GRPOTrainer

__version__ = "0.1.0"

__all__ = [
    "Completions",
    "Episodes",
    "GRPOConfig",
    "GRPOTrainer",
    "LossOutput",
    "RewardFunc",
    "aggregate",
    "boxed_reward",
    "cispo_objective",
    "clipped_surrogate",
    "code_reward",
    "combine_rewards",
    "completion_logps",
    "completion_mask",
    "format_reward",
    "gmpo_objective",
    "greedy_decode",
    "group_advantages",
    "grpo_loss",
    "high_entropy_mask",
    "importance_ratio",
    "kl_k1",
    "kl_k2",
    "kl_k3",
    "language_consistency_reward",
    "leave_one_out_advantages",
    "length_reward",
    "mask_truncated",
    "masked_mean",
    "math_reward",
    "normalize_then_sum",
    "off_policy_mask",
    "repetition_penalty_reward",
    "sample_episodes",
    "sample_group",
    "sampler_correction",
    "sapo_objective",
    "score_completions",
    "soft_overlong_reward",
    "tag_count_reward",
    "token_entropies",
    "token_logps",
    "vespo_objective",
]
