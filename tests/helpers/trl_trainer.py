"""TRL's own GRPOTrainer, made to compute on tensors of our choice.

A real trainer is built once on a tiny local model. Then exactly three of its methods are replaced, and none of its
arithmetic: where it would run the model it is handed leaf tensors of log-probs and entropies, where it would generate
it is handed completions, and where it would score them it is handed rewards. Settings are set as attributes, which is
where its methods read them. PyTorch's default type is float64 meanwhile, because TRL makes a few tensors out of plain
numbers.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from helpers.models import make_tiny_model

# transformers has renamed gradient checkpointing, and TRL uses the names of before, which is theirs to mend.
OLD_NAMES = pytest.mark.filterwarnings(
    "ignore:`(is_)?gradient_checkpointing(_enable|_disable)?` is deprecated:FutureWarning"
)


def make_trainer(output_dir: str, algorithm: str = "grpo", model=None, **settings):
    """A trainer of TRL over a tiny model; "gmpo" is a trainer of its own in TRL."""
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer
    from trl.experimental.gmpo import GMPOConfig, GMPOTrainer

    vocab = {token: i for i, token in enumerate(["<pad>", "<bos>", "<eos>", *"123456789"])}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="<pad>"))
    tokenizer.pre_tokenizer = Split("", behavior="isolated")
    trainer_class, config_class = {"grpo": (GRPOTrainer, GRPOConfig), "gmpo": (GMPOTrainer, GMPOConfig)}[algorithm]
    defaults = {"per_device_train_batch_size": 2, "num_generations": 2}
    args = config_class(
        output_dir=output_dir,
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
        disable_tqdm=True,
        **defaults | settings,
    )
    return trainer_class(
        model=make_tiny_model("gpt2").float() if model is None else model,
        reward_funcs=digits_above_four,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in ("12", "34", "56", "78")]),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
        ),
    )


def digits_above_four(completions, **columns):
    """A reward that differs within a group."""
    return [float(sum(c in "56789" for c in text)) for text in completions]


def trl_loss(
    trainer, logps, old_logps, advantages, mask, *, ref_logps=None, num_items_in_batch=None, entropies=None, **settings
):
    """Run TRL's `_compute_loss` on these log-probs; return the loss, with its graph, and TRL's metrics.

    `sampling_logps` and `importance_sampling_ratio` are what TRL stores of a vLLM sampler when it generates.
    """
    in_args = ("delta", "use_bias_correction_kl", "sapo_temperature_pos", "sapo_temperature_neg")
    in_args += ("vespo_k_pos", "vespo_lambda_pos", "vespo_k_neg", "vespo_lambda_neg")
    names = {"epsilon": "epsilon_low"} | {name: f"args.{name}" for name in in_args}
    stored = {
        "old_per_token_logps": old_logps,
        "ref_per_token_logps": ref_logps,
        "tool_mask": settings.pop("tool_mask", None),
        "sampling_per_token_logps": settings.pop("sampling_logps", None),
        "importance_sampling_ratio": settings.pop("importance_sampling_ratio", None),
    }
    entropies = torch.zeros_like(logps) if entropies is None else entropies
    defaults = {
        "loss_type": "grpo",
        "importance_sampling_level": "token",
        "beta": 0.0,
        "epsilon": 0.2,
        "epsilon_high": settings.get("epsilon", 0.2),
        "delta": None,
        "use_bias_correction_kl": False,
        "max_completion_length": logps.shape[1],
        "use_vllm": stored["importance_sampling_ratio"] is not None,
        "vllm_importance_sampling_correction": True,
        "_entropy_bonus_enabled": settings.get("entropy_coef", 0) > 0,
        "current_gradient_accumulation_steps": 1,
        "_get_per_token_logps_and_entropies": lambda *args, **kwargs: (logps, entropies, None),
    }
    inputs = {
        "prompt_ids": torch.zeros(len(logps), 1, dtype=torch.long),
        "prompt_mask": torch.ones(len(logps), 1, dtype=torch.long),
        "completion_ids": torch.zeros(logps.shape, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": advantages,
        "num_items_in_batch": mask.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch),
    } | {name: value for name, value in stored.items() if value is not None}
    trainer._metrics["train"].clear()
    with _attributes(trainer, {names.get(name, name): value for name, value in (defaults | settings).items()}):
        trainer.model.train()
        loss = trainer._compute_loss(trainer.model, inputs)
    return loss, {name: values[-1] for name, values in trainer._metrics["train"].items()}


def trl_advantages(
    trainer, rewards, num_generations, *, scale_rewards="group", weights=None, aggregation="sum_then_normalize"
):
    """Run TRL's `_generate_and_score_completions` on a given [B, K] tensor of rewards; return the advantages."""
    k = rewards.shape[1]
    chosen = {
        "_calculate_rewards": lambda *args: rewards.clone(),
        "num_generations": num_generations,
        "scale_rewards": scale_rewards,
        "multi_objective_aggregation": aggregation,
        "reward_funcs": [None] * k,
        "reward_func_names": [f"r{i}" for i in range(k)],
        "reward_weights": torch.ones(k, dtype=rewards.dtype) if weights is None else rewards.new_tensor(weights),
    }
    return _generate_and_score(trainer, [[5, 2]] * len(rewards), **chosen)["advantages"]


