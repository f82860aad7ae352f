"""Experiments: models to train. `pretrain` makes a small one that GRPO can start from; `real` loads a language model."""
