import itertools
import math

import pytest
import torch
import transformers
from torch.testing import assert_close

from grpo_lite import completion_logps, token_logps
from grpo_lite.reading import memory_of
from helpers.models import make_tiny_model

T, F = True, False


def test_logps_by_hand():
    # exp(logits) are 1, 3 and 1, 1: the tokens have probability 3/4 and 1/2.
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 5.0]]])
    assert_close(token_logps(logits, torch.tensor([[1, 0]])), torch.tensor([[math.log(0.75), math.log(0.5)]]))
    # At temperature 1/2 the logits double: exp gives 1 and 9.
    assert_close(
        token_logps(logits, torch.tensor([[1, 0]]), temperature=0.5), torch.tensor([[math.log(0.9), math.log(0.5)]])
    )


@pytest.mark.parametrize("temperature", [1.0, 0.7, 3.0])
def test_value_and_gradient_are_those_of_the_whole_softmax(temperature):
    logits = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    ids = torch.randint(0, 5, (2, 3))
    weight = torch.randn(2, 3, dtype=torch.float64)
    (token_logps(logits, ids, temperature=temperature) * weight).sum().backward()
    # d log p(o) / d logit_v = (1[v = o] - p(v)) / temperature, token by token.
    expected = torch.zeros_like(logits)
    for b, t in itertools.product(range(2), range(3)):
        p = [math.exp(z / temperature) for z in logits[b, t].tolist()]
        for v in range(5):
            expected[b, t, v] = weight[b, t] * (float(v == ids[b, t]) - p[v] / sum(p)) / temperature
    assert_close(logits.grad, expected)


def test_huge_logits_and_half_precision():
    logits = torch.tensor([[[1e4, 0.0, -1e4]]], dtype=torch.bfloat16)
    logps = token_logps(logits, torch.tensor([[1]]))
    assert logps.dtype == torch.float32
    assert logps.item() == -logits[0, 0, 0].item()
    assert token_logps(logits.double(), torch.tensor([[0]])).dtype == torch.float64


def test_the_whole_table_of_log_probs_is_never_kept_for_the_gradient():
    logits = torch.randn(2, 8, 1000, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        token_logps(logits, torch.zeros(2, 8, dtype=torch.long))
    extra = {x.data_ptr(): x.numel() for x in kept if x.data_ptr() != logits.data_ptr()}
    assert sum(extra.values()) < 100


def test_probabilities_of_all_completions_add_up_to_one(tiny_model):
    """An exact oracle: 12^2 completions of two tokens; shift, masks and temperature must all be right for the sum."""
    completions = torch.tensor(list(itertools.product(range(12), repeat=2)))
    prompts = torch.tensor([[0, 0, 3, 4, 5]]).expand(len(completions), -1)
    mask = (prompts > 0).clone()
    for temperature in (1.0, 0.6):
        logps = completion_logps(tiny_model.eval(), prompts, completions, prompt_mask=mask, temperature=temperature)
        assert logps.sum(dim=1).exp().sum().item() == pytest.approx(1.0, abs=1e-12)


def test_scores_are_those_of_a_loop_over_growing_prefixes(tiny_model):
    tiny_model.eval()
    prompt, completion = [3, 4, 5], [6, 7, 2]
    expected = []
    for t, token in enumerate(completion):
        logits = tiny_model(torch.tensor([prompt + completion[:t]])).logits[0, -1].tolist()
        expected.append(logits[token] - math.log(sum(math.exp(z) for z in logits)))
    ours = completion_logps(tiny_model, torch.tensor([prompt]), torch.tensor([completion]))
    assert_close(ours[0].tolist(), expected, rtol=1e-9, atol=1e-9)


def test_a_token_does_not_see_itself_or_what_follows(tiny_model):
    tiny_model.eval()
    prompt = torch.tensor([[3, 4, 5]])
    one = completion_logps(tiny_model, prompt, torch.tensor([[6, 7, 8, 9]]))
    other = completion_logps(tiny_model, prompt, torch.tensor([[6, 7, 11, 3]]))
    assert_close(one[:, :2], other[:, :2])
    assert not torch.allclose(one[:, 2:], other[:, 2:])


def test_padding_on_either_side_changes_nothing(tiny_model):
    tiny_model.eval()
    alone = completion_logps(tiny_model, torch.tensor([[3, 4]]), torch.tensor([[5, 6, 2]]))
    padded = completion_logps(
        tiny_model,
        torch.tensor([[0, 0, 3, 4], [7, 8, 9, 10]]),
        torch.tensor([[5, 6, 2, 0, 0], [5, 6, 7, 8, 2]]),
        prompt_mask=torch.tensor([[F, F, T, T], [T, T, T, T]]),
        completion_mask=torch.tensor([[T, T, T, F, F], [T, T, T, T, T]]),
    )
    assert_close(padded[:1, :3], alone)
    assert padded[0, 3:].tolist() == [0.0, 0.0]


def test_only_the_logits_of_the_completion_are_computed(tiny_model):
    positions = []
    tiny_model.lm_head.register_forward_hook(lambda module, args, output: positions.append(output.shape[1]))
    completion_logps(tiny_model, torch.randint(3, 12, (2, 20)), torch.randint(3, 12, (2, 4)))
    assert positions == [5]  # the last prompt token predicts the first of the four; the last one's own are dropped


def test_a_model_that_returns_all_logits_is_scored_the_same(tiny_model):
    """Some models do not know `logits_to_keep` and answer for the prompt as well."""
    tiny_model.eval()
    prompt, completion = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[7, 8, 2]])

    class AllLogits(torch.nn.Module):
        def forward(self, logits_to_keep, **inputs):
            return tiny_model(**inputs)

    assert_close(completion_logps(AllLogits(), prompt, completion), completion_logps(tiny_model, prompt, completion))


