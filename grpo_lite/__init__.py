"""grpo_lite: Group Relative Policy Optimization from scratch, as functions a student can read in one breath."""

from grpo_lite.advantages import group_advantages, leave_one_out_advantages
from grpo_lite.config import GRPOConfig
from grpo_lite.kl import kl_k1, kl_k2, kl_k3
from grpo_lite.logprobs import completion_logps, token_logps
from grpo_lite.loss import LossOutput, clipped_surrogate, grpo_loss, importance_ratio
from grpo_lite.masking import completion_mask, masked_mean
from grpo_lite.rewards import (
    RewardFunc,
    boxed_reward,
    combine_rewards,
    format_reward,
    length_reward,
    score_completions,
)
from grpo_lite.sampling import Completions, greedy_decode, sample_group
from grpo_lite.trainer import GRPOTrainer

__version__ = "0.1.0"

__all__ = [
    "Completions",
    "GRPOConfig",
    "GRPOTrainer",
    "LossOutput",
    "RewardFunc",
    "boxed_reward",
    "clipped_surrogate",
    "combine_rewards",
    "completion_logps",
    "completion_mask",
    "format_reward",
    "greedy_decode",
    "group_advantages",
    "grpo_loss",
    "importance_ratio",
    "kl_k1",
    "kl_k2",
    "kl_k3",
    "leave_one_out_advantages",
    "length_reward",
    "masked_mean",
    "sample_group",
    "score_completions",
    "token_logps",
]
