"""Two processes that train one model do what one process does with the same completions."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.training import distributed
from helpers import forked
from helpers.runs import ROWS, SETTINGS, TOKENIZER, assert_same, identical, model_of, odd, only_some, records, weights

T, F = True, False
GRADIENTS = {
    "grpo": {"loss_type": "grpo"},
    "bnpo": {"loss_type": "bnpo"},
    "dapo": {"loss_type": "dapo"},
    "dr_grpo": {"loss_type": "dr_grpo"},
    "batch": {"loss_type": "grpo", "scale_rewards": "batch"},
    "penalty": {"loss_type": "bnpo", "beta": 0.2, "num_iterations": 2},
}


def make_trainer(completions=16, reward_func=only_some, seed=0, rows=ROWS, held_out=None, **settings):
    args = GRPOConfig(**SETTINGS | {"per_device_train_batch_size": completions} | settings)
    return GRPOTrainer(model_of(seed=seed), reward_func, args, rows, TOKENIZER, held_out)


class Seen:
    """A reward function that remembers what this process was asked about."""

    __name__ = "odd"

    def __init__(self, harm=None):
        self.batches, self.harm = [], harm

    def __call__(self, prompts, completions, completion_ids, **columns):
        self.batches.append({"prompts": prompts, "ids": completion_ids})
        if self.harm and len(self.batches) == 2:
            self.harm()
        return odd(completions)


def both(tmp_path, work):
    """Run `work(rank)` in two processes and return what each returned."""

    def in_one():
        rank = int(os.environ["RANK"])
        torch.save(work(rank), tmp_path / f"found-{rank}.pt")
        dist.destroy_process_group()

    assert forked.run_together(in_one, 2) == [0, 0]
    return [torch.load(tmp_path / f"found-{rank}.pt", weights_only=False) for rank in range(2)]


def test_alone_nothing_is_exchanged():
    x = torch.tensor([1.0, 2.0])
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.gather_objects("a") == ["a"]
    assert distributed.mean({"x": 0.1}) == {"x": 0.1}
    distributed.sum_([x])
    distributed.broadcast_([x])
    assert x.tolist() == [1.0, 2.0]
    assert distributed.start(use_cpu=True) == torch.device("cpu")
    assert not dist.is_initialized()


def test_exchange_by_hand(tmp_path):
    def work(rank):
        distributed.start(use_cpu=True)
        a, b = torch.tensor([1.0, 10.0]) * (rank + 1), torch.tensor([[5.0]], dtype=torch.float64) - rank
        own = torch.tensor([7 + rank])
        distributed.sum_([a, b])
        distributed.broadcast_([own])
        gathered = distributed.gather_objects({"rank": rank}), distributed.mean({"x": rank, "y": 3.0})
        return a, b, own, *gathered, distributed.rank(), distributed.world_size()

    for rank, (a, b, own, things, means, me, count) in enumerate(both(tmp_path, work)):
        assert (a.tolist(), b.tolist(), own.tolist()) == ([3.0, 30.0], [[9.0]], [7])
        assert b.dtype == torch.float64
        assert things == [{"rank": 0}, {"rank": 1}]
        assert means == {"x": 0.5, "y": 3.0}
        assert (me, count) == (rank, 2)


def test_gradient_is_that_of_one_process_with_the_whole_batch(tmp_path):
    """Groups of unequal length, some of them in agreement: what the processes leave out differs."""
    sampled = make_trainer(32).sample()
    spread = [group.has_spread for group in sampled]
    assert spread[:2] != spread[2:] or len(sampled[0].ids[0]) != len(sampled[2].ids[0])
    assert len({int(group.mask.sum()) for group in sampled}) > 1

    def gradient(trainer, groups):
        policy, generator = trainer.model, torch.Generator().manual_seed(1)
        with torch.no_grad():
            for p in policy.parameters():  # away from the reference and from the policy that sampled
                p += 0.03 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
        groups = trainer.add_advantages(groups)
        report = trainer.gradient(groups)
        return [p.grad.clone() for p in policy.parameters()], report, [group.advantages for group in groups]

    def work(rank):
        own = sampled[2 * rank : 2 * rank + 2]
        # Another seed: the processes start with different weights, and take those of the first.
        return {name: gradient(make_trainer(seed=rank, **kind), own) for name, kind in GRADIENTS.items()}

    found = both(tmp_path, work)
    for name, settings in GRADIENTS.items():
        expected, report, advantages = gradient(make_trainer(32, **settings), copy.deepcopy(sampled))
        for rank in range(2):
            assert_same(found[rank][name][0], expected)
            assert found[rank][name][1] == pytest.approx(report, rel=1e-5, abs=1e-6)
        assert_same(found[0][name][2] + found[1][name][2], advantages, 1e-6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What two processes that trained together have seen and reached, and their folder."""
    folder = tmp_path_factory.mktemp("together")

    def work(rank):
        seen = Seen()
        trainer = make_trainer(reward_func=seen, output_dir=str(folder), save_steps=1, max_steps=4, eval_steps=None)
        history = trainer.train()
        return weights(trainer.model), seen.batches, history

    return both(folder, work), folder


