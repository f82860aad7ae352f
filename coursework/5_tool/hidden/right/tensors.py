"""A right solution of the variant 2027-spring with one-hot turns, recursion and Gumbel noise."""

import torch
from torch.nn.utils.rnn import pad_sequence

WORDS = ["<end>", *map(str, range(10)), "+", "=", "[", "]", "?", "13", "49"]


def table(episodes, pad_id):
    ids, turns = [], []
    for episode in episodes:
        sizes = torch.tensor([len(tokens) for _, tokens in episode])
        policy = torch.tensor([who == "policy" for who, _ in episode])
        numbers = (policy.cumsum(0) * policy).repeat_interleave(sizes)
        who, last = episode[-1]
        turns.append(numbers * 0 if who == "policy" and last[-1] else numbers)
        ids.append(torch.tensor([i for _, tokens in episode for i in tokens], dtype=torch.long))
    real = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).bool()
    return pad_sequence(ids, True, pad_id), real, pad_sequence(turns, True, 0)


def episode_loss(logps, turn, advantages):
    hot = torch.nn.functional.one_hot(turn)[:, :, 1:].transpose(1, 2).to(logps.dtype)  # [B, K, L]
    safe = logps.masked_fill(turn == 0, 0.0)
    means = (hot @ safe.unsqueeze(-1)).squeeze(-1) / hot.sum(-1).clamp_min(1)
    merit = 0.5 ** torch.arange(hot.shape[1], dtype=logps.dtype)
    each = (means * merit).sum(1) / turn.max(1).values.clamp_min(1)
    return -torch.mean(advantages.detach() * each)


def play(policy, prompt, tool, limit, most, generator):
    with torch.no_grad():
        return _play(policy, tuple(prompt), tool, limit, most, generator)


def _play(policy, ids, tool, limit, most, generator):
    turn, logps, start = (), [], ids
    while len(turn) < limit and turn[-1:] != (0,):
        logits = policy(list(ids + turn))
        noise = -torch.empty_like(logits).exponential_(generator=generator).log()
        token = int(torch.argmax(logits + noise))
        logps.append(float(logits[token] - logits.logsumexp(0)))
        turn += (token,)
    mine = [("user", list(start)), ("policy", list(turn))]
    room = limit - len(turn)
    answer = tool("".join(WORDS[i] for i in turn[:-1])) if turn[-1] == 0 and most and room else None
    if answer is None:
        return mine, logps
    said, rest = [], answer
    while rest:
        word = next(word for word in sorted(WORDS, key=len, reverse=True) if rest.startswith(word))
        said.append(WORDS.index(word))
        rest = rest.removeprefix(word)
    if len(said) >= room:
        return mine, logps
    more, others = _play(policy, ids + turn + tuple(said), tool, room - len(said), most - 1, generator)
    return [*mine, ("tool", said), *more[1:]], logps + others


def priced(right, calls, price):
    return torch.where(right.bool(), 1.0 - price * calls.float(), torch.zeros(len(right)))


def break_even(straight, copy, fail, most):
    k = torch.arange(1, most + 1, dtype=torch.float64)
    first = fail ** (k - 1) * (1 - fail)
    never = fail**most
    return float(
        ((first * copy).sum() + never * straight - straight) / ((first * k * copy).sum() + never * straight * most)
    )


DIAGNOSES = {"a": "invented", "b": "results", "c": "temperature"}
