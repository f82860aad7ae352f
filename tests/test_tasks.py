"""The tasks and the base model: right answers, a split that holds, demonstrations as described, a model that loads."""

import hashlib
import itertools
import random
import re
import subprocess
import sys
from collections import Counter

import pytest
import torch

import base_model
from grpo_lite import GRPOConfig, _checks
from grpo_lite.experiments.pretrain import small_model
from grpo_lite.tasks import (
    BASE_MODEL,
    RECIPE,
    TASKS,
    accuracy,
    is_held_out,
    load_base_model,
    make_problems,
    think_rate,
)
from grpo_lite.training.rollout import evaluate
from helpers.runs import make_tokenizer

SYMBOLS = ["<pad>", "<eos>", "<think>", "</think>", "<answer>", "</answer>", *"0123456789+=>"]

EVERY_PROMPT = {
    "chain-sum": ["+".join(digits) + "=" for digits in itertools.product("0123456789", repeat=4)],
    "sort-digits": ["".join(digits) + ">" for digits in itertools.product("0123456789", repeat=5)],
}
every_task = pytest.mark.parametrize("task", EVERY_PROMPT)


def right_answer(task, prompt):
    """By remainders and by counting, where the package adds and sorts."""
    if task == "chain-sum":
        return str(int(prompt[0]) + int(prompt[2]) + int(prompt[4]) + int(prompt[6]))[-1]
    return "".join(digit * prompt.count(digit) for digit in "0123456789")


def held_out(prompt):
    return int(hashlib.sha256(prompt.encode("ascii")).hexdigest()[:2], 16) in range(0, 256, 10)


@every_task
@pytest.mark.parametrize("split", ["train", "test"])
def test_problems_are_what_they_say_and_have_the_right_answer(task, split):
    rows = make_problems(task, split, 300, seed=3)
    prompts = [row["prompt"] for row in rows]
    assert len(set(prompts)) == 300
    assert set(prompts) <= set(EVERY_PROMPT[task])
    assert all(
        row == {"prompt": p, "ground_truth": right_answer(task, p)} for row, p in zip(rows, prompts, strict=True)
    )
    assert [held_out(prompt) for prompt in prompts] == [split == "test"] * 300


def test_answers_by_hand():
    """What the other tests take for right, where it can be seen to be right."""
    sums = {"3+9+4+1=": "7", "1+2+3+4=": "0", "0+0+0+0=": "0", "9+9+9+9=": "6"}
    assert {prompt: right_answer("chain-sum", prompt) for prompt in sums} == sums
    digits = {"52817>": "12578", "00010>": "00001"}
    assert {prompt: right_answer("sort-digits", prompt) for prompt in digits} == digits


# The first byte of the SHA-256 of each, as `printf 3+9+4+1= | sha256sum` shows it: 77, a0, 14, 2f, 0a, 28, 07.
SPLIT = {"3+9+4+1=": False, "8+7+6+4=": True, "7+8+4+0=": True, "6+1+0+0=": False, "52817>": True, "12345>": True,
         "00000>": False}  # fmt: skip


def test_the_split_is_the_same_everywhere_and_for_ever():
    assert {prompt: is_held_out(prompt) for prompt in SPLIT} == SPLIT
    assert {prompt: held_out(prompt) for prompt in SPLIT} == SPLIT


@pytest.mark.parametrize(("task", "count"), [("chain-sum", 1020), ("sort-digits", 10_152)])
def test_one_problem_in_ten_is_held_out(task, count):
    assert sum(map(held_out, EVERY_PROMPT[task])) == count
    assert sum(map(is_held_out, EVERY_PROMPT[task])) == count
    assert TASKS[task][1] == {"train": len(EVERY_PROMPT[task]) - count, "test": count}
    assert count / len(EVERY_PROMPT[task]) == pytest.approx(0.1, abs=0.01)


def test_training_and_held_out_problems_share_none():
    test = {row["prompt"] for row in make_problems("chain-sum", "test", 1020)}
    train = {row["prompt"] for row in make_problems("chain-sum", "train", 2000)}
    assert test == set(filter(held_out, EVERY_PROMPT["chain-sum"]))
    assert not test & train


