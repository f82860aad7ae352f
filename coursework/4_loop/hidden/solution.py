"""The reference solution of assignment 4: say the letter in the middle of a prompt."""

import itertools
import json
import random
import statistics
from pathlib import Path

import torch
from torch import Tensor, nn

LETTERS = "abcdef"  # letter i is token i + 1; token 0 ends a completion, and fills up rows on both sides
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
