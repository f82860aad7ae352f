"""Scripts that run in a process of their own, started by `grpo_lite.rewards.worker` without the package around them."""
