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
# # When a run is sick
#
# A run goes wrong without an error: all there is are curves. You see them first, and guess.
#
# **Minutes:** 25 · **Needs:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) · **Gives:** an order in which to look, and a table from the symptom to the check that decides

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import os

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import copy
import textwrap
from dataclasses import replace

import torch

import grpo_lite
from grpo_lite import GRPOTrainer, plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems
from grpo_lite.training.gradient import logps_of, stack
from grpo_lite.training.rollout import evaluate

plotting.use_site_style()
torch.set_num_threads(1)  # fastest for a model this small

# %% tags=["setup"]
# What is wrong with each run stands here: guess first.
base, tokenizer = load_base_model()
EOS = tokenizer.eos_token_id
problems = make_problems("chain-sum", "train", 2000)
test_problems = make_problems("chain-sum", "test", 100)
args = grpo_lite.GRPOConfig(
    max_steps=25,
    learning_rate=5e-4,
    lr_scheduler_type="constant",
    per_device_train_batch_size=64,
    num_generations=8,
    max_completion_length=16,
    use_cpu=True,
    disable_tqdm=True,
)


def run(trainer=GRPOTrainer, rewards=(accuracy,), start=base, seed=0, **changed):
    """Train a copy of a model; returns it, the records of its updates and those of its evaluations."""
    model, own = copy.deepcopy(start), replace(args, seed=seed, **changed)
    history = trainer(
        model, list(rewards), own, problems, tokenizer, test_problems
    ).train()
    updates = [record for record in history if "eval" not in record]
    return model, updates, [record for record in history if "eval" in record]


def strict_accuracy(completions, ground_truth, **columns):
    pairs = zip(completions, ground_truth, strict=True)
    return [float(text.endswith(f"<answer>{truth}<answer>")) for text, truth in pairs]


class EndMasked(GRPOTrainer):
    def add_advantages(self, groups):
        groups = super().add_advantages(groups)
        return [g._replace(loss_mask=g.mask & (g.ids != EOS)) for g in groups]


class FreshOldLogps(GRPOTrainer):
    @torch.no_grad()
    def score_again(self, group):
        return group._replace(logps=logps_of(self.model, stack([group]), self.args))

    def gradient(self, groups, batch=None):
        return super().gradient([self.score_again(group) for group in groups], batch)


reluctant = copy.deepcopy(base)  # stops seldom: it has to learn that
bias = torch.zeros(len(tokenizer)).index_fill(0, torch.tensor(EOS), -12.0)
reluctant.lm_head.bias = torch.nn.Parameter(bias)

unwilling = {"start": reluctant, "learning_rate": 4e-4}
eight = {"num_iterations": 8, "max_steps": 48, "learning_rate": 3e-4}
by_length = {"rewards": [accuracy, grpo_lite.length_reward]}
by_length |= {"reward_weights": [0.0, 1.0]}
CHANGED = {
    "healthy": {},
    "A": {"learning_rate": 1.6e-3},
    "B": {"rewards": [strict_accuracy]},
    "C": {"temperature": 0.1},
    "D": by_length,
    "healthy, E": unwilling,
    "E": {"trainer": EndMasked} | unwilling,
    "healthy, F": eight,
    "F": {"trainer": FreshOldLogps} | eight,
}
models, runs, evals = {}, {}, {}
for name, changed in CHANGED.items():
    every = 5 if name in ("healthy", "D") else None
    models[name], runs[name], evals[name] = run(eval_steps=every, **changed)

RIGHT, REWARD, ZERO_STD, ENTROPY, LENGTH, CUT_OFF, NORM, CLIP = (
    "rewards/accuracy",
    "reward",
    "frac_reward_zero_std",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "grad_norm",
    "clip_fraction",
)
UNITS = {
    ZERO_STD: "groups without spread (share)",
    ENTROPY: "entropy (nats a token)",
    LENGTH: "mean length (tokens)",
    CUT_OFF: "cut off at the limit (share)",
    NORM: "gradient norm",
    CLIP: "clip fraction (share of tokens)",
}
COLORS = dict.fromkeys("ADEF", "negative")
COLORS |= {"healthy": "clipped", "B": "other", "C": "policy"}
LOOK = {"xlabel": "update", "dashed": ["healthy"], "colors": COLORS}
rewards = {name: [r[REWARD] for r in runs[name]] for name in ("healthy", "A", "B", "C")}


