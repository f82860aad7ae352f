"""TRL's real trainer trains with our reward functions, and logs what `score_completions` says of the same completions.

Nothing of TRL is replaced: the reward functions are wrapped to remember what they were asked, and the trainer's log is
read.
"""

import functools
import json
import re
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from grpo_lite import (
    GRPOConfig,
    GRPOTrainer,
    boxed_reward,
    code_reward,
    combine_rewards,
    format_reward,
    group_advantages,
    length_reward,
    math_reward,
    score_completions,
    soft_overlong_reward,
)
from grpo_lite.tasks import load_base_model, make_problems
from helpers.answering import ADD, FORMATTED, MULTIPLY, make_tokenizer, save_policy
from helpers.trl_trainer import OLD_NAMES

pytestmark = [pytest.mark.slow, OLD_NAMES]

PAGE = Path(__file__).parents[1] / "docs" / "beyond.md"
G, LIMIT = 32, 3  # completions a prompt, answers a completion


def as_chat(text):
    return [{"role": "user", "content": text}]


def train_with_trl(folder, reward_funcs, rows, **settings):
    """Train for two steps; return for each the columns that the rewards were asked about, the samples, and the log."""
    import trl
    from datasets import Dataset

    asked, sampled = [], []

    def remember(reward_func):
        @functools.wraps(reward_func)
        def wrapped(**columns):
            asked.append(columns)
            return reward_func(**columns)

        return wrapped

    save_policy(folder)
    args = trl.GRPOConfig(
        output_dir=str(folder / "run"),
        use_cpu=True,
        max_steps=2,
        per_device_train_batch_size=G * len(rows),
        num_generations=G,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **{"max_completion_length": LIMIT} | settings,
    )
    trainer = trl.GRPOTrainer(
        model=str(folder),
        reward_funcs=[remember(reward_func) for reward_func in reward_funcs],
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=make_tokenizer(),
    )
    generate = trainer._generate_and_score_completions
    trainer._generate_and_score_completions = lambda inputs: sampled.append(generate(inputs)) or sampled[-1]
    trainer.train()
    # Beside the columns TRL hands over its own state and two functions.
    columns = [{name: x for name, x in call.items() if isinstance(x, list)} for call in asked[:: len(reward_funcs)]]
    return list(zip(columns, sampled, trainer.state.log_history[:-1], strict=True))


def check_step(reward_funcs, weights, columns, sampled, log):
    """Compare what TRL logged of a step, and its advantages, with ours; return our scores."""
    scores = score_completions(reward_funcs, **columns)
    rewards = combine_rewards(scores, weights)
    values = {f"rewards/{f.__name__}": column for f, column in zip(reward_funcs, scores.T, strict=True)}
    expected = {f"{name}/{what}": f(x[~x.isnan()]) for name, x in values.items() for what, f in STATISTICS.items()}
    known = rewards[~rewards.isnan()]
    expected |= {"reward": known.mean(), "reward_std": known.std()}
    assert {name: log[name] for name in expected} == pytest.approx({k: x.item() for k, x in expected.items()}, rel=1e-5)
    assert_close(sampled["advantages"], group_advantages(rewards, G))
    return scores


STATISTICS = {"mean": torch.mean, "std": torch.std}
REWARD_FUNCS = [boxed_reward, format_reward, length_reward, soft_overlong_reward(LIMIT, LIMIT - 1)]
ROWS = [
    {"prompt": "What is 2+2?", "ground_truth": "4", "level": 1},
    {"prompt": "Say something.", "ground_truth": None, "level": 2},
]


@pytest.mark.parametrize("form", [str, as_chat])
def test_trl_logs_what_score_completions_says_of_its_completions(tmp_path, form):
    """Four functions with weights, a further column, None, completions as token ids; plain prompts and chats."""
    rows, weights = [row | {"prompt": form(row["prompt"])} for row in ROWS], [1.0, 0.5, -0.01, 0.2]
    steps = train_with_trl(tmp_path, REWARD_FUNCS, rows, reward_weights=weights)
    assert len(steps) == 2
    seen = []
    for columns, sampled, log in steps:
        assert {"prompts", "completions", "completion_ids", "ground_truth", "level"} == set(columns)
        assert all(isinstance(x, str if form is str else list) for x in columns["prompts"] + columns["completions"])
        seen.append(check_step(REWARD_FUNCS, weights, columns, sampled, log))
    assert all(len(column.unique()) > 1 for column in torch.cat(seen).T)  # a constant reward would show nothing


# What is right, by the problem's place in the file; every other completion is wrong.
RIGHT = [{r"\boxed{4}", FORMATTED}, {ADD}, {r"\boxed{12}"}, {MULTIPLY}]


def test_math_and_code_rows_are_each_judged_by_their_own_reward_and_by_no_other(tmp_path):
    """Two tasks, as in the original notebook, where the reward for code never fired; a fifth row has none."""
    rows = [json.loads(line) for line in (PAGE.parent / "configs" / "problems.jsonl").read_text().splitlines()[:4]]
    rows.append(dict.fromkeys(rows[0]) | {"prompt": as_chat("Say something.")})
    seen = []
    for columns, sampled, log in train_with_trl(tmp_path, [math_reward, code_reward], rows, max_completion_length=1):
        scores = check_step([math_reward, code_reward], [1.0, 1.0], columns, sampled, log)
        for prompt, [answer], (math, code) in zip(columns["prompts"], columns["completions"], scores, strict=True):
            place = [row["prompt"] for row in rows].index(prompt)
            right = float(answer["content"] in RIGHT[place]) if place < 4 else torch.nan
            expected = [[right, torch.nan], [torch.nan, right]][place % 2]
            assert_close(torch.stack([math, code]), torch.tensor(expected), equal_nan=True)
            seen.append((place, right))
    assert {(place, right) for place, right in seen if place < 4} == {(place, x) for place in range(4) for x in (0, 1)}
    assert sum(place == 4 for place, _ in seen) == 2 * G


def test_the_names_of_the_page_are_those_in_the_two_logs(tmp_path):
    text, table = PAGE.read_text().split("| Here, and in TRL |")
    alike = re.findall("`(.+?)`", text.split("In the logs ")[1])
    pairs = re.findall("`(.+?)`<br>`(.+?)`", table) + [(name, name) for name in alike]
    [(*_, theirs), _] = train_with_trl(tmp_path, [boxed_reward], ROWS, beta=0.1)
    config = GRPOConfig(max_steps=1, per_device_train_batch_size=G, max_completion_length=LIMIT, beta=0.1, use_cpu=True)
    model, tokenizer = load_base_model()
    [ours] = GRPOTrainer(model, boxed_reward, config, make_problems("chain-sum", "train", 100), tokenizer).train()
    for our_name, their_name in pairs:
        assert our_name in ours
        assert their_name in theirs
    metrics = set(ours) - {"step", "loss", "tokens_per_second"}
    assert metrics == {our_name for our_name, _ in pairs}
