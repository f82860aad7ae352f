"""The model that is trained: which ones are refused, in which precision it computes, which of its weights decay."""

import copy

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.training import gradient, policy
from helpers.runs import ROWS, SETTINGS, TOKENIZER, assert_same, identical, model_of, odd, weights


def make_trainer(model=None, **settings):
    args = GRPOConfig(**SETTINGS | settings)
    return GRPOTrainer(model_of() if model is None else model, odd, args, ROWS, TOKENIZER)


def gradient_of(trainer, groups):
    trainer.gradient(groups)
    return [p.grad.clone() for p in trainer.parameters]


# What is refused.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_half_precision_would_not_move_and_are_refused(dtype):
    """At 0.02 neighbours in bfloat16 are 1.2e-4 apart: a step of 1e-6 is lost."""
    with pytest.raises(ValueError, match=rf"kept in float32, got {dtype}.*dtype=torch.float32.*bf16=True"):
        make_trainer(model_of().to(dtype))


def test_frozen_weights_may_be_in_half_precision():
    model = model_of().float()
    model.transformer.wpe.to(torch.bfloat16).requires_grad_(False)
    policy.check_model(model)
    model.transformer.wpe.requires_grad_(True)
    with pytest.raises(ValueError, match="bfloat16"):
        policy.check_model(model)


@pytest.mark.usefixtures("as_user")
def test_a_wrapped_or_compiled_model_is_refused():
    in_place, by_its_method, in_a_part = model_of(), model_of(), model_of()
    in_place.compile(backend="eager")
    by_its_method.forward = torch.compile(by_its_method.forward, backend="eager")
    in_a_part.transformer.h[0] = torch.compile(in_a_part.transformer.h[0], backend="eager")
    for model, name in [
        (torch.nn.DataParallel(model_of()), "DataParallel"),
        (torch.compile(model_of(), backend="eager"), "OptimizedModule"),
        (in_place, "GPT2LMHeadModel"),
        (by_its_method, "GPT2LMHeadModel"),
        (in_a_part, "GPT2LMHeadModel"),
        (type("Engine", (torch.nn.Module,), {"__module__": "deepspeed.runtime.engine"})(), "Engine"),
        (type("Wrapped", (torch.nn.Module,), {"__module__": "accelerate.big_modeling"})(), "Wrapped"),
        ("gpt2", "str"),
    ]:
        with pytest.raises(ValueError, match=f"itself, not compiled or wrapped, got {name}: hand over what is inside"):
            make_trainer(model)


def test_a_model_without_a_key_value_cache_is_refused_before_anything_is_sampled(monkeypatch):
    """As Mamba was until transformers 5.24, which gives it a memory whose rows can be picked."""
    monkeypatch.setattr(policy, "read", lambda *args, **kwargs: (None, {"past_key_values": None}))
    with pytest.raises(ValueError, match="key-value cache of transformers, got GPT2LMHeadModel with NoneType: take"):
        make_trainer()


def test_a_model_that_is_frozen_is_refused():
    hint = r"one that is frozen: model.requires_grad_\(True\), or is_trainable=True where adapters are loaded$"
    with pytest.raises(ValueError, match=f"^model must have weights that are trained, got {hint}"):
        make_trainer(model_of().requires_grad_(False))


class OnAnotherDevice(torch.nn.Parameter):
    device = torch.device("cuda")


def test_a_model_with_weights_elsewhere_is_refused():
    left_out, sharded, on_two_devices = model_of().to("meta"), model_of(), model_of()
    sharded.transformer.wpe.weight.device_mesh = "as a DTensor has it"
    on_two_devices.transformer.wpe.weight = OnAnotherDevice(on_two_devices.transformer.wpe.weight.data)
    for model in (left_out, sharded, on_two_devices):
        with pytest.raises(ValueError, match=r"^model must be whole on one device, .*: load it whole$"):
            policy.check_model(model)


def test_sixteen_bits_are_bfloat16_also_where_a_device_takes_others_by_itself(monkeypatch):
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda kind: torch.float16)  # as for CUDA
    assert policy.precision(model_of(), GRPOConfig(bf16=True)).fast_dtype == torch.bfloat16


# How it computes.


