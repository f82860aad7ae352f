"""The training loop: sample a group for each prompt, turn its rewards into advantages, update the policy.

`GRPOTrainer.train` is the loop, and its four steps stand below it. What a run needs besides has a file of its own:
settings (`config`), sampling (`rollout`), micro-batches (`batching`), several processes (`distributed`), checkpoints
(`checkpoint`), the progress bar and Ctrl-C (`terminal`).
"""

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from grpo_lite.advantages import group_advantages
from grpo_lite.aggregation import SLICE_SHARE
from grpo_lite.loss import grpo_loss
from grpo_lite.rewards.protocol import RewardFunc, name_of
from grpo_lite.training import batching, distributed, rollout
from grpo_lite.training.checkpoint import append_line, cut_lines, load_checkpoint, newest_checkpoint, save_checkpoint
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.rollout import Group
from grpo_lite.training.terminal import ctrl_c, progress_bar

LOSS_SETTINGS = (
    "beta", "epsilon", "epsilon_high", "delta", "loss_type", "importance_sampling_level", "use_bias_correction_kl",
    "max_completion_length",
)  # fmt: skip
METRICS, COMPLETIONS = "metrics.jsonl", "completions.jsonl"


class GRPOTrainer:
    """Train a language model from rewards.

    On several processes (`accelerate launch` or `torchrun`) each one samples and scores its own prompts, and the
    gradients are added up. Dropout is off throughout, so that the policy that is updated is the one that sampled.

    Args:
        model: a causal language model of transformers; it is trained in place.
        reward_funcs: one reward function or several, called as TRL calls them: with `prompts`, `completions`,
            `completion_ids` and every further column of the data set.
        args: the settings.
        train_dataset: rows (dicts) with a "prompt", a text or a chat list, and whatever the reward functions read.
        processing_class: the tokenizer that belongs to the model.
        eval_dataset: held-out rows for `evaluate`.

    Attributes:
        step: updates of the weights so far.
        history: a record for each update and each evaluation, the same that `metrics.jsonl` holds.

    Raises:
        ValueError: a data set without rows or without prompts.

    Source: DeepSeekMath, algorithm 1 (arXiv:2402.03300). Built in lesson "The training loop".

    Example:
        >>> from grpo_lite.tasks import accuracy, load_base_model, make_problems
        >>> model, tokenizer = load_base_model()
        >>> args = GRPOConfig(max_steps=2, per_device_train_batch_size=32, max_completion_length=16, learning_rate=2e-4)
        >>> trainer = GRPOTrainer(model, accuracy, args, make_problems("chain-sum", "train", 100), tokenizer)
        >>> [record["step"] for record in trainer.train()]
        [1, 2]
    """

    def __init__(
        self,
        model: torch.nn.Module,
        reward_funcs: RewardFunc | Sequence[RewardFunc],
        args: GRPOConfig,
        train_dataset: Sequence[Mapping],
        processing_class,
        eval_dataset: Sequence[Mapping] | None = None,
    ):
        self.reward_funcs = [reward_funcs] if callable(reward_funcs) else list(reward_funcs)
        self.args, self.tokenizer = args, processing_class
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        for name, rows in (("train_dataset", train_dataset), ("eval_dataset", eval_dataset)):
            if rows is not None and (len(rows) == 0 or "prompt" not in rows[0]):
                raise ValueError(f"{name} must hold rows with a 'prompt', got {len(rows)} rows: {list(rows[:1])}")
        self.loss_settings = {name: getattr(args, name) for name in LOSS_SETTINGS}
        nothing = torch.zeros(1, 1)  # settings that do not fit each other show now, not after the first sampling
        grpo_loss(nothing, nothing, nothing[0], nothing == 0, ref_logps=nothing, **self.loss_settings)
        self.device = distributed.start(args.use_cpu)
        self.model = model.to(self.device).eval()
        distributed.broadcast_(model.state_dict().values())
        self.reference = copy.deepcopy(model).requires_grad_(False) if args.beta > 0 else None
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, weight_decay=args.weight_decay, fused=True)
        self.generator = torch.Generator(self.device).manual_seed(args.seed + 1_000_003 * distributed.rank())
        self.step = 0
        self.prompts_taken = 0
        self.history: list[dict] = []

    def train(self) -> list[dict]:
        """Run to `max_steps`, from the newest checkpoint in `output_dir` if there is one.

        Returns:
            The history: one record an update, one an evaluation.

        Raises:
            FloatingPointError: the loss or the gradient is not finite; the weights are those of the step before.
            KeyboardInterrupt: Ctrl-C was pressed; the step was finished first and a checkpoint written.
            ValueError: `output_dir` holds a run with other settings.
        """
        args = self.args
        self._resume()
        if args.eval_steps and not self.history:
            self.evaluate()
        with progress_bar(args, self.step) as show, ctrl_c() as pressed:
            while self.step < args.max_steps:
                before, started = self.step, time.perf_counter()
                sampled = self.sample()
                groups = self.add_advantages(self.choose(sampled))
                for _ in range(min(args.num_iterations, args.max_steps - self.step)):
                    metrics, stop = self.update(groups, pressed())
                    self.record(metrics | self._describe(sampled, started))
                    show(self.history[-1])
                self._log_completions(groups[0])
                if _passes(args.eval_steps, before, self.step):
                    self.evaluate()
                if stop or self.step == args.max_steps or _passes(args.save_steps, before, self.step):
                    self.save()
                if stop:
                    raise KeyboardInterrupt(f"stopped after step {self.step}: {self._way_on()}")
        return self.history

    # The four steps of the loop.

    def sample(self) -> list[Group]:
        """Sample G completions of the next prompts and score them; with dynamic sampling, of more prompts."""
        groups: list[Group] = []
        for _ in range(self.args.max_sampling_rounds):
            rows = self._next_rows(self.args.prompts_per_step)
            with self._naming_the_step():
                groups += rollout.sample_groups(
                    self.model, self.tokenizer, self.reward_funcs, rows, self.args, self.generator
                )
            if sum(group.has_spread for group in groups) >= self.args.prompts_per_step:
                break
        return groups

    def choose(self, groups: list[Group]) -> list[Group]:
        """Take as many groups as an update needs, those first whose rewards differ."""
        return sorted(groups, key=lambda group: not group.has_spread)[: self.args.prompts_per_step]

    def add_advantages(self, groups: list[Group]) -> list[Group]:
        """Compare each completion with its group, and ask the reference, if there is one, for its log-probs."""
        size, own = self.args.num_generations, torch.cat([group.rewards for group in groups])
        rewards = distributed.gather(own)  # scale_rewards="batch" divides by the spread of all of them
        advantages = group_advantages(rewards, size, scale_rewards=self.args.scale_rewards)
        first = len(own) * distributed.rank()
        parts = advantages[first : first + len(own)].split(size)
        groups = [group._replace(advantages=part) for group, part in zip(groups, parts, strict=True)]
        if self.reference:
            with torch.no_grad():
                scored = (batching.score(self.reference, batching.stack([g]), self.args.temperature) for g in groups)
                groups = [group._replace(ref_logps=logps) for group, logps in zip(groups, scored, strict=True)]
        return groups

    def update(self, groups: list[Group], stop: bool = False) -> tuple[dict[str, float], bool]:
        """Move the weights once. The wish to stop goes with the gradients, so that all processes stop together."""
        loss, kl, clip_ratio, stop_all = self.gradient(groups, stop)
        limit = self.args.max_grad_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.weights, limit).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise FloatingPointError(
                f"step {self.step + 1}: the loss is {loss} and the length of the gradient {norm}; nothing was updated, "
                f"the weights are those of step {self.step}. Look at the rewards and log-probs of this step, or lower "
                f"learning_rate ({self._way_on()})"
            )
        learning_rate = float(self.args.learning_rate_at(self.step))
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.step()
        self.step += 1
        metrics = {"loss": loss, "kl": kl, "clip_ratio": clip_ratio, "grad_norm": norm, "learning_rate": learning_rate}
        return {"step": self.step, **metrics}, stop_all > 0

    # What the steps are made of.

    def gradient(self, groups: list[Group], stop: bool = False) -> list[float]:
        """Put the gradient of the whole batch into the weights, from all micro-batches and all processes.

        Groups without advantages are left out, unless a KL penalty acts on them: their gradient is exactly 0. They
        still count in `rows` and `tokens`, by which the loss divides.
        """
        self.optimizer.zero_grad()
        counts = torch.tensor([[len(group.ids), group.loss_mask.sum()] for group in groups], device=self.device)
        totals = counts.sum(dim=0).float()
        distributed.sum_([totals])
        rows, tokens = totals.tolist()
        report = torch.tensor([0.0, 0.0, 0.0, stop], device=self.device)
        groups = [group for group in groups if self.reference or group.advantages.any()]
        for part in batching.micro_batches(groups, self.args.per_device_train_batch_size):
            report[:3] += self._backward(part, rows, tokens)
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        distributed.sum_([*gradients, report])
        return report.tolist()

    def _backward(self, groups: list[Group], rows: float, tokens: float) -> Tensor:
        """Add the gradient of one micro-batch, with its share in the whole; return its loss, KL and clip ratio."""
        args, batch = self.args, batching.stack(groups)
        out = grpo_loss(
            batching.score(self.model, batch, args.temperature),
            # With one update a batch the policy is still the one that sampled: each ratio is 1, its gradient is not 0.
            batch.logps if args.num_iterations > 1 else None,
            batch.advantages,
            batch.loss_mask,
            ref_logps=batch.ref_logps if self.reference else None,
            num_items_in_batch=tokens,
            **self.loss_settings,
        )
        of_rows, of_tokens = len(batch.ids) / rows, int(batch.loss_mask.sum()) / max(tokens, 1)
        share = {"rows": of_rows, "tokens": of_tokens, "total": 1.0}[SLICE_SHARE[args.loss_type]]
        (share * out.loss).backward()
        with_tokens = int(batch.loss_mask.any(dim=1).sum()) / rows
        clipped = out.clip_fraction * (of_tokens if args.importance_sampling_level == "token" else with_tokens)
        return torch.stack([share * out.loss.detach(), share * out.kl, clipped])

    def _next_rows(self, count: int) -> list[Mapping]:
        """Walk through the data set, in an order that is shuffled anew each time, each process its own share."""
        rows, size = [], len(self.train_dataset)
        for _ in range(count):
            epoch, place = divmod(self.prompts_taken * distributed.world_size() + distributed.rank(), size)
            rows.append(self.train_dataset[_shuffled(size, self.args.seed + epoch)[place]])
            self.prompts_taken += 1
        return rows

    # What is kept: records, checkpoints, evaluations.

    def evaluate(self) -> dict[str, float]:
        """Measure the model on `eval_dataset` with `rollout.evaluate`; on the first of several processes.

        Returns:
            The record that was added to the history; empty on the other processes.

        Raises:
            ValueError: there is no `eval_dataset`.
        """
        if self.eval_dataset is None:
            raise ValueError("evaluate needs held-out rows, got eval_dataset=None: hand some to GRPOTrainer")
        if distributed.rank() > 0:
            return {}
        with self._naming_the_step():
            result = rollout.evaluate(self.model, self.tokenizer, self.reward_funcs, self.eval_dataset, self.args)
        return self.record({"step": self.step, "eval": True} | result)

    def save(self) -> None:
        """Write a checkpoint, from which a run goes on exactly as if it had not been stopped."""
        own = {"prompts_taken": self.prompts_taken, "generator": self.generator.get_state().cpu()}
        processes = distributed.gather_objects(own)
        if self.args.output_dir and distributed.rank() == 0:
            state = {"step": self.step, "settings": self._settings(), "processes": processes}
            state |= {"optimizer": self.optimizer.state_dict()}
            save_checkpoint(
                Path(self.args.output_dir), self.model, self.tokenizer, state, keep=self.args.save_total_limit
            )

    def _resume(self) -> None:
        if self.args.output_dir is None or self.step > 0:
            return
        if distributed.rank() == 0:  # a folder that cannot be written to is refused before anything is computed
            Path(self.args.output_dir).mkdir(parents=True, exist_ok=True)
            (Path(self.args.output_dir) / METRICS).touch()
        found = newest_checkpoint(self.args.output_dir)
        found = distributed.gather_objects(found)[0]  # all processes read the one that the first one sees
        if found is not None:
            self._load(found)
        if distributed.rank() == 0:
            # Records of steps that will be taken again, also those of a run that was stopped before it saved anything.
            self.history = cut_lines(Path(self.args.output_dir) / METRICS, self.step if found else -1)
            cut_lines(Path(self.args.output_dir) / COMPLETIONS, self.step if found else -1)

    def _load(self, found: Path) -> None:
        state = load_checkpoint(found, self.model, self._settings())
        own = state["processes"][distributed.rank()]
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(own["generator"])
        self.step, self.prompts_taken = state["step"], own["prompts_taken"]

    def _settings(self) -> dict:
        """Everything that decides about the weights."""
        data = {"rows of train_dataset": len(self.train_dataset), "first prompt": self.train_dataset[0]["prompt"]}
        settings = self.args.that_decide() | {"processes": distributed.world_size()} | data
        # As JSON has them: a list for a tuple, and a plain number for one of numpy, which torch.load would refuse.
        return json.loads(json.dumps(settings, default=lambda x: x.tolist() if hasattr(x, "tolist") else str(x)))

    def _way_on(self) -> str:
        if self.args.output_dir is None:
            return "without output_dir there is no checkpoint; the model in memory holds the weights"
        found = newest_checkpoint(self.args.output_dir)
        return f"the same command goes on from {found}" if found else "there is no checkpoint yet"

    @contextmanager
    def _naming_the_step(self) -> Iterator[None]:
        """Say which step it was when the model's probabilities are no numbers any more; PyTorch sees it as it draws."""
        try:
            yield
        except RuntimeError as error:
            if "probability tensor" not in str(error):
                raise
            raise FloatingPointError(
                f"step {self.step + 1}: the probabilities of the model are not finite, the update before went too far: "
                f"lower learning_rate ({self._way_on()})"
            ) from error

    def _describe(self, groups: list[Group], started: float) -> dict[str, float]:
        """Sum up what was sampled, as a mean over all processes."""
        lengths = torch.cat([group.mask.sum(dim=1) for group in groups])
        scores = torch.cat([group.scores for group in groups]).nanmean(dim=0)
        values = {
            "reward": torch.cat([group.rewards for group in groups]).nanmean(),
            **{f"rewards/{name_of(f)}": x for f, x in zip(self.reward_funcs, scores, strict=True)},
            "frac_reward_zero_std": sum(not group.has_spread for group in groups) / len(groups),
            # The mean of -log pi over tokens that pi itself has sampled estimates its entropy without bias.
            "entropy": -sum(group.logps.sum() for group in groups) / lengths.sum(),
            "completions/mean_length": lengths.float().mean(),
            "completions/clipped_ratio": 1 - torch.cat([group.ended for group in groups]).float().mean(),
            "tokens_per_second": lengths.sum() / (time.perf_counter() - started) * distributed.world_size(),
        }
        means = torch.tensor([float(value) for value in values.values()], device=self.device)
        distributed.sum_([means])
        return dict(zip(values, (means / distributed.world_size()).tolist(), strict=True))

    def record(self, record: dict) -> dict:
        """Add a record to the history and to `metrics.jsonl`; a nan, which JSON does not know, becomes None."""
        self.history.append(_without_nan(record))
        self._write(METRICS, self.history[-1])
        return self.history[-1]

    def _log_completions(self, group: Group) -> None:
        if self.args.log_completions:
            numbers = zip(group.completions, group.rewards.tolist(), group.advantages.tolist(), strict=True)
            for completion, reward, advantage in numbers:
                record = {"step": self.step, "prompt": group.prompt, "completion": completion}
                self._write(COMPLETIONS, _without_nan(record | {"reward": reward, "advantage": advantage}))

    def _write(self, name: str, record: dict) -> None:
        if self.args.output_dir and distributed.rank() == 0:
            append_line(Path(self.args.output_dir) / name, record)


@lru_cache(maxsize=1)
def _shuffled(size: int, seed: int) -> list[int]:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()


def _without_nan(record: dict) -> dict:
    return {name: None if value != value else value for name, value in record.items()}


def _passes(every: int | None, before: int, now: int) -> bool:
    """Whether a multiple of `every` lies behind `before` and not behind `now`."""
    return every is not None and now // every > before // every
