"""The reference solution of assignment 5."""

from collections.abc import Callable

import torch
from torch import Tensor

{{given}}


def table(episodes, pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Write two lists an episode, then fill up."""
    rows = []
    for episode in episodes:
        ids, turn, number = [], [], 0
        for who, tokens in episode:
            number += who == "policy"
            ids += tokens
            turn += [number if who == "policy" else 0] * len(tokens)
        who, tokens = episode[-1]
        if who == "policy" and tokens[-1] != END:
            turn = {{cut.code}}
        rows.append((ids, [True] * len(ids), turn))
    length = max(len(ids) for ids, _, _ in rows)

    def filled(row: list, with_what: int) -> list:
        gap = [with_what] * (length - len(row))
        return {{side.code}}

    ids, real, turn = (
        torch.tensor(
            [filled(row[k], (pad_id, False, 0)[k]) for row in rows], dtype=(torch.long, torch.bool, torch.long)[k]
        )
        for k in range(3)
    )
    return ids, real, turn


def episode_loss(logps: Tensor, turn: Tensor, advantages: Tensor) -> Tensor:
    """Weigh each token of the policy."""
    own, count = turn > 0, turn.amax(dim=1, keepdim=True)
    sizes = (turn[:, :, None] == turn[:, None, :]).sum(dim=2)
    credit = {{credit.code}}
    weight = advantages.detach()[:, None] * credit * {{mean.code}}
    return -(torch.where(own, weight, 0) * torch.where(own, logps, 0)).sum()


def play(
    policy, prompt: list[int], tool, limit: int, most: int, generator: torch.Generator
) -> tuple[list, list[float]]:
    """Draw turn by turn, and keep the tokens."""
    ids, episode, logps, answers = list(prompt), [("user", list(prompt))], [], 0
    while True:
        turn: list[int] = []
        while {{limit.room}} and END not in turn:
            logp = policy(list(ids)).log_softmax(dim=-1)
            turn.append(int(torch.multinomial(logp.exp(), 1, generator=generator)))
            ids.append(turn[-1])
            logps.append(logp[turn[-1]].item())
        episode.append(("policy", turn))
        if END not in turn or answers == most:
            return episode, logps
        answer = tool(decode({{shown.code}}))
        if {{silence.code}}:
            return episode, logps
        said = encode(answer)
        if not ({{limit.left}}):
            return episode, logps
        episode.append(("tool", said))
        ids += said
        answers += 1


def priced(right: Tensor, calls: Tensor, price: float) -> Tensor:
    """Pay for right answers, and take for calls."""
    return ({{price.code}}).float()


def break_even(straight: float, copy: float, fail: float, most: int) -> float:
    """Add up what happens in each way, a pair a way: how often it is right, and what the price is multiplied with."""
    ways = [(fail ** (calls - 1) * (1 - fail), copy, calls) for calls in range(1, most + 1)]
    ways.append((fail**most, straight, most))
    gain = sum(chance * right for chance, right, calls in ways) - straight
    return gain / sum(chance * {{price.cost}} for chance, right, calls in ways)


DIAGNOSES = {"a": "{{choices.a}}", "b": "{{choices.b}}", "c": "{{choices.c}}"}
