"""The settings of a training run, by the names of TRL's GRPOConfig."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from grpo_lite._checks import check_at_least, check_choice, check_count, check_temperature
from grpo_lite.algorithms import check_loss_settings

SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True, kw_only=True)
class GRPOConfig:
    r"""Settings of `GRPOTrainer`. Names and meanings are TRL's; the defaults are TRL's unless the text says otherwise.

    A batch is `per_device_train_batch_size * steps_per_generation` completions on each process, all sampled from the
    same weights. An update takes `gradient_accumulation_steps / steps_per_generation` of it, and the whole batch is
    used `num_iterations` times.

    Attributes:
        output_dir: where checkpoints, `metrics.jsonl` and `completions.jsonl` go; None writes nothing.
        max_steps: updates of the weights in all; 100 here. A finished run goes on to more of them if the schedule is
            "constant"; any other reaches 0 with the last of them.
        learning_rate: step size at its highest. 1e-6 is for models with billions of weights; small ones need more.
        lr_scheduler_type: "linear" to 0, "cosine" to 0, or "constant", after the warm-up.
        warmup_steps: updates over which the step size rises from 0.
        weight_decay: of AdamW; not for biases and the gains of norms, as in TRL.
        max_grad_norm: a longer gradient is shortened to this length; 0 switches that off.
        per_device_train_batch_size: completions that go through the model at once; a multiple of `num_generations`
            or a divisor of it, so that the prompt of a group is read once.
        gradient_accumulation_steps: such micro-batches in an update. The gradient is that of one large batch, for
            every loss type.
        steps_per_generation: micro-batches sampled at once, a multiple of `gradient_accumulation_steps`, which None
            stands for; above it the ratio leaves 1 after the first update of a batch.
        num_generations: G, completions of a prompt, at least 2.
        max_completion_length: longest completion, in tokens.
        temperature: of sampling and of the log-probs, above 0.
        num_iterations: mu, updates made with the same completions; above 1 the ratio leaves 1 and the clip works.
        beta: weight of the KL penalty; 0 loads no reference.
        epsilon: half-width of the clip range.
        epsilon_high: upper half-width if it differs; for "cispo" the cap of the ratio, needed.
        delta: cap of the ratio for negative advantages.
        loss_type: as in `grpo_loss`; "grpo" here, "dapo" in TRL.
        importance_sampling_level: "token" or "sequence".
        use_bias_correction_kl: False here, True in TRL.
        scale_rewards: "group", "batch" or "none", as in `group_advantages`.
        reward_weights: one number a reward function; None weighs all by 1. A function of weight 0 only watches (in
            TRL its number also turns the None of all others into a 0).
        off_policy_mask_threshold: as in `off_policy_mask`; None keeps all completions.
        mask_truncated_completions: leave completions without an end token out of the loss.
        max_sampling_rounds: sample up to so many batches of prompts until enough groups have different rewards
            (DAPO's dynamic sampling); 1 takes the first batch as it comes. Not in TRL.
        eval_steps: updates between two evaluations; None evaluates only when asked.
        per_device_eval_batch_size: prompts evaluated at once.
        save_steps: updates between two checkpoints; 500 as in TRL. The last update is always saved.
        save_total_limit: how many checkpoints to keep; None keeps all.
        report_to: where else the numbers go: "tensorboard" (into `output_dir`), "wandb", "trackio" or another tracker
            of accelerate, or several; "none".
        log_completions: write the first group of each batch to `completions.jsonl`.
        bf16: compute matrix products in bfloat16 (autocast), here and in evaluations; weights, gradients and optimiser
            stay in float32. False here, True in TRL.
        gradient_checkpointing: keep no activations within the layers and compute them twice: less memory, more time.
            False here, True in TRL.
        seed: of sampling and of the order of the prompts.
        use_cpu: stay on the CPU although there is an accelerator.
        disable_tqdm: True hides the progress bar, None shows it in a terminal only.

    Raises:
        ValueError: a setting is out of range, or the sizes do not fit each other.

    Example:
        >>> GRPOConfig(per_device_train_batch_size=32, num_generations=8, learning_rate=3e-4).prompts_per_step
        4
    """

    output_dir: str | None = None
    max_steps: int = 100
    learning_rate: float = 1e-6
    lr_scheduler_type: str = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    steps_per_generation: int | None = None
    num_generations: int = 8
    max_completion_length: int = 512
    temperature: float = 1.0
    num_iterations: int = 1
    beta: float = 0.0
    epsilon: float = 0.2
    epsilon_high: float | None = None
    delta: float | None = None
    loss_type: str = "grpo"
    importance_sampling_level: str = "token"
    use_bias_correction_kl: bool = False
    scale_rewards: str = "group"
    reward_weights: Sequence[float] | None = None
    off_policy_mask_threshold: float | None = None
    mask_truncated_completions: bool = False
    max_sampling_rounds: int = 1
    eval_steps: int | None = None
    per_device_eval_batch_size: int = 64
    save_steps: int = 500
    save_total_limit: int | None = None
    report_to: str | Sequence[str] = "none"
    log_completions: bool = False
    bf16: bool = False
    gradient_checkpointing: bool = False
    seed: int = 42
    use_cpu: bool = False
    disable_tqdm: bool | None = None

    def __post_init__(self):
        if self.output_dir == "":
            raise ValueError("output_dir must name a folder, got '': None writes nothing")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int or (field.type == int | None and value is not None):
                check_count(field.name, value, _LOWEST.get(field.name, 1))
        for name in ("learning_rate", "weight_decay", "max_grad_norm"):
            check_at_least(name, getattr(self, name), 0)
        if math.isinf(self.learning_rate):
            raise ValueError("learning_rate must be finite, got inf")
        check_temperature(self.temperature)
        check_choice("lr_scheduler_type", self.lr_scheduler_type, SCHEDULES)
        check_loss_settings(**{name: getattr(self, name) for name in _OF_THE_OBJECTIVE})
        check_choice("scale_rewards", self.scale_rewards, ("group", "batch", "none"))
        if self.off_policy_mask_threshold is not None:
            check_at_least("off_policy_mask_threshold", self.off_policy_mask_threshold, 0)
        self._check_sizes()

    def _check_sizes(self) -> None:
        at_once, group = self.per_device_train_batch_size, self.num_generations
        if at_once % group and group % at_once:
            raise ValueError(
                f"per_device_train_batch_size must be a multiple of num_generations={group} or a divisor of it, "
                f"got {at_once}"
            )
        in_turn = self.gradient_accumulation_steps
        if at_once * in_turn % group:
            raise ValueError(
                "per_device_train_batch_size * gradient_accumulation_steps must hold whole groups of "
                f"num_generations={group}, got {at_once * in_turn}"
            )
        if (self.steps_per_generation or in_turn) % in_turn:
            raise ValueError(
                f"steps_per_generation must be a multiple of gradient_accumulation_steps={in_turn}, "
                f"got {self.steps_per_generation}"
            )

    @property
    def completions_per_step(self) -> int:
        """B on one process: how many completions are sampled from the same weights."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps * self.parts

    @property
    def prompts_per_step(self) -> int:
        """How many prompts these completions belong to."""
        return self.completions_per_step // self.num_generations

    @property
    def parts(self) -> int:
        """Into how many updates these completions are cut."""
        return (self.steps_per_generation or self.gradient_accumulation_steps) // self.gradient_accumulation_steps

    def loss_settings(self) -> dict:
        """Return the settings that `grpo_loss` takes by the same name."""
        names = (*_OF_THE_OBJECTIVE, "use_bias_correction_kl", "max_completion_length")
        return {name: getattr(self, name) for name in names}

    def fixed_settings(self) -> dict:
        """Return the settings that decide about the weights: a run that is resumed must have the same."""
        free = _CHANGEABLE | ({"max_steps"} if self.lr_scheduler_type == "constant" else set())
        return {name: value for name, value in asdict(self).items() if name not in free}

    def learning_rate_at(self, step: int) -> float:
        """Return the step size of update number `step`, counted from 0."""
        if step < self.warmup_steps:
            return self.learning_rate * step / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.max_steps - self.warmup_steps)
        left = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "constant": 1.0}
        return self.learning_rate * left[self.lr_scheduler_type]


_LOWEST = {"num_generations": 2, "warmup_steps": 0, "seed": 0}  # of the counts that do not start at 1

_OF_THE_OBJECTIVE = ("loss_type", "importance_sampling_level", "beta", "epsilon", "epsilon_high", "delta")
_CHANGEABLE = {"output_dir", "eval_steps", "per_device_eval_batch_size", "save_steps", "save_total_limit",
               "report_to", "log_completions", "use_cpu", "disable_tqdm"}  # fmt: skip