def test_masked_tokens_give_no_gradient():
    model = make_tiny_model("llama").eval()
    prompt, completion = torch.tensor([[3, 4]]), torch.tensor([[5, 2, 7]])
    mask = torch.tensor([[T, T, F]])
    gradients = []
    for tail in (7, 8):
        completion[0, 2] = tail
        model.zero_grad()
        completion_logps(model, prompt, completion, completion_mask=mask).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert gradients[0].norm() > 0
    assert_close(gradients[0], gradients[1])


def test_the_model_is_used_in_its_own_mode():
    model = make_tiny_model("gpt2")
    prompt, completion = torch.tensor([[3, 4]]), torch.tensor([[5, 2]])
    assert not torch.equal(completion_logps(model, prompt, completion), completion_logps(model, prompt, completion))
    model.eval()
    assert torch.equal(completion_logps(model, prompt, completion), completion_logps(model, prompt, completion))


def gradient(model, *inputs, weight, **masks):
    """The log-probs, and the gradient of their weighted sum with regard to every parameter."""
    model.zero_grad()
    logps = completion_logps(model, *inputs, **masks)
    (logps * weight).sum().backward()
    return logps.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


GROUPED = {  # three prompts, the first one padded, with four completions each
    "prompt_ids": torch.tensor([[0, 0, 3, 4], [5, 6, 7, 8], [9, 10, 11, 3]]),
    "prompt_mask": torch.tensor([[F, F, T, T], [T, T, T, T], [T, T, T, T]]),
    "completion_ids": torch.randint(3, 12, (12, 5), generator=torch.Generator().manual_seed(0)),
    "completion_mask": torch.arange(5) < torch.tensor([5, 1, 3, 2, 4, 4, 1, 5, 2, 3, 5, 1])[:, None],
    "weight": torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)),
}


def once_and_repeated(model, length=5, padded=True, ragged=True):
    """Score the groups with each prompt given once and with each prompt repeated."""
    prompts, prompt_mask = GROUPED["prompt_ids"], GROUPED["prompt_mask"] if padded else None
    tail = {"weight": GROUPED["weight"][:, :length]}
    tail["completion_mask"] = GROUPED["completion_mask"][:, :length] if ragged else None
    completions = GROUPED["completion_ids"][:, :length]
    once = gradient(model, prompts, completions, prompt_mask=prompt_mask, **tail)
    prompt_mask = prompt_mask.repeat_interleave(4, dim=0) if padded else None
    return once, gradient(model, prompts.repeat_interleave(4, dim=0), completions, prompt_mask=prompt_mask, **tail)


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize(("padded", "ragged"), [(F, F), (T, F), (F, T), (T, T)])
def test_a_prompt_given_once_is_scored_like_a_prompt_repeated(tiny_model, monkeypatch, length, padded, ragged):
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    # Llama rounds to float32 in its norms, whatever the dtype of the model; here it must not.
    def exact_norm(self, x):
        return torch.nn.functional.rms_norm(x, x.shape[-1:], self.weight, self.variance_epsilon)

    monkeypatch.setattr(LlamaRMSNorm, "forward", exact_norm)
    once, repeated = once_and_repeated(tiny_model.eval(), length, padded, ragged)
    assert_close(once, repeated, rtol=1e-9, atol=1e-9)


def test_a_prompt_given_once_is_read_once(tiny_model):
    read = []
    tiny_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    once_and_repeated(tiny_model)
    assert read == [(3, 4), (12, 4), (12, 9)]


