"""The reference solution of assignment 4: say the letter in the middle of a prompt."""

import itertools
import json
import random
import statistics
from pathlib import Path

import torch
from torch import Tensor, nn

LETTERS = "abcdef"  # letter i is token i + 1; token 0 ends a completion, and fills up rows on both sides
{{given}}


SETTINGS = {
    "groups of 2": {"completions": 64, "group": 2, "learning_rate": 0.02},
    "groups of 16": {"completions": 64, "group": 16, "learning_rate": 0.02},
}


def rows(seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Draw 60 held-out prompts of three letters; the others are for training."""
    every = [("".join(x), x[1]) for x in itertools.product(LETTERS, repeat=3)]
    random.Random(seed).shuffle(every)
    return every[60:], every[:60]


def reward(completion: str, truth: str) -> float:
    """Pay a fifth for a completion that begins with the right letter and goes on."""
    return 1.0 if completion == truth else 0.2 * completion.startswith(truth)


def update(
    policy: nn.Module,
    optimizer: torch.optim.Optimizer,
    ids: Tensor,
    mask: Tensor,
    old_logps: Tensor,
    rewards: Tensor,
    group: int,
) -> None:
    """Learn from a batch."""
    own = {{groups.code}}
    centred = own - {{baseline.code}}
    advantages = {{groups.back}}[:, None]
    mask, old_logps = mask[:, 1:], old_logps[:, 1:]
    counts = mask.sum(dim=1, keepdim=True)
    weights = {{average.code}}
    for _ in range({{updates.code}}):
        logps = policy(ids[:, :-1]).log_softmax(dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
        ratio = torch.where(mask, logps - old_logps, 0).exp()
        objective = torch.minimum(ratio * advantages, ratio.clamp({{clip.code}}) * advantages)
        loss = -(torch.where(mask, objective, 0) * weights).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train(setting: str, seed: int, steps: int) -> list[dict]:
    """Train a policy."""
    knobs = SETTINGS[setting]
    group, learn, held_out = knobs["group"], *rows(seed)
    policy, generator = Policy(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(policy.parameters(), knobs["learning_rate"])
    curve = []
    for step in range(1, steps + 1):
        which = torch.randint(len(learn), (knobs["completions"] // group,), generator=generator)
        batch = [learn[i] for i in which.tolist()]
        batch = {{groups.prompts}}
        texts, ids, mask, logps = sample(policy, [prompt for prompt, _ in batch], generator)
        rewards = torch.tensor([reward(text, truth) for text, (_, truth) in zip(texts, batch, strict=True)])
        update(policy, optimizer, ids, mask, logps, rewards, group)
        texts = sample(policy, [prompt for prompt, _ in held_out])[0]
        right = [reward(text, truth) == 1 for text, (_, truth) in zip(texts, held_out, strict=True)]
        curve.append(
            {
                "step": step,
                "reward": round(rewards.mean().item(), 4),
                "logp": round(logps[mask].mean().item(), 4),
                "accuracy": round(sum(right) / len(right), 4),
            }
        )
    return curve


QUANTILES = {
    0.9: {{examples.quantiles.p90}},
    0.95: {{examples.quantiles.p95}},
    0.975: {{examples.quantiles.p975}},
}


def interval(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Return the mean difference and the ends of its interval."""
    n = len(first)
    if n < 2:
        raise ValueError(f"an interval needs at least two seeds, got {n}: nothing is known of their spread")
    difference = statistics.mean(second) - statistics.mean(first)
    error = {{pairing.code}}
    half = QUANTILES[{{level.below}}][{{pairing.freedom}}] * error
    return difference, difference - half, difference + half


RUNS = Path(__file__).with_name("runs.jsonl")
if not RUNS.exists():
    with RUNS.open("w", encoding="utf-8") as file:
        for setting, seed in itertools.product(SETTINGS, range(4)):
            run = {"setting": setting, "seed": seed, "settings": SETTINGS[setting], "curve": train(setting, seed, 20)}
            file.write(json.dumps(run) + "\n")


def ends(setting: str) -> list[float]:
    """Read the last accuracy of each run of a setting."""
    runs = map(json.loads, RUNS.read_text(encoding="utf-8").splitlines())
    return [run["curve"][-1]["accuracy"] for run in runs if run["setting"] == setting]


RESULT = interval(*map(ends, SETTINGS))
