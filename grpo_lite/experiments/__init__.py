"""Experiments: what was measured with all of the above, and the commands that measure it again.

Read `pretrain` first: it makes the base model that the lessons start from. `sweep` trains it under many settings and
seeds; `bench` compares speed and memory with TRL and with the plain way, of which `stepwise` and `scoring` time each.
"""
