"""What is sampled, with tokenizers and models of other kinds: no padding token, special tokens, several end tokens."""

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from grpo_lite import GRPOConfig
from grpo_lite.training.rollout import evaluate, sample_groups
from helpers.runs import ROWS, SETTINGS, TOKENIZER, make_tokenizer, model_of, odd


def sampled(model=None, tokenizer=TOKENIZER, rows=ROWS, seed=0, **settings):
    args = GRPOConfig(**SETTINGS | settings)
    model = (model_of() if model is None else model).eval()
    return sample_groups(model, tokenizer, [odd], rows, args, torch.Generator().manual_seed(seed))


def test_a_group_is_as_wide_as_its_longest_completion():
    groups = sampled(max_completion_length=20, seed=2)
    assert len({group.ids.shape[1] for group in groups}) > 1
    for group in groups:
        assert {x.shape[1] for x in (group.ids, group.loss_mask, group.logps)} == {int(group.mask.sum(dim=1).max())}


def test_a_tokenizer_needs_no_padding_token():
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    for group, usual in zip(sampled(tokenizer=tokenizer), sampled(), strict=True):
        assert group.prompt_ids.tolist() == TOKENIZER(group.prompt)["input_ids"]
        for name in ("prompt_ids", "mask", "logps"):
            assert torch.equal(getattr(group, name), getattr(usual, name)), name
        assert group.ids[~group.mask].tolist() == [1] * int((~group.mask).sum())  # its end token


def test_a_text_gets_the_special_tokens_of_its_tokenizer_and_a_chat_those_of_its_template():
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<eos> $A", special_tokens=[("<eos>", 1)])
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    plain = TOKENIZER("1=")["input_ids"]
    (text,) = sampled(tokenizer=tokenizer, rows=ROWS[:1])
    (chat,) = sampled(tokenizer=tokenizer, rows=[{"prompt": [{"role": "user", "content": "1="}]}])
    assert (text.prompt_ids.tolist(), chat.prompt_ids.tolist()) == ([1, *plain], plain)


def test_each_end_token_of_the_model_ends():
    model, ends = model_of(), {1, 5, 7}  # 1 is the tokenizer's
    model.generation_config.eos_token_id = [5, 7]
    found = set()
    for group in sampled(model, seed=1):
        for row, mask, ended in zip(group.ids, group.mask, group.ended, strict=True):
            *inner, last = row[mask].tolist()
            assert not ends & set(inner)
            assert ended == (last in ends)
            found.add(last)
    assert ends <= found


def test_a_model_without_a_limit_of_positions():
    import transformers

    if transformers.__version__ < "5":
        pytest.skip("the Bloom of transformers 4 refuses logits_to_keep")
    torch.manual_seed(0)
    config = transformers.BloomConfig(vocab_size=len(TOKENIZER), hidden_size=16, n_layer=1, n_head=2)
    model = transformers.BloomForCausalLM(config)
    assert not hasattr(model.config, "max_position_embeddings")
    assert len(sampled(model)) == len(ROWS)


def test_an_evaluation_averages_what_could_be_judged():
    def some(completions, pays, **columns):
        return [0.25 if pay else None for pay in pays]

    def none(completions, **columns):
        return [None] * len(completions)

    result = evaluate(model_of().eval(), TOKENIZER, [some, none], ROWS, GRPOConfig(**SETTINGS))
    assert (result["greedy_some"], result["sampled_some"]) == (0.25, 0.25)
    assert result["greedy_none"] == pytest.approx(float("nan"), nan_ok=True)
