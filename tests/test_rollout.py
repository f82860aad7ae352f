"""What is sampled, with tokenizers and models of other kinds: no padding token, special tokens, several end tokens."""

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from grpo_lite import GRPOConfig
from grpo_lite.training.policy import texts
from grpo_lite.training.rollout import evaluate, names_of, sample_groups
from helpers.models import make_model_that_reads_images, make_tiny_model
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


def test_an_id_that_the_tokenizer_does_not_know_shows_in_the_judged_text():
    """Left out, what is no answer would be paid. Models have such ids whose embedding is rounded up in size."""
    known = len(TOKENIZER)
    assert TOKENIZER.decode([known + 3]) == ""  # which is why
    answer, begin, end = TOKENIZER("7")["input_ids"][0], *TOKENIZER("<answer></answer>")["input_ids"]
    rows = [[begin, answer, end, 1], [begin, answer, known + 3, end, 1], [known, known + 19], [1], []]
    rows.append([begin, TOKENIZER.pad_token_id, answer, end, 1])  # written by the model, where no padding is
    wanted = ["<answer>7</answer>", "<answer>7\ufffd</answer>", "\ufffd", "", "", "<answer>7</answer>"]
    assert texts(TOKENIZER, [1], rows) == wanted
    found = sampled(make_tiny_model("gpt2", known + 20), seed=1)
    for group in found:
        for text, ids, mask in zip(group.completions, group.ids, group.mask, strict=True):
            assert ("\ufffd" in text) == bool((ids[mask] >= known).any())
    assert len({"\ufffd" in text for group in found for text in group.completions}) == 2


def test_the_limit_of_positions_of_a_model_that_reads_images_is_that_of_its_text():
    with pytest.raises(ValueError, match="the model's 64 positions, got a prompt of 6 tokens"):
        sampled(make_model_that_reads_images(len(TOKENIZER)), max_completion_length=63)


# What the rows hold.


def test_rows_need_not_have_the_same_columns():
    seen = []

    def look(completions, level, note, **columns):
        seen.append((level, note, columns))
        return odd(completions)

    rows = [{"prompt": "1=", "level": 3}, {"prompt": "2=", "note": "b"}, {"note": None, "prompt": "3=", "level": 0}]
    args = GRPOConfig(**SETTINGS)
    sample_groups(model_of().eval(), TOKENIZER, [look], rows, args, torch.Generator())
    evaluate(model_of().eval(), TOKENIZER, look, rows[::-1], args)
    [(level, note, rest), *evaluated] = seen
    assert (level, note) == ([3] * 8 + [None] * 8 + [0] * 8, [None] * 8 + ["b"] * 8 + [None] * 8)
    assert set(rest) == {"prompts", "completion_ids"}
    assert [(level, note) for level, note, _ in evaluated] == [([0, None, 3], [None, "b", None])] * 2


CHAT = "{% for m in messages %}{{ m['content'] }}>{% endfor %}{% if add_generation_prompt %}={% endif %}"


def chat_tokenizer():
    tokenizer = make_tokenizer()
    tokenizer.chat_template = CHAT
    return tokenizer


def turns(*texts):
    return {"prompt": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]}


def test_a_chat_that_ends_with_the_assistants_words_is_continued_and_not_answered():
    groups = sampled(tokenizer=chat_tokenizer(), rows=[turns("1+2"), turns("1+2", "<think>3")])
    found = [TOKENIZER.decode(group.prompt_ids).replace(" ", "") for group in groups]
    assert found == ["1+2>=", "1+2><think>3"]
    begun = groups[1].completions  # what was begun stands in the prompt alone, as in TRL
    assert all([message["role"] for message in chat] == ["assistant"] for chat in begun)
    assert not any(chat[0]["content"].startswith("<think>3") for chat in begun)


def test_texts_and_chats_may_stand_side_by_side():
    rows = [{"prompt": "7="}, turns("1+2")]
    text, chat = sampled(tokenizer=chat_tokenizer(), rows=rows)
    (text_alone,) = sampled(tokenizer=chat_tokenizer(), rows=rows[:1])
    assert text.prompt_ids.tolist() == text_alone.prompt_ids.tolist() == TOKENIZER("7=")["input_ids"]
    assert all(isinstance(x, str) for x in text.completions)
    assert all(x[0]["role"] == "assistant" for x in chat.completions)


@pytest.mark.parametrize(
    "prompt", [None, "", [], 7, ["1="], [{"content": "1="}], [{"role": "user", "content": "1="}, "2="]]
)
def test_a_row_without_a_prompt_is_refused(prompt):
    row = {"prompt": prompt} if prompt is not None else {"question": "1="}
    message = r"a row must have a 'prompt', a text or a chat list \[{'role': .*}\] with a word in it, got"
    with pytest.raises(ValueError, match=message):
        sampled(rows=[ROWS[0], row])


def test_a_function_that_only_watches_does_not_turn_a_none_into_a_0():
    def first_two(completions, **columns):
        return [1.0, 1.0, *[None] * 6]

    def watch(completions, **columns):
        return [5.0] * 8

    args = GRPOConfig(**SETTINGS | {"reward_weights": [1.0, 0.0]})
    model = model_of().eval()
    (group,) = sample_groups(model, TOKENIZER, [first_two, watch], ROWS[:1], args, torch.Generator())
    assert group.rewards[:2].tolist() == [1.0, 1.0]
    assert group.rewards[2:].isnan().all()
    assert not group.has_spread
    assert group.scores[:, 1].tolist() == [5.0] * 8


def test_functions_of_one_name_stay_apart():
    def make(value):
        def same(completions, **columns):
            return [value] * len(completions)

        return same

    funcs = [make(1.0), odd, make(2.0), make(3.0)]
    assert names_of(funcs) == ["same", "odd", "same_2", "same_3"]
    result = evaluate(model_of().eval(), TOKENIZER, funcs, ROWS, GRPOConfig(**SETTINGS))
    assert [result[f"greedy_{name}"] for name in ("same", "same_2", "same_3")] == [1.0, 2.0, 3.0]
    assert result["sampled_same_3"] == 3.0
