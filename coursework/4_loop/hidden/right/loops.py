"""A right solution of the variant 2027-spring in plain loops; it draws the random numbers of the reference."""

import json
import math
import os
import random

import torch
from torch import Tensor, nn

LETTERS = "abcdef"  # letter i is token i + 1; token 0 ends a completion, and fills up rows on both sides
{{given}}


SETTINGS = {
    name: {"completions": 64, "group": size, "learning_rate": 0.02}
    for name, size in (("groups of 2", 2), ("groups of 16", 16))
}


def rows(seed):
    every = []
    for a in LETTERS:
        for b in LETTERS:
            for c in LETTERS:
                every.append((a + b + c, b))
    random.Random(seed).shuffle(every)
    held_out, learn = [], []
    for i, row in enumerate(every):
        (held_out if i < 60 else learn).append(row)
    return learn, held_out


def reward(completion, truth):
    if completion == truth:
        return 1.0
    return 0.2 if completion[:1] == truth else 0.0


def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def update(policy, optimizer, ids, mask, old_logps, rewards, group):
    count, prompts = len(ids), len(ids) // group
    values = [float(x) for x in rewards]
    longest = int(mask.sum(dim=1).max())
    for _ in range(3):
        logits, terms = policy(ids), []
        for i in range(count):
            own = [values[j] for j in range(i % prompts, count, prompts)]
            advantage = values[i] - median(own)
            for t in range(1, ids.shape[1]):
                if mask[i, t]:
                    z = logits[i, t - 1]
                    ratio = torch.exp(z[ids[i, t]] - z.logsumexp(0) - old_logps[i, t])
                    low, high = ratio * advantage, ratio.clamp(0.7, 1.2) * advantage
                    terms.append(low if low < high else high)
        for weight in policy.parameters():
            weight.grad = None
        (-torch.stack(terms).sum() / (count * longest)).backward()
        optimizer.step()


def answers(policy, some):
    texts = sample(policy, [prompt for prompt, truth in some])[0]
    return sum(reward(text, truth) == 1 for text, (prompt, truth) in zip(texts, some)) / len(some)


def train(setting, seed, steps):
    size = SETTINGS[setting]["group"]
    learn, held_out = rows(seed)
    policy = Policy(seed)
    generator = torch.Generator()
    generator.manual_seed(seed)
    optimizer = torch.optim.Adam(policy.parameters(), lr=SETTINGS[setting]["learning_rate"])
    records = []
    for k in range(steps):
        chosen = torch.randint(len(learn), (64 // size,), generator=generator)
        batch = []
        for _ in range(size):
            batch += [learn[int(i)] for i in chosen]
        texts, ids, mask, logps = sample(policy, [prompt for prompt, truth in batch], generator)
        rewards = [reward(text, truth) for text, (prompt, truth) in zip(texts, batch)]
        update(policy, optimizer, ids, mask, logps, torch.tensor(rewards), size)
        records.append({
            "step": k + 1, "reward": sum(rewards) / len(rewards), "logp": (logps * mask).sum().item() / int(mask.sum()),
            "accuracy": answers(policy, held_out),
        })  # fmt: skip
    return records


T = [0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def interval(first, second):
    differences = [y - x for x, y in zip(first, second)]
    n = len(differences)
    if n == 1:
        raise ValueError("one seed has no interval")
    middle = math.fsum(differences) / n
    error = math.sqrt(math.fsum((d - middle) ** 2 for d in differences) / (n - 1) / n)
    return [middle, middle - T[n - 1] * error, middle + T[n - 1] * error]


last = {"groups of 2": [], "groups of 16": []}
with open(os.path.join(os.path.dirname(__file__), "runs.jsonl")) as file:
    for line in file:
        run = json.loads(line)
        last[run["setting"]].append(run["curve"][-1]["accuracy"])
RESULT = interval(last["groups of 2"], last["groups of 16"])
