"""From prompts to scored completions: what the trainer samples to learn from, and what it samples to be judged by."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from grpo_lite.advantages import combine_rewards
from grpo_lite.masking import mask_truncated
from grpo_lite.rewards.protocol import RewardFunc, name_of, score_completions
from grpo_lite.sampling import Completions, greedy_decode, sample_group
from grpo_lite.training.config import GRPOConfig

_UNKNOWN = torch.empty(0, 0)  # fits no shape, so that using it too early is an error


class Group(NamedTuple):
    """One prompt and its G completions.

    Attributes:
        prompt: as it stands in the data set, a text or a chat list.
        prompt_ids: [P], without padding.
        ids: [G, T] tokens of the completions, padded on the right.
        mask: [G, T], True up to and including the end token.
        loss_mask: [G, T], the tokens that count in the loss: `mask`, or without truncated completions.
        logps: [G, T], the log-probs at which the tokens were sampled.
        ended: [G], False for a completion that was cut off at the length limit.
        completions: G texts or chat lists, as the reward functions saw them.
        scores: [G, K], one column a reward function, nan where it could not judge.
        rewards: [G], the weighted sum of the scores, nan where no function could judge.
        advantages: [G], once they are known.
        ref_logps: [G, T] under the reference, if there is one.
    """

    prompt: Any
    prompt_ids: Tensor
    ids: Tensor
    mask: Tensor
    loss_mask: Tensor
    logps: Tensor
    ended: Tensor
    completions: list
    scores: Tensor
    rewards: Tensor
    advantages: Tensor = _UNKNOWN
    ref_logps: Tensor = _UNKNOWN

    @property
    def has_spread(self) -> bool:
        """Whether the rewards differ; a group in agreement has no advantages and teaches nothing."""
        known = self.rewards[~self.rewards.isnan()]
        return bool((known != known[:1]).any())


def sample_groups(
    model: torch.nn.Module,
    tokenizer,
    reward_funcs: Sequence[RewardFunc],
    rows: Sequence[Mapping],
    args: GRPOConfig,
    generator: torch.Generator,
) -> list[Group]:
    """Sample `args.num_generations` completions of each row's prompt and score them."""
    size = args.num_generations
    prompt_ids, prompt_mask = _encode(model, tokenizer, rows, args)
    ends, pad = special_ids(model, tokenizer)
    sampled = sample_group(
        model, prompt_ids, size, prompt_mask=prompt_mask, max_new_tokens=args.max_completion_length,
        eos_token_id=ends, pad_token_id=pad, temperature=args.temperature, generator=generator,
    )  # fmt: skip
    completions, scores = _score(tokenizer, reward_funcs, [row for row in rows for _ in range(size)], sampled)
    rewards = combine_rewards(scores, args.reward_weights)
    whole = mask_truncated(sampled.mask, sampled.ids, ends)
    ended = whole.any(dim=1)
    loss_mask = whole if args.mask_truncated_completions else sampled.mask
    groups = []
    for i, row in enumerate(rows):
        own = slice(i * size, (i + 1) * size)
        longest = int(sampled.mask[own].sum(dim=1).max())
        groups.append(
            Group(
                prompt=row["prompt"],
                prompt_ids=prompt_ids[i][prompt_mask[i]],
                ids=sampled.ids[own, :longest],
                mask=sampled.mask[own, :longest],
                loss_mask=loss_mask[own, :longest],
                logps=sampled.logps[own, :longest],
                ended=ended[own],
                completions=completions[own],
                scores=scores[own],
                rewards=rewards[own],
            )
        )
    return groups