def test_a_seed_draws_the_same_problems_again_and_another_draws_others():
    assert make_problems("chain-sum", "train", 50, seed=1) == make_problems("chain-sum", "train", 50, seed=1)
    assert make_problems("chain-sum", "train", 50, seed=1) != make_problems("chain-sum", "train", 50, seed=2)
    assert make_problems("chain-sum", "train", 50) == make_problems("chain-sum", "train", 80)[:50]


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chain", "train", 1), "task .*chain-sum.*sort-digits.*chain"),
        (("chain-sum", "eval", 1), "split .*train.*test.*eval"),
        (("chain-sum", "test", 0), "size must be a whole number of at least 1, got 0"),
        (("chain-sum", "test", 1021), "size must be at most 1020, what 'chain-sum' 'test' holds, got 1021"),
        (("sort-digits", "train", 10**20), "size must be at most 89848, what 'sort-digits' 'train' holds, got 1000"),
    ],
)
def test_problems_that_there_are_not(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_problems(*arguments)


# completion -> accuracy where 7 is right, think rate
TEXTS = [
    ("<answer>7</answer>", 1, 0),
    ("<think>3267</think><answer>7</answer>", 1, 1),
    ("<think>3268</think><answer>7</answer>", 1, 1),  # wrong thoughts are not punished
    ("<think>3267</think><answer>4</answer>", 0, 1),
    ("<answer>4</answer><answer>7</answer>", 1, 0),  # the last answer counts
    ("<answer>7</answer><answer>4</answer>", 0, 0),
    ("<answer>7</answer>7", 0, 0),  # nothing may follow
    ("<answer>7</answer></think>", 0, 0),
    ("<answer>7", 0, 0),  # cut off
    ("7</answer>", 0, 0),
    ("<answer></answer>", 0, 0),
    ("<answer>77</answer>", 0, 0),
    ("<answer>07</answer>", 0, 0),
    ("<answer>+7</answer>", 0, 0),
    ("7", 0, 0),
    ("", 0, 0),
    ("7<think>3267</think><answer>7</answer>", 1, 0),  # a thought must come first
    ("</think><answer>7</answer>", 1, 0),
    ("<think><think><answer>7</answer>", 1, 1),
]


@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_rewards_of_crafted_texts(chat):
    completions = [[{"role": "assistant", "content": text}] if chat else text for text, _, _ in TEXTS]
    assert accuracy(completions, ["7"] * len(TEXTS), prompts=["3+9+4+1="] * len(TEXTS)) == [row[1] for row in TEXTS]
    assert think_rate(completions, prompts=["3+9+4+1="] * len(TEXTS)) == [row[2] for row in TEXTS]


def test_each_completion_is_compared_with_its_own_answer():
    completions = ["<answer>1</answer>", "<answer>2</answer>", "<answer>01234</answer>"]
    assert accuracy(completions, ["1", "1", "01234"]) == [1.0, 0.0, 1.0]


@pytest.mark.usefixtures("as_user")
def test_rewards_refuse_what_is_not_a_list_of_completions():
    with pytest.raises(ValueError, match="completions must be a list"):
        think_rate("<think>")
    with pytest.raises(ValueError, match="got 7"):
        accuracy([7], ["7"])
    with pytest.raises(ValueError, match=r"one text for each of 2 completions, got \['7'\]"):
        accuracy(["<answer>7</answer>"] * 2, ["7"])
    with pytest.raises(ValueError, match=r"one text for each of 1 completions, got \[7\]"):
        accuracy(["<answer>7</answer>"], [7])


def drawn(prompt, task, size=4000):
    rng = random.Random(11)
    return Counter(base_model.DEMONSTRATE[task](prompt, rng) for _ in range(size))


def test_demonstrations_of_chain_sums_have_the_documented_flaws():
    """Shares of 4000 draws: three standard errors are at most 0.024."""
    texts = drawn("3+9+4+1=", "chain-sum")
    thinks = {text: n for text, n in texts.items() if text.startswith("<think>")}
    assert sum(thinks.values()) / 4000 == pytest.approx(0.4, abs=0.024)
    steps, slips = 0, 0
    for text, n in thinks.items():
        thoughts, answer = re.fullmatch(r"<think>(\d{4})</think><answer>(\d)</answer>", text).groups()
        assert answer == thoughts[-1]
        sums = [0, *map(int, thoughts)]
        steps += 4 * n
        slips += n * sum((sums[i] + digit) % 10 != sums[i + 1] for i, digit in enumerate([3, 9, 4, 1]))
    assert slips / steps == pytest.approx(0.1 * 0.9, abs=0.012)  # one slip in ten falls on the right digit
    straight = {re.fullmatch(r"<answer>(\d)</answer>", text)[1]: n for text, n in texts.items() if text not in thinks}
    shares = {answer: n / sum(straight.values()) for answer, n in straight.items()}
    assert shares.pop("7") == pytest.approx(0.2 + 0.8 / 10, abs=0.03)
    assert set(shares) == set("012345689")
    assert list(shares.values()) == pytest.approx([0.08] * 9, abs=0.018)


def test_demonstrations_of_sorting_have_the_documented_flaws():
    texts = drawn("31425>", "sort-digits")
    shares = {text: n / 4000 for text, n in texts.items()}
    assert shares.pop("<answer>54321</answer>") == pytest.approx(0.6 * 0.7, abs=0.024)
    assert shares.pop("<answer>12345</answer>") == pytest.approx(0.4 * 0.7, abs=0.024)
    one_swap = set()
    for i, j in itertools.combinations(range(5), 2):
        for order in ("12345", "54321"):
            digits = list(order)
            digits[i], digits[j] = digits[j], digits[i]
            one_swap.add(f"<answer>{''.join(digits)}</answer>")
    assert set(shares) == one_swap


def test_the_base_model_is_taught_both_tasks_and_no_held_out_problem():
    pairs = base_model.demonstrations(random.Random(0), 6000)
    assert len(pairs) == 6000
    assert not any(held_out(prompt) for prompt, _ in pairs)  # 600 would be, by chance
    sums = sum(prompt.endswith("=") for prompt, _ in pairs)
    assert sums / 6000 == pytest.approx(0.6, abs=0.02)
    for prompt, completion in pairs:
        assert re.fullmatch(r"\d\+\d\+\d\+\d=|\d{5}>", prompt)
        assert re.fullmatch(r"(<think>\d{4}</think>)?<answer>(\d|\d{5})</answer>", completion)


@pytest.mark.parametrize("source", ["made", "shipped"])
def test_the_tokenizer_has_one_token_a_symbol_there_and_back(source):
    tokenizer = make_tokenizer() if source == "made" else load_base_model()[1]
    assert len(SYMBOLS) == len(set(SYMBOLS)) == 19
    assert [tokenizer(symbol)["input_ids"] for symbol in SYMBOLS] == [[i] for i in range(19)]
    assert [tokenizer.decode([i]) for i in range(19)] == SYMBOLS
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, len(tokenizer)) == (0, 1, 19)
    text = "3+9+4+1=<think>3267</think><answer>7</answer>"
    ids = tokenizer(text + "<eos>")["input_ids"]
    assert len(ids) == 8 + 6 + 3 + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.decode(ids) == text + "<eos>"
    with pytest.raises(Exception, match="WordLevel"):  # the tokenizers library has no class of its own for it
        tokenizer("3*9=")


