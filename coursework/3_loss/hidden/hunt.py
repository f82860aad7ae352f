"""A table learns to count: run this file, and it trains and prints what it measured.

The prompt is a number n from 1 to PROMPTS. Right is the token 1, n times, and then the end token. The policy is a table
of logits, one row for each prompt and place; what was written before does not matter to it.
"""

import torch

DIAGNOSIS = "{{diagnosis}}"  # a word from the list in HANDOUT.md

PROMPTS, GROUP, LENGTH, VOCABULARY, END = 4, 8, 8, 3, 0
TEMPERATURE, EPSILON, BETA, UPDATES, LEARNING_RATE = 1.0, 0.2, 0.1, 3, 0.1


def sample(logits, generator):
    """Draw GROUP completions of each prompt, one after the other: tokens and their log-probs, one row a completion."""
    logps = (logits / TEMPERATURE).log_softmax(dim=-1).repeat_interleave(GROUP, dim=0)
    tokens = torch.multinomial(logps.exp().flatten(0, 1), 1, generator=generator).view(-1, LENGTH)
    return tokens, logps.gather(-1, tokens[..., None]).squeeze(-1)


def count_mask(tokens):
    """Say which tokens count; what stands behind the end of a completion means nothing."""
    ends = tokens == END
    return ends.cumsum(dim=1) - ends.long() == 0


def reward_of(tokens):
    """Pay for the share of the right answer that is right from its start."""
    n = torch.arange(1, PROMPTS + 1).repeat_interleave(GROUP)[:, None]
    place = torch.arange(LENGTH)
    right = torch.where(place < n, tokens == 1, tokens == END)
    return torch.where(place <= n, right.cumprod(dim=1), 0).sum(dim=1) / (n[:, 0] + 1)


def advantages_of(rewards):
    """Compare each completion with those of its prompt."""
    groups = rewards.view(PROMPTS, GROUP)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


def log_probs(logits, tokens):
    """Score the tokens: one number each."""
    table = (logits / TEMPERATURE).log_softmax(dim=-1).repeat_interleave(GROUP, dim=0)
    return table.gather(-1, tokens[..., None]).squeeze(-1)


def loss_of(logps, old_logps, ref_logps, advantages, mask):
    """Return the loss, the share of clipped tokens and the KL to the reference."""
    ratio, a = (logps - old_logps).exp(), advantages[:, None]
    gain = torch.minimum(ratio * a, ratio.clamp(1 - EPSILON, 1 + EPSILON) * a)
    kl = (ref_logps - logps).exp() - (ref_logps - logps) - 1
    each = torch.where(mask, gain - BETA * kl, 0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    clipped = ((ratio > 1 + EPSILON) & (a > 0)) | ((ratio < 1 - EPSILON) & (a < 0))
    return -each.mean(), clipped[mask].float().mean().item(), kl[mask].mean().item()


def train(seed, steps=60):
    """Train a new table; return a record a step."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.zeros(PROMPTS, LENGTH, VOCABULARY, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=LEARNING_RATE)
    history = []
    for _ in range(steps):
        with torch.no_grad():
            tokens, old_logps = sample(logits, generator)
            mask, rewards = count_mask(tokens), reward_of(tokens)
            ref_logps = log_probs(torch.zeros_like(logits), tokens)
        advantages = advantages_of(rewards)
        clips = []
        for _ in range(UPDATES):
            logps = log_probs(logits, tokens)
            loss, clipped, kl = loss_of(logps, old_logps, ref_logps, advantages, mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            clips.append(clipped)
        table = (logits.detach() / TEMPERATURE).log_softmax(dim=-1)
        record = {
            "reward": rewards.mean().item(),
            "length": (tokens != END).cumprod(dim=1).sum(dim=1).float().mean().item(),
            "entropy": -(table.exp() * table).sum(dim=-1).mean().item(),
            "silent groups": (advantages.view(PROMPTS, GROUP) == 0).all(dim=1).float().mean().item(),
            "clipped, first": clips[0],
            "clipped, last": clips[-1],
            "kl": kl,
            "gradient": logits.grad.norm().item(),
        }
        history.append(record)
    return history


if __name__ == "__main__":
    torch.set_num_threads(1)  # for a table this small more are slower
    for step, record in enumerate(train(seed=0), start=1):
        if step == 1 or step % 10 == 0:
            print(f"{step:4}", *(f"{name} {x:.3f}" for name, x in record.items()), sep="   ")
