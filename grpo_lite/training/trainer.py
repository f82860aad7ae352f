"""The training loop: sample a group for each prompt, turn its rewards into advantages, update the policy.

`GRPOTrainer.train` is the loop, and its four steps stand below it. What a run needs besides has a file of its own, as
`grpo_lite.training` says.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from grpo_lite.advantages import combine_rewards, group_advantages
from grpo_lite.rewards.protocol import RewardFunc
from grpo_lite.training import checkpoint, distributed, policy, records, rollout
from grpo_lite.training.config import GRPOConfig
from grpo_lite.training.gradient import gradient_of, logps_of, stack
from grpo_lite.training.rollout import Group


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
        callback: called with each record of the history as it is made, on each process.
        environment: answers the model within a completion: it takes the text of a turn, up to an end token, and returns
            the text that comes next, or None. The model reads it and goes on; what was answered is not trained.

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
        callback: Callable[[dict], None] | None = None,
        environment: rollout.Environment | None = None,
    ):
        self.reward_funcs = [reward_funcs] if callable(reward_funcs) else list(reward_funcs)
        self.args, self.tokenizer, self.environment = args, processing_class, environment
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.callback = callback
        self.show: Callable[[dict], None] | None = None  # in a progress bar and to the trackers, while `train` runs
        self._check()
        policy.check_model(model)
        self.device = distributed.start(args.use_cpu)
        self.model = model.to(self.device).eval()
        policy.check_cache(model)
        distributed.broadcast_(model.state_dict().values())
        self.reference = copy.deepcopy(model).requires_grad_(False) if args.beta > 0 else None
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if args.gradient_checkpointing:
            policy.recompute_layers(model)
        self.optimizer = torch.optim.AdamW(policy.parameter_groups(model, args.weight_decay), fused=True)
        self.generator = torch.Generator(self.device).manual_seed(args.seed + 1_000_003 * distributed.rank())
        self.step = self.prompts_taken = 0
        self.identity = checkpoint.identity(self) if args.output_dir else {}
        self.history: list[dict] = []

    def _check(self) -> None:
        """Refuse what could only fail later, when time has been spent."""
        for name, rows in (("train_dataset", self.train_dataset), ("eval_dataset", self.eval_dataset)):
            if rows is not None and (isinstance(rows, Mapping) or len(rows) == 0 or "prompt" not in rows[0]):
                raise ValueError(f"{name} must hold rows with a 'prompt', got {len(rows)} rows: {list(rows)[:1]}")
        if self.args.eval_steps and self.eval_dataset is None:
            raise ValueError("eval_steps needs held-out rows, got eval_dataset=None: hand some to GRPOTrainer")
        if not all(map(callable, self.reward_funcs)):
            raise ValueError(
                f"reward_funcs must be a function or several, which may ask a model, got {self.reward_funcs}"
            )
        combine_rewards(torch.zeros(1, len(self.reward_funcs)), self.args.reward_weights)  # are there as many weights?

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
        # One after the other, so that nothing is shown before the run is known to be this one.
        with checkpoint.going_on(self), records.shown(args, self.step) as self.show:
            if args.eval_steps and not self.history:
                self.evaluate()
            with distributed.ctrl_c() as pressed:
                while self.step < args.max_steps:
                    before = self.step
                    self._use_a_batch()
                    if is_due(args.eval_steps, before, self.step):
                        self.evaluate()
                    stop = pressed()
                    if stop or self.step == args.max_steps or is_due(args.save_steps, before, self.step):
                        self.save()
                    if stop:
                        hint = checkpoint.resume_hint(args.output_dir)
                        raise KeyboardInterrupt(f"stopped after step {self.step}: {hint}")
        return self.history

    def _use_a_batch(self) -> None:
        """Sample a batch and make all the updates that it is there for."""
        args, started = self.args, time.perf_counter()
        sampled = self.sample()
        batch = self.add_advantages(self.select_groups(sampled))
        parts = [batch[i :: args.parts] for i in range(args.parts)]  # groups without spread are shared out
        for groups in (parts * args.num_iterations)[: args.max_steps - self.step]:
            updated = self.update(groups, batch)
            described = records.describe(sampled, self.reward_funcs, time.perf_counter() - started)
            self.record(updated | distributed.mean(described))
        if args.log_completions:
            records.write(args.output_dir, records.COMPLETIONS, *records.completions_of(batch[0], self.step))

    # The four steps of the loop.

    def sample(self) -> list[Group]:
        """Sample G completions of the next prompts and judge them; with dynamic sampling, of more prompts."""
        args, groups = self.args, []
        for _ in range(args.max_sampling_rounds):
            rows = rollout.next_rows(self.train_dataset, self.prompts_taken, args.prompts_per_step, args.seed)
            self.prompts_taken += len(rows)
            how = (args, self.generator, self.environment)
            groups += rollout.sample_groups(self.model, self.tokenizer, self.reward_funcs, rows, *how)
            if sum(group.has_spread for group in groups) >= args.prompts_per_step:
                break
        return groups

    def select_groups(self, groups: list[Group]) -> list[Group]:
        """Take as many groups as an update needs, those first whose rewards differ."""
        return sorted(groups, key=lambda group: not group.has_spread)[: self.args.prompts_per_step]

    def add_advantages(self, groups: list[Group]) -> list[Group]:
        """Compare each completion with its group, and ask the reference, if there is one, for its log-probs."""
        args, own = self.args, torch.cat([group.rewards for group in groups])
        rewards = torch.cat(distributed.gather_objects(own))  # scale_rewards="batch" divides by the spread of all
        advantages = group_advantages(rewards, args.num_generations, scale_rewards=args.scale_rewards)
        first = distributed.rank() * len(groups)
        parts = advantages.to(self.device).split(args.num_generations)[first : first + len(groups)]
        groups = [group._replace(advantages=part) for group, part in zip(groups, parts, strict=True)]
        if self.reference:
            with torch.no_grad():
                logps = [logps_of(self.reference, stack([group]), args) for group in groups]
            groups = [group._replace(ref_logps=x) for group, x in zip(groups, logps, strict=True)]
        return groups

    def update(self, groups: list[Group], batch: list[Group] | None = None) -> dict[str, float]:
        """Move the weights once, by groups that may be a part of a batch; return what was measured on the way."""
        metrics = self.gradient(groups, batch or groups)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.args.max_grad_norm or math.inf).item()
        if not math.isfinite(metrics["loss"]) or not math.isfinite(norm):
            raise FloatingPointError(
                f"the loss is {metrics['loss']} and the length of the gradient {norm}; nothing was updated, the "
                f"weights are those of step {self.step}: look at its rewards and log-probs, or lower learning_rate"
            )
        learning_rate = float(self.args.learning_rate_at(self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.step += 1
        return {"step": self.step, **metrics, "grad_norm": norm, "learning_rate": learning_rate}

    def gradient(self, groups: list[Group], batch: list[Group] | None = None) -> dict[str, float]:
        """Put the gradient of an update into the parameters; return its `loss`, `kl` and `clip_fraction`."""
        return gradient_of(self, groups, batch or groups)

    # What is kept: records, checkpoints, evaluations.

    def evaluate(self) -> dict[str, float]:
        """Measure the model on `eval_dataset` with `rollout.evaluate`, each process on its share of the rows.

        Returns:
            The record that was added to the history.

        Raises:
            ValueError: there is no `eval_dataset`.
        """
        if self.eval_dataset is None:
            raise ValueError("evaluate needs held-out rows, got eval_dataset=None: hand some to GRPOTrainer")
        what = (self.model, self.tokenizer, self.reward_funcs, self.eval_dataset, self.args)
        result = rollout.evaluate(*what, environment=self.environment, together=True)
        return self.record({"step": self.step, "eval": True} | result)

    def record(self, record: dict) -> dict:
        """Add a record to the history and to `metrics.jsonl`; a nan becomes None."""
        self.history.append(records.without_nan(record))
        records.write(self.args.output_dir, records.METRICS, self.history[-1])
        for watch in (self.show, self.callback):
            if watch:
                watch(self.history[-1])
        return self.history[-1]

    def save(self) -> None:
        """Write a checkpoint, from which a run goes on exactly as if it had not been stopped."""
        if self.args.output_dir:
            checkpoint.save(self, Path(self.args.output_dir))


def is_due(every: int | None, before: int, now: int) -> bool:
    """Whether a multiple of `every` was passed or reached since: before < multiple <= now."""
    return every is not None and now // every > before // every
