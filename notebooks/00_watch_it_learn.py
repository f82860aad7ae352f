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
# # Watch it learn
#
# A small language model does sums, and does them badly. We pay it for right answers and for nothing else, and within a hundred steps it finds out that thinking first pays.
#
# **Minutes:** 15 · **Needs:** nothing · **Gives:** a first look at everything that the lessons then take apart

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import os

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch

from grpo_lite import GRPOConfig, GRPOTrainer, plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training.rollout import evaluate, sample_groups

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# What does it look like when a model learns from rewards alone? Ours reads `8+7+6+4=` and is to say the last digit of the sum. The sum is 25, so the right answer is 5. There is nothing to understand yet: why it works is the subject of all the other lessons.
#
# **Play first.** Ask two models, one from before the training of this lesson and one from after it. **The first goal:** eight right answers. What does the second model nearly always do before it answers, and the first one seldom? Then give both a sum with five digits: does the trained one keep its new habit, and is it still right? (The answer stands [below](#what-it-says-now).)
#
# <model-explorer>On the site there are two models to ask here.</model-explorer>

# %% tags=["result-problems"]
train_problems = make_problems("chain-sum", "train", 5000)
test_problems = make_problems("chain-sum", "test", 200)

train_prompts = {problem["prompt"] for problem in train_problems}
test_prompts = {problem["prompt"] for problem in test_problems}
print("in both:", len(train_prompts & test_prompts))

names = ("prompt", "ground_truth")
plotting.table({name: [row[name] for row in test_problems[:3]] for name in names})

# %% [markdown]
# It will practise on 5,000 problems and be judged on 200 others. These are **held out**: one problem in ten is never used for training. A fixed rule that looks only at the text of the problem (a hash) decides which. So what we measure is not memory.
#
# ## What the model says before
#
# The model that we start from is called the **base model**. It comes with the package and is tiny: a GPT-2 with two layers. It learnt from demonstrations that a program wrote, and they were not good ones. Four in ten think first: they write down the running sums, one digit each, and one digit in ten is a slip. The others answer straight, and most of those answers are guesses.
#
# These are all the settings of this lesson. You need not know them yet.

# %%
SETTINGS = {
    "max_steps": 100,
    "per_device_train_batch_size": 64,  # completions in a step: 8 problems,
    "num_generations": 8,  # and 8 completions of each
    "max_completion_length": 16,
    "learning_rate": 3e-4,
    "warmup_steps": 40,
    "reward_weights": [1.0, 0.0],  # a right answer is paid, thinking is not
    "eval_steps": 5,
    "per_device_eval_batch_size": 200,
    "seed": 0,
}

# %% [markdown]
# Here is what the base model says to two held-out problems, eight times to each. The text that goes in is the **prompt**, a text that comes out is a **completion**. The number behind it is the **reward**: 1 if the completion ends with the right answer, and 0 if not.

# %%
base_model, tokenizer = load_base_model()


def sample(model, problems, **changes):
    args, rewards = GRPOConfig(**SETTINGS | changes), [accuracy, think_rate]
    generator = torch.Generator(model.device).manual_seed(0)
    return sample_groups(model, tokenizer, rewards, problems, args, generator)


def show(**said):
    groups = next(iter(said.values()))
    columns = {"prompt": [group.prompt for group in groups for _ in range(8)]}
    for when, groups in said.items():
        texts = [text for group in groups for text in group.completions]
        columns[when] = [tokenizer.tokenize(text) for text in texts]
        columns[f"paid {when}"] = torch.cat([group.rewards for group in groups])
    return plotting.table(columns, decimals=0)


said_before = sample(base_model, test_problems[3:5])
show(before=said_before)

# %% [markdown]
# The same prompt gets different completions, because each token is drawn at random, with the probabilities that the model gives. (A **token** is the unit in which a model reads and writes. Here each digit is one, and so is each tag such as `<think>`.) Some completions think, the others answer straight. In the third one you can see a slip: the sums of `0+9+8+9` are 0, 9, 17 and 26, so after `097` should come 6.
#
# Does thinking help this model? Let it answer all 200 problems eight times, and count apart.

# %%
scores = torch.cat([group.scores for group in sample(base_model, test_problems)])
right, thinks = scores[:, 0], scores[:, 1] == 1
shares = {
    "thinks": thinks.float().mean(),
    "is right, if it thinks": right[thinks].mean(),
    "is right, if it answers straight": right[~thinks].mean(),
}
plotting.table({"the model": list(shares), "share": torch.stack(list(shares.values()))})