@pytest.mark.parametrize("task", TASKS)
def test_every_demonstration_fits_the_limits(task):
    """The longest completion has 10 tokens with the end token; the recipe allows 16, the model 64 with the prompt."""
    tokenizer, rng = make_tokenizer(), random.Random(0)
    lengths = set()
    for prompt in EVERY_PROMPT[task][:200]:
        completion = base_model.DEMONSTRATE[task](prompt, rng)
        ids = tokenizer(completion + "<eos>")["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == completion
        lengths.add(len(ids))
    assert lengths == ({4, 10} if task == "chain-sum" else {8})
    assert max(lengths) <= RECIPE["max_completion_length"]


def test_the_base_model_is_the_one_described():
    model, tokenizer = load_base_model()
    made = small_model(tokenizer)
    assert {name: p.shape for name, p in model.named_parameters()} == {n: p.shape for n, p in made.named_parameters()}
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(0.4e6, rel=0.1)
    assert not model.training
    assert not [module for module in model.modules() if isinstance(module, torch.nn.Dropout) and module.p > 0]
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert sum(file.stat().st_size for file in BASE_MODEL.iterdir()) < 3e6


@pytest.mark.slow
def test_the_base_model_answers_straight_and_mostly_wrong():
    model, tokenizer = load_base_model()
    args = GRPOConfig(max_completion_length=16, per_device_eval_batch_size=500, seed=0)
    measured = evaluate(model, tokenizer, [accuracy, think_rate], make_problems("chain-sum", "test", 1000), args)
    assert measured["greedy_accuracy"] <= 0.2
    assert measured["greedy_think_rate"] < 0.3
    assert 0.25 <= measured["sampled_accuracy"] <= 0.45
    assert 0.3 <= measured["sampled_think_rate"] <= 0.5
    assert 5.5 <= measured["mean_length"] <= 7  # 4 tokens straight, 10 with a thought
    sorting = evaluate(model, tokenizer, accuracy, make_problems("sort-digits", "test", 500), args)
    assert sorting["greedy_accuracy"] < 0.1  # it prefers to sort downwards
    assert 0.15 <= sorting["sampled_accuracy"] <= 0.4


@pytest.mark.slow
def test_the_command_that_makes_the_base_model_works(tmp_path):
    command = [sys.executable, base_model.__file__, "--steps", "3", "--output-dir", str(tmp_path / "base")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"wrote {tmp_path / 'base'}" in run.stdout
    assert {file.name for file in (tmp_path / "base").iterdir()} == {file.name for file in BASE_MODEL.iterdir()}
    model, tokenizer = load_base_model(tmp_path / "base")
    shipped, _ = load_base_model()
    assert model.config.to_dict() | {"_name_or_path": ""} == shipped.config.to_dict() | {"_name_or_path": ""}
    assert tokenizer("3+=")["input_ids"] == [SYMBOLS.index(symbol) for symbol in "3+="]


def test_no_model_in_the_folder(tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"path must be a folder with a saved model (config.json), got "
                                                   f"{str(tmp_path)!r}")):  # fmt: skip
        load_base_model(tmp_path)
    with pytest.raises(ValueError, match="'nowhere'"):
        load_base_model("nowhere")


def test_without_transformers_the_message_names_the_extra(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "grpo-lite\[train\] @ git'):
        load_base_model()
