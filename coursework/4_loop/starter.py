"""Assignment 4, the loop. Import PyTorch and Python's own modules, nothing else.

Letters: B completions, L tokens of a row (padding, prompt, completion, padding), V tokens of the vocabulary.
"""

import torch
from torch import Tensor, nn

# Given: a policy of 7,000 weights and a sampler. Choose the letters of your task, and leave the rest as it is.

LETTERS = "abcdefgh"  # letter i is token i + 1; token 0 ends a completion, and fills up rows on both sides
CONTEXT = 6  # how many tokens back the policy sees
LENGTH = 4  # tokens of a completion at most, the end token included


class Policy(nn.Module):
    """A network over the last CONTEXT tokens. Called with ids [B, L] it gives logits [B, L, V] about the next token."""

    def __init__(self, seed: int):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(len(LETTERS) + 1, 16)
            self.layers = nn.Sequential(nn.Linear(16 * CONTEXT, 64), nn.Tanh(), nn.Linear(64, len(LETTERS) + 1))

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits [B, L, V]."""
        windows = nn.functional.pad(ids, (CONTEXT - 1, 0)).unfold(1, CONTEXT, 1)
        return self.layers(self.embedding(windows).flatten(2))


@torch.no_grad()
def sample(policy: nn.Module, prompts: list[str], generator: torch.Generator | None = None) -> tuple:
    """Complete each prompt: drawn with the generator, or without one by taking the likeliest token each time.

    Returns:
        texts: B completions, without their end.
        ids: [B, L] tokens.
        mask: [B, L] bools, True on the tokens of the completion up to and including its end token.
        logps: [B, L] the log-prob of each of these tokens when it was drawn, in nats; 0 elsewhere.
    """
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + [LETTERS.index(x) + 1 for x in p] for p in prompts])
    mask, logps = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids, dtype=torch.float32)
    going = torch.ones(len(prompts), dtype=torch.bool)
    for _ in range(LENGTH):
        now = policy(ids[:, -CONTEXT:])[:, -1].log_softmax(dim=-1)
        drawn = now.argmax(dim=-1) if generator is None else now.exp().multinomial(1, generator=generator)[:, 0]
        drawn = torch.where(going, drawn, 0)
        logp = torch.where(going, now.gather(1, drawn[:, None])[:, 0], 0)
        ids, mask, logps = (
            torch.cat([so_far, new[:, None]], dim=1)
            for so_far, new in ((ids, drawn), (mask, going), (logps, logp))
        )  # fmt: skip
        going = going & (drawn != 0)
    texts = ["".join(LETTERS[x - 1] for x in row if x > 0) for row in ids[:, width:].tolist()]
    return texts, ids, mask, logps


# Yours.


def rows(seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Problem 4a. Draw the training rows and the held-out rows of your task.

    Args:
        seed: decides everything; the same seed gives the same rows.

    Returns:
        The training rows and the held-out rows: pairs of a prompt and its truth, both made of LETTERS.
    """
    raise NotImplementedError


def reward(completion: str, truth: str) -> float:
    """Problem 4a. Say what a completion is worth: 1.0 if it is the truth, and from 0.0 to 0.5 if it is not."""
    raise NotImplementedError


def update(
    policy: nn.Module,
    optimizer: torch.optim.Optimizer,
    ids: Tensor,
    mask: Tensor,
    old_logps: Tensor,
    rewards: Tensor,
    group: int,
) -> None:
    """Problem 4b. Let the policy learn from a batch: make the {{updates.words}} optimiser steps of the handout.

    Args:
        policy: called with ids it gives logits [B, L, V]; those at t are about token t + 1.
        optimizer: has the weights of the policy.
        ids: [B, L] tokens.
        mask: [B, L] bools, True on the tokens that count, at least one in each row and none at 0.
        old_logps: [B, L] the log-probs of these tokens when they were drawn; anything at all where nothing counts.
        rewards: [B] one number a completion.
        group: completions of a prompt, at least 2. {{groups.words}}.
    """
    raise NotImplementedError


# Problem 4c: your two settings, name -> knobs. All knobs have the same value in both, but for one.
SETTINGS: dict[str, dict] = {}


def train(setting: str, seed: int, steps: int) -> list[dict]:
    """Problem 4c. Train a new policy, with the rows of the seed, and measure it after each step.

    Args:
        setting: a key of SETTINGS.
        seed: decides the rows, the first weights, and what is drawn, whatever random numbers were drawn before.
        steps: batches to learn from; two steps are the first two of many.

    Returns:
        A record a step: "step" from 1; "reward", the mean of the batch; "logp", the mean of the log-probs with which
        its counted tokens were drawn; "accuracy", after the update, the share of all held-out rows whose likeliest
        completion earns 1.
    """
    raise NotImplementedError


# Problem 4d: quantiles of Student's t. With n degrees of freedom, 1 to 20, a share of 0.975 lies below
# QUANTILES[0.975][n].
QUANTILES = {
    0.9: {{examples.quantiles.p90}},
    0.95: {{examples.quantiles.p95}},
    0.975: {{examples.quantiles.p975}},
}


def interval(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Problem 4d. Say how much better the second setting is, and how sure that is.

    Args:
        first: the last accuracy of each seed, of the first setting.
        second: of the second setting, with the same seeds in the same order.

    Returns:
        The mean difference, second minus first, and the ends of its {{level.words}} % interval, the lower one first.

    Raises:
        ValueError: There is only one seed.
    """
    raise NotImplementedError


# Problem 4d: what `interval` says of your runs, to three decimals: (difference, low, high).
RESULT: tuple[float, float, float] | None = None