# %% [markdown]
# Straight answers are right one time in ten, which is what throwing a ten-sided die would give. Thinking gets two thirds right. The model has the better habit already. It only prefers the worse one.
#
# One measurement, to compare with later.

# %%
rewards = [accuracy, think_rate]
args = GRPOConfig(**SETTINGS)
before = evaluate(base_model, tokenizer, rewards, test_problems, args)
plotting.table({"measured": list(before), "value": list(before.values())})

# %% [markdown]
# The model answers each problem twice here.
#
# - **Greedy** means that it always writes the most likely token. There is no chance in it, and we see one completion, its favourite.
# - **Sampled** means that it draws its tokens, as above. This shows everything that the model does, each thing as often as it does it.
#
# `accuracy` is the share of right answers, `think_rate` the share of completions that think, and `mean_length` counts the tokens of a sampled completion. A straight answer has 4 tokens, a thinking one 10; the last of them says that the text has ended.
#
# One draw for each of 200 problems gives a share to within a few hundredths only. That is why `sampled_think_rate` is 0.34 here and was 0.40 above, where there were eight draws.
#
# ## Let it learn
#
# Now it practises. In each step it gets 8 problems and writes 8 completions of each. The right ones are pushed up, to become more likely, and the wrong ones down.
#
# Look at `reward_weights` above: the weight of a right answer is 1, that of thinking is 0. We watch how often it thinks, and never pay for it.
#
# **Predict.** Will it think more or less? Will its completions get longer or shorter? And which of the two accuracies moves first, greedy or sampled?


# %%
def learn(task="chain-sum", **changes):
    model, tokenizer = load_base_model()
    trainer = GRPOTrainer(
        model,
        [accuracy, think_rate],
        GRPOConfig(**SETTINGS | changes),
        make_problems(task, "train", 5000),
        tokenizer,
        eval_dataset=make_problems(task, "test", 200),
    )
    trainer.train()
    return trainer


COLUMNS = {"step": "step", "sampled": "sampled_accuracy", "greedy": "greedy_accuracy"}
COLUMNS |= {"thinks": "sampled_think_rate", "length": "mean_length"}


def progress(*trainers):
    measured = [record for t in trainers for record in t.history if record.get("eval")]
    lines = [record for record in measured if record["step"] % 10 == 0]
    return plotting.table({x: [r[name] for r in lines] for x, name in COLUMNS.items()})


trainer = learn()
progress(trainer)

# %% [markdown]
# These numbers are from the held-out problems, of which it has practised none.
#
# ## What it found out

# %% tags=["figure-learning", "drawing"] alt="Two panels over 100 training steps. Above: the share of sampled completions that think rises from 0.34 to 1.0 within 40 steps; the share that is right follows, from 0.31 to 0.89 at step 40 and 0.99 at the end. A guess would be right in 0.1. Below: their mean length grows from 6 to 10 tokens, together with thinking." caption="Thinking spreads first, right answers follow, and completions grow longer with thinking."
measured = [record for record in trainer.history if record.get("eval")]


def curve(name):
    return [record[name] for record in measured]


steps = curve("step")
plotting.lines(
    steps,
    {
        "thinks": curve("sampled_think_rate"),
        "right": curve("sampled_accuracy"),
        "a guess": [0.1] * len(steps),
    },
    {"length": curve("mean_length")},
    titles=["share of sampled completions", "tokens in a completion, mean"],
    xlabel="training step",
    ylabel="",
    colors={
        "thinks": "policy",
        "right": "positive",
        "a guess": "clipped",
        "length": "policy",
    },
    dashed=["a guess"],
    marks={(42, 0.55): "at step 40 nearly all think,\nand right answers still rise"},
)

# %% [markdown]
# **It thinks.** Nobody asked for it. Among the eight completions of a problem, those that thought were right more often, so they were the ones that became more likely.
#
# **It writes more.** Nobody paid for length either: it grew because longer completions were right more often.
#
# **It thinks better.** Look at the two curves at step 40. By then it nearly always thinks, and it still gets better for more than forty steps. A slip in a running sum makes the answer wrong, so slips became rare.
#
# One thing it did *not* do: invent thinking. Training on rewards chose the better of two habits, and cleaned it up.
#
# > A habit that is never tried cannot be rewarded.
#
# The same has been seen in a large model. DeepSeek-R1-Zero was rewarded for right answers, and its completions grew longer and longer ([DeepSeek-R1, arXiv:2501.12948](https://arxiv.org/abs/2501.12948)). Part of such growth may be the method's own: dividing each completion's loss by its length lets wrong answers grow long ([Dr. GRPO, arXiv:2503.20783](https://arxiv.org/abs/2503.20783)). It was also rewarded for putting its thoughts between tags. Ours was not.