@pytest.mark.filterwarnings("ignore:.*checkpointing_enable:FutureWarning")
@pytest.mark.parametrize("kind", ["no cache", "an empty cache", "gradient checkpointing", "an overwritten state"])
def test_a_model_without_a_cache_to_share_reads_the_prompt_once_a_completion(kind):
    model = make_tiny_model("llama").eval()
    if kind == "no cache":
        model.forward = lambda use_cache, forward=model.forward, **inputs: forward(use_cache=False, **inputs)
    if kind == "an empty cache":
        nothing = transformers.DynamicCache(config=model.config)
        model.register_forward_hook(lambda module, args, out: setattr(out, *memory_of(out), nothing))
    if kind == "gradient checkpointing":
        model.gradient_checkpointing_enable()
        model.train()
    if kind == "an overwritten state":
        sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
        heads = {"linear_num_value_heads": 2, "linear_num_key_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
        experts = {"num_experts": 0, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
        config = transformers.Qwen3NextConfig(vocab_size=12, **sizes, **heads, **experts)
        model = transformers.Qwen3NextForCausalLM(config).eval()
    once, repeated = once_and_repeated(model)
    assert_close(once, repeated, rtol=0, atol=0)
    assert all(x.abs().max() > 0 for x in (once[0], once[1]["model.embed_tokens.weight"]))


@pytest.mark.usefixtures("as_user")
class TestErrors:
    logits = torch.zeros(2, 3, 5)
    ids = torch.zeros(2, 3, dtype=torch.long)

    def test_logits_that_were_not_shifted(self):
        with pytest.raises(ValueError, match=r"ids must have the shape of logits\[:, :, 0\], \[2, 3\], got \[2, 2\]"):
            token_logps(self.logits, self.ids[:, 1:])

    def test_logits_of_one_row(self):
        with pytest.raises(ValueError, match=r"logits must have shape \[B, T, V\], got \[3, 5\]"):
            token_logps(self.logits[0], self.ids)

    def test_id_outside_of_the_vocabulary(self):
        for bad in (5, -100):
            with pytest.raises(
                ValueError, match=r"ids must lie in 0..4 \(the vocabulary\), got .*tokenizer that belongs"
            ):
                token_logps(self.logits, self.ids.index_fill(1, torch.tensor([0]), bad))

    @pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
    def test_temperature(self, temperature):
        with pytest.raises(ValueError, match=r"temperature must be a positive finite number, got"):
            token_logps(self.logits, self.ids, temperature=temperature)

    def test_integer_logits_and_float_ids(self):
        with pytest.raises(ValueError, match=r"logits must be a floating-point tensor"):
            token_logps(self.logits.long(), self.ids)
        with pytest.raises(ValueError, match=r"ids must hold integer token ids"):
            token_logps(self.logits, self.ids.float())

    @pytest.mark.parametrize(("prompts", "completions"), [(3, 4), (4, 2), (2, 0)])
    def test_completions_that_do_not_divide_among_the_prompts(self, prompts, completions):
        model = make_tiny_model("gpt2")
        ids = torch.ones(4, 3, dtype=torch.long)
        message = rf"one row a prompt for groups .* got {prompts} prompts for {completions} completions: .*interleave"
        with pytest.raises(ValueError, match=message):
            completion_logps(model, ids[:prompts], ids[:completions])

    def test_ids_of_the_wrong_kind(self):
        model = make_tiny_model("gpt2")
        with pytest.raises(ValueError, match=r"prompt_ids must hold integer token ids, got torch.float32"):
            completion_logps(model, self.ids.float(), self.ids)
        with pytest.raises(ValueError, match=r"completion_ids must have shape \[B, T\], got \[3\]"):
            completion_logps(model, self.ids, self.ids[0])

    def test_empty_completion(self):
        with pytest.raises(ValueError, match=r"completion_ids must hold at least one token a row"):
            completion_logps(make_tiny_model("gpt2"), self.ids, self.ids[:, :0])

    def test_prompt_padded_on_the_right_or_in_the_middle(self):
        model = make_tiny_model("gpt2")
        ids = torch.ones(2, 4, dtype=torch.long)
        for row, message in (
            ([T, T, T, F], "every prompt must end with a real token"),
            ([T, F, T, T], "False, then True"),
            ([F, T, F, T], "False, then True"),
        ):
            with pytest.raises(ValueError, match=message):
                completion_logps(model, ids, ids, prompt_mask=torch.tensor([[T, T, T, T], row]))

    def test_ids_outside_of_the_vocabulary_are_found_before_the_model_runs(self):
        model = make_tiny_model("gpt2")
        with pytest.raises(ValueError, match=r"prompt_ids must lie in 0..11 \(the vocabulary\), got 12"):
            completion_logps(model, self.ids + 12, self.ids)
        with pytest.raises(ValueError, match=r"completion_ids must lie in 0..11 \(the vocabulary\), got -100"):
            completion_logps(model, self.ids, self.ids - 100)

    def test_completion_mask_with_a_hole(self):
        with pytest.raises(
            ValueError, match=r"completion_mask must be True, then False along each row, got a row with"
        ):
            completion_logps(make_tiny_model("gpt2"), self.ids, self.ids, completion_mask=torch.tensor([[T, F, T]] * 2))

    def test_masks_of_another_shape_or_type(self):
        model = make_tiny_model("gpt2")
        with pytest.raises(ValueError, match=r"prompt_mask must have the shape of prompt_ids"):
            completion_logps(model, self.ids, self.ids, prompt_mask=torch.tensor([[T, T]]))
        with pytest.raises(ValueError, match=r"completion_mask must be a bool tensor, got torch.int64"):
            completion_logps(model, self.ids, self.ids, completion_mask=torch.ones_like(self.ids))
        with pytest.raises(ValueError, match=r"completion_mask must have the shape of completion_ids"):
            completion_logps(model, self.ids, self.ids, completion_mask=torch.tensor([[T]]))
