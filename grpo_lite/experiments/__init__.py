"""Experiments: small models of one's own, and what was measured with all of the above.

`pretrain` makes a model that GRPO can start from; `sweep` trains the base model under many settings and seeds; `real`
has a pretrained language model and its tasks.
"""