# %% [markdown]
# **Check yourself.** Suppose that the base model could never begin with `<think>`: probability 0, in every sample. Same reward, same training. What do 100 steps make of it?
#
# <details class="wrong"><summary>It discovers thinking, since thinking pays</summary>Only what is sampled can be paid. A completion that never occurs never earns anything, however good it would be.</details>
# <details class="wrong"><summary>It learns to add in its head, since only right answers are paid</summary>Lucky guesses are praised too, and they carry over where the rule can be learnt: paid for guessing the last digit of the prompt, it soon gets that nearly always. Adding four digits in one step is too much for this model.</details>
# <details class="right"><summary>It still guesses</summary>Every completion answers straight and is right one time in ten. Among its samples there is no better habit that could grow, and lucky guesses do not teach it to add in one step. We tried it, with every prompt ended by the tag of the answer: after 100 steps fewer than two answers in ten were right.</details>

# %% [markdown]
# ## Why the greedy curve jumps
#
# A model can be judged by its favourite completion or by all that it does. Here are both.

# %% tags=["drawing"] alt="Two panels over 100 training steps, greedy against sampled. Greedy accuracy and the greedy share that thinks stay near 0.1 and 0 at first and jump to 1.0 between steps 10 and 15. The sampled curves rise gradually; sampled accuracy is at 0.51 when greedy accuracy is already at 1.0." caption="What is sampled changes step by step; the greedy answer jumps."
plotting.lines(
    steps,
    {"greedy": curve("greedy_accuracy"), "sampled": curve("sampled_accuracy")},
    {"greedy": curve("greedy_think_rate"), "sampled": curve("sampled_think_rate")},
    titles=["share that is right", "share that thinks"],
    xlabel="training step",
    ylabel="",
    colors={"greedy": "other", "sampled": "policy"},
    marks={(20, 0.35): "greedy: from one in ten to all\nbetween two measurements"},
)

# %% [markdown]
# Greedy accuracy goes from one in ten to nearly everything between two measurements. Did the model learn to add in that moment? Ask the base model, and put the first token into its mouth: end each prompt with `<think>`.

# %%
begun = [row | {"prompt": row["prompt"] + "<think>"} for row in test_problems]
result = evaluate(base_model, tokenizer, accuracy, begun, args)
names = ["greedy_accuracy", "sampled_accuracy"]
plotting.table({"begun with <think>": names, "value": [result[n] for n in names]})

# %% [markdown]
# It could add all along. Two things happen in the greedy curve:
#
# - Greedy decoding takes the more likely first token, `<think>` or `<answer>`. In the base model that is `<answer>`. When the share of thinking passed about one half, the favourite changed from one to the other, for nearly all problems at once.
# - Once it thinks, slips are hidden. At each running sum the right digit is the most likely one by far. A slip happens now and then, when tokens are drawn, and greedy decoding never draws.
#
# So a greedy curve can jump while the model hardly changes, and it can stand at 100 % while one sampled completion in ten is wrong. Training works on samples. **The honest curve is the sampled one.**
#
# ## What it says now
#
# The two problems from above again, before and after.

# %%
said_after = sample(trainer.model, test_problems[3:5])
show(before=said_before, after=said_after)

# %% [markdown]
# You can check the thoughts with your finger: each digit is the running sum, without its tens.
#
# And the sum with five digits? The model of the explorer still thinks, nearly always, and is right about as often as a guess, one time in ten. Models of three runs of this lesson think in 80 to 94 of 100 such samples, and are right as seldom. They have learnt sums of four digits, and not to add.
#
# ## Another task, the same trainer
#
# Was all of this made to measure for sums? Here is a task without anything to think about: read `52817>` and write the digits in order, `12578`. The same base model has seen it too, and prefers to sort downwards, which earns nothing. We change the name of the task, and make the run shorter and faster.

# %%
sorter = learn("sort-digits", max_steps=40, learning_rate=5e-4, warmup_steps=0)
progress(sorter)

