"""From prompts to judged completions: what the trainer samples to learn from, and what it samples to be measured by."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import fmean
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grpo_lite._checks import tokenize
from grpo_lite.advantages import combine_rewards
from grpo_lite.episodes import Episodes, sample_episodes
from grpo_lite.masking import mask_truncated
from grpo_lite.rewards.protocol import RewardFunc, name_of, score_completions
from grpo_lite.sampling import greedy_decode, sample_group
from grpo_lite.training import distributed
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.policy import encode, precision, texts

Environment = Callable[[str], str | None]


class Group(NamedTuple):
    """One prompt of P tokens and its G completions, the longest of T tokens; K reward functions have judged them.

    Attributes:
        prompt: as it stands in the data set, a text or a chat list.
        prompt_ids: its tokens, without padding.
        ids: tokens of the completions, padded on the right.
        mask: True up to and including the end token.
        env_mask: True on those that the model wrote itself: `mask`, without the answers of an environment.
        loss_mask: the tokens that count in the loss: `env_mask`, or without truncated completions.
        logps: the log-probs at which the tokens were sampled.
        ended: False for a completion that was cut off at the length limit.
        completions: G texts or chat lists, as the reward functions saw them.
        scores: one column a reward function, nan where it could not judge.
        rewards: the weighted sum of the scores, nan where no function could judge.
        advantages: None until they are known.
        ref_logps: the log-probs under the reference, None without one.
    """

    prompt: Any
    prompt_ids: Int[Tensor, "P"]
    ids: Int[Tensor, "G T"]
    mask: Bool[Tensor, "G T"]
    env_mask: Bool[Tensor, "G T"]
    loss_mask: Bool[Tensor, "G T"]
    logps: Float[Tensor, "G T"]
    ended: Bool[Tensor, "G"]
    completions: list
    scores: Float[Tensor, "G K"]
    rewards: Float[Tensor, "G"]
    advantages: Float[Tensor, "G"] = None  # type: ignore[assignment]
    ref_logps: Float[Tensor, "G T"] | None = None

    @property
    def has_spread(self) -> bool:
        """Whether the rewards differ; a group in agreement has no advantages and teaches nothing."""
        known = self.rewards[~self.rewards.isnan()]
        return bool((known != known[:1]).any())


def next_rows(dataset: Sequence[Mapping], taken: int, count: int, seed: int) -> list[Mapping]:
    """Take rows after the first `taken`, in an order that is shuffled anew each time, each process its own share."""
    places = ((taken + i) * distributed.world_size() + distributed.rank() for i in range(count))
    walks = (divmod(place, len(dataset)) for place in places)
    return [dataset[_shuffled(len(dataset), seed + epoch)[place]] for epoch, place in walks]


def sample_groups(
    model: torch.nn.Module,
    tokenizer,
    reward_funcs: RewardFunc | Sequence[RewardFunc],
    rows: Sequence[Mapping],
    args: GRPOConfig,
    generator: torch.Generator,
    environment: Environment | None = None,
) -> list[Group]:
    """Sample `args.num_generations` completions of each row's prompt and judge them."""
    size = args.num_generations
    inputs = encode(model, tokenizer, rows, args)
    sampled = _draw(model, tokenizer, inputs, size, args, generator, environment)
    ends, repeated = inputs["eos_token_id"], [row for row in rows for _ in range(size)]
    completions, scores = _judge(tokenizer, reward_funcs, ends, repeated, sampled)
    weights = [1.0] * scores.shape[1] if args.reward_weights is None else args.reward_weights
    # What only watches, with weight 0, must not turn the None of all others into a 0.
    rewards = combine_rewards(scores.where(torch.tensor(weights) != 0, torch.nan), weights)
    whole = mask_truncated(sampled.mask, sampled.ids, ends)
    loss_mask = sampled.env_mask & whole if args.mask_truncated_completions else sampled.env_mask
    by_token = sampled._asdict() | {"loss_mask": loss_mask}
    ended = whole.any(dim=1)
    by_completion: dict[str, Any] = {"ended": ended, "completions": completions, "scores": scores, "rewards": rewards}
    groups = []
    for i, row in enumerate(rows):
        own, prompt_ids = slice(i * size, (i + 1) * size), inputs["prompt_ids"][i][inputs["prompt_mask"][i]]
        longest = int(sampled.mask[own].sum(dim=1).max())
        fields = {name: x[own, :longest] for name, x in by_token.items()}
        fields |= {name: x[own] for name, x in by_completion.items()}
        groups.append(Group(prompt=row["prompt"], prompt_ids=prompt_ids, **fields))
    return groups


