"""The shaping rewards: by hand, against TRL where it has the same, and each hacked as its docstring says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grpo_lite import (
    format_reward,
    language_consistency_reward,
    repetition_penalty_reward,
    score_completions,
    soft_overlong_reward,
    tag_count_reward,
)

LATIN = language_consistency_reward("LATIN")


def test_overlong_by_hand():
    # Limit 10, margin 4: free up to 6 tokens, then a quarter a token down to -1 at 10.
    reward = soft_overlong_reward(10, 4)
    ids = [[1] * n for n in (0, 6, 7, 8, 9, 10, 11, 99)]
    assert reward(["a"] * 8, completion_ids=ids) == [0.0, 0.0, -0.25, -0.5, -0.75, -1.0, -1.0, -1.0]
    assert soft_overlong_reward(10, 10)(["a"] * 2, completion_ids=[[1], [1] * 10]) == [-0.1, -1.0]
    assert_close(score_completions(reward, ["q"], ["a"], completion_ids=[[1] * 8]), torch.tensor([[-0.5]]))
    assert reward.__name__ == "soft_overlong"


def test_repetition_by_hand():
    ids = [
        [1, 2, 3, 4],  # pairs 12 23 34
        [1, 2, 1, 2],  # 12 21 12: one of three stood there before
        [5, 5, 5, 5, 5],  # one pair, four times
        [1],  # no pair
        [],
    ]
    expected = [0.0, -1 / 3, -0.75, 0.0, 0.0]
    assert repetition_penalty_reward(2)(["a"] * 5, completion_ids=ids) == pytest.approx(expected)
    assert repetition_penalty_reward(2, -3.0)(["a"] * 5, completion_ids=ids) == pytest.approx([3 * x for x in expected])
    assert repetition_penalty_reward()(["a"], completion_ids=[[7, 8, 9, 7, 8, 9]]) == [-0.25]  # 789 897 978 789
    assert str(repetition_penalty_reward(2)(["a"], completion_ids=ids[:1])) == "[0.0]"  # and not -0.0
    assert repetition_penalty_reward(2, 0)(["a"], completion_ids=ids[2:3]) == [0.0]


@given(st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=4), st.integers(1, 4))
def test_repetition_is_that_of_trl(ids, ngram_size):
    from trl.rewards import get_repetition_penalty_reward

    theirs = get_repetition_penalty_reward(ngram_size, -0.5)(completion_ids=ids)
    ours = repetition_penalty_reward(ngram_size, -0.5)(["a"] * len(ids), completion_ids=ids)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_tensors_of_ids_count_like_lists():
    ids = torch.tensor([5, 5, 5, 5, 5])
    assert repetition_penalty_reward(2)(["a"], completion_ids=[ids]) == [-0.75]


TAGS = {
    "<think>a</think><answer>7</answer>": 1.0,
    "<think></think><answer></answer>": 1.0,  # the hack: nothing between the tags
    "</answer></think><answer><think>": 1.0,  # nor does the order count
    "<think>a</think>7": 0.5,
    "<think>a": 0.25,
    "<think><think>a</think><answer>7</answer>": 0.75,
    "<think></think><answer></answer>" * 2: 0.0,
    "<THINK>": 0.0,
    "think answer": 0.0,
    "": 0.0,
}


def test_tags_by_hand():
    assert tag_count_reward(list(TAGS)) == list(TAGS.values())
    assert tag_count_reward([[{"role": "assistant", "content": text}] for text in TAGS]) == list(TAGS.values())


def test_what_is_well_formed_has_all_tags():
    assert all(tags == 1.0 for tags, text in zip(TAGS.values(), TAGS, strict=True) if format_reward([text]) == [1.0])
    assert format_reward(list(TAGS)).count(1.0) == 1


@pytest.mark.parametrize(
    ("script", "text", "share"),
    [
        ("LATIN", "so 3 + 4 = 7", 1.0),
        ("LATIN", "so 天空", 0.5),
        ("LATIN", "Größe, naïve", 1.0),  # accents are letters of the same script
        ("LATIN", "да no", 0.5),
        ("LATIN", "<think>天空</think>so", 0.0),  # what was thought counts, not the answer
        ("LATIN", "so</think>天空", 1.0),
        ("LATIN", "3 + 4 = 7 ∑ ①", 0.0),  # no letter
        ("LATIN", "", 0.0),
        ("CYRILLIC", "да no", 0.5),
        ("CJK", "天空 is blue", 0.25),
        ("HIRAGANA", "そら", 1.0),
        ("GREEK", "αβγ x", 0.75),
    ],
)
def test_language_by_hand(script, text, share):
    assert language_consistency_reward(script)([text]) == [share]


def test_the_tag_of_an_unfinished_thought_is_not_thought():
    assert LATIN(["<think>天空"]) == LATIN(["<think>天空</think>so"]) == [0.0]


def test_shaping_rewards_take_the_whole_protocol():
    columns = {"prompts": ["q"], "completion_ids": [[1]], "ground_truth": ["2"], "trainer_state": None}
    rewards = (repetition_penalty_reward(), tag_count_reward, LATIN, soft_overlong_reward(10, 5))
    assert [reward(completions=["yes"], **columns) for reward in rewards] == [[0.0], [0.0], [1.0], [0.0]]
    names = [reward.__name__ for reward in rewards]
    assert names == ["repetition_penalty", "tag_count_reward", "language_consistency", "soft_overlong"]


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: repetition_penalty_reward(0), r"ngram_size must be a whole number of at least 1, got 0"),
        (lambda: repetition_penalty_reward(2.0), r"ngram_size must be a whole number of at least 1, got 2.0"),
        (lambda: repetition_penalty_reward(3, 1.0), r"max_penalty must be a finite number of at most 0, got 1.0"),
        (lambda: repetition_penalty_reward(3, float("nan")), r"max_penalty must be .* at most 0, got nan"),
        (lambda: repetition_penalty_reward(3, -float("inf")), r"max_penalty must be .* at most 0, got -inf"),
        (lambda: repetition_penalty_reward(3, "1"), r"max_penalty must be .* at most 0, got '1'"),
        (
            lambda: repetition_penalty_reward()(["a"], completion_ids=[]),
            r"completion_ids must be a list .* \(1\), got 0",
        ),
        (lambda: tag_count_reward("abc"), r"completions must be a list .* got a str"),
        (lambda: tag_count_reward([None]), r"a completion must be a str or a chat list .* got None"),
        (lambda: language_consistency_reward("English"), r"script must be the first word of .* got 'English'"),
        (lambda: language_consistency_reward(""), r"script must be the first word of .* got ''"),
        (lambda: language_consistency_reward(None), r"script must be the first word of .* got None"),
        (lambda: LATIN("abc"), r"completions must be a list .* got a str"),
        (lambda: soft_overlong_reward(10, 11), r"soft_punish_cache must be at most max_completion_length=10, got 11"),
    ],
    ids=range(14),
)
def test_a_wrong_call_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()