def curves(name, *metrics, healthy="healthy", turn=None):
    """The curves of a run, one metric a panel, with those of a healthy one dashed and a dotted line where it turns."""
    both = {"healthy": runs[healthy], name: runs[name]}
    return plotting.lines(
        range(1, len(runs[name]) + 1),
        *({k: [r[metric] for r in both[k]] for k in both} for metric in metrics),
        titles=[UNITS.get(metric, metric) for metric in metrics],
        ylabel="",
        marks={} if turn is None else {turn: ""},
        **LOOK,
    )


# %% [markdown]
# ## The question
#
# Four runs from one model, on the same problems, with the same seed. The dashed one is healthy. In each of the others one thing is wrong. Which would you stop?

# %% alt="Mean reward over 25 updates of four runs. The healthy run, dashed, rises from 0.4 to about 0.85. Run A rises to about 0.5 in four updates, falls, and ends near 0.1. Run B is 0 throughout. Run C begins near 0.1 and is between 0.7 and 1 from the fourth update on." caption="Of these four rewards one is healthy, and it is not the one that looks best."
plotting.lines(range(1, 26), rewards, ylabel="reward", **LOOK)

# %% [markdown]
# All three, C too: it has all but stopped learning after four updates, and its curve is the best of the four.
#
# Below are six runs, A to F. Each time you see curves, then a question to answer, then what it was and which look would have told. The code of the runs is folded away under "Setup", for it gives the answers away. The task and the metrics are those of lesson The training loop: [what to write down](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/#what-to-write-down).
#
# **Try it.** Or be the doctor first: eight runs without a name, these six and two healthy ones. Which curve broke first, and what was it?
#
# <diagnosis-explorer>On the site there are curves to play with here.</diagnosis-explorer>
#
# ## Run A
#
# **Predict.** The reward rises for a few updates and then collapses. What is the first thing that you would change?

# %% alt="Four panels, healthy against run A. A's reward rises to about 0.5 in four updates, falls below 0.1 and stays between 0 and 0.25. Its groups without spread rise to nearly all within ten updates. Its entropy falls at first, as the healthy one does, and then climbs above 0.5. Its gradient norm is like the healthy one at first and then mostly 0." caption="Run A turns at the fourth update, the dotted line."
curves("A", REWARD, ZERO_STD, ENTROPY, NORM, turn=4)

# %% [markdown]
# **Check yourself.** What was wrong with run A?
#
# <details class="wrong"><summary>The temperature was too low</summary>Then the samples of a group would be copies, and the entropy near 0. It climbs.</details>
# <details class="wrong"><summary>The reward was hacked</summary>A hacked reward rises, for that is what hacking means. Here the reward itself falls.</details>
# <details class="wrong"><summary>The gradient exploded</summary>Its norm stays where that of the healthy run is, between 0.5 and 2, until nothing is left to learn from. And the training loop shortens a longer gradient (<code>max_grad_norm</code>).</details>
# <details class="right"><summary>The learning rate was too high</summary>1.6e-3 where 5e-4 is healthy. Each step overshoots what 64 completions can tell, and a few of them are enough.</details>

# %% [markdown]
# What does the model say now?


# %%
def says(model, count=3):
    """Greedy completions of the first held-out problems."""
    asked = [row["prompt"] for row in test_problems[:count]]
    ids = tokenizer(asked, return_tensors="pt")["input_ids"]
    end = {"eos_token_id": EOS, "pad_token_id": tokenizer.pad_token_id}
    out = grpo_lite.greedy_decode(model, ids, max_new_tokens=16, **end)
    texts = tokenizer.batch_decode(out.ids, skip_special_tokens=True)
    said = [tokenizer.tokenize(text) for text in texts]
    return plotting.table({"prompt": asked, "says": said})