def evaluate(
    model: torch.nn.Module, tokenizer, reward_funcs: RewardFunc | Sequence[RewardFunc], rows: Sequence[Mapping],
    args: GRPOConfig,
) -> dict[str, float]:  # fmt: skip
    """Let the model answer each row twice, greedily and by sampling, and average every reward function.

    Greedy decoding shows the one most likely completion and hides how often the model would do something else;
    sampling shows what training works on. The draws are the same in each call with the same `args.seed`.

    Args:
        model: the policy.
        tokenizer: the one that belongs to it.
        reward_funcs: one reward function or several; each gives two averages, by its name.
        rows: held-out rows with a "prompt" and the columns that the functions read.
        args: length limit, temperature, seed and `per_device_eval_batch_size`. Samples are drawn at its temperature:
            a model trained at a low one is also judged at it, unless it is handed other settings here.

    Returns:
        `greedy_NAME` and `sampled_NAME` for each reward function, nan where it could judge nothing, and `mean_length`
        of the sampled completions in tokens.

    Example:
        >>> from grpo_lite.tasks import accuracy, load_base_model, make_problems
        >>> args = GRPOConfig(max_completion_length=16)
        >>> result = evaluate(*load_base_model(), accuracy, make_problems("chain-sum", "test", 50), args)
        >>> result["greedy_accuracy"] < 0.3
        True
    """
    reward_funcs = [reward_funcs] if callable(reward_funcs) else list(reward_funcs)
    ends, pad = special_ids(model, tokenizer)
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(args.seed)
    scores: dict[str, list[Tensor]] = {"greedy": [], "sampled": []}
    lengths = []
    for part in chunks(list(rows), args.per_device_eval_batch_size):
        ids, mask = _encode(model, tokenizer, part, args)
        limit = args.max_completion_length
        special: dict[str, Any] = {"eos_token_id": ends, "pad_token_id": pad}
        greedy = greedy_decode(model, ids, prompt_mask=mask, max_new_tokens=limit, **special)
        sampled = sample_group(
            model, ids, 1, prompt_mask=mask, max_new_tokens=limit, temperature=args.temperature, generator=generator,
            **special,
        )  # fmt: skip
        scores["greedy"].append(_score(tokenizer, reward_funcs, part, greedy)[1])
        scores["sampled"].append(_score(tokenizer, reward_funcs, part, sampled)[1])
        lengths.append(sampled.mask.sum(dim=1))
    means = {
        f"{kind}_{name_of(func)}": column.item()
        for kind, parts in scores.items()
        for func, column in zip(reward_funcs, torch.cat(parts).nanmean(dim=0), strict=True)
    }
    return means | {"mean_length": torch.cat(lengths).double().mean().item()}


def special_ids(model: torch.nn.Module, tokenizer) -> tuple[list[int], int]:
    """Return all ids that end a completion, by the tokenizer and by the model, and the one that pads."""
    known = getattr(model.generation_config, "eos_token_id", None)
    ends = {tokenizer.eos_token_id, *(known if isinstance(known, list) else [known])} - {None}
    if not ends:
        raise ValueError("tokenizer and model name no end token, got eos_token_id=None: set tokenizer.eos_token")
    return sorted(ends), min(ends) if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def chunks(rows: list, size: int) -> Iterator[list]:
    """Cut a list into parts of at most `size`."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _encode(model, tokenizer, rows: Sequence[Mapping], args: GRPOConfig) -> tuple[Tensor, Tensor]:
    prompts = [row["prompt"] for row in rows]
    is_chat = not isinstance(prompts[0], str)
    if is_chat:
        prompts = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, tokenize=False)
    encoded = tokenizer(prompts, add_special_tokens=not is_chat, padding=True, padding_side="left", return_tensors="pt")
    device = next(model.parameters()).device
    ids, mask = encoded["input_ids"].to(device), encoded["attention_mask"].bool().to(device)
    longest = getattr(model.config, "max_position_embeddings", None) or math.inf
    if ids.shape[1] + args.max_completion_length > longest:
        raise ValueError(
            f"prompt and completion must fit into the model's {longest} positions, got a prompt of {ids.shape[1]} "
            f"tokens and max_completion_length={args.max_completion_length}: shorten one of them"
        )
    return ids, mask


def _score(tokenizer, reward_funcs, rows: Sequence[Mapping], sampled: Completions) -> tuple[list, Tensor]:
    """Turn sampled tokens into texts (chat lists if the prompts are), and ask the reward functions about them."""
    prompts = [row["prompt"] for row in rows]
    ids = [row[:length] for row, length in zip(sampled.ids.tolist(), sampled.mask.sum(dim=1).tolist(), strict=True)]
    completions = tokenizer.batch_decode(ids, skip_special_tokens=True)
    if not isinstance(prompts[0], str):
        completions = [[{"role": "assistant", "content": text}] for text in completions]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    scores = score_completions(reward_funcs, prompts, completions, completion_ids=ids, **columns)
    return completions, scores.to(sampled.ids.device)
