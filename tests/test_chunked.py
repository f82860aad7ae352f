import math

import pytest
import torch
import transformers
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from grpo_lite import completion_logps, sample_group, token_logps
from grpo_lite.chunked import linear_head, linear_logps
from helpers.models import make_model_that_reads_images, make_tiny_model

T, F = True, False
PROMPTS = torch.tensor([[0, 3, 4], [5, 6, 7]])
PROMPT_MASK = PROMPTS != 0
COMPLETIONS = torch.tensor([[3, 4, 5, 2], [6, 2, 0, 0], [7, 8, 2, 0], [11, 10, 9, 8]])
MASK = torch.tensor([[T, T, T, T], [T, T, F, F], [T, T, T, F], [T, T, T, T]])
WEIGHT = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
ONE = torch.tensor([[3]])


@pytest.fixture(autouse=True)
def any_size_is_large(monkeypatch):
    monkeypatch.setattr("grpo_lite.logprobs.LARGE", 1)


def inputs(vocab_size, bias=True, dtype=torch.float64):
    torch.manual_seed(vocab_size)
    hidden, weight = torch.randn(7, 5, dtype=dtype), torch.randn(vocab_size, 5, dtype=dtype)
    ids = torch.randint(0, vocab_size, (7,))
    ids[:2] = torch.tensor([0, vocab_size - 1])
    bias = torch.randn(vocab_size, dtype=dtype) if bias else None
    return [x if x is None else x.requires_grad_() for x in (hidden, weight, bias)], ids


def whole(hidden, weight, bias, ids, temperature=1.0):
    """The same from the whole table of logits."""
    logits = torch.nn.functional.linear(hidden, weight, bias)
    return token_logps(logits[None], ids[None], temperature=temperature)[0]