def trl_sampler_correction(trainer, old_logps, sampling_logps, mask, *, mode, cap, floor):
    """Run TRL's `_generate_and_score_completions` as if vLLM had reported these log-probs; return its weights.

    A mask of zeros cannot come out of sampling; TRL's mask for the answers of tools can have them anywhere.
    """
    chosen = {
        "_get_per_token_logps_and_entropies": lambda *args, **kwargs: (old_logps, None, None),
        "use_vllm": True,
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": mode,
        "vllm_importance_sampling_clip_max": cap,
        "vllm_importance_sampling_clip_min": floor,
    }
    ids = [[5] * old_logps.shape[1]] * len(old_logps)
    generated = {"tool_mask": mask.long().tolist(), "sampling_logps": sampling_logps.tolist()}
    return _generate_and_score(trainer, ids, **generated, **chosen)["importance_sampling_ratio"]


def trl_mask_of_truncated(trainer, completion_ids):
    """Run TRL's `_generate_and_score_completions` with `mask_truncated_completions`; return its mask."""
    return _generate_and_score(trainer, completion_ids, mask_truncated_completions=True)["completion_mask"]


def _generate_and_score(trainer, completion_ids, *, tool_mask=None, sampling_logps=None, **chosen):
    n = len(completion_ids)
    generated = ([[3, 4]] * n, completion_ids, tool_mask, ["3"] * n, sampling_logps, {}, None, [[]] * n)
    defaults = {
        "_generate": lambda prompts: generated,
        "_calculate_rewards": lambda *args: torch.zeros(n, 1),
        "num_generations": n,
        "beta": 0.0,
    }
    with _attributes(trainer, defaults | chosen):
        trainer.model.train()
        return trainer._generate_and_score_completions([{"prompt": "12"}] * n)


@contextmanager
def _attributes(trainer, values):
    """Set attributes ("args.delta" reaches into args) and the default type, and put the old ones back."""
    owners = {name: trainer.args if name.startswith("args.") else trainer for name in values}
    before = SimpleNamespace(own={name: dict(owner.__dict__) for name, owner in owners.items()})
    torch.set_default_dtype(torch.float64)
    try:
        for name, value in values.items():
            setattr(owners[name], name.removeprefix("args."), value)
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        for name, owner in owners.items():
            key = name.removeprefix("args.")
            if key in before.own[name]:
                setattr(owner, key, before.own[name][key])
            else:
                delattr(owner, key)