# %%
problem = make_problems("sort-digits", "test", 1)
show(before=sample(base_model, problem), after=sample(sorter.model, problem))

# %% [markdown]
# It sorts upwards now, and about nine in ten of its samples are right on problems that it has never seen. It does not think, and its completions do not grow. So in our sums the method alone did not make completions longer; thinking, which paid there, did.
#
# ## What happened in one step
#
# 1. The model wrote a **group** of 8 completions for each of 8 problems, and remembered how likely each token had been: lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/) and lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/).
# 2. A plain function read each text and paid 1 or 0: lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/).
# 3. Each reward was compared with those of its own group, and what was better than its siblings got a plus, what was worse a minus: lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/).
# 4. A loss was built that pushes the tokens of a plus up and those of a minus down, with two brakes, neither of which acts in this run. The KL penalty is a price for moving away from the base model, the clip a limit to what the same samples may move: lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/), lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) and lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/).
# 5. The optimiser moved the weights a little, and the next step began: lesson [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) builds the whole loop.
#
# Lesson [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/) is the map of all this, and lesson [The original, replayed](https://grpo-lite.github.io/grpo-lite/lessons/the_original_replayed/) replays the notebook that the project grew from.
#
# From a shell, `grpo-lite train --output-dir run` does the same with settings that climb faster, and `grpo-lite sample run` shows the completions before and after, side by side. [Train a model](../docs/training.md) says more.
#
# ## Try it
#
# Predict first, then run. Each of these is one call of `learn`.
#
# **1. Another seed.** *Easy, 5 minutes.* Is it luck? Run `learn(seed=1, max_steps=40)`. What is the same, and what is not?

# %%
# Your turn.

# %% tags=["solution"]
another = learn(seed=1, max_steps=40)
progress(another)

# %% [markdown] tags=["solution"]
# The numbers differ, the story does not: thinking takes over within 40 steps, greedy accuracy jumps on the way, and the sampled one climbs past 0.8. The first line differs too, although it is the same base model: another seed draws other samples, and with 200 problems a share is known to a few hundredths only.

# %% [markdown]
# **2. A price on thinking.** *Easy, 5 minutes.* Thinking takes time. Let a completion that thinks cost 0.3, or 1: `learn(reward_weights=[1.0, -0.3], max_steps=30, warmup_steps=0)` and the same with `-1.0`. What does the model do at each price?

# %%
# Your turn.

# %% tags=["solution"]
cheap = learn(reward_weights=[1.0, -0.3], max_steps=30, warmup_steps=0, eval_steps=10)
dear = learn(reward_weights=[1.0, -1.0], max_steps=30, warmup_steps=0, eval_steps=10)
progress(cheap, dear)

# %% [markdown] tags=["solution"]
# At 0.3 it pays the price, for thinking gains more than it costs: two thirds right instead of one tenth. At 1 a right answer after thinking earns nothing at all, a wrong one loses, and a guess can only win. It stops thinking, its completions get shorter, and it guesses. The reward is what you asked for, whether you meant it or not.

# %% [markdown]
# **3. Pay the thinking itself.** *Easy, 5 minutes.* It turned out to be so useful: why not reward it? `learn(reward_weights=[0.0, 1.0], max_steps=30, warmup_steps=0)`. How many answers will be right?

# %%
# Your turn.

# %% tags=["solution"]
show_off = learn(reward_weights=[0.0, 1.0], max_steps=30, warmup_steps=0, eval_steps=10)
progress(show_off)

# %% tags=["solution"]
show(now=sample(show_off.model, test_problems[3:4], reward_weights=[0.0, 1.0]))

# %% [markdown] tags=["solution"]
# It nearly always thinks, is paid in full, and is right less often than before it was trained. What is between the tags is no longer a sum. A thinking completion was paid with its slips or without them, so nothing held the digits in their place. The model learnt to look as if it thought, because that is what it was paid for.

# %% [markdown]
# ## What to remember
#
# > **Remember.** The model was paid for right answers only. It tried two habits, and the one that was right more often grew: it thinks, its completions are longer, and its slips are rare. The rewards chose among the things that it already did; they invented nothing. Judge a model on held-out problems, and by its samples.
#
# The method is GRPO, from [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). To let you watch, the learning rate rises slowly here, over the first 40 steps; with the settings of the command line the model thinks nearly always after 10.
#
# **From here:** [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/) shows which models take part, and which piece of the formula does what.
