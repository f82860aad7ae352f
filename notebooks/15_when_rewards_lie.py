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
# # When rewards lie
#
# A reward function says what we can measure, and we hope that it is what we want. Training finds every difference between the two. Here a model is trained on three rewards that sound reasonable; each time the reward climbs and the model gets worse.
#
# **Minutes:** 20 · **Needs:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) · **Gives:** a table to fill in before any training, and the signs of a hacked reward

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import copy
import os
import re

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# **Play first.** Three rewards of lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/) read what you write. **The goal:** a text that each of them pays in full, and that is wrong. A model looks for such texts too, by the thousand. What does it learn from them?
#
# <attack-explorer>On the site there is a text to write here, and what three rewards pay for it.</attack-explorer>
#
# The task is the chain sum of lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/): after `3+9+4+1=` the right answer is 7, the last digit of the sum. The base model sometimes thinks, with slips, and mostly guesses. What is *wanted* is fixed for this whole lesson: right answers on problems that were kept from training. What is *paid* changes.
#
# Each problem comes with two forms of the truth: the digit, and a worked solution, as one finds it in many data sets.

# %%
base, tokenizer = load_base_model()


def with_solution(row):
    total = sum(int(digit) for digit in row["prompt"][:-1].split("+"))
    return row | {"solution": f"{row['prompt']}{total}"}


problems = [with_solution(row) for row in make_problems("chain-sum", "train", 4000)]
held_out = [with_solution(row) for row in make_problems("chain-sum", "test", 200)]
problems[0]

# %% [markdown]
# ## Four rewards
#
# **Exact.** `accuracy` of the package: 1 if the final answer is the truth, else 0. It is the one to compare with.
#
# **Form.** The answer must be easy to read, so pay for the form: a thought, then an answer, nothing else. That is `grpo_lite.format_reward`.
#
# **Close.** 1 or 0 is a hard judgement; a model that is off by one deserves something. Pay $1 - d/9$, where $d$ is the distance between the answer and the truth.
#
# **Found.** The data set has the worked solution, so no truth need be extracted by hand: pay 1 if the answer is found in it. For `3+9+4+1=17` the answer 7 is.

# %%
ANSWER = re.compile(r"<answer>(\d)</answer>$")


def answers(completions):
    return [match and match[1] for match in map(ANSWER.search, completions)]


def close(completions, ground_truth, **columns):
    pairs = zip(answers(completions), ground_truth, strict=True)
    return [1 - abs(int(a) - int(truth)) / 9 if a else 0.0 for a, truth in pairs]


def found(completions, solution, **columns):
    pairs = zip(answers(completions), solution, strict=True)
    return [float(bool(a) and a in text) for a, text in pairs]


# %% [markdown]
# There is one more wish, and it is an honest one: thinking costs time. So with the rewards for the *answer* (exact, close, found) a completion that thinks pays a price of 0.3. With the reward for the form there is no price.
#
# ## By hand: what do the cheats earn?
#
# Before training, imagine a model that has understood the reward and not the task. What would it write? Here are four such ways, beside the honest one. None of the four adds anything up.
#
# | way | after `3+9+4+1=` |
# |---|---|
# | honest | `<think>3267</think><answer>7</answer>` |
# | guess | `<answer>d</answer>`, d drawn at random |
# | always 5 | `<answer>5</answer>` |
# | echo | `<answer>3</answer>`, the first digit of the prompt |
# | empty form | `<think>0000</think><answer>0</answer>` |
#
# The pay of "always 5" under *close* can be found by hand. The truths 0 to 9 are equally frequent, their distances from 5 are 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, on average 2.5. That makes $1 - 2.5/9 = 0.72$. The honest way earns 1, minus the price: 0.70.
#
# **Predict.** Fill in the rest: for each of the four rewards, which way earns most?

# %% tags=["result-pay-of-the-cheats"]
PRICE = 0.3


def honest(prompt, k):
    total, sums = 0, ""
    for digit in prompt[:-1].split("+"):
        total = (total + int(digit)) % 10
        sums += str(total)
    return f"<think>{sums}</think><answer>{total}</answer>"


