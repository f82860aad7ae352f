"""Make the base model again: `python -m grpo_lite.experiments.pretrain`, about two minutes on two cores.

A small GPT-2 learns by heart what `tasks.py` demonstrates, slips and guesses included. No problem that is held out is
ever shown.
"""

import argparse
import random
from pathlib import Path

import torch
import torch.nn.functional as F

from grpo_lite.tasks import BASE_MODEL, TASKS, is_held_out

SYMBOLS = ["<pad>", "<eos>", "<think>", "</think>", "<answer>", "</answer>", *"0123456789+=>"]


def make_tokenizer():
    """One token for each symbol."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    # No symbol stands for the unknown ones: a text with others in it is an error, not a row of padding.
    tokenizer = Tokenizer(models.WordLevel({symbol: i for i, symbol in enumerate(SYMBOLS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"</?[a-z]+>|."), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    # transformers 4 adds token types to these names, and GPT-2 would add an embedding for them.
    names = ["input_ids", "attention_mask"]
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "padding_side": "left"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, model_input_names=names, **special)


def make_model(tokenizer):
    """Two layers, width 128, four heads, no dropout: about 0.4 million parameters."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(SYMBOLS), n_positions=64, n_embd=128, n_layer=2, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, by the name under which it is computed in one piece
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def demonstrations(rng: random.Random, size: int) -> list[tuple[str, str]]:
    """Draw prompts from the training part of both tasks, and an imperfect completion of each."""
    pairs: list[tuple[str, str]] = []
    while len(pairs) < size:
        task = TASKS["chain-sum" if rng.random() < 0.6 else "sort-digits"]
        prompt, _ = task.draw(rng)
        if not is_held_out(prompt):
            pairs.append((prompt, task.demonstrate(prompt, rng)))
    return pairs


def pretrain(steps: int = 2000, *, batch_size: int = 128, learning_rate: float = 2e-3, seed: int = 0):
    """Train on fresh demonstrations in each step, on the tokens of the completions alone."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    for step in range(steps):
        pairs = demonstrations(rng, batch_size)
        prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
        rows = tokenizer([prompt + completion + "<eos>" for prompt, completion in pairs], padding=True,
                         padding_side="right", return_tensors="pt")  # fmt: skip
        ids, mask = rows["input_ids"], rows["attention_mask"].bool()
        for row, prompt in zip(mask, prompts, strict=True):
            row[: len(prompt)] = False
        logits = model(ids, use_cache=False).logits
        loss = F.cross_entropy(logits[:, :-1][mask[:, 1:]], ids[:, 1:][mask[:, 1:]])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.4f}", flush=True)
    return model.eval(), tokenizer


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m grpo_lite.experiments.pretrain", description=__doc__)
    parser.add_argument("--output-dir", type=Path, default=BASE_MODEL, help="where to write model and tokenizer")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, tokenizer = pretrain(args.steps, seed=args.seed)
    model.save_pretrained(args.output_dir)
    tokenizer.save_pretrained(args.output_dir)
    print(f"wrote {args.output_dir}")


if __name__ == "__main__":
    main()