def test_both_end_with_the_same_weights_and_have_moved(trained):
    (first, second), _ = trained
    assert all(identical(first[0], second[0]))
    assert not any(identical(first[0], weights(model_of())))


def test_both_evaluate_half_of_the_rows_and_know_the_averages_of_all(tmp_path):
    """Five rows: three for the first process, two for the second; and one row, of which the second has none."""

    def work(rank):
        seen = Seen()
        trainer = make_trainer(reward_func=seen)
        found = []
        for rows in (ROWS[:5], ROWS[:1]):
            trainer.eval_dataset = rows
            found.append(trainer.evaluate())
        return found, [batch["prompts"] for batch in seen.batches], [batch["ids"] for batch in seen.batches]

    first, second = both(tmp_path, work)
    assert first[0] == second[0]
    prompts = [row["prompt"] for row in ROWS]
    assert first[1] == [prompts[0:5:2]] * 2 + [prompts[:1]] * 2  # greedy and sampled
    assert second[1] == [prompts[1:5:2]] * 2
    texts = [[TOKENIZER.decode(row, skip_special_tokens=True) for batch in (a, b) for row in batch]
             for a, b in zip(first[2][:2], second[2], strict=True)]  # fmt: skip
    expected = [sum(odd(own)) / 5 for own in texts]
    result, one = first[0]
    assert [result["greedy_odd"], result["sampled_odd"]] == pytest.approx(expected)
    assert result["mean_length"] == sum(len(row) for row in first[2][1] + second[2][1]) / 5
    alone = make_trainer(reward_func=odd)
    alone.eval_dataset = ROWS[:1]
    assert one == alone.evaluate()


def test_each_samples_its_own_completions_of_its_own_prompts(trained):
    (first, second), _ = trained
    alone = Seen()
    one = make_trainer(32, reward_func=alone)
    one.sample()
    for a, b in zip(first[1], second[1], strict=True):
        assert not set(a["prompts"]) & set(b["prompts"])
    together = set(first[1][0]["prompts"]) | set(second[1][0]["prompts"])
    assert together == set(alone.batches[0]["prompts"])  # the same ones that one process takes
    for batches in zip(*(run[1] for run in (first, second)), strict=True):
        a, b = ([tuple(row) for row in batch["ids"]] for batch in batches)
        assert a != b
    taken = [batch["prompts"][::8] for step in range(3) for batch in (first[1][step], second[1][step])]
    counts = [sum(prompts.count(row["prompt"]) for prompts in taken) for row in ROWS]
    assert counts == [2] * 6  # 12 prompts in 3 steps: two epochs of 6


def test_the_same_prompt_gets_other_completions_in_each_process(tmp_path):
    def work(rank):
        (group,) = make_trainer(8, odd, rows=ROWS[:1]).sample()
        return group.prompt_ids, group.completions

    (prompt, first), (same_prompt, second) = both(tmp_path, work)
    assert torch.equal(prompt, same_prompt)
    assert first != second


def test_records_are_written_once_and_speak_of_both(trained):
    runs, folder = trained
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines == runs[0][2]
    for step, line in enumerate(lines):
        texts = [
            TOKENIZER.decode(row, skip_special_tokens=True) for _, batches, _ in runs for row in batches[step]["ids"]
        ]
        assert len(texts) == 32
        assert line["reward"] == pytest.approx(sum(odd(texts)) / 32)
        lengths = [len(row) for _, batches, _ in runs for row in batches[step]["ids"]]
        assert line["completions/mean_length"] == pytest.approx(sum(lengths) / 32)
    assert len(list(folder.glob("checkpoint-*"))) == 4


