"""Experiments: models to train. `pretrain` makes a small one from demonstrations; `real` loads a language model."""
