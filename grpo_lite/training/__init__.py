"""Training: the loop that samples, compares, updates, and what a run needs besides.

Read `trainer` first: `GRPOTrainer.train` is the loop, its four steps stand below it. `config` has the settings,
`policy` says what model and tokenizer must be and stands between texts and tokens, `rollout` samples and scores,
`gradient` lays groups out for the model and adds up what they say. The rest keeps a run alive: `checkpoint` stops and
goes on, `records` writes down and shows what was measured, `distributed` joins several processes.
"""

from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.trainer import GRPOTrainer

__all__ = ["GRPOConfig", "GRPOTrainer"]