WAYS = {
    "honest": honest,
    "guess": lambda prompt, k: f"<answer>{k % 10}</answer>",
    "always 5": lambda prompt, k: "<answer>5</answer>",
    "echo": lambda prompt, k: f"<answer>{prompt[0]}</answer>",
    "empty form": lambda prompt, k: "<think>0000</think><answer>0</answer>",
}
REWARDS = {  # reward function, price of thinking
    "exact": (accuracy, PRICE),
    "form": (grpo_lite.format_reward, 0.0),
    "close": (close, PRICE),
    "found": (found, PRICE),
}


def mean_pay(way, reward, price):
    columns = {name: [row[name] for row in problems] for name in problems[0]}
    columns["prompts"] = columns.pop("prompt")
    texts = [way(prompt, k) for k, prompt in enumerate(columns["prompts"])]
    pay = torch.tensor(reward(completions=texts, **columns))
    return (pay - price * torch.tensor(think_rate(texts))).mean().item()


def pay_table(rewards):
    columns = {
        name: [mean_pay(way, *reward) + 1e-6 for way in WAYS.values()]
        for name, reward in rewards.items()
    }
    return plotting.table({"way": list(WAYS), **columns})


pay_table(REWARDS)

# %% [markdown]
# Read down the columns:
#
# - **exact**: the honest way earns most, by far. The price does not matter.
# - **form**: a tie. The form costs nothing to fill in, and what stands in it is not looked at.
# - **close**: always 5 earns more than adding. The middle is never far from anything.
# - **found**: the echo earns 1.00. The worked solution begins with the problem, so each digit of the problem is found in it.
#
# Nothing has been trained yet, and we already know what to fear. The table does not say whether a model will find these ways; it says which of them would be paid.
#
# ## Train on each
#
# 40 updates of 64 completions. Paid is the reward minus the price of thinking; accuracy is watched with weight 0. Every five updates the model is asked the held-out problems.
#
# **Predict.** In which runs will the held-out accuracy rise? And in which will the *reward* rise?


# %%
def train(reward, price, beta=0.0, seed=0):
    model = copy.deepcopy(base)
    args = grpo_lite.GRPOConfig(
        max_steps=40,
        learning_rate=5e-4,
        lr_scheduler_type="constant",
        per_device_train_batch_size=64,
        num_generations=8,
        max_completion_length=16,
        reward_weights=[0.0, -price, 1.0],
        eval_steps=5,
        per_device_eval_batch_size=200,
        beta=beta,
        seed=seed,
        disable_tqdm=True,
    )
    trainer = grpo_lite.GRPOTrainer(
        model, [accuracy, think_rate, reward], args, problems, tokenizer, held_out
    )
    return model, [record for record in trainer.train() if "eval" in record]


runs = {name: train(*reward) for name, reward in REWARDS.items()}


# %% tags=["drawing"] alt="Four panels over 40 updates, on held-out problems: reward and share of right answers. Exact: both rise, the reward to about 0.6 and right answers to about 0.9. Form: the reward rises to 1, right answers fall below 0.1. Close: the reward rises to about 0.7, right answers fall to 0.1. Found: the reward rises to 1; right answers first rise to about 0.55, then fall to 0.1." caption="In these runs only the exact reward takes right answers up with it."
def paid(record, name):
    reward, price = REWARDS[name]
    own = record[f"sampled_{reward.__name__}"]
    return own - price * record["sampled_think_rate"]


def progress(runs):
    return plotting.lines(
        range(0, 41, 5),
        *(
            {
                "reward": [paid(record, name) for record in history],
                "right": [record["sampled_accuracy"] for record in history],
            }
            for name, (_, history) in runs.items()
        ),
        titles=list(runs),
        xlabel="update",
        ylabel="mean, held out",
        colors={"reward": "policy", "right": "positive"},
    )


progress(runs)

# %% [markdown]
# The four reward curves look alike: four runs that went well, one seed each. The share of right answers tells them apart. How often does each model think, from update 0 to 40, and what does it say in the end?