class LargestTensor(TorchDispatchMode):
    """Note how many numbers the largest tensor holds that any operation returns."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        for x in out if isinstance(out, (tuple, list)) else [out]:
            self.numel = max(self.numel, x.numel() if isinstance(x, torch.Tensor) else 0)
        return out


def test_log_prob_by_hand():
    # The logits are ln 3 and 0: probability 3/4. At temperature 1/2 they double: 9/10. With bias ln 3: 9/10.
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[math.log(3.0)], [0.0]])
    bias, ids = torch.tensor([math.log(3.0), 0.0]), torch.tensor([0])
    assert linear_logps(hidden, weight, None, ids).item() == pytest.approx(math.log(0.75))
    assert linear_logps(hidden, weight, None, ids, temperature=0.5).item() == pytest.approx(math.log(0.9))
    assert linear_logps(hidden, weight, bias, ids).item() == pytest.approx(math.log(0.9))


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "vocab_size", [2, 64, 65, 200]
)  # fewer than the slices, as many, and some with a short last one
def test_value_and_gradient_are_those_of_the_whole_table(vocab_size, bias, temperature):
    gradients = []
    for score in (linear_logps, whole):
        leaves, ids = inputs(vocab_size, bias)
        logps = score(*leaves, ids, temperature=temperature)
        logps.backward(torch.linspace(-1, 2, 7, dtype=torch.float64))
        gradients.append([logps.detach(), *(x.grad for x in leaves if x is not None)])
    assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_what_is_frozen_gets_no_gradient_and_the_rest_gets_its_own():
    expected, ids = inputs(70)
    linear_logps(*expected, ids).sum().backward()
    for free in range(3):
        leaves, _ = inputs(70)
        for i, x in enumerate(leaves):
            x.requires_grad_(i == free)
        with LargestTensor() as note:
            linear_logps(*leaves, ids).sum().backward()
        assert [x.grad is not None for x in leaves] == [i == free for i in range(3)]
        assert (note.numel < 70 * 5) == (free != 1)  # no gradient of the weight is computed in vain
        assert_close(leaves[free].grad, expected[free].grad)


def test_no_token_and_no_gradient_and_a_second_backward_pass():
    leaves, ids = inputs(70)
    assert linear_logps(leaves[0][:0], *leaves[1:], ids[:0]).shape == (0,)
    with torch.no_grad():
        assert not linear_logps(*leaves, ids).requires_grad
    loss = linear_logps(*leaves, ids).sum()
    loss.backward(retain_graph=True)
    once = leaves[1].grad.clone()
    loss.backward()
    assert_close(leaves[1].grad, 2 * once)


def test_half_precision_adds_up_in_float32():
    (hidden, weight, bias), ids = inputs(5000, dtype=torch.bfloat16)
    logps = linear_logps(hidden, weight, bias, ids)
    assert logps.dtype == torch.float32
    logps.sum().backward()
    assert {x.grad.dtype for x in (hidden, weight, bias)} == {torch.bfloat16}
    exact = [x.detach().double().requires_grad_() for x in (hidden, weight, bias)]
    reference = whole(*exact, ids)
    reference.sum().backward()
    # A bfloat16 has 8 bits; 5,000 terms of about 1/5000 added up in it would be off by more than a half.
    assert_close(logps.double(), reference, rtol=0, atol=0.02)
    for half, wide in zip((hidden, weight, bias), exact, strict=True):
        assert (half.grad - wide.grad).norm() < 0.005 * wide.grad.norm()


def test_the_logits_never_exist_all_at_once(tiny_model, monkeypatch):
    model = make_tiny_model(tiny_model.config.model_type, vocab_size=6400)
    prompts, completions = torch.randint(3, 6400, (40, 3)), torch.randint(3, 6400, (40, 20))
    largest = []
    for large in (1, 10**9):
        monkeypatch.setattr("grpo_lite.logprobs.LARGE", large)
        with LargestTensor() as note:
            completion_logps(model, prompts, completions).sum().backward()
        largest.append(note.numel)
    # Without slices: 40 x 21 x 6,400 logits. With them nothing is larger than the head's own weight, 6,400 x 16.
    assert largest == [6400 * 16, 40 * 21 * 6400]


def scores(model, prompts=PROMPTS, prompt_mask=PROMPT_MASK):
    model.zero_grad()
    logps = completion_logps(
        model, prompts, COMPLETIONS, prompt_mask=prompt_mask, completion_mask=MASK, temperature=0.7
    )
    (logps * WEIGHT).sum().backward()
    return logps.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("head", ["as it is", "with bias", "frozen"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_model_is_scored_as_from_all_its_logits(tiny_model, monkeypatch, head, shared):
    """GPT-2 ties its head to the embedding: the gradient of that weight is the sum of both uses."""
    tiny_model.eval()
    if head == "with bias":
        tiny_model.lm_head.bias = torch.nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64))
    if head == "frozen":
        tiny_model.lm_head.weight.requires_grad_(False)
    prompts = (
        (PROMPTS, PROMPT_MASK) if shared else (PROMPTS.repeat_interleave(2, 0), PROMPT_MASK.repeat_interleave(2, 0))
    )
    seen = []
    tiny_model.lm_head.register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape[:2])))
    sliced = scores(tiny_model, *prompts)
    assert set(seen) == {(1, 1)}  # the head itself is asked for one token
    monkeypatch.setattr("grpo_lite.logprobs.LARGE", 10**9)
    assert_close(sliced, scores(tiny_model, *prompts), rtol=1e-9, atol=1e-9)
    assert seen[-1] == ((4, 3) if shared else (4, 5))
    assert ("lm_head.weight" in sliced[1]) == (head != "frozen" and tiny_model.config.model_type == "llama")
    assert sliced[0][~MASK].tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("family", "setting"),
    [
        ("Gemma2", {"final_logit_softcapping": 2.0}),
        ("Cohere", {"logit_scale": 0.5}),
        ("Granite", {"logits_scaling": 3.0}),
    ],
)
def test_a_model_that_does_more_to_its_logits_is_scored_from_all_of_them(family, setting):
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 1, "head_dim": 8, "initializer_range": 0.5, "vocab_size": 12}
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**sizes, **special, **setting)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    assert linear_head(model, ONE) is None
    group = sample_group(
        model,
        PROMPTS[1:],
        4,
        max_new_tokens=4,
        eos_token_id=1,
        pad_token_id=0,
        generator=torch.Generator().manual_seed(0),
    )
    # Sampling takes its log-probs from the model's own logits, token by token.
    assert_close(completion_logps(model, PROMPTS[1:], group.ids, completion_mask=group.mask), group.logps)


def test_only_a_plain_last_layer_is_taken_apart(tiny_model):
    assert linear_head(tiny_model, ONE) is tiny_model.lm_head
    assert linear_head(torch.nn.Identity(), ONE) is None
    hook = tiny_model.lm_head.register_forward_hook(lambda module, args, output: 2 * output)
    assert linear_head(tiny_model, ONE) is None
    hook.remove()
    tiny_model._orig_mod = None  # the mark of torch.compile
    assert linear_head(tiny_model, ONE) is None
    del tiny_model._orig_mod
    assert linear_head(tiny_model, ONE) is tiny_model.lm_head
    tiny_model.lm_head.weight.data.zero_()  # a scale would not be seen
    assert linear_head(tiny_model, ONE) is None

    class OtherLinear(torch.nn.Linear):
        pass

    tiny_model.lm_head = OtherLinear(16, 12, bias=False, dtype=torch.float64)
    assert linear_head(tiny_model, ONE) is None


def test_a_model_that_reads_images_is_checked_and_sliced_by_the_vocabulary_of_its_text():
    model, seen = make_model_that_reads_images().eval(), []
    model.lm_head.register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape[:2])))
    group = sample_group(
        model, PROMPTS[1:], 4, max_new_tokens=4, eos_token_id=1, pad_token_id=0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    seen.clear()
    assert_close(completion_logps(model, PROMPTS[1:], group.ids, completion_mask=group.mask), group.logps)
    # In transformers 4.57 such a model has no part without its head to ask: there all its logits are taken, as before.
    assert (seen == [(1, 1)]) == (model.base_model is not model)
    with pytest.raises(ValueError, match=r"completion_ids must lie in 0..11 \(the vocabulary\), got 12"):
        completion_logps(model, PROMPTS[1:], torch.tensor([[12]]))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_under_autocast_the_slices_are_those_of_its_own_logits(kind, monkeypatch):
    """As `bf16` of the trainer computes: the backward pass runs outside of it."""
    model, seen = make_tiny_model(kind).float().eval(), []
    model.lm_head.register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape[:2])))
    exact = scores(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen.clear()
        sliced = scores(model)
        assert set(seen) == {(1, 1)}
    monkeypatch.setattr("grpo_lite.logprobs.LARGE", 10**9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        whole = scores(model)
        assert seen[-1] == (4, 3)
    assert sliced[1].keys() == whole[1].keys() == exact[1].keys()
    assert_close(sliced[0], whole[0], rtol=1e-5, atol=1e-5)
    assert not torch.equal(sliced[0], exact[0])
    for name, gradient in sliced[1].items():
        assert gradient.dtype == torch.float32
        assert_close(gradient, whole[1][name], rtol=0.02, atol=0.01 * float(gradient.abs().max()))


def test_what_is_read_without_gradient_leaves_no_weight_behind_that_has_none(monkeypatch):
    """Up to PyTorch 2.10 autocast keeps a weight in 16 bits as it was first needed, also where that had no gradient."""
    model, events = make_tiny_model("llama").float().eval(), []
    monkeypatch.setattr(torch, "clear_autocast_cache", lambda: events.append("cleared"))
    model.register_forward_hook(lambda module, args, output: events.append("read"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        linear_head(model, ONE)
        assert events == ["read", "cleared"]


def test_half_precision_model():
    model = make_tiny_model("llama").bfloat16().eval()
    assert linear_head(model, ONE) is model.lm_head
    logps = completion_logps(model, PROMPTS[1:], COMPLETIONS, completion_mask=MASK)
    assert logps.dtype == torch.float32
    exact = completion_logps(model.double(), PROMPTS[1:], COMPLETIONS, completion_mask=MASK)
    assert_close(logps.double(), exact, rtol=0.05, atol=0.1)