says(models["A"], 5)

# %% [markdown]
# After something that looks like thinking it gives the same answer to every problem. So each group agrees: all right or, nine times in ten, all wrong. Where nobody is better there are no advantages, no gradient and no way home. (AdamW goes on for a while in the old direction.)
#
# Shortening the gradient did not help. AdamW divides each gradient by its own running size, so the length of a step is set by the learning rate.
#
# **The check that decides:** the same seed at a third of the learning rate. That is the healthy run. The learning rate is the first setting to search, in factors of two or three, because the edge is steep.
#
# ## Run B
#
# **Predict.** The reward never rises: it is 0 at each update. Is the model too stupid, the learning rate too low, or is it something else?

# %% alt="Four panels, healthy against run B. B's reward is 0 throughout; all of its groups are without spread; its entropy stays near 0.4, where the healthy run begins; its gradient norm is 0." caption="Run B: samples vary, and nothing is learnt."
curves("B", REWARD, ZERO_STD, ENTROPY, NORM)

# %% [markdown]
# **Check yourself.** What do these four curves say about run B?
#
# <details class="wrong"><summary>The learning rate is too low</summary>A learning rate makes steps short, not gradients. Here the gradient itself is 0, since no group has anything to compare.</details>
# <details class="wrong"><summary>The samples of a group are copies of each other</summary>Then the entropy would be near 0. At 0.4 nats a token completions differ, as they do in the healthy run at its start.</details>
# <details class="right"><summary>No completion is ever right, or the reward does not see that it is</summary>Sampling is lively and every reward is 0. The curves cannot tell these two apart. Texts can.</details>

# %% [markdown]
# So read texts, with their rewards, and call the reward function on a completion that you know to be right:

# %% tags=["result-silent-reward"]
right = ["<think>3267</think><answer>7</answer>"]
print("paid for the right answer:", strict_accuracy(right, ["7"]))
print("paid for this one:        ", strict_accuracy(["<answer>7<answer>"], ["7"]))

# %% [markdown]
# The reward function looked for a second tag without its slash. The model was never told when it was right. In the first batch of the healthy run that is four times in ten.
#
# **The check that decides:** the reward of one known right completion. It takes a second, and belongs before every run. If it is paid, the problems may be out of reach: sample 64 completions of each, and if none of all these is right, GRPO will see next to no reward ([what will](../docs/questions.md#never)).
#
# ## Run C
#
# **Predict.** The reward is 1.0 at the fourth update. Would you use this setting for all runs from now on?

# %% alt="Four panels, healthy against run C. C's reward begins near 0.1 and is between 0.7 and 1 from the fourth update on. Its groups without spread are nearly all from then on. Its entropy is 0. Its gradient norm is 0 at most updates and leaps to between 3 and 6 at the others." caption="Run C: the best reward, and from the fourth update on (dotted) hardly a gradient."
curves("C", REWARD, ZERO_STD, ENTROPY, NORM, turn=4)

# %% [markdown]
# **Check yourself.** What happened to run C at the fourth update?
#
# <details class="right"><summary>It stopped learning: its groups have no spread</summary>Eight copies of a right completion have nothing to compare. At most updates from here on the gradient is 0.</details>
# <details class="wrong"><summary>It had learned the task</summary>An entropy of 0 says that each group is one completion, eight times. What the model would do otherwise is not seen any more, by the reward or by you.</details>
# <details class="wrong"><summary>The problems were too easy for it</summary>Then all would be right at any temperature. Wait for the evaluation below.</details>

# %% [markdown]
# It was sampled at `temperature=0.1`, to get clean examples. Evaluated at temperature 1:


