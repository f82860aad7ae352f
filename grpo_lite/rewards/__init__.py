"""Rewards: from what a model wrote to a number. Nothing here knows of policies, log-probs or losses.

Read `protocol` first: how a reward function is called and what it may return. `text` has the three simplest ones;
`shaping` the small amounts that steer how an answer is written. `answers` judges mathematics in a process of its own
(`worker`) and `programs` runs code in a `sandbox`; `equality` compares what comes out. What runs there: `judges`.
"""

from grpo_lite.advantages import combine_rewards
from grpo_lite.rewards.answers import math_reward
from grpo_lite.rewards.programs import code_reward
from grpo_lite.rewards.protocol import RewardFunc, name_of, score_completions
from grpo_lite.rewards.shaping import (
    language_consistency_reward,
    repetition_penalty_reward,
    soft_overlong_reward,
    tag_count_reward,
)
from grpo_lite.rewards.text import boxed_reward, format_reward, length_reward

__all__ = [
    "RewardFunc",
    "boxed_reward",
    "code_reward",
    "combine_rewards",
    "format_reward",
    "language_consistency_reward",
    "length_reward",
    "math_reward",
    "name_of",
    "repetition_penalty_reward",
    "score_completions",
    "soft_overlong_reward",
    "tag_count_reward",
]
