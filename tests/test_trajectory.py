"""Four optimiser steps of TRL's trainer and four of a plain loop over our functions, from the same weights.

TRL trains as it always does: it samples, scores, and updates with AdamW, a linear schedule and clipped gradients, two
updates on each batch of samples. Nothing of it is replaced; we only listen to what it sampled and scored. Our loop
then starts from the same weights, is given the same samples and rewards, and must end with the same weights.

The model is in float64, but TRL computes log-probs with float32 statistics even then, and SAPO's temperatures in
float32. AdamW divides each gradient by its own size and so enlarges such rounding. Weights agree to about 1e-7 (SAPO:
2e-6) and move by 0.025; hence the tolerance.
"""

import copy

import pytest
import torch

import grpo_lite
from helpers.models import make_tiny_model
from helpers.trl_trainer import OLD_NAMES, make_trainer

pytestmark = [pytest.mark.slow, OLD_NAMES]

LEARNING_RATE, STEPS, BETA = 1e-2, 4, 0.04
# What the two are told apart from loss_type and beta, which TRL's GMPO trainer does not have or has otherwise.
EXTRA = {"cispo": {"epsilon_high": 5.0}, "luspo": {"importance_sampling_level": "sequence"}, "gmpo": {"epsilon": 0.4}}


def trained_by_trl(folder, loss_type, slices):
    """Return the weights before and after, and the samples and rewards of the two batches."""
    make_tiny_model("llama").save_pretrained(folder)
    model = type(make_tiny_model("llama")).from_pretrained(folder, dtype=torch.float64)
    before, samples, rewards = copy.deepcopy(model), [], []
    kind = {"gmpo": {"algorithm": "gmpo"}}.get(loss_type, {"loss_type": loss_type})
    trainer = make_trainer(
        str(folder),
        model=model,
        max_steps=STEPS,
        num_iterations=2,
        num_generations=4,
        per_device_train_batch_size=8 // slices,
        gradient_accumulation_steps=slices,
        max_completion_length=6,
        learning_rate=LEARNING_RATE,
        beta=BETA,
        save_strategy="no",
        logging_strategy="no",
        **kind | EXTRA.get(loss_type, {}),
    )

    def listen(name, to):
        method = getattr(trainer, name)
        setattr(trainer, name, lambda *args: to.append(method(*args)) or to[-1])

    listen("_generate_and_score_completions", samples)
    listen("_calculate_rewards", rewards)
    trainer.train()
    return before, trainer.model, samples, rewards


def train_in_a_plain_loop(model, samples, rewards, loss_type):
    reference = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    for batch, scores in zip(samples, rewards, strict=True):
        ids, mask = batch["completion_ids"], batch["completion_mask"].bool()
        advantages = grpo_lite.group_advantages(grpo_lite.combine_rewards(scores), 4)
        with torch.no_grad():
            old, ref = (grpo_lite.completion_logps(m, batch["prompt_ids"], ids) for m in (model, reference))
        for _ in range(2):
            logps = grpo_lite.completion_logps(model, batch["prompt_ids"], ids)
            settings = {"use_bias_correction_kl": loss_type != "gmpo", "max_completion_length": 6}
            out = grpo_lite.grpo_loss(
                logps,
                old,
                advantages,
                mask,
                ref_logps=ref,
                beta=BETA,
                loss_type=loss_type,
                **settings | EXTRA.get(loss_type, {}),
            )
            optimizer.zero_grad()
            out.loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def largest_difference(one, other):
    return max((a - b).abs().max().item() for a, b in zip(one.parameters(), other.parameters(), strict=True))


LOSS_TYPES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo", "gmpo"]
# With two slices TRL's "bnpo" is the mean of two means over tokens, which is another loss than that of the whole batch.
CASES = [(name, slices) for name in LOSS_TYPES for slices in (1, 2) if (name, slices) != ("bnpo", 2)]


@pytest.mark.parametrize(("loss_type", "slices"), CASES)
def test_four_steps_end_at_trls_weights(tmp_path, loss_type, slices):
    model, theirs, samples, rewards = trained_by_trl(tmp_path, loss_type, slices)
    before = copy.deepcopy(model)
    train_in_a_plain_loop(model, samples, rewards, loss_type)
    assert len(samples) == 2
    assert largest_difference(before, theirs) > 0.02
    assert largest_difference(model, theirs) < 5e-6


def test_another_loss_ends_elsewhere(tmp_path):
    """The tolerance tells the members of the family apart, also those that differ in the denominator alone."""
    model, theirs, samples, rewards = trained_by_trl(tmp_path, "dapo", 1)
    train_in_a_plain_loop(model, samples, rewards, "grpo")
    assert largest_difference(model, theirs) > 1e-3
