"""TRL's own GRPOTrainer, made to compute on tensors of our choice.

A real trainer is built once on a tiny local GPT-2. Then exactly two of its methods are replaced, and none of its
arithmetic: where it would run the model it is handed a leaf tensor of log-probs, and where it would generate and score
it is handed completions and rewards.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import torch
from conftest import make_tiny_model


def make_trainer(output_dir: str):
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    vocab = {token: i for i, token in enumerate(["<pad>", "<bos>", "<eos>", *"123456789"])}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="<pad>"))
    tokenizer.pre_tokenizer = Split("", behavior="isolated")
    args = GRPOConfig(
        output_dir=output_dir,
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
        per_device_train_batch_size=2,
        num_generations=2,
    )
    return GRPOTrainer(
        model=make_tiny_model("gpt2").float(),
        reward_funcs=lambda completions, **columns: [0.0] * len(completions),
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "12"}] * 4),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
        ),
    )


def trl_loss(trainer, logps, old_logps, advantages, mask, *, ref_logps=None, num_items_in_batch=None, **settings):
    """Run TRL's `_compute_loss` on these log-probs; return the loss, with its graph, and TRL's metrics."""
    names = {"epsilon": "epsilon_low", "delta": "args.delta", "use_bias_correction_kl": "args.use_bias_correction_kl"}
    defaults = {
        "loss_type": "grpo",
        "importance_sampling_level": "token",
        "beta": 0.0,
        "epsilon": 0.2,
        "epsilon_high": settings.get("epsilon", 0.2),
        "delta": None,
        "use_bias_correction_kl": False,
        "max_completion_length": logps.shape[1],
    }
    chosen = {names.get(name, name): value for name, value in (defaults | settings).items()}
    chosen["_get_per_token_logps_and_entropies"] = lambda *args, **kwargs: (logps, torch.zeros_like(logps), None)
    chosen["current_gradient_accumulation_steps"] = 1
    inputs = {
        "prompt_ids": torch.zeros(len(logps), 1, dtype=torch.long),
        "prompt_mask": torch.ones(len(logps), 1, dtype=torch.long),
        "completion_ids": torch.zeros(logps.shape, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": advantages,
        "num_items_in_batch": mask.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch),
    }
    if old_logps is not None:
        inputs["old_per_token_logps"] = old_logps
    if ref_logps is not None:
        inputs["ref_per_token_logps"] = ref_logps
    trainer._metrics["train"].clear()
    with _attributes(trainer, chosen):
        trainer.model.train()
        loss = trainer._compute_loss(trainer.model, inputs)
    return loss, {name: values[-1] for name, values in trainer._metrics["train"].items()}


def trl_advantages(trainer, rewards, num_generations, *, scale_rewards="group", weights=None):
    """Run TRL's `_generate_and_score_completions` on a given [B, K] tensor of rewards; return the advantages."""
    n, k = rewards.shape
    generated = ([[3, 4]] * n, [[5, 2]] * n, None, ["3"] * n, None, {}, None, [[]] * n)
    chosen = {
        "_generate": lambda prompts: generated,
        "_calculate_rewards": lambda *args: rewards.clone(),
        "num_generations": num_generations,
        "scale_rewards": scale_rewards,
        "reward_funcs": [None] * k,
        "reward_func_names": [f"r{i}" for i in range(k)],
        "reward_weights": torch.ones(k, dtype=rewards.dtype) if weights is None else rewards.new_tensor(weights),
        "beta": 0.0,
    }
    # TRL corrects its standard deviation by a quotient of two integers, which has PyTorch's default type.
    torch.set_default_dtype(rewards.dtype)
    try:
        with _attributes(trainer, chosen):
            trainer.model.train()
            return trainer._generate_and_score_completions([{"prompt": "12"}] * n)["advantages"]
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def _attributes(trainer, values):
    """Set attributes ("args.delta" reaches into args) and put the old ones back."""
    owners = {name: trainer.args if name.startswith("args.") else trainer for name in values}
    before = SimpleNamespace(own={name: dict(owner.__dict__) for name, owner in owners.items()})
    try:
        for name, value in values.items():
            setattr(owners[name], name.removeprefix("args."), value)
        yield
    finally:
        for name, owner in owners.items():
            key = name.removeprefix("args.")
            if key in before.own[name]:
                setattr(owner, key, before.own[name][key])
            else:
                delattr(owner, key)