# %%
def held_out(model):
    result = evaluate(model, tokenizer, accuracy, test_problems, args)
    return [round(result[f"{kind}_accuracy"], 2) for kind in ("greedy", "sampled")]


both = {name: held_out(models[name]) for name in ("healthy", "C")}
plotting.table({"right": ["greedy", "sampled"], **both})

# %% [markdown]
# At temperature 0.1 the policy that is sampled is nearly the greedy one. It flipped to thinking after a few updates, and then stood nearly still. The slips are still in it: at temperature 1 more than half of its answers are wrong. The low temperature hides them from the reward and so from the training.
#
# **The check that decides:** evaluate at the temperature that you care about. **Repair.** Sample at temperature 1. If the entropy is not near 0 and groups agree all the same, then it is the prompts: choose some that are solved now and then.
#
# ## Run D
#
# Here are reward and right answers on problems kept from training, every five updates.
#
# **Predict.** The reward ends five times as high, on new problems too. And the right answers?

# %% tags=["drawing"] alt="Two panels over 25 updates, on held-out problems. The reward of run D rises from 25 to about 37 in ten updates, and then to 125. Its right answers, beside the healthy run that rises from about 0.4 to 0.85, fall to about 0.1 in ten updates and to 0." caption="The reward of run D soars while its right answers vanish."
plotting.lines(
    range(0, 26, 5),
    {"D": [r["sampled_length_reward"] for r in evals["D"]]},
    {k: [r["sampled_accuracy"] for r in evals[k]] for k in ("healthy", "D")},
    titles=["reward, held out", "right answers, held out (share)"],
    ylabel="",
    **LOOK,
)

# %% [markdown]
# **Check yourself.** What was wrong with run D?
#
# <details class="wrong"><summary>It learned its training problems by heart</summary>Then the reward on new problems would lag behind. It rises there just as well.</details>
# <details class="right"><summary>The reward pays for something else than right answers</summary>A reward that climbs while a second judge falls is hacked. New problems do not protect from that, a second judge does.</details>
# <details class="wrong"><summary>The learning rate was too high</summary>Then the reward would fall, as in run A. This optimiser does its work well.</details>

# %%
says(models["D"])

# %%
columns = {metric: [r[metric] for r in runs["D"][::4]] for metric in (LENGTH, CUT_OFF)}
plotting.table({"update": range(1, 26, 4), **columns}, decimals=1)

# %% [markdown]
# It was paid for length, by the character. First the model took to thinking, which is longer. For a while its length rested at 10 tokens, those of a well-formed completion that thinks. Then, in this run, some sample slipped and went on, was paid for it, and the rest followed to the limit of 16. In the end it writes tags in turn and no answer at all: a tag has seven to nine characters, a digit has one.
#
# **The check that decides:** a second judge that is not paid (weight 0), and texts. Be suspicious when length and reward rise together. (They do in the healthy run too, where thinking helps. So it decides nothing.) Lesson [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/) has three more.
#
# ## Run E
#
# Both runs start from a model that seldom stops: four of five completions run into the limit of 16 tokens, and only what ends behind a right answer is paid. So it has to learn to stop. The dashed run does.
#
# **Predict.** What is different in E?

# %% alt="Three panels, healthy against run E. The healthy run's reward rises from 0.05 to about 0.5, its share of cut-off completions falls from 0.8 to below 0.4, and its mean length from above 14 to 12 tokens. Run E goes to a reward of 0 and to all completions cut off, at 16 tokens." caption="Run E ends with every completion cut off."
curves("E", REWARD, CUT_OFF, LENGTH, healthy="healthy, E")

# %% [markdown]
# **Check yourself.** What was wrong with run E?
#
# <details class="wrong"><summary>The length limit was too short</summary>The limit is the same in both runs, and under it the other one learned to stop.</details>
# <details class="wrong"><summary>Length was paid</summary>Then the reward would rise with the length, as in run D. Here it goes to 0.</details>
# <details class="right"><summary>The end token was not trained</summary>Everything in a right completion was praised but its end. The end itself was never praised, and in this run it grew rarer until none was left.</details>

