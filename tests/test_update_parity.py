"""Our trainer and TRL's, from the same weights and samples: after each update the weights are the same to 1e-9.

TRL samples, cuts its batch and updates as it always does. Three things are set: its log-probs are computed in float64
(its own kernel keeps float32 statistics), it does not shuffle the batch before it cuts it, and its reward is a whole
number, so that advantages are exact. Our trainer is handed the samples in place of its own; the rest is its own.
"""

import copy

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import GRPOConfig, GRPOTrainer, combine_rewards
from grpo_lite.training.rollout import Group
from helpers.models import make_tiny_model
from helpers.runs import TOKENIZER, weights
from helpers.trl_trainer import OLD_NAMES, make_trainer

pytestmark = [pytest.mark.slow, OLD_NAMES]

G = 4
COMMON = {"max_steps": 4, "num_generations": G, "max_completion_length": 6, "learning_rate": 1e-2,
          "per_device_train_batch_size": 8, "weight_decay": 0.1, "scale_rewards": "none", "loss_type": "grpo",
          "use_bias_correction_kl": True}  # fmt: skip
CASES = {
    "plain": {},
    "accumulated": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "iterated": {"num_iterations": 2},
    "cut": {"steps_per_generation": 2},
    "cut and accumulated": {
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "steps_per_generation": 4,
    },
    "cut and iterated": {"steps_per_generation": 2, "num_iterations": 2},
    "penalty": {"beta": 0.2},
    "penalty, cut, iterated": {"beta": 0.2, "steps_per_generation": 2, "num_iterations": 2, "epsilon": 0.01},
    "dr_grpo, cut": {"loss_type": "dr_grpo", "steps_per_generation": 2},
    "dapo, cut": {"loss_type": "dapo", "steps_per_generation": 2},
    "dapo, cut and accumulated": {
        "loss_type": "dapo",
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "steps_per_generation": 4,
    },
    "cispo, iterated": {"loss_type": "cispo", "epsilon_high": 5.0, "num_iterations": 2},
    "off-policy mask": {"off_policy_mask_threshold": 0.05, "steps_per_generation": 2, "num_iterations": 2},
}


def logps_in_float64(model, input_ids, attention_mask, logits_to_keep, **settings):
    logits = model(input_ids=input_ids, attention_mask=attention_mask).logits[:, -logits_to_keep - 1 : -1]
    logps = logits.double().log_softmax(dim=-1).gather(2, input_ids[:, -logits_to_keep:, None]).squeeze(2)
    return logps, torch.zeros_like(logps), None


def trained_by_trl(folder, settings, monkeypatch):
    """The weights after each update, and each batch of samples with its rewards."""
    make_tiny_model("gpt2").save_pretrained(folder)  # from where TRL takes the reference
    model = type(make_tiny_model("gpt2")).from_pretrained(folder, dtype=torch.float64)
    after, batches, rewards = [], [], []
    trainer = make_trainer(str(folder), model=model, disable_dropout=True, save_strategy="no", logging_strategy="no",
                           **COMMON | settings)  # fmt: skip
    monkeypatch.setattr("trl.trainer.grpo_trainer.shuffle_sequence_dict", lambda batch: batch)
    trainer._get_per_token_logps_and_entropies = logps_in_float64
    if trainer.ref_model is not None:
        trainer.ref_model = trainer.ref_model.double().eval()

    def listen(name, to):
        method = getattr(trainer, name)
        setattr(trainer, name, lambda *args: to.append(method(*args)) or to[-1])

    listen("_generate_and_score_completions", batches)
    listen("_calculate_rewards", rewards)
    trainer.create_optimizer()
    step = trainer.optimizer.step
    trainer.optimizer.step = lambda *args, **kwargs: (step(*args, **kwargs), after.append(weights(trainer.model)))[0]
    trainer.train()
    return after, list(zip(batches, rewards, strict=True))


def groups_of(batch, scores):
    """TRL's samples as our trainer has them."""
    mask, rewards = batch["completion_mask"].bool(), combine_rewards(scores)
    for start in range(0, len(mask), G):
        own = slice(start, start + G)
        yield Group(
            prompt="", prompt_ids=batch["prompt_ids"][start], ids=batch["completion_ids"][own], mask=mask[own],
            env_mask=mask[own], loss_mask=mask[own],
            logps=batch.get("old_per_token_logps", torch.full(mask.shape, torch.nan))[own],
            ended=mask[own].any(dim=1), completions=[""] * G, scores=scores[own], rewards=rewards[own],
        )  # fmt: skip


class Handed(GRPOTrainer):
    """Takes what it is handed in place of samples, and remembers the weights after each update."""

    def sample(self):
        batch, scores = self.batches.pop(0)
        groups, parts = list(groups_of(batch, scores)), self.args.parts
        # TRL's first update takes the first groups of a batch; ours takes every second or fourth.
        per_part = len(groups) // parts
        return [groups[i * per_part + j] for j in range(per_part) for i in range(parts)]

    def select_groups(self, groups):
        return groups

    def update(self, groups, batch):
        record = super().update(groups, batch)
        self.after.append(weights(self.model))
        return record


@pytest.mark.parametrize("name", CASES)
def test_each_update_ends_at_trls_weights(name, tmp_path, monkeypatch):
    settings = CASES[name]
    theirs, batches = trained_by_trl(tmp_path, settings, monkeypatch)
    start = make_tiny_model("gpt2")
    args = GRPOConfig(**COMMON | settings, use_cpu=True, disable_tqdm=True)
    trainer = Handed(copy.deepcopy(start), lambda **columns: [], args, [{"prompt": "1="}], TOKENIZER)
    trainer.batches, trainer.after = list(batches), []
    history = trainer.train()
    assert trainer.batches == []
    assert len(theirs) == len(trainer.after) == 4
    assert max((a - b).abs().max() for a, b in zip(weights(start), theirs[-1], strict=True)) > 0.02
    for ours, expected in zip(trainer.after, theirs, strict=True):
        for mine, other in zip(ours, expected, strict=True):
            assert_close(mine, other, rtol=1e-9, atol=1e-9)
    if "epsilon" in settings:
        assert history[0]["clip_fraction"] == 0 < max(record["clip_fraction"] for record in history)


def test_the_parts_of_a_cut_batch_are_told_from_a_whole_one(tmp_path, monkeypatch):
    """Without the log-probs of sampling, the second update of a batch would take its ratios for 1."""
    theirs, batches = trained_by_trl(tmp_path, CASES["cut"], monkeypatch)
    assert all("old_per_token_logps" in batch for batch, _ in batches)
    blind = [({k: v for k, v in batch.items() if k != "old_per_token_logps"}, scores) for batch, scores in batches]
    args = GRPOConfig(**COMMON | CASES["cut"], use_cpu=True, disable_tqdm=True)
    trainer = Handed(make_tiny_model("gpt2"), lambda **columns: [], args, [{"prompt": "1="}], TOKENIZER)
    trainer.batches, trainer.after = blind, []
    with pytest.raises(FloatingPointError):
        trainer.train()