# %%
def history_of(runs, metric):
    columns = {
        name: [r[metric] for r in history] for name, (_, history) in runs.items()
    }
    return plotting.table({"update": range(0, 41, 5), **columns})


history_of(runs, "sampled_think_rate")


# %%
def says(runs, count=3):
    prompts = [row["prompt"] for row in held_out[:count]]
    ids = tokenizer(prompts, return_tensors="pt")["input_ids"]
    ends = {
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    columns = {"run": [], "prompt": prompts * len(runs), "says": []}
    for name, (model, _) in runs.items():
        there = ids.to(model.device)
        out = grpo_lite.greedy_decode(model, there, max_new_tokens=16, **ends)
        texts = tokenizer.batch_decode(out.ids, skip_special_tokens=True)
        columns["run"] += [name] * count
        columns["says"] += map(tokenizer.tokenize, texts)
    return plotting.table(columns)


says(runs)

# %% [markdown]
# **Found** is the clearest case of a **hacked** reward: the model copies a digit of the problem (here the third), and the checker is content. In this run it thinks more and more at first, for the honest way pays too, and its accuracy rises; then it finds the cheaper way, and unlearns the rest. Two more seeds:

# %%
more = {f"seed {seed}": train(*REWARDS["found"], seed=seed) for seed in (1, 2)}
history_of(more, "sampled_accuracy")

# %% [markdown]
# The same end, by other ways: with seed 1 accuracy falls from the start. A single run shows where a reward can lead, and not how.
#
# **Close** ends with the same answer to every question. It is not stupid: given what it is paid, it is right.
#
# **Form** is the strangest. Nearly every completion thinks, and when the base model thought, it was right more than six times in ten (lesson [Watch it learn](https://grpo-lite.github.io/grpo-lite/lessons/watch_it_learn/)). Now it is right less than once in ten. Nothing *rewarded* the decline. But whenever a completion is paid, all of its tokens are praised, the slips too. Nothing holds the content in place, so it drifts. When every completion has the form, every group agrees, no gradient is left, so there is no way back.
#
# > **A reward that ignores something does not leave it alone.**
#
# Only **exact** did what was wanted, with the same price on thinking. (A fourth kind, pay for length, is in lesson [When a run is sick](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/).)

# %% [markdown]
# **Check yourself.** In the *found* run the reward reaches nearly 1, on problems that were kept from training. What follows?
#
# <details class="wrong"><summary>The model has learned the task, for these problems were new</summary>New problems guard against memory, not against a wrong reward. Of the same samples, one in ten is right.</details>
# <details class="right"><summary>It earns what the checker pays, and no more is known</summary>Whether that is the task takes a second judge, here the share of right answers. A cheat works on new problems too.</details>
# <details class="wrong"><summary>It has memorised the answers</summary>It never saw these problems. What it learned is a way to be paid on any problem.</details>

# %% [markdown]
# ## Does a KL penalty help?
#
# It is often said that the penalty of lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) keeps the model from exploiting the reward. It keeps the model near the base model; that is not the same.
#
# **Predict.** The reward is *found*. With a large enough $\beta$ the cheat is not learned. Is there a $\beta$ at which honest adding is?

# %% alt="Held-out right answers over 40 updates when the reward is found, for beta 0, 0.3 and 1. With 0 they rise to about 0.55 and fall to 0.1; with 0.3 they rise to about 0.4 and fall to 0.1; with 1 they stay near 0.3, where the base model is." caption="In these runs no β teaches adding: the policy cheats or stands still."
leashed = {
    "β = 0": runs["found"][1],
    "β = 0.3": train(*REWARDS["found"], beta=0.3)[1],
    "β = 1": train(*REWARDS["found"], beta=1.0)[1],
}
plotting.lines(
    range(0, 41, 5),
    {
        name: [record["sampled_accuracy"] for record in history]
        for name, history in leashed.items()
    },
    xlabel="update",
    ylabel="right answers, held out",
    marks={(17, 0.5): "up, then the cheaper way"},
)

# %% [markdown]
# At none of these, in one run each. With 0.3 the model cheats all the same. With 1 it stays near the base model, so it does not learn to add either. A leash does not know good directions from bad ones. In these runs it does not even buy time: with 0.3 the top comes at update 10, as without, and it is lower. A run that is *watched* can be stopped at the top. In reinforcement learning from human feedback, where the reward is itself a model, the same rise and fall has been measured at scale, and there the penalty acted much like stopping early ([Gao, Schulman and Hilton, arXiv:2210.10760](https://arxiv.org/abs/2210.10760)).
#
# ## Repair
#
# Repair the reward, not the training. Each of the three lied in its own way.
#
# - **Form** paid a condition as if it were a goal. Make it a condition: what does not have the form earns nothing, and what has it earns what the answer is worth.
# - **Close** paid for hedging. Partial credit has to be for something that cannot be had without the work: a right running sum, a test that passes. A smaller distance is no such thing (exercise 2).
# - **Found** looked in the wrong place. Take the answer from one place, take the truth from one place, compare the two.


# %% tags=["result-repaired"]
def form_then_right(completions, ground_truth, **columns):
    formed = grpo_lite.format_reward(completions)
    right = accuracy(completions, ground_truth)
    return [a * b for a, b in zip(formed, right, strict=True)]


def found_at_the_end(completions, solution, **columns):
    pairs = zip(answers(completions), solution, strict=True)
    return [float(a == text[-1]) for a, text in pairs]


REPAIRED = {
    "form": (form_then_right, 0.0),
    "found": (found_at_the_end, PRICE),
}
pay_table(REPAIRED)

# %% [markdown]
# In both columns the honest way is now the best by a wide margin. The repaired *found* is the exact reward, and we have seen that run. The repaired *form*:

# %% alt="Reward and share of right answers over 40 updates with the repaired form reward, held out: both rise together from about 0.2 and 0.3 to about 0.9." caption="Repaired, reward and right answers rise together."
REWARDS["form, repaired"] = REPAIRED["form"]
progress({"form, repaired": train(*REPAIRED["form"])})

# %% [markdown]
# Reward and accuracy rise together, as they must when they mean the same.
#
# ## Break it
#
# Half a repair. In *found* the problem itself stood in the worked solution, so search only behind the equals sign: `found` in `17`. The echo earns nothing any more.
#
# **Predict.** The truth has one or two digits now. Is there still a way that needs no adding?


# %% tags=["result-half-a-repair"]
def found_behind(completions, solution, **columns):
    ends = [text.partition("=")[2] for text in solution]
    return found(completions, ends)


WAYS["always 1"] = lambda prompt, k: "<answer>1</answer>"
pay_table({"behind =": (found_behind, PRICE)})

# %%
halves = {f"seed {seed}": train(found_behind, PRICE, seed=seed) for seed in (0, 2)}
right = {
    name: round(runs[-1]["sampled_accuracy"], 2) for name, (_, runs) in halves.items()
}
print("right:", right)
says(halves)

# %% [markdown]
# More than half of the sums lie between 10 and 19, and all of those contain a 1, as do 1, 21 and 31. The honest way is the best, 0.70 against 0.60, but the base model is not honest yet: its thoughts slip. A completion that thinks is right more than six times in ten, a wrong digit is found now and then, and the price is 0.3: about 0.4 at first. The 1 earns more at once; adding earns more when the slips are gone. So it is open which of the two gets ahead. One of these runs learned to add, the other to say 1, and only the seed differs (0 and 2 are shown because they end differently). With eight seeds (`make runs` in a clone of the project) all got better at first, to more than 0.62 right. Then four learned to add and ended above 0.79, three stopped thinking and ended below 0.23, and one was still between, at 0.57. A narrow margin is a coin toss.

# %% [markdown]
# **Check yourself.** The honest way earns 0.70 and *always 1* only 0.60. Still one run ended with *always 1*. Was its training at fault?
#
# <details class="wrong"><summary>Yes: it should find the way that is paid best</summary>It sees only what the model writes now. The 0.70 belong to adding without slips, which this model cannot do yet.</details>
# <details class="wrong"><summary>No: it only needed more updates</summary>A model that always says 1 samples no honest thought any more, and what is not sampled is not paid.</details>
# <details class="right"><summary>No: what counts is what each way earns as the model does it now</summary>Adding earns about 0.4 with slips and 0.70 without them, the 1 earns 0.60 at once. If the slips go before the thinking does, adding gets ahead; if not, the 1.</details>

# %% [markdown]
# ## Signs
#
# | sign | what to do |
# |---|---|
# | reward rises, accuracy on held-out problems falls | stop; believe the second |
# | the reward rises faster than the skill could | read twenty texts |
# | answers to different prompts become the same | look for a hedge |
# | every group agrees at the highest reward | look for a form that costs nothing |
# | right answers, but the thoughts make no sense | the thought is not what is paid |
# | length changes for no reason that you can name | look for pay by length |
#
# The judge of a run must be a second one: another function, on other problems, that no gradient has seen. Here it was `accuracy` with weight 0.
#
# ## Exercises
#
# **1. The price of thinking.** *Easy, 10 minutes.* Under *close*, at which price does always 5 begin to pay more than the honest way? Find it on paper, then check it with `mean_pay`.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The honest way earns $1 - p$, always 5 earns $1 - 2.5/9 = 0.722$ whatever the price. So from $p = 0.278$ on. The price of 0.3 lies just above: a small change of one weight has turned the best way round.

# %% tags=["solution", "result-price"]
prices = [0.2, 0.27, 0.29, 0.4]
columns = {
    way: [mean_pay(WAYS[way], close, price) for price in prices]
    for way in ("honest", "always 5")
}
plotting.table({"price": prices, **columns})

# %% [markdown]
# **2. Partial credit that cannot be hedged.** *Medium, 15 minutes.* Write a reward that pays something for an answer that is off by one, and under which the honest way still earns at least three times as much as always 5, price included.

# %%
# Your turn.


# %% tags=["solution", "result-partial-credit"]
def off_by_one(completions, ground_truth, **columns):
    pairs = zip(answers(completions), ground_truth, strict=True)
    distances = [abs(int(a) - int(truth)) if a else 9 for a, truth in pairs]
    return [{0: 1.0, 1: 0.25}.get(distance, 0.0) for distance in distances]


pay_table({"off by one": (off_by_one, PRICE)})

# %% [markdown] tags=["solution"]
# Always 5 earns $0.1 + 0.2 \cdot 0.25 = 0.15$. The less is paid for a near miss, the less there is to hedge. Whether a near miss deserves anything is another question: a sum that is off by one is as wrong as any.

# %% [markdown]
# **3. Find the cheat.** *Medium, 10 minutes.* This reward takes every answer that a completion gives, and pays if one of them is right. Nothing is charged for thinking. Write the way that earns most without adding, and compute its pay.


# %%
def one_of_them(completions, ground_truth, **columns):
    given = [re.findall(r"<answer>(\d)</answer>", text) for text in completions]
    return [float(truth in a) for a, truth in zip(given, ground_truth, strict=True)]


# %%
# Your turn.


# %% tags=["solution", "result-find-the-cheat"]
def all_ten(prompt, k):
    return "".join(f"<answer>{digit}</answer>" for digit in range(10))


print(mean_pay(all_ten, one_of_them, 0.0))

# %% [markdown] tags=["solution"]
# All ten digits, one behind the other. A limit of 16 tokens would leave room for five of them, and for a pay of 0.5. A checker reads one answer: the last, or none at all if there are several.

# %% [markdown]
# ## What to remember
#
# > **Remember.** Before training, let the cheats apply: write down ways that need no skill and compute what each would earn. The honest way must earn most, price included, and by a wide margin: a model that still slips earns less by it. During training, let a second judge watch that no gradient has seen, and read texts. Afterwards, repair the reward and not the symptom. And what a reward ignores, it does not leave alone.
#
# The word "reward hacking" and a list of its kinds: [Amodei and others (arXiv:1606.06565)](https://arxiv.org/abs/1606.06565). Rewards by rule, which are harder to hack than learned ones and can be hacked as above: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948).
#
# **From here:** [To TRL](https://grpo-lite.github.io/grpo-lite/lessons/to_trl/) takes these reward functions to TRL.