# %% [markdown]
# The loss was given `mask & (ids != EOS)`. That comes in by accident, where padding is the end token and the mask is made by comparing ids.
#
# **The check that decides:** of the completions that ended, for how many does the end token count in the loss? It must be all of them.

# %% tags=["result-end-counts"]
ids = torch.tensor([[7, 8, EOS, EOS], [7, 7, 7, 7]])  # padded with the end token
wrong, ours = ids != EOS, grpo_lite.completion_mask(ids, EOS)
for name, mask in (("comparing ids", wrong), ("completion_mask", ours)):
    ended = (ids == EOS).any(dim=1)
    counts = (mask & (ids == EOS)).any(dim=1)
    print(f"{name:16} ended {ended.sum()}, and the end counts in {counts.sum()}")

# %% [markdown]
# **Predict.** The same mistake, from the base model, which has learned to stop from its demonstrations. What will the curves show?

# %%
_, from_base, _ = run(EndMasked)
two = {"healthy": runs["healthy"], "end masked": from_base}
last = {
    metric: [sum(r[metric] for r in history[-5:]) / 5 for history in two.values()]
    for metric in (REWARD, CUT_OFF)
}
plotting.table({"run": list(two), "reward": last[REWARD], "cut off": last[CUT_OFF]})

# %% [markdown]
# Nothing, in this run. A model that is as good as certain of its end is not pushed there, and stays where it is. The curves of an easy run do not show this mistake, so test the mask.
#
# ## Run F
#
# In both runs each batch is used for eight updates ($\mu = 8$), so a reward stands for eight updates in a row.
#
# **Predict.** For two batches the reward looks healthy. Which panel gives it away from the third update on, and why?

# %% alt="Three panels over 48 updates, eight on each batch. The reward stands still within a batch. The healthy run rises from 0.4 to between 0.5 and 0.7; its clip fraction starts at 0 in each batch and rises to between 0.05 and 0.25. Run F does as well for two batches, then falls, and ends at 0; its clip fraction is 0 throughout; its gradient norm is mostly larger than the healthy one until nothing is left to learn from." caption="Run F falls after two batches (dotted), and its clip fraction never leaves 0."
curves("F", REWARD, CLIP, NORM, healthy="healthy, F", turn=16)

# %% [markdown]
# **Check yourself.** What was wrong with run F?
#
# <details class="wrong"><summary>Nothing but the learning rate: a clip fraction of 0 is healthy</summary>With one update a batch it is. With eight the policy moves away from its samples, and a clip that never acts has not noticed.</details>
# <details class="wrong"><summary>The learning rate was too high</summary>Then ratios would leave 1 faster, and the clip would act more, not less.</details>
# <details class="right"><summary>The old log-probs were not those of the sampling</summary>They were computed again before each update, so every ratio was 1, and nothing said how far the policy had gone.</details>

# %% [markdown]
# With stored log-probs the clip fraction rises within each batch, and eight updates stay within reach of the samples. With fresh ones the full gradient is followed eight times on the word of the same 64 completions. For two batches it looks no worse, and then the model is ruined.
#
# **The check that decides:** print the ratios at the second update on a batch. If all are exactly 1, the old log-probs are not a record. **Repair.** Store what `grpo_lite.sample_group` returns.
#
# There is another way to keep no record. The old log-probs are computed with the model, and nobody says that they are constants. (`grpo_lite.grpo_loss` would detach them, so the ratio is written out.)
#
# **Predict.** Numerator and denominator are the same tensor now. What is the gradient?

