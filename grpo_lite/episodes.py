"""Sample episodes of several turns: the model writes, an environment answers, and the model goes on."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grpo_lite._checks import check_count, check_ids, vocabulary_size
from grpo_lite.sampling import at_random, decode


class Episodes(NamedTuple):
    """What `sample_episodes` returns; the rows of a prompt are consecutive.

    Attributes:
        ids: the tokens of each episode, whoever wrote them, padded on the right; T is the length of the longest.
        mask: True on real tokens. They are read, those of the environment too.
        logps: the log-prob at which each token was drawn, nats; exactly 0 on tokens that were not drawn.
        env_mask: True on the tokens that the model wrote. They are trained, and no others.
    """

    ids: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    logps: Float[Tensor, "B T"]
    env_mask: Bool[Tensor, "B T"]


@torch.no_grad()
def sample_episodes(
    model: torch.nn.Module,
    prompt_ids: Int[Tensor, "N P"],
    num_generations: int,
    environment: Callable[[list[int]], list[int] | None],
    *,
    max_new_tokens: int,
    eos_token_id: int | Sequence[int],
    pad_token_id: int,
    temperature: float = 1.0,
    prompt_mask: Bool[Tensor, "N P"] | None = None,
    generator: torch.Generator | None = None,
    max_tool_calling_iterations: int | None = None,
) -> Episodes:
    """Sample `num_generations` episodes of each prompt, in which an environment may answer.

    A turn of the model ends with an end token. The environment is shown the turn, and answers or lets the episode end.
    While it speaks to one row, its tokens take the place of those that would be drawn, and the other rows go on. The
    tokens stay what they were: nothing is turned into text and back. `completion_logps` with `mask` gives the same
    log-probs again, and a loss takes `env_mask`.

    Args:
        model: a causal language model of transformers, as in `sample_group`.
        prompt_ids: one row a prompt, padded on the left.
        num_generations: G, the size of a group, at least 1.
        environment: takes the tokens of a turn, up to its end token, and returns those of its answer; None for no
            answer. What it raises is not caught: it should answer a bad call with a text that says so.
        max_new_tokens: longest episode, in tokens of both. An answer that leaves the model no room is left out.
        eos_token_id: the id that ends a turn, or several such ids, as that of the end of a call.
        pad_token_id: the id that fills up finished rows; it may be an end token.
        temperature: above 0; divides the logits.
        prompt_mask: True on real prompt tokens; None if no prompt is padded.
        generator: the source of randomness, on the model's device; None for PyTorch's global one.
        max_tool_calling_iterations: answers that an episode gets at most; None for no limit.

    Returns:
        `Episodes(ids, mask, logps, env_mask)`, each [B, T] with B = prompts x G.

    Raises:
        ValueError: what `sample_group` refuses, or an answer that is neither a list of token ids nor None.

    Source: the loss mask of Search-R1 (arXiv:2503.09516), under its name in TRL. Built in lesson "A model that uses a
    tool".

    Example:
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> config = GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
        >>> model, ends = GPT2LMHeadModel(config), list(range(10))  # each token ends a turn
        >>> play = sample_episodes(
        ...     model, torch.tensor([[1]]), 2, lambda turn: [7, 7], max_new_tokens=5, eos_token_id=ends, pad_token_id=0
        ... )
        >>> play.env_mask
        tensor([[ True, False, False,  True],
                [ True, False, False,  True]])
    """
    most = max_new_tokens if max_tool_calling_iterations is None else max_tool_calling_iterations
    check_count("max_tool_calling_iterations", most, 0)
    draw, drawn = at_random(temperature, generator), []
    answers: dict[int, list[int]] = {}  # by row, what the environment has still to say
    began: dict[int, list[int]] = {}  # by row, where each turn of the model began

    def choose(logits: Tensor) -> tuple[Tensor, Tensor]:
        token, logp = draw(logits)
        drawn.append(torch.ones_like(token, dtype=torch.bool))
        for row in [row for row, answer in answers.items() if answer]:
            token[row], logp[row], drawn[-1][row] = answers[row].pop(0), 0, False
        return token, logp

    def ends(ids: list[Tensor], at_end: Tensor) -> Tensor:
        ending = at_end & drawn[-1]
        for row in ending.nonzero().squeeze(1).tolist():
            turns = began.setdefault(row, [0])
            turn = [int(column[row]) for column in ids[turns[-1] :]]
            answer = environment(turn) if len(turns) <= most else None
            if answer is None:
                continue
            if not isinstance(answer, list) or not answer:
                raise ValueError(f"environment must return a list of token ids or None, got {answer!r}")
            check_ids("environment's answer", torch.tensor([answer]), vocabulary_size(model))
            if len(ids) + len(answer) < max_new_tokens:
                answers[row], ending[row] = answer[:], False
                turns.append(len(ids) + len(answer))
        return ending

    written = decode(
        model, prompt_ids, prompt_mask, num_generations, choose, max_new_tokens, eos_token_id, pad_token_id, ends
    )
    return Episodes(*written, env_mask=written.mask & torch.stack(drawn, dim=1))
