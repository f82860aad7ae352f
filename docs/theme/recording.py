"""Make grpo_lite/data/recording.json again: `make recording`, half a minute.

What the home page plays back and the lessons take apart: the run of lesson "Watch it learn", watched at each of its
evaluations, and one batch on its way through three updates. The eight completions of the batch are those of step 0.
"""

import ast
import json
import re
from pathlib import Path

import torch

from grpo_lite import GRPOConfig, GRPOTrainer, grpo_loss
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training.gradient import logps_of, stack
from grpo_lite.training.rollout import Group, sample_groups

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "grpo_lite" / "data" / "recording.json"
(LESSON,) = (ROOT / "notebooks").glob("*_watch_it_learn.py")
ROW = {"prompt": "3+9+4+1=", "ground_truth": "7"}
REWARDS = [accuracy, think_rate]
PASSES = 3
"""Updates with the same batch: the first leaves every ratio at 1, the third meets the clip from both sides."""


def settings() -> dict:
    """Those of the lesson, read from its script."""
    [text] = re.findall(r"^SETTINGS = (\{.*?^\})", LESSON.read_text(encoding="utf-8"), re.M | re.S)
    return ast.literal_eval(text)


def answer(model, tokenizer, args: GRPOConfig) -> Group:
    """Eight completions of the prompt, with the same dice each time."""
    generator = torch.Generator(model.device).manual_seed(args.seed)
    return sample_groups(model, tokenizer, REWARDS, [ROW], args, generator)[0]


def rows(values: torch.Tensor, mask: torch.Tensor) -> list[list]:
    """The counted values of each completion."""
    return [row[counted].tolist() for row, counted in zip(values, mask, strict=True)]


def record_run() -> list[dict]:
    """Train as the lesson does; at each evaluation keep what was measured and what the model answers."""
    frames: list[dict] = []

    def watch(record: dict) -> None:
        if record.get("eval"):
            group = answer(model, tokenizer, args)
            frames.append(
                {
                    "step": record["step"],
                    "right": round(record["sampled_accuracy"], 4),
                    "thinks": round(record["sampled_think_rate"], 4),
                    "ids": rows(group.ids, group.mask),
                    "rewards": [int(reward) for reward in group.rewards],
                }
            )

    model, tokenizer = load_base_model()
    args = GRPOConfig(**settings())
    problems = [make_problems("chain-sum", split, size) for split, size in (("train", 5000), ("test", 200))]
    GRPOTrainer(model, REWARDS, args, problems[0], tokenizer, problems[1], callback=watch).train()
    return frames


def record_batch() -> dict:
    """Update the base model with one group, PASSES times; keep the log-probs before the first, the last, and after.

    In float64, so that every machine gets the same numbers.
    """
    model, tokenizer = load_base_model()
    alone = {"per_device_train_batch_size": 8, "num_iterations": PASSES, "warmup_steps": 0, "eval_steps": None}
    args = GRPOConfig(**settings() | alone | {"lr_scheduler_type": "constant"})
    sampled = answer(model, tokenizer, args)
    sampled = sampled._replace(rewards=sampled.rewards.double())
    trainer = GRPOTrainer(model.double(), REWARDS, args, [ROW], tokenizer)
    [group] = trainer.add_advantages([sampled])

    def now() -> torch.Tensor:
        with torch.no_grad():
            return logps_of(model, stack([group]), args)

    def written(logps: torch.Tensor) -> list[list[float]]:
        return [[round(x, 8) for x in row] for row in rows(logps, group.mask)]

    group = group._replace(logps=now())
    for _ in range(PASSES - 1):
        trainer.update([group])
    logps = now()
    loss = grpo_loss(logps, group.logps, group.advantages, group.mask, epsilon=args.epsilon).loss.item()
    trainer.update([group])
    return {
        "pass": PASSES,
        "epsilon": args.epsilon,
        "learning_rate": args.learning_rate,
        "old_logps": written(group.logps),
        "logps": written(logps),
        "after": written(now()),
        "advantages": [round(a, 8) for a in group.advantages.tolist()],
        "loss": round(loss, 8),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    _, tokenizer = load_base_model()
    recording = {
        "prompt": ROW["prompt"],
        "answer": ROW["ground_truth"],
        "tokens": tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))),
        "frames": record_run(),
        "batch": record_batch(),
    }
    text = json.dumps(recording, separators=(",", ":"))
    RECORDING.write_text(re.sub(r'(\{"step"|"batch")', r"\n\1", text) + "\n", encoding="utf-8")
