import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import completion_logps, completion_mask, greedy_decode, sample_group
from helpers.models import make_tiny_model

T, F = True, False
EOS, PAD = 2, 0
SETTINGS = {"max_new_tokens": 6, "eos_token_id": EOS, "pad_token_id": PAD}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


PROMPTS = torch.tensor([[0, 0, 3, 4], [5, 6, 7, 8], [0, 9, 10, 11]])
PROMPT_MASK = PROMPTS != 0


@pytest.mark.parametrize("pad", [PAD, EOS])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_scoring_again_gives_the_log_probs_of_sampling(tiny_model, temperature, pad):
    group = sample_group(
        tiny_model,
        PROMPTS,
        5,
        **SETTINGS | {"pad_token_id": pad, "max_new_tokens": 12},
        temperature=temperature,
        prompt_mask=PROMPT_MASK,
        generator=seeded(),
    )
    again = completion_logps(
        tiny_model.eval(),
        PROMPTS.repeat_interleave(5, dim=0),
        group.ids,
        prompt_mask=PROMPT_MASK.repeat_interleave(5, dim=0),
        completion_mask=group.mask,
        temperature=temperature,
    )
    lengths = group.mask.sum(dim=1)
    assert lengths.min() < lengths.max()  # ragged, so that the test means something
    assert_close(group.logps, again.detach(), rtol=1e-9, atol=1e-9)
    assert torch.equal(group.mask, completion_mask(group.ids, EOS))
    assert (group.ids[~group.mask] == pad).all()
    assert (group.logps[~group.mask] == 0).all()


def test_a_padded_prompt_is_sampled_as_if_it_stood_alone(tiny_model):
    """Same random numbers, same completions, same log-probs, whatever stands beside the prompt."""
    alone = sample_group(tiny_model, torch.tensor([[3, 4]]), 4, **SETTINGS, generator=seeded())
    padded = sample_group(tiny_model, PROMPTS[:1], 4, **SETTINGS, prompt_mask=PROMPT_MASK[:1], generator=seeded())
    for a, b in zip(alone, padded, strict=True):
        assert_close(a, b)


def test_a_prompt_of_one_token_is_a_prompt(tiny_model):
    group = sample_group(tiny_model, torch.tensor([[3]]), 4, **SETTINGS, generator=seeded())
    again = completion_logps(tiny_model.eval(), torch.tensor([[3]] * 4), group.ids, completion_mask=group.mask)
    assert_close(group.logps, again.detach(), rtol=1e-9, atol=1e-9)


def test_frequencies_are_the_probabilities_of_the_model(tiny_model):
    """4,000 completions of two tokens against the exact probability of each of the 11 x 12 + 1 of them."""
    n = 4000
    group = sample_group(
        tiny_model,
        torch.tensor([[3, 4, 5]]),
        n,
        max_new_tokens=2,
        eos_token_id=EOS,
        pad_token_id=EOS,
        temperature=1.3,
        generator=seeded(1),
    )
    possible = torch.tensor([row for row in itertools.product(range(12), repeat=2) if row[0] != EOS or row[1] == EOS])
    exact = completion_logps(
        tiny_model.eval(),
        torch.tensor([[3, 4, 5]]).expand(len(possible), -1),
        possible,
        completion_mask=completion_mask(possible, EOS),
        temperature=1.3,
    )
    p = exact.sum(dim=1).exp()
    assert p.sum().item() == pytest.approx(1.0)
    counts = (group.ids[None] == possible[:, None]).all(dim=2).sum(dim=1)
    assert counts.sum() == n
    # Pearson's chi-square over the completions that are expected at least five times, five sigma of its own spread.
    often = p * n >= 5
    chi_square = ((counts - p * n) ** 2 / (p * n))[often].sum()
    degrees = int(often.sum())
    assert chi_square < degrees + 5 * (2 * degrees) ** 0.5


