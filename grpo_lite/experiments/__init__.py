"""Experiments: what was measured with all of the above, and the commands that measure it again.

Read `pretrain` first: it makes the base model that the lessons start from. `sweep` trains it under many settings and
seeds.
"""
