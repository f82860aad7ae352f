"""A right solution of the variant 2027-spring in plain loops."""

from collections.abc import Callable

import torch
from torch import Tensor

{{given}}


def table(episodes, pad_id):
    longest = max(sum(len(tokens) for _, tokens in episode) for episode in episodes)
    ids = torch.full((len(episodes), longest), pad_id)
    real = torch.zeros(len(episodes), longest, dtype=torch.bool)
    turn = torch.zeros(len(episodes), longest, dtype=torch.long)
    for i, episode in enumerate(episodes):
        t, k = 0, 0
        whole = not (episode[-1][0] == "policy" and episode[-1][1][-1] != 0)
        for who, tokens in episode:
            if who == "policy":
                k += 1
            for token in tokens:
                ids[i, t], real[i, t] = token, True
                if who == "policy" and whole:
                    turn[i, t] = k
                t += 1
    return ids, real, turn


def episode_loss(logps, turn, advantages):
    total = torch.zeros((), dtype=logps.dtype)
    for i in range(len(turn)):
        turns = int(turn[i].max())
        for k in range(1, turns + 1):
            total = total - logps[i][turn[i] == k].mean() * advantages[i].item() / 2 ** (k - 1) / turns
    return total / len(turn)


def play(policy, prompt, tool, limit, most, generator):
    row, logps = [("user", i) for i in prompt], []
    segments = [["user", list(prompt)]]
    left, answers = limit, most
    while left > 0:
        if segments[-1][0] != "policy":
            segments.append(["policy", []])
        p = torch.softmax(policy([i for _, i in row]), 0)
        token = torch.multinomial(p, 1, generator=generator).item()
        segments[-1][1].append(token)
        row.append(("policy", token))
        logps.append(torch.log(p[token]).item())
        left -= 1
        if token == 0:
            answer = tool(decode(segments[-1][1][:-1])) if answers > 0 and left > 0 else None
            if answer is None or len(encode(answer)) >= left:
                break
            segments.append(["tool", encode(answer)])
            row += [("tool", i) for i in encode(answer)]
            left -= len(encode(answer))
            answers -= 1
    return [(who, tokens) for who, tokens in segments], logps


def priced(right, calls, price):
    return torch.tensor([y * (1 - price * m) for y, m in zip(right.tolist(), calls.tolist())])


def break_even(straight, copy, fail, most):
    a, b, here = 0.0, 0.0, 1.0
    for call in range(1, most + 1):
        a += here * (1 - fail) * copy
        b += here * (1 - fail) * copy * call
        here *= fail
    a += here * straight
    b += here * straight * most
    return (a - straight) / b


DIAGNOSES = {"a": "invented", "b": "results", "c": "temperature"}