def test_what_completions_have_in_common_is_read_once(tiny_model):
    """The prompt once a group, then each of its beginnings that goes on, however many completions share it."""
    read, answered = [], []
    tiny_model.lm_head.register_forward_hook(lambda module, args, output: answered.append(output.shape[1]))
    tiny_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    group = sample_group(tiny_model, PROMPTS, 5, **SETTINGS, prompt_mask=PROMPT_MASK, generator=seeded())
    expected = [(3, 4)]
    for length in range(1, group.ids.shape[1]):
        going_on = [row for row in range(15) if group.mask[row, length]]
        beginnings = {(row // 5, *group.ids[row, :length].tolist()) for row in going_on}
        expected.append((len(beginnings), 1))
    assert read == expected
    rows = [n for n, _ in read[1:]]
    assert min(rows) < max(rows) < 15  # rows part and end, so that the test means something
    assert set(answered) == {1}  # the logits of the last position alone


def test_rows_that_leave_early_change_nothing_for_those_that_stay(tiny_model):
    """Same random numbers: an end token cuts a row short, and the other rows are what they are without an end token."""
    endless, ragged = (
        sample_group(
            tiny_model,
            PROMPTS[1:],
            16,
            **SETTINGS | {"eos_token_id": eos, "max_new_tokens": 9},
            prompt_mask=PROMPT_MASK[1:],
            generator=seeded(),
        )
        for eos in (1, [1, EOS, 3])
    )
    lengths = ragged.mask.sum(dim=1)
    assert lengths.unique().numel() > 4
    stays = endless.mask[:, : ragged.ids.shape[1]] & ragged.mask
    assert stays.sum() > 100
    assert torch.equal(ragged.ids[stays], endless.ids[:, : ragged.ids.shape[1]][stays])
    assert_close(ragged.logps[stays], endless.logps[:, : ragged.ids.shape[1]][stays])


def test_greedy_decode_is_a_loop_of_full_forward_passes(tiny_model):
    best = greedy_decode(tiny_model, PROMPTS, **SETTINGS | {"eos_token_id": [4, 10]}, prompt_mask=PROMPT_MASK)
    tiny_model.eval()
    for row, prompt in enumerate(PROMPTS.tolist()):
        read, logps = [token for token in prompt if token != PAD], []
        while len(logps) < 6 and (not logps or read[-1] not in (4, 10)):
            scores = tiny_model(torch.tensor([read])).logits[0, -1].tolist()
            read.append(scores.index(max(scores)))
            logps.append(max(scores) - math.log(sum(math.exp(z) for z in scores)))
        n = len(logps)
        assert best.ids[row, :n].tolist() == read[-n:]
        assert best.mask[row].tolist() == [t < n for t in range(best.ids.shape[1])]
        assert_close(best.logps[row, :n].tolist(), logps, rtol=1e-9, atol=1e-9)
        assert (best.ids[row, n:] == PAD).all()
        assert (best.logps[row, n:] == 0).all()
    assert best.mask.sum(dim=1).unique().numel() > 1  # ragged, so that the test means something


def test_greedy_decode_takes_the_lowest_of_equally_likely_ids():
    model = make_tiny_model("llama").eval()
    favourite = int(greedy_decode(model, PROMPTS[1:2], **SETTINGS | {"max_new_tokens": 1}).ids)
    assert 3 < favourite < 11
    for other, expected in ((11, favourite), (3, 3)):
        model = make_tiny_model("llama").eval()
        model.lm_head.weight.data[other] = model.lm_head.weight.data[favourite]
        assert greedy_decode(model, PROMPTS[1:2], **SETTINGS | {"max_new_tokens": 1}).ids.item() == expected


def test_greedy_decode_in_half_precision_and_without_gradient():
    model = make_tiny_model("gpt2").bfloat16().train()
    one, two = (greedy_decode(model, PROMPTS[1:2], **SETTINGS) for _ in range(2))
    assert one.logps.dtype == torch.float32
    assert not one.logps.requires_grad
    assert torch.equal(one.logps, two.logps)  # dropout was off
    assert model.training


def test_sampling_stops_when_every_row_has_ended():
    model = make_tiny_model("gpt2")
    certain = sample_group(model, PROMPTS[1:2], 3, **SETTINGS | {"eos_token_id": list(range(12))})
    assert certain.ids.shape == (3, 1)
    assert certain.mask.all()


def test_one_row_that_goes_on_keeps_the_others_padded():
    group = sample_group(make_tiny_model("llama"), PROMPTS, 8, **SETTINGS, prompt_mask=PROMPT_MASK, generator=seeded(3))
    for ids, mask in zip(group.ids.tolist(), group.mask.tolist(), strict=True):
        length = ids.index(EOS) + 1 if EOS in ids[: sum(mask)] else len(ids)
        assert mask == [t < length for t in range(len(ids))]
        assert ids[length:] == [PAD] * (len(ids) - length)


def test_several_end_tokens():
    group = sample_group(
        make_tiny_model("gpt2"), PROMPTS[1:2], 16, **SETTINGS | {"eos_token_id": [2, 3, 4]}, generator=seeded()
    )
    assert torch.equal(group.mask, completion_mask(group.ids, [2, 3, 4]))
    assert (
        len({row[sum(m) - 1] for row, m in zip(group.ids.tolist(), group.mask.tolist(), strict=True)} & {2, 3, 4}) > 1
    )


def test_the_generator_makes_it_repeatable_and_is_the_only_source():
    model = make_tiny_model("gpt2")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one = sample_group(model, PROMPTS[1:2], 4, **SETTINGS, generator=seeded())
    two = sample_group(model, PROMPTS[1:2], 4, **SETTINGS, generator=seeded())
    assert torch.equal(one.ids, two.ids)
    assert torch.equal(torch.get_rng_state(), before)
    other = sample_group(model, PROMPTS[1:2], 4, **SETTINGS, generator=seeded(1))
    assert one.ids.shape != other.ids.shape or not torch.equal(one.ids, other.ids)


def test_modes_are_put_back_module_by_module_also_after_an_error():
    model = make_tiny_model("gpt2").train()
    model.transformer.h[0].eval()
    before = [module.training for module in model.modules()]
    seen = []
    model.transformer.drop.register_forward_hook(lambda module, args, output: seen.append(module.training))
    sample_group(model, PROMPTS[1:2], 2, **SETTINGS)
    assert [module.training for module in model.modules()] == before
    assert seen
    assert not any(seen)
    with pytest.raises(ValueError, match="vocabulary"):
        sample_group(model, PROMPTS[1:2], 2, **SETTINGS | {"eos_token_id": 50256})
    assert [module.training for module in model.modules()] == before


def test_no_gradient_and_no_change_to_the_arguments():
    prompts, mask = PROMPTS.clone(), PROMPT_MASK.clone()
    group = sample_group(make_tiny_model("gpt2"), prompts, 2, **SETTINGS, prompt_mask=mask)
    assert not group.logps.requires_grad
    assert torch.equal(prompts, PROMPTS)
    assert torch.equal(mask, PROMPT_MASK)


def test_half_precision_models_give_float32_log_probs():
    group = sample_group(make_tiny_model("llama").bfloat16(), PROMPTS[1:2], 2, **SETTINGS)
    assert group.logps.dtype == torch.float32


@pytest.mark.parametrize("family", ["Qwen2", "GPTNeoX", "OPT", "Bloom", "Gemma", "Qwen3Next"])
def test_other_families_of_models(family):
    """Rotary, learned and ALiBi positions, and a hybrid of attention and linear layers; with padding, scoring again
    must give the log-probs of sampling."""
    import transformers

    if family == "Bloom" and transformers.__version__ < "5":
        pytest.skip("the Bloom of transformers 4 refuses logits_to_keep")
    sizes = {
        "vocab_size": 12,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    if family == "OPT":
        sizes |= {"ffn_dim": 32, "word_embed_proj_dim": 16, "max_position_embeddings": 64}
    if family in ("Qwen2", "Gemma"):
        sizes |= {"num_key_value_heads": 1, "head_dim": 8}
    if family == "Qwen3Next":
        heads = {"linear_num_value_heads": 2, "linear_num_key_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
        experts = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
        sizes |= heads | experts | {"num_hidden_layers": 4, "shared_expert_intermediate_size": 16}
        sizes |= {"linear_key_head_dim": 8, "linear_value_head_dim": 8}
    if family == "Bloom":
        sizes = {"vocab_size": 12, "hidden_size": 16, "n_layer": 2, "n_head": 2}
    special = {"bos_token_id": 1, "eos_token_id": EOS, "pad_token_id": PAD, "initializer_range": 0.5}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**sizes, **special)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    group = sample_group(model, PROMPTS, 4, **SETTINGS, prompt_mask=PROMPT_MASK, generator=seeded())
    again = completion_logps(
        model,
        PROMPTS.repeat_interleave(4, dim=0),
        group.ids,
        prompt_mask=PROMPT_MASK.repeat_interleave(4, dim=0),
        completion_mask=group.mask,
    )
    assert_close(group.logps, again.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("as_user")
class TestErrors:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"temperature": 0.0}, r"temperature must be a positive finite number, got 0.0"),
            ({"max_new_tokens": 0}, r"max_new_tokens must be a whole number of at least 1, got 0"),
            ({"max_new_tokens": 2.5}, r"max_new_tokens must be a whole number of at least 1, got 2.5"),
            (
                {"pad_token_id": None},
                r"pad_token_id must be a token id .* got None: a tokenizer without a padding token",
            ),
            ({"eos_token_id": 50256}, r"eos_token_id must lie in 0..11 \(the vocabulary\), got 50256"),
            ({"eos_token_id": [2, 12]}, r"eos_token_id must lie in 0..11"),
            ({"eos_token_id": 2.5}, r"^eos_token_id must be a token id or a list of token ids, got 2.5"),
            ({"pad_token_id": -1}, r"pad_token_id must lie in 0..11"),
            ({"prompt_mask": torch.ones(3, 4)}, r"prompt_mask must be a bool tensor, got torch.float32"),
            ({"prompt_mask": PROMPT_MASK.flip(1)}, r"every prompt must end with a real token"),
            ({"prompt_mask": PROMPT_MASK[:, 1:]}, r"prompt_mask must have the shape of prompt_ids, \[3, 4\]"),
        ],
    )
    def test_settings(self, change, message):
        with pytest.raises(ValueError, match=message):
            sample_group(make_tiny_model("gpt2"), PROMPTS, 2, **SETTINGS | change)
        if "temperature" not in change:
            with pytest.raises(ValueError, match=message):
                greedy_decode(make_tiny_model("gpt2"), PROMPTS, **SETTINGS | change)

    def test_prompts(self):
        model = make_tiny_model("gpt2")
        with pytest.raises(ValueError, match=r"num_generations must be a whole number of at least 1, got 0"):
            sample_group(model, PROMPTS, 0, **SETTINGS)
        with pytest.raises(ValueError, match=r"prompt_ids must have shape \[B, T\], got \[4\]"):
            sample_group(model, PROMPTS[0], 2, **SETTINGS)
        for empty in (PROMPTS[:, :0], PROMPTS[:0]):
            with pytest.raises(ValueError, match=r"prompt_ids must hold at least one prompt of one token"):
                sample_group(model, empty, 2, **SETTINGS)
        with pytest.raises(ValueError, match=r"prompt_ids must lie in 0..11 \(the vocabulary\), got 12"):
            sample_group(model, PROMPTS + 1, 2, **SETTINGS)