# %% tags=["result-attached"]
prompt = tokenizer(["3+9+4+1="] * 2, return_tensors="pt")["input_ids"]
texts = [
    "<think>3267</think><answer>7</answer>",
    "<think>3256</think><answer>6</answer>",
]
ids = tokenizer([text + "<eos>" for text in texts], return_tensors="pt")["input_ids"]
for name in ("detached", "attached"):
    logps = grpo_lite.completion_logps(base, prompt, ids)
    old_logps = logps.detach() if name == "detached" else logps
    ratio = (logps - old_logps).exp()
    surrogate = grpo_lite.clipped_surrogate(ratio, torch.tensor([1.0, -1.0]))
    parts = torch.autograd.grad(-surrogate.mean(), list(base.parameters()))
    print(f"{name}  gradient norm {torch.cat([p.flatten() for p in parts]).norm():.4g}")

# %% [markdown]
# Exactly 0: what the numerator gains, the denominator gains too. In such a run the loss prints 0, as in a healthy one; the reward wanders with its noise, and no weight moves. `grad_norm` gives it away.
#
# ## Break it: one nan
#
# Divide by the spread of the group, without a thought for groups that have none:


# %%
class Unguarded(GRPOTrainer):
    def add_advantages(self, groups):
        return [
            g._replace(advantages=(g.rewards - g.rewards.mean()) / g.rewards.std())
            for g in groups
        ]


try:
    run(Unguarded)
except FloatingPointError as error:
    print(textwrap.fill(str(error), 80))

# %% [markdown]
# 0 divided by 0 is `nan`. The run is fine until the first group agrees. Then one `nan` is in the mean, so it is in the loss, in every gradient, and, where nobody stops the update, in every weight. From there on everything is `nan`, and nothing says where it began.
#
# **The check that decides:** go back to the batch of the *first* record with a `nan`, and ask of rewards, advantages and log-probs in this order whether all are finite. Other sources: $e^a / e^b$ in the place of $e^{a-b}$, a mean over no tokens, 16-bit weights.
#
# ## The order in which to look
#
# 1. **Texts.** Twenty completions with their rewards. Would you have paid the same? (B, D)
# 2. **A second judge** on held-out problems, at temperature 1, with weight 0. (C, D)
# 3. **Spread.** `frac_reward_zero_std` near 1: no group teaches. With the entropy near 0 the sampling is too cold (C) or the policy has become certain. Else it is the rewards or the prompts (B), or the model is ruined (A, E and F in the end).
# 4. **`grad_norm`.** Exactly 0 although rewards differ: something is cut off (old log-probs attached).
# 5. **Lengths and clip.** `clipped_ratio` rises (D, E); `clip_fraction` is exactly 0 although $\mu > 1$ (F).
# 6. **The learning rate**, only now: a third of it, the same seed. (A)
#
# And start at the *first* update that looks wrong: in the end most sick runs look alike (exercise 1).
#
# ## Symptom and first suspects
#
# | symptom | first suspects | the check that decides |
# |---|---|---|
# | reward always 0 | a reward function that does not see; prompts out of reach | pay a completion known to be right |
# | reward rises, then collapses; groups agree on wrong answers | learning rate or $\mu$ too high; old log-probs computed afresh | same seed, a third of the rate; ratios at the second update |
# | `frac_reward_zero_std` near 1, `entropy` near 0 | temperature too low; a policy that has become certain | evaluate at temperature 1 |
# | `frac_reward_zero_std` near 1, `entropy` not | prompts all solved or all hopeless; a reward that never differs | success rate of each prompt |
# | reward high in training, low when evaluated | another temperature in training; a hacked reward | both at one temperature; read texts |
# | reward and length rise together | length is paid | a second judge with weight 0 |
# | `clipped_ratio` rises | end token masked out; length is paid; limit too short | does the end token count in the loss? |
# | `grad_norm` exactly 0, rewards differ | old log-probs not detached; frozen weights | the gradient of one batch by hand |
# | `clip_fraction` exactly 0 although $\mu > 1$ | old log-probs not those of the sampling | ratios at the second update |
# | `clip_fraction` above 0 at the first update on a batch | sampled and scored differently (temperature, dropout) | score the samples before any update: all ratios 1? |
# | `nan` | a group without spread; $e^a / e^b$; an empty mask; 16 bits | the first record that has one |
# | loss is 0, or rises | nothing: lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) | |
#
# Change one thing at a time, with the same seed.
#
# ## Does it repeat?
#
# Each run so far had seed 0. Is what we saw the sickness, or the seed? Two more seeds, with 24 updates in the place of 48 for F and 16 in the place of 25 for the others: the mean reward of the last five updates, and the share of right answers on held-out problems, sampled at temperature 1.