@pytest.mark.parametrize("harm", ["kill", "ctrl-c"])
def test_stopped_and_started_again_is_the_run_that_was_not(harm, tmp_path, trained):
    """Both killed, or Ctrl-C seen by the second process only."""

    def stop():
        os.kill(os.getpid(), signal.SIGKILL if harm == "kill" else signal.SIGINT)

    def stopped():
        only = harm == "kill" or os.environ["RANK"] == "1"
        settings = {"output_dir": str(tmp_path / "run"), "save_steps": 1, "max_steps": 4}
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2"):
            make_trainer(reward_func=Seen(stop if only else None), **settings).train()
        dist.destroy_process_group()

    assert forked.run_together(stopped, 2) == ([-signal.SIGKILL] * 2 if harm == "kill" else [0, 0])

    def go_on(rank):
        trainer = make_trainer(reward_func=Seen(), output_dir=str(tmp_path / "run"), save_steps=1, max_steps=4)
        trainer.train()
        return weights(trainer.model), trainer.step

    (whole, _), folder = trained
    for found, step in both(tmp_path, go_on):
        assert step == 4
        assert all(identical(found, whole[0]))
    assert records(tmp_path / "run") == records(folder)


def test_a_run_that_evaluates_goes_on_with_one_history_in_both(tmp_path):
    """Before the first update a run is evaluated once; a process that knew nothing of that would wait for the other."""

    def work(rank):
        for last in (1, 2):
            settings = {"output_dir": str(tmp_path / "run"), "max_steps": last, "lr_scheduler_type": "constant"}
            trainer = make_trainer(held_out=ROWS[:3], eval_steps=1, **settings)
            trainer.train()
        return trainer.history

    first, second = both(tmp_path, work)
    assert [("eval" in record, record["step"]) for record in first] == [(T, 0), (F, 1), (T, 1), (F, 2), (T, 2)]
    assert [("eval" in record, record["step"]) for record in second] == [(T, 0), (F, 1), (T, 1), (F, 2), (T, 2)]
    assert len(records(tmp_path / "run")) == 5


def test_a_run_of_two_is_not_continued_by_one(trained):
    with pytest.raises(ValueError, match="processes: 2 there, 1 here"):
        make_trainer(reward_func=odd, output_dir=str(trained[1]), max_steps=4).train()


SCRIPT = """
import torch
from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.tasks import RECIPE, accuracy, load_base_model, make_problems

torch.set_num_threads(1)
model, tokenizer = load_base_model()
args = GRPOConfig(**RECIPE | {"max_steps": 2, "output_dir": "run", "reward_weights": None, "eval_steps": 2})
held_out = make_problems("chain-sum", "test", 20)
trainer = GRPOTrainer(model, accuracy, args, make_problems("chain-sum", "train", 100), tokenizer, held_out)
trainer.train()
print("step", trainer.step, "weight", model.transformer.wte.weight.double().sum().item())
"""


@pytest.mark.slow
def test_a_script_that_knows_nothing_of_processes_runs_under_accelerate(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    with forked.socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # --multi_gpu is its name for several processes; without it (or with --cpu) accelerate starts only one on a CPU.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
               "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
               "--main_process_port", str(port), "script.py"]  # fmt: skip
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    first, second = re.findall(r"step 2 weight (\S+)", run.stdout)
    assert first == second
    assert "Traceback" not in run.stderr
    assert [record["step"] for record in records(tmp_path / "run")] == [0, 1, 2, 2]
    state = torch.load(tmp_path / "run" / "checkpoint-2" / "trainer_state.pt", weights_only=True)
    assert state["settings"]["processes"] == len(state["processes"]) == 2


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module", "port"),
    [
        ("torchrun", "torch.distributed.run", "--master-port"),
        ("accelerate launch", "accelerate.commands.launch", "--main_process_port"),
    ],
)
def test_the_commands_of_the_page_train_together(name, module, port, tmp_path):
    root = Path(__file__).parents[1]
    (typed,) = re.findall(rf"^{name} (.*--output-dir.*)$", (root / "docs" / "training.md").read_text(), re.M)
    with forked.socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        command = [sys.executable, "-m", module, port, str(free.getsockname()[1]), *typed.split()]
    command += ["--max-steps", "2", "--per-device-train-batch-size", "16"]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("training on chain-sum") == 1
    lines = records(tmp_path / "run")
    assert [(line["step"], "final" in line) for line in lines] == [(0, False), (1, False), (2, False), (2, True)]
    state = torch.load(tmp_path / "run" / "checkpoint-2" / "trainer_state.pt", weights_only=True)
    assert len(state["processes"]) == 2
