"""A run small enough to test with: prompts, rewards, settings, and what is compared at its end."""

import json

import torch
from torch.testing import assert_close

from base_model import SYMBOLS
from grpo_lite.experiments.pretrain import character_tokenizer
from grpo_lite.training.rollout import Group
from helpers.models import make_tiny_model


def make_tokenizer():
    """That of the base model."""
    return character_tokenizer(SYMBOLS)


TOKENIZER = make_tokenizer()
# Prompts of different lengths, so that some are padded.
ROWS = [{"prompt": text, "pays": i % 2 == 0} for i, text in enumerate(["1=", "2+3=", "4+5+6=", "52817>", "7>", "8+9="])]
SETTINGS = {
    "per_device_train_batch_size": 32,
    "num_generations": 8,
    "max_completion_length": 6,
    "max_steps": 3,
    "learning_rate": 1e-2,
    "seed": 0,
    "disable_tqdm": True,
}


def odd(completions, **columns):
    """Many different values, so that nearly every group has spread."""
    return [float(len(text) % 5) for text in completions]


def only_some(completions, pays, **columns):
    """The groups of every other prompt agree."""
    return [float(len(text) % 5) if pay else 0.1 for text, pay in zip(completions, pays, strict=True)]


def model_of(kind="gpt2", seed=0):
    return make_tiny_model(kind, len(TOKENIZER), seed)


def group_of(lengths, ended, scores, rewards, logps=-0.5, advantages=None):
    """A group whose completions have these lengths; each of their tokens has the same log-prob."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Group(
        prompt="größer?",
        prompt_ids=torch.tensor([3, 4]),
        ids=mask.cumsum(dim=1) * mask,
        mask=mask,
        env_mask=mask,
        loss_mask=mask & torch.tensor(ended)[:, None],
        logps=torch.where(mask, logps, 0.0),
        ended=torch.tensor(ended),
        completions=[f"text {i}" for i in range(len(lengths))],
        scores=torch.tensor(scores),
        rewards=torch.tensor(rewards),
        advantages=None if advantages is None else torch.tensor(advantages),
    )


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def assert_same(ours, expected, tolerance=1e-9):
    assert any(x.abs().max() > 1e-4 for x in expected)  # something to compare
    for mine, theirs in zip(ours, expected, strict=True):
        assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


def identical(ours, theirs):
    """For each tensor whether it is the same in both; there are as many, and some."""
    assert len(ours) == len(theirs) > 0
    return list(map(torch.equal, ours, theirs))


def records(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: x for name, x in line.items() if name != "tokens_per_second"} for line in lines]