def names_of(reward_funcs: Sequence[RewardFunc]) -> list[str]:
    """Name the reward functions; the second of a name is `NAME_2`."""
    names = [name_of(func) for func in reward_funcs]
    before = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name}_{n + 1}" if n else name for name, n in zip(names, before, strict=True)]


def evaluate(
    model: torch.nn.Module, tokenizer, reward_funcs: RewardFunc | Sequence[RewardFunc], rows: Sequence[Mapping],
    args: GRPOConfig, *, environment: Environment | None = None, together: bool = False,
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
        environment: what answers the model, as in `GRPOTrainer`.
        together: each of several processes answers its share of the rows, and all get the averages over all.

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
    share, rank = (distributed.world_size(), distributed.rank()) if together else (1, 0)
    generator = torch.Generator(next(model.parameters()).device).manual_seed(args.seed + 1_000_003 * rank)
    scores, lengths = [torch.empty(0, 2 * len(reward_funcs))], []
    for part in chunks(list(rows)[rank::share], args.per_device_eval_batch_size):
        inputs = encode(model, tokenizer, part, args)
        drawn = [_draw(model, tokenizer, inputs, 1, args, generator, environment, greedy) for greedy in (True, False)]
        both = [_judge(tokenizer, reward_funcs, inputs["eos_token_id"], part, episodes)[1] for episodes in drawn]
        scores.append(torch.cat(both, dim=1))
        lengths += drawn[1].env_mask.sum(dim=1).tolist()
    answers = (torch.cat(scores), lengths)
    all_scores, all_lengths = zip(*(distributed.gather_objects(answers) if together else [answers]), strict=True)
    names = [f"{how}_{name}" for how in ("greedy", "sampled") for name in names_of(reward_funcs)]
    means = torch.cat(all_scores).nanmean(dim=0).tolist()
    return dict(zip(names, means, strict=True)) | {"mean_length": fmean(sum(all_lengths, []))}


def chunks(rows: list, size: int) -> Iterator[list]:
    """Cut a list into parts of at most `size`."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


@lru_cache(maxsize=1)
def _shuffled(size: int, seed: int) -> list[int]:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()


def _draw(
    model, tokenizer, inputs: dict, size: int, args: GRPOConfig, generator, environment, greedy=False
) -> Episodes:
    def answer(turn: list[int]) -> list[int] | None:
        text = environment(texts(tokenizer, inputs["eos_token_id"], [turn])[0])
        if text is None:
            return None
        if not isinstance(text, str) or not text:
            raise ValueError(f"environment must return a text or None, got {text!r}")
        return tokenize(tokenizer, [text], add_special_tokens=False)["input_ids"][0]

    # With an environment greedy is the limit of sampling, as the temperature falls to 0.
    how = {"num_generations": size, "temperature": 1e-6 if greedy else args.temperature, "generator": generator}
    try:
        with precision(model, args):
            if environment:
                return sample_episodes(model, environment=answer, **inputs, **how)
            written = greedy_decode(model, **inputs) if greedy else sample_group(model, **inputs, **how)
            return Episodes(*written, env_mask=written.mask)
    except RuntimeError as error:
        if "probability tensor" not in str(error):  # what PyTorch calls it as it draws
            raise
        raise FloatingPointError(
            "the probabilities of the model are not finite: the update before went too far, lower learning_rate"
        ) from error


def _judge(tokenizer, reward_funcs, ends, rows: Sequence[Mapping], sampled) -> tuple[list, Tensor]:
    """Turn sampled tokens into texts (chat lists if the prompts are), and ask the reward functions about them."""
    prompts = [row["prompt"] for row in rows]
    ids = [row[:length] for row, length in zip(sampled.ids.tolist(), sampled.mask.sum(dim=1).tolist(), strict=True)]
    written = texts(tokenizer, ends, ids)
    pairs = zip(prompts, written, strict=True)
    completions = [text if isinstance(p, str) else [{"role": "assistant", "content": text}] for p, text in pairs]
    names = dict.fromkeys(name for row in rows for name in row if name != "prompt")
    columns = {name: [row.get(name) for row in rows] for name in names}  # rows need not have the same ones
    return completions, score_completions(reward_funcs, prompts, completions, completion_ids=ids, **columns)
