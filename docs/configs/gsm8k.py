"""Train Qwen3-0.6B on GSM8K, the word problems of primary school, on one GPU.

    pip install "grpo-lite[rewards,train] @ git+https://github.com/grpo-lite/grpo-lite"
    pip install datasets
    python gsm8k.py        # 24 GB; computes in bfloat16
    python gsm8k.py --t4   # 16 GB, no bfloat16: the T4 of Colab

The same command goes on after an interruption. No GPU has run this file yet: the tests
run it on the CPU, with a tiny model of the same kind.
"""

import sys

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo_lite import GRPOConfig, GRPOTrainer, math_reward
from grpo_lite.training.rollout import sample_groups

MODEL = "Qwen/Qwen3-0.6B"
ASK = "Think step by step. Write the final number in \\boxed{}."


def prepare(row, tokenizer):
    """Turn a row of GSM8K into a prompt and the truth, the number behind ####."""
    chat = [
        {"role": "system", "content": ASK},
        {"role": "user", "content": row["question"]},
    ]
    # Qwen3 would think for thousands of tokens; here it reasons in the answer itself.
    prompt = tokenizer.apply_chat_template(
        chat,
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    truth = row["answer"].split("####")[1].strip().replace(",", "")
    return {"prompt": prompt, "ground_truth": truth}


def settings(t4):
    """Eight completions of each of 8 problems an update; of 4 problems on the T4."""
    at_once = 4 if t4 else 8  # completions that go through the model together
    return GRPOConfig(
        output_dir="gsm8k",
        max_steps=200,
        learning_rate=1e-6,
        lr_scheduler_type="constant",
        warmup_steps=10,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=8,
        num_generations=8,
        max_completion_length=256 if t4 else 384,
        temperature=1.0,
        loss_type="dr_grpo",
        scale_rewards="none",
        beta=0.0,
        bf16=not t4,
        gradient_checkpointing=True,
        eval_steps=50,
        per_device_eval_batch_size=32,
        save_steps=50,
        save_total_limit=1,
        log_completions=True,
        seed=0,
    )


def count(model, tokenizer, rows, args):
    """Print the share of right answers, and of problems with at least one."""
    draws = torch.Generator(model.device).manual_seed(0)
    n, groups = args.prompts_per_step, []
    for i in range(0, len(rows), n):
        asked = rows[i : i + n]
        groups += sample_groups(model, tokenizer, [math_reward], asked, args, draws)
    right = torch.stack([group.rewards for group in groups])
    solved = right.amax(dim=1).mean()
    print(f"right {right.mean():.2f}, pass@{args.num_generations} {solved:.2f}")


def main(t4):
    """Load the model and the problems, train, and save what came out."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    data = load_dataset("openai/gsm8k", "main")
    train = [prepare(row, tokenizer) for row in data["train"]]
    held_out = [prepare(row, tokenizer) for row in data["test"]][:200]
    args = settings(t4)
    trainer = GRPOTrainer(model, math_reward, args, train, tokenizer, held_out)
    # pass@8 near 0: nothing to learn from. All right: nothing to compare.
    count(model, tokenizer, train[:64], args)
    trainer.train()
    model.save_pretrained("gsm8k/final")
    tokenizer.save_pretrained("gsm8k/final")


if __name__ == "__main__":
    main(t4="--t4" in sys.argv)