# %%
columns = {"run": [], "seed": [], "reward": [], "held out": []}
for name in "ACDEF":
    for seed in (1, 2):
        shorter = {"max_steps": 24 if name == "F" else 16}
        model, history, _ = run(seed=seed, **CHANGED[name] | shorter)
        reward = sum(r[REWARD] for r in history[-5:]) / 5
        row = (name, seed, reward, held_out(model)[1])
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
plotting.table(columns)

# %% [markdown]
# With seed 0 that makes three. In all of them A and F are ruined, E is paid nothing, D has forgotten the answers, and C is paid far more often in training than it is right at temperature 1. What does not repeat is the way there: at which update A falls, or how long D rests at 10 tokens.
#
# ## Exercises
#
# **1. Name the sickness.** *Medium, 10 minutes.* The last five updates of five runs, in another order. Which is which? Some cannot be told apart by these numbers: what would you look at?

# %%
names = {"reward": REWARD, "no spread": ZERO_STD, "entropy": ENTROPY}
names |= {"grad norm": NORM, "length": LENGTH, "cut off": CUT_OFF}
columns = {
    short: [sum(r[metric] for r in runs[name][-5:]) / 5 for name in "CFEAD"]
    for short, metric in names.items()
}
plotting.table({"run": range(1, 6), **columns})

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# 1 is C: no entropy, hardly any spread, and a high reward. 5 is D: its reward is no share. 2, 3 and 4 end alike, without spread and without a gradient. 4 is A, which gives one answer to all problems and is right one time in ten. 2 is F and 3 is E, and how they came there is seen in the first updates: E had most completions cut off from the start, and then more; F did well for two batches, with a clip fraction of 0 at every update. Keep the whole diary, not its last line.

# %% [markdown]
# **2. An alarm.** *Hard, 25 minutes.* Write a function that reads the records of a run, one after the other, and says at which update it would have called you, and why. It should be silent on the healthy run. How early does it see A, B, C and E?

# %%
# Your turn.


# %% tags=["solution"]
def alarm(history):
    for i, r in enumerate(history, start=1):
        if r[CUT_OFF] > 0.9:
            return i, "completions are cut off"
        if r[ZERO_STD] > 0.8:
            copies = r[ENTROPY] < 0.2
            return i, "copies" if copies else "groups agree, completions differ"
    return None


seen = {name: alarm(runs[name]) for name in ("healthy", "A", "B", "C", "E")}
updates, reasons = zip(*(call or ("", "silent") for call in seen.values()), strict=True)
plotting.table({"run": list(seen), "update": updates, "why": reasons})

# %% [markdown] tags=["solution"]
# At updates 9, 1, 2 and 3: all long before the end, and silent on the healthy run. D and F want other alarms. D's lengths run away late, after a second judge could have seen it; F is seen by its clip fraction within the first batch.

# %% [markdown]
# ## What to remember
#
# > **Remember.** The reward curve alone says little: the best of the first four belongs to a run that had stopped. Look at texts, then at a second judge, then at the spread within groups, and only then at settings. Find the first update that looks wrong, and change one thing at a time, with the same seed.
#
# In large models too the entropy falls as the reward climbs, and where it reaches 0 nothing is left to gain: [The entropy mechanism (arXiv:2505.22617)](https://arxiv.org/abs/2505.22617). Groups without spread are left out, and others sampled in their place, by [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476).
#
# **From here:** [When rewards lie](https://grpo-lite.github.io/grpo-lite/lessons/when_rewards_lie/) looks at run D more closely.