def test_bf16_computes_in_16_bits_and_keeps_weights_gradients_and_optimiser_in_32():
    model, seen = model_of("llama").float(), []
    model.lm_head.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    trainer = make_trainer(model, bf16=True, beta=0.1)
    seen.clear()  # one token was read to see what the model remembers
    groups = trainer.add_advantages(trainer.sample())
    trainer.update(groups)
    trainer.eval_dataset = ROWS[:2]
    trainer.evaluate()
    assert set(seen) == {torch.bfloat16}
    state = [x for own in trainer.optimizer.state.values() for x in (own["exp_avg"], own["exp_avg_sq"])]
    for x in [*trainer.parameters, *(p.grad for p in trainer.parameters), *state, groups[0].logps, groups[0].ref_logps]:
        assert x.dtype == torch.float32


def test_the_gradient_in_bf16_is_the_one_in_float32_up_to_its_rounding():
    model = model_of("llama").float()
    exact, rounded = make_trainer(model), make_trainer(copy.deepcopy(model), bf16=True)
    groups = exact.add_advantages(exact.sample())
    a, b = (torch.cat([x.flatten() for x in gradient_of(t, groups)]) for t in (exact, rounded))
    assert not torch.equal(a, b)
    assert torch.cosine_similarity(a, b, dim=0) > 0.98
    assert_close(b.norm(), a.norm(), rtol=0.1, atol=0)


def test_in_bf16_the_log_probs_of_sampling_are_those_of_scoring_up_to_its_rounding():
    trainer = make_trainer(model_of().float(), bf16=True)
    for group in trainer.sample():
        rows = gradient.stack([group._replace(advantages=torch.zeros(8))])
        again = gradient.logps_of(trainer.model, rows, trainer.args)
        assert_close(again.detach(), group.logps, rtol=0, atol=0.1)


def test_bf16_trains():
    model = model_of().float()
    before = weights(model)
    history = make_trainer(model, bf16=True).train()
    assert [record["step"] for record in history] == [1, 2, 3]
    assert not any(identical(weights(model), before))


# Llama's norm computes in float32 whatever the weights are.
@pytest.mark.parametrize(("kind", "tolerance"), [("gpt2", 1e-9), ("llama", 1e-6)])
def test_layers_that_are_recomputed_give_the_same_gradient(kind, tolerance):
    settings = {"num_iterations": 2, "beta": 0.1}
    plain, frugal = (make_trainer(model_of(kind), **settings, gradient_checkpointing=x) for x in (False, True))
    calls = []
    attention = next(m for name, m in frugal.model.named_modules() if name.endswith("attn"))
    attention.register_forward_hook(lambda *args: calls.append(torch.is_grad_enabled()))
    groups = frugal.add_advantages(frugal.sample())
    calls.clear()
    assert_same(gradient_of(frugal, groups), gradient_of(plain, groups), tolerance)
    assert len(calls) == 2 * len(list(gradient.micro_batches(groups, 32)))  # once forward, once more backward


def test_recomputing_trains_to_the_same_weights_without_dropout():
    plain, frugal = (make_trainer(gradient_checkpointing=x) for x in (False, True))
    assert frugal.model.config.resid_pdrop > 0
    plain.train()
    frugal.train()
    assert_same(weights(frugal.model), weights(plain.model))


def test_recomputing_keeps_fewer_activations():
    kept = {}
    for frugal in (False, True):
        trainer = make_trainer(gradient_checkpointing=frugal)
        groups, sizes = trainer.add_advantages(trainer.sample()), []

        def pack(x, sizes=sizes):
            sizes.append(x.numel())
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            gradient.logps_of(trainer.model, gradient.stack(groups), trainer.args)
        kept[frugal] = sum(sizes)
    assert kept[True] < 0.5 * kept[False]


def test_a_model_whose_layers_cannot_be_recomputed_is_refused():
    with pytest.raises(ValueError, match="gradient_checkpointing needs layers that can be recomputed, got Linear"):
        policy.recompute_layers(torch.nn.Linear(2, 2))


# Which weights decay.


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_weights_that_decay_are_those_of_transformers(kind):
    from transformers import Trainer

    model = model_of(kind)
    theirs = {id(dict(model.named_parameters()).get(name)) for name in Trainer.get_decay_parameter_names(None, model)}
    decaying, others = policy.parameter_groups(model, 0.1)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert {id(p) for p in decaying["params"]} == theirs - {id(None)}
    assert len(decaying["params"]) + len(others["params"]) == len(list(model.parameters()))
    model.requires_grad_(False)
    assert [group["params"] for group in policy.parameter_groups(model, 0.1)] == [[], []]
