"""A small model of one's own: one token a symbol, the shapes that were asked for, and what it is taught."""

import math
import random

import pytest
import torch

from grpo_lite import GRPOConfig, _checks
from grpo_lite.experiments.pretrain import character_tokenizer, pretrain, small_model
from grpo_lite.tasks import accuracy, load_base_model
from grpo_lite.training.rollout import evaluate

LETTERS = character_tokenizer(["<b>", "</b>", *"ab(-.\n"])


def test_a_symbol_is_one_token_whatever_it_means_in_a_pattern():
    assert LETTERS.get_vocab() == {s: i for i, s in enumerate(["<pad>", "<eos>", "<b>", "</b>", *"ab(-.\n"])}
    text = "<b>a-(b.\n</b>."
    assert LETTERS(text)["input_ids"] == [2, 4, 7, 6, 5, 8, 9, 3, 8]
    assert LETTERS.decode(LETTERS(text)["input_ids"]) == text


def test_of_two_symbols_that_begin_alike_the_longer_one_is_read():
    tokenizer = character_tokenizer(["a", "ab", "abc"])
    assert [tokenizer.decode([i]) for i in tokenizer("abcaba")["input_ids"]] == ["abc", "ab", "a"]


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("symbols", ["aba", ["a", ""], ["<pad>"], ["a", "<eos>"]])
def test_symbols_must_differ(symbols):
    with pytest.raises(ValueError, match="symbols must differ from each other"):
        character_tokenizer(symbols)


def test_without_transformers_the_message_names_the_extra(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "grpo-lite\[train\] @ git'):
        character_tokenizer("ab")


@pytest.mark.usefixtures("as_user")
class TestUnknownSymbols:
    """The error names the symbols that came and those that there are."""

    def test_in_a_prompt(self):
        model, tokenizer = load_base_model()
        rows = [{"prompt": "3+4=", "ground_truth": "7"}, {"prompt": "reverse 123", "ground_truth": "321"}]
        expected = "19 symbols .*, <pad> <eos> <think> .* 9 [+] = >, got ' ', 'e', 'r', 's', 'v': use other texts, or"
        with pytest.raises(ValueError, match=expected):
            evaluate(model, tokenizer, accuracy, rows, GRPOConfig(max_completion_length=16))

    def test_in_a_demonstration(self):
        with pytest.raises(ValueError, match=r"(?s)the 10 symbols .*got '<', 'c': use"):
            pretrain(small_model(LETTERS, width=8), LETTERS, [("a", "b"), ("a", "<c")])


class TestSmallModel:
    def test_has_the_shape_that_was_asked_for(self):
        config = small_model(LETTERS, width=16, layers=3, positions=20).config
        assert (config.vocab_size, config.n_embd, config.n_layer, config.n_positions) == (10, 16, 3, 20)
        assert (config.pad_token_id, config.eos_token_id) == (0, 1)

    def test_the_seed_of_torch_decides_about_its_weights(self):
        def weights(seed):
            torch.manual_seed(seed)
            return small_model(LETTERS, width=8).lm_head.weight

        assert torch.equal(weights(0), weights(0))
        assert not torch.equal(weights(0), weights(1))

    def test_has_no_dropout(self):
        model = small_model(LETTERS, width=8)
        assert not model.training
        assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}


class TestPretrain:
    def test_the_first_loss_is_the_cross_entropy_of_the_completion_tokens_and_of_the_end(self):
        model = small_model(LETTERS, width=8)
        pairs = [("ab", "ba."), ("(", "a")]
        wanted = []
        for prompt, completion in pairs:  # one at a time, without padding
            ids = LETTERS(prompt + completion + "<eos>", return_tensors="pt")["input_ids"]
            logps = model(ids).logits.log_softmax(dim=-1)[0]
            wanted += [-logps[t - 1, ids[0, t]].item() for t in range(len(prompt), ids.shape[1])]
        assert len(wanted) == 4 + 2
        assert pretrain(model, LETTERS, pairs) == [pytest.approx(sum(wanted) / 6, rel=1e-5)]

    def test_each_demonstration_is_learnt_from_once_and_in_order(self, monkeypatch):
        seen = []
        encode = type(LETTERS).__call__

        def watch(tokenizer, texts, **settings):
            seen.append(list(texts))
            return encode(tokenizer, texts, **settings)

        monkeypatch.setattr(type(LETTERS), "__call__", watch)
        losses = pretrain(small_model(LETTERS, width=8), LETTERS, [("a" * n, "b") for n in range(1, 6)], batch_size=2)
        assert len(losses) == 3
        assert seen[::2] == [["a", "aa"], ["aaa", "aaaa"], ["aaaaa"]]

    def test_the_step_size_rises_and_falls_to_almost_nothing(self, monkeypatch):
        sizes, step = [], torch.optim.AdamW.step

        def watch(optimizer, *given, **settings):
            sizes.append(optimizer.param_groups[0]["lr"])
            return step(optimizer, *given, **settings)

        monkeypatch.setattr(torch.optim.AdamW, "step", watch)
        pretrain(small_model(LETTERS, width=8), LETTERS, [("a", "b")] * 100, batch_size=2, learning_rate=0.01)
        assert len(sizes) == 50
        assert max(sizes) == pytest.approx(0.01, rel=1e-3)
        assert sizes.index(max(sizes)) in (14, 15)
        assert sizes[-1] < 1e-4 < sizes[0] < 0.001

    def test_flaws_are_learnt_as_often_as_they_are_shown(self):
        torch.manual_seed(0)
        rng, model = random.Random(0), small_model(LETTERS, width=16, layers=1)
        pretrain(
            model, LETTERS, [("a(", "a" if rng.random() < 0.3 else "b") for _ in range(12_800)], learning_rate=2e-2
        )
        ids = LETTERS("a(", return_tensors="pt")["input_ids"]
        shares = model(ids).logits[0, -1].softmax(dim=-1)
        assert shares[4].item() == pytest.approx(0.3, abs=0.05)
        assert shares[5].item() == pytest.approx(0.7, abs=0.05)

    @pytest.mark.usefixtures("as_user")
    def test_what_cannot_be_learnt_is_refused(self):
        model = small_model(LETTERS, width=8, positions=4)
        assert math.isfinite(*pretrain(model, LETTERS, [("aa", "b")]))
        with pytest.raises(ValueError, match="the model's 4 positions, got one of 5 tokens"):
            pretrain(model, LETTERS, [("aa", "bb")])
        with pytest.raises(ValueError, match="pairs of a prompt and a completion, got none"):
            pretrain(model, LETTERS, [])
