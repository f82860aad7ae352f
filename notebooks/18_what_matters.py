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
# # What matters
#
# GRPO has many settings, and for each there is somebody who swears by it. Here each one is changed alone, five times over, and judged on held-out problems. The lesson is about the settings, and as much about telling an effect from luck.
#
# **Minutes:** 25 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** which setting to look at first, and how to compare trainings so that the answer holds

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[train] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import os
from importlib.resources import files

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch

from grpo_lite import GRPOConfig, GRPOTrainer, plotting
from grpo_lite.tasks import accuracy, load_base_model, make_problems
from grpo_lite.training.records import read_lines

torch.set_num_threads(1)
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# Seven settings can be turned. Which of them decide how well the model learns, and which can be left alone? Each block is one of them, each row another value of it; left of the dotted line the model learns worse than with the base. Grey intervals hold zero.

# %% tags=["drawing"] alt="One row for each of 19 values with the difference of its average accuracy from the base, in seven blocks, one for each setting, the block with the largest difference on top. lr 5e-5 lies at −0.24, temp 0.5 near −0.175, lr 1e-3 at −0.11, μ 8 at −0.08. μ 2 and 4 and lr 5e-4 lie between +0.04 and +0.07. All others are within 0.05 of zero, and most of their intervals, in grey, hold it." caption="Learning rates and the low temperature stand out; most of the rest is near zero. Triangles point to better (green) or worse (red)."
BASE = {
    "num_generations": 8,
    "beta": 0.0,
    "num_iterations": 1,
    "epsilon": 0.2,
    "scale_rewards": "group",
    "temperature": 1.0,
    "learning_rate": 2e-4,
}
AXES = {
    "num_generations": [2, 4, 8, 16, 32],
    "beta": [0.0, 0.01, 0.04, 0.2],
    "num_iterations": [1, 2, 4, 8],
    "epsilon": [0.05, 0.2, 0.5],
    "scale_rewards": ["group", "batch", "none"],
    "temperature": [0.5, 1.0, 1.5],
    "learning_rate": [5e-5, 2e-4, 5e-4, 1e-3, 3e-3],
}
# With one update a batch every ratio is 1 and nothing can be clipped.
ALONG = {"epsilon": {"num_iterations": 4}}
BATCHES = (0, 5, 10, 15, 20, 30, 40)
SHORT = {
    "num_generations": "G",
    "beta": "β",
    "num_iterations": "μ",
    "epsilon": "ε",
    "scale_rewards": "scale",
    "temperature": "temp",
    "learning_rate": "lr",
}
results = read_lines(files("grpo_lite") / "data" / "sweep.jsonl")


def runs_with(**changes):
    return [run for run in results if run["settings"] == BASE | changes]


def along(axis):
    others = ALONG.get(axis, {})
    return {nice(value): runs_with(**others, **{axis: value}) for value in AXES[axis]}


def nice(value):
    small = isinstance(value, float) and 0 < value < 0.005
    return f"{value:.0e}".replace("e-0", "e-") if small else str(value)


def name_of(axis, label):
    return f"{SHORT.get(axis, axis)} {label}"


def averages(runs):
    """The area under each curve, divided by its length."""
    batches = torch.tensor(BATCHES, dtype=torch.float64)
    rows = torch.tensor([run["sampled_accuracy"] for run in runs], dtype=torch.float64)
    return torch.trapezoid(rows, batches) / batches[-1]


knobs = {}
for axis in AXES:
    settings, own_base = along(axis), nice(BASE[axis])
    base = averages(settings[own_base])
    knobs[axis] = {
        name_of(axis, label): averages(runs) - base
        for label, runs in settings.items()
        if label != own_base
    }
del knobs["learning_rate"]["lr 3e-3"]
largest = {axis: max(abs(d.mean()) for d in knobs[axis].values()) for axis in knobs}
order = sorted(knobs, key=lambda axis: -largest[axis])
drawn = {name: apart for axis in order for name, apart in knobs[axis].items()}
forest = plotting.intervals(
    {"difference": [apart.mean() for apart in drawn.values()]},
    {"difference": [2.776 * apart.std() / 5**0.5 for apart in drawn.values()]},
    list(drawn),
    xlabel="← worse · average accuracy minus base · better →",
    by_sign=True,
)
at_zero = f"base: {averages(runs_with()).mean():.2f}"
at_zero += f" ({averages(runs_with(**ALONG['epsilon'])).mean():.2f} for ε)"
axes = forest.axes[0]
place = {"transform": axes.get_xaxis_transform(), "fontsize": 10}
axes.text(0, 1.01, at_zero, ha="center", va="bottom", **place)
rows_above = torch.tensor([len(knobs[axis]) for axis in order]).cumsum(0)[:-1]
for row in rows_above.tolist():  # a line between two settings
    axes.axhline(row - 0.5, color="#808080", linewidth=0.4)
forest

# %% [markdown]
# `G` is the size of a group, `μ` the number of updates a batch, `lr` the learning rate. The learning rate 3e-3 would lie far to the left, near −0.7, and is left out. How far one may trust such a picture is the larger part of this lesson.
#
# The task is the chain sum: the prompt `3+9+4+1=` asks for the last digit of the sum, and only a right answer is paid. Every training starts from the same base model, which has seen poor demonstrations and is right in about a third of its samples. One training takes about ten seconds, so we can afford many. They were run beforehand, and their results come with the package, one record a training. Here is the first.

# %% tags=["result-stored"]
one = {k: x for k, x in results[0].items() if isinstance(x, list)}
settings = {str(run["settings"]) for run in results}
print("settings:", len(settings), "  trainings:", len(results))
plotting.table({k: ["" if v is None else v for v in x] for k, x in one.items()})

# %% [markdown]
# A training samples 40 **batches** of 64 completions each. `batches` says after how many of them it was evaluated: on the same 200 held-out problems every time, one sampled completion a problem. The evaluation always samples at temperature 1, whatever temperature the training uses.
#
# `make runs` in a clone of the repository makes the records that are missing in the stored file. It can be stopped at any time and goes on where it was.
#
# One combination of settings is the **base**. Every other combination differs from it in a single value, so the question is always the same: what happens if only this changes? How large an answer can be depends on how far the knob is turned, so that stands in the last column.


# %% tags=["result-base"]
def turned(values):
    number = isinstance(values[0], int | float) and values[0] > 0
    return f"× {values[-1] / values[0]:.0f}" if number else ""


plotting.table(
    {
        "setting": AXES,
        "base": [str(BASE[name]) for name in AXES],
        "values": [", ".join(map(str, values)) for values in AXES.values()],
        "turned by": map(turned, AXES.values()),
    }
)


# %% [markdown]
# `num_generations` is $G$, the completions of a prompt. `beta` weighs the KL penalty. `num_iterations` is $\mu$, the updates made with one batch. `epsilon` is the half-width of the clip range. A batch is 64 completions throughout, so a larger $G$ means fewer prompts.
#
# ## What is measured: sharpening
#
# The same evaluations hold the **greedy** accuracy too, that of the favourite answer, which always takes the likeliest token. Here it stands beside the sampled one, for the base, as means over five trainings:


# %% tags=["result-greedy"]
def by_batch(heads, rows, since=0, decimals=3):
    """A table with one column an evaluation."""
    batches = enumerate(BATCHES[since:])
    columns = {str(batch): [row[i] for row in rows] for i, batch in batches}
    return plotting.table(heads | columns, decimals=decimals)


base, kinds = runs_with(), ["greedy_accuracy", "sampled_accuracy"]
means = [torch.tensor([run[name] for run in base]).mean(dim=0) for name in kinds]
by_batch({"batches": kinds}, means, decimals=2)

# %% [markdown]
# After five batches the favourite answer is right on every problem. The favourite way at the start was to guess; now it is to think, and the base model could add all along. What the other 35 batches do is to make sampling as good as the favourite. They **sharpen** what is there. So nearly all that follows compares how soon a setting sharpens, and nothing here says how well it teaches what the model cannot do.
#
# ## First, the noise
#
# Five trainings with the base settings. They differ in the **seed** alone: another order of the prompts, other random numbers in sampling, and in evaluation too.
#
# **Predict.** All five end at about 90 % right. How far apart are the best and the worst?


# %% tags=["result-five-seeds"]
last = [run["sampled_accuracy"][-1] for run in base]
plotting.table({"seed": [run["seed"] for run in base], "last": last}, decimals=3)

# %% [markdown]
# The best and the worst are 0.08 apart, and nothing differs between them but luck. Had these been two methods with one training each, one would have been declared the better.
#
# It is luck of two kinds. The **training's luck** made other weights. The **judge's dice** drew other samples from them, 200 for each. To tell them apart, the five trainings were made again, and the weights of each were judged eight times, with seeds that no training had used. Within a training only the dice differ; between the means of eight, hardly anything but the training.

# %% tags=["result-two-kinds-of-luck"]
judged = read_lines(files("grpo_lite") / "data" / "judges.jsonl")


def judgements(temperature, at):
    """Accuracy, one row a training at `temperature`, one column a judge."""
    rows = [run for run in judged if run["temperature"] == temperature]
    return torch.tensor([run[f"judged at {at}"] for run in rows])


ends = judgements(1.0, at=1.0)
dice = ends.var(dim=1).mean()
training = ends.mean(dim=1).var() - dice / 8
luck = {"the judge's dice": dice**0.5, "the training's luck": training**0.5}
plotting.table({"of one accuracy": luck, "SD": luck.values()}, decimals=3)

# %% [markdown]
# The dice look like the larger part, but from five trainings one cannot be sure: the other may lie anywhere from 0.005 to 0.038 (a 95 % interval for a variance from five values, by the chi-squared distribution). Together the two make an SD of 0.021. The five last values above have 0.031, for each is another throw of the dice; five normal values spread as widely about one time in fourteen. A second answer to each problem, or more problems, would calm the judge; only more trainings calm the rest.
#
# ## An interval by hand
#
# What we want is the mean over all seeds that there could be. We have a few. Take the first two numbers:
#
# | | |
# |---|---|
# | values | 0.920, 0.900 |
# | mean $\bar x$ | 0.910 |
# | standard deviation $s$ of one value | $\sqrt{(0.010^2 + 0.010^2) / (2 - 1)} = 0.0141$ |
# | standard deviation of the mean, $s/\sqrt n$ | $0.0141 / \sqrt 2 = 0.0100$ |
#
# If we knew $s$ exactly, and the values were normally distributed, the range $\bar x \pm 1.96 \, s/\sqrt n$ would contain the true mean in 95 % of such experiments. But $s$ is itself a guess from two numbers. Student's factor $t$ pays for that. It depends on how many values there are:
#
# $$\bar x \pm t_n \cdot \frac{s}{\sqrt n}, \qquad t_2 = 12.7, \quad t_3 = 4.30, \quad t_5 = 2.78, \quad t_\infty = 1.96$$
#
# That range is a **95 % interval**. As a plain loop:

# %% tags=["result-interval-by-hand"]
T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}


def interval(values):
    values = list(values)
    n, mean, squares = len(values), 0.0, 0.0
    for x in values:
        mean += x / n
    for x in values:
        squares += (x - mean) ** 2
    s = (squares / (n - 1)) ** 0.5
    return mean, T[n] * s / n**0.5


def as_text(mean, half):
    return f"{mean:.3f} ± {half:.3f}"


some = [2, 3, 5]
shown = [as_text(*interval(last[:n])) for n in some]
plotting.table({"seeds": some, "interval": shown})

# %% [markdown]
# Two seeds say next to nothing, although their values lie close together. Three look better than five: the first three happened to agree, and the fourth did not. An interval is a random thing itself, and the 95 % are about many of them.

# %% [markdown] tags=["detail"]
# Is the factor worth the trouble? Draw five normal numbers, twenty thousand times, and count how often the interval contains the true mean, 0.

# %% tags=["result-coverage", "detail"]
draws = torch.randn(20_000, 5, generator=torch.Generator("cpu").manual_seed(0))
mean, s = draws.mean(dim=1), draws.std(dim=1)
factors = torch.tensor([1.96, 2.776])
held = mean.abs() <= factors[:, None] * s / 5**0.5
shares = held.float().mean(dim=1)
plotting.table({"factor": ["1.96", "2.776"], "contains the mean": shares})

# %% [markdown] tags=["detail"]
# With 1.96, one interval in eight misses instead of one in twenty.

# %% [markdown]
# All intervals below use $t$. Accuracies near 1 are not normally distributed, so even these are approximate.
#
# ## One number for a training
#
# The last accuracy is a single evaluation of 200 completions. The dice make up much of its spread, as we saw. A calmer measure uses all evaluations: the area under the curve divided by its length, which is the **average** accuracy over the training. It rewards learning early as well as ending high.


# %% tags=["result-measures"]
def average(run):
    batches = torch.tensor(run["batches"], dtype=torch.float64)
    accuracy = torch.tensor(run["sampled_accuracy"], dtype=torch.float64)
    return (torch.trapezoid(accuracy, batches) / batches[-1]).item()


def final(run):
    return run["sampled_accuracy"][-1]


measures = {"average": average, "final": final}
shown = [as_text(*interval(map(measure, base))) for measure in measures.values()]
plotting.table({"measure": measures, "of the base": shown})

# %% [markdown]
# We decide now, before any comparison: differences are judged by the average, and the last value stands beside it. Whoever decides afterwards finds what they look for.
#
# ## Compare in pairs
#
# Trainings with the same seed take prompts from the same row, draw from the same random numbers and are evaluated with the same ones. So we subtract seed by seed, and take the interval of the five differences. What both trainings share cancels, the judge's dice in part. (They do not share the prompts if $G$ differs: 40 batches hold 1,280 prompts with $G = 2$ and 80 with $G = 32$.)
#
# **Predict.** A KL weight of 0.01 and one of 0.2, each against the base. The intervals of all three averages overlap. Will those of the differences contain zero?


# %% tags=["result-pairs"]
def in_pairs(runs, others, measure=average):
    pairs = zip(runs, others, strict=True)
    return [measure(run) - measure(other) for run, other in pairs]


def difference(runs, others, measure=average):
    return interval(in_pairs(runs, others, measure))


betas = {str(beta): runs_with(beta=beta) for beta in (0.0, 0.01, 0.2)}
plotting.table(
    {
        "beta": betas,
        "average": [as_text(*interval(map(average, runs))) for runs in betas.values()],
        "minus base": [as_text(*difference(runs, base)) for runs in betas.values()],
    }
)

# %% [markdown]
# The intervals of the averages overlap; those of the differences are a fifth as long, since a seed that is lucky for one setting is lucky for the other. So 0.2 is told apart from the base, and 0.01 is not.
#
# ## All at once
#
# Now the picture at the start can be read: every value against the base of its setting, the setting with the largest difference on top, as five differences in pairs. Each interval holds for itself. This cell computes them, and a table follows:

# %%
against_base, ends = {}, {}
for axis in AXES:
    settings, own_base = along(axis), nice(BASE[axis])
    for label, runs in settings.items():
        if label != own_base:
            against_base[name_of(axis, label)] = in_pairs(runs, settings[own_base])
            ends[name_of(axis, label)] = [run["greedy_accuracy"][-1] for run in runs]

rows = {name: interval(values) for name, values in against_base.items()}

# %% [markdown]
# ## Twenty chances
#
# Fourteen of these intervals keep clear of zero. But twenty were looked at, and one in twenty misses by luck alone, even if no setting mattered at all. Holm's rule pays for that. Ask of each difference how often luck would bring one as large: its **p-value**. The smallest of the twenty must be below $0.05/20$, the next below $0.05/19$, and so on; at the first that fails we stop. The chance of even one false find among all twenty is then at most 5 % ([Holm, Scandinavian Journal of Statistics 6, 1979](https://www.jstor.org/stable/4615733)).
#
# For five values, Student's distribution has four degrees of freedom and a short formula.


# %% tags=["result-all"]
def p_value(values):
    """How often five values with a true mean of 0 lie at least as far from it."""
    mean, half = interval(values)
    t = abs(mean) / half * T[5]
    u = t / (1 + t**2 / 4) ** 0.5
    return 1 - 0.75 * u * (1 - u**2 / 12)


def holm(p_values, level=0.05):
    kept = []
    for name in sorted(p_values, key=p_values.get):
        if p_values[name] > level / (len(p_values) - len(kept)):
            break
        kept.append(name)
    return kept


alone = [name for name, (mean, half) in rows.items() if abs(mean) > half]
stars = holm({name: p_value(values) for name, values in against_base.items()})
print(f"each for itself {len(alone)} of {len(rows)}, by Holm's rule {len(stars)}")
alone = sorted(alone, key=lambda name: -abs(rows[name][0]))
plotting.table(
    {
        "": alone,
        "minus base": ["{:+.3f} ± {:.3f}".format(*rows[name]) for name in alone],
        "Holm": ["*" if name in stars else "" for name in alone],
        "greedy at the end": [sum(ends[name]) / 5 for name in alone],
    }
)

# %% [markdown]
# Nine stand. Read them by size. Three learning rates lie at −0.1 and beyond, and with them the temperature 0.5. Then come 2 and 4 updates a batch, which learn faster, and the temperature 1.5, between 0.04 and 0.07. The KL weight 0.2 and $G = 16$ stay below 0.03: told apart from zero, and nothing one would notice.
#
# Five fall, and a star that falls is no proof that there was no effect. Eight updates a batch lose 0.079, more than most that stand, but so unevenly over the seeds that five are too few to say it after twenty looks. The last six differences cannot be told from zero even for themselves: $G = 4$, the two small KL weights, the narrow clip range, and both other ways to scale.
#
# A ranking of settings is also one of how far they were turned: the learning rate sixtyfold, the clip range tenfold, the temperature threefold. Nobody knows what a threefold learning rate is worth in temperatures. And the last column says what kind of loss it is. Nearly all settings have a favourite answer that is right; they sharpen later or sooner. Only three *broke* something, so that the favourite itself is wrong more often than in one problem out of ten: the two large learning rates and eight updates a batch.
#
# Clear and large are two things. Comparing in pairs makes a difference of 0.017 clear, and nobody would ever notice it in use.
#
# **Try it.** Turn the same knobs on a policy of five answers. Which of them moves the clip fraction, and what does the hard question need?
#
# <policy-explorer>On the site there is a picture to play with here.</policy-explorer>

# %% [markdown]
# ## Knob by knob
#
# Below, each axis has its verdict first; picture and table are folded, the explanation too. (The minutes at the head do not count the folds.) In a picture a curve is the mean over five seeds, the band its 95 % interval, and the base is blue. In a table `minus base` is the difference of the averages, and a `*` marks one that Holm's rule leaves standing among all twenty.


# %% [markdown]
# ## Learning rate
#
# **Predict.** From 5e-5 to 3e-3 the learning rate grows sixtyfold. Which value learns fastest, which ends highest, and what becomes of the largest?

# %% [markdown]
# Nothing else in this lesson comes near it. With a quarter of the base's rate the model is only at 0.70 when the base is at 0.90. With five times the rate it jumps ahead in the first five batches and then hardly gets on. With fifteen times the rate nothing is left: at the end not one completion is right in any of the five trainings. **Where every sample is wrong, rewards give nothing to follow.**


# %% tags=["detail"]
def picture(settings, base_name, title):
    rows = {}
    for label, runs in settings.items():
        columns = zip(*(run["sampled_accuracy"] for run in runs), strict=True)
        rows[label] = [interval(column) for column in columns]
    colors = ["other", "third", "fourth", "fifth"]
    others = [label for label in settings if label != base_name]
    return plotting.lines(
        BATCHES,
        {label: [mean for mean, _ in row] for label, row in rows.items()},
        errors={label: [half for _, half in row] for label, row in rows.items()},
        colors={base_name: "policy"} | dict(zip(others, colors, strict=False)),
        xlabel="batches of 64 completions",
        ylabel="held-out accuracy",
        titles=[title],
    )


def table(settings, base_name, axis=None):
    columns = {"": settings, "average": [], "minus base": [], "last": []}
    for label, runs in settings.items():
        columns["average"].append(as_text(*interval(map(average, runs))))
        columns["last"].append(as_text(*interval(map(final, runs))))
        apart, half = difference(runs, settings[base_name])
        star = " *" if name_of(axis, label) in stars else ""
        against = "" if label == base_name else f"{apart:+.3f} ± {half:.3f}{star}"
        columns["minus base"].append(against)
    return plotting.table(columns)


def watch(settings, name):
    every = [[run[name][1:] for run in runs] for runs in settings.values()]
    means = [torch.tensor(rows).mean(dim=0) for rows in every]
    return by_batch({f"{name} by batch": settings}, means, since=1)


# %% alt="Held-out accuracy over 40 batches for five learning rates, with bands. 5e-5 rises slowly to 0.70; 2e-4 and 5e-4 both end at 0.90, the latter rises earlier; 1e-3 jumps to 0.63 and ends at 0.71 with a wide band; 3e-3 falls to 0 at once." caption="Slow on one side, a cliff on the other." tags=["detail"]
picture(along("learning_rate"), "2e-4", "learning rate")

# %% tags=["result-learning-rate", "detail"]
table(along("learning_rate"), "2e-4", "learning_rate")

# %% [markdown] tags=["detail"]
# With 2.5 times the rate it seems to learn faster, by 0.045, but that is one of the five that fell; it ends no higher.
#
# This is what happened to the first of the trainings at 3e-3, evaluation by evaluation:

# %% tags=["result-collapse", "detail"]
dead = runs_with(learning_rate=3e-3)[0]
names = ["frac_reward_zero_std", "mean_length", "greedy_accuracy"]
by_batch({"by batch": names}, [dead[name][1:] for name in names], since=1, decimals=2)

# %% [markdown] tags=["detail"]
# Each column is one evaluation; `frac_reward_zero_std` is the share of groups whose rewards were all equal. The first updates destroyed the model: it writes on to the limit of 16 tokens and never answers. Then all rewards are 0, every group agrees, all advantages are 0, and nothing pulls it back.

# %% [markdown]
# ## Updates per batch
#
# With $\mu$ updates a batch, each completion is used $\mu$ times. Sampling is the expensive part with a large model, so this looks like a bargain: eight updates a batch cost no more batches.
#
# **Predict.** Does $\mu = 8$ learn eight times as fast?
#
# Two and four updates learn faster and end where one ends. Eight are ahead of one for five batches and behind for the rest, and the trainings differ most from each other there. Most of the gain is the learning rate in disguise.

# %% alt="Held-out accuracy over 40 batches for 1, 2, 4 and 8 updates a batch. After five batches 2, 4 and 8 are at 0.65, 0.73 and 0.61, 1 is at 0.50. At the end 1, 2 and 4 lie together above 0.9, 8 is at 0.79 with a wide band." caption="Two and four updates are ahead early; eight fall behind." tags=["detail"]
picture(along("num_iterations"), "1", "updates a batch")

# %% tags=["result-num-iterations", "detail"]
table(along("num_iterations"), "1", "num_iterations")

# %% [markdown] tags=["detail"]
# Four updates move the weights up to four times as far as one. Is it the reuse that helps, or only the longer way? One more setting of the sweep tells: four updates a batch at a quarter of the learning rate.

# %% alt="Held-out accuracy over 40 batches. Four updates at 5e-5 lie almost on one update at 2e-4. Four updates at 2e-4 and one update at 5e-4 lie close together, well above the other two in the first ten batches. All four end at about 0.9." caption="Four updates at a quarter of the rate are nearly one." tags=["detail"]
reuse = {
    "1 × 2e-4": base,
    "4 × 2e-4": runs_with(num_iterations=4),
    "4 × 5e-5": runs_with(num_iterations=4, learning_rate=5e-5),
    "1 × 5e-4": runs_with(learning_rate=5e-4),
}
picture(reuse, "1 × 2e-4", "updates × learning rate")

# %% tags=["result-reuse", "detail"]
table(reuse, "1 × 2e-4")

# %% tags=["result-reuse-apart", "detail"]
apart, half = difference(reuse["4 × 2e-4"], reuse["1 × 5e-4"])
print(f"4 × 2e-4 minus 1 × 5e-4: {apart:+.3f} ± {half:.3f}")

# %% [markdown] tags=["detail"]
# These comparisons stand outside of the twenty, each for itself. Four updates at a quarter of the rate are nearly one at the whole: 4 × 5e-5 gains 0.016 on 1 × 2e-4, and that is about what the reuse itself is worth here. Four updates at 2e-4 gain 0.057. But a single update at 5e-4 gains 0.045, for a quarter of the updates, and those two cannot be told apart. Rates do not simply add up, though: a single update at 1e-3 loses 0.108, where four at 2e-4 gain.
#
# That is a warning about every sweep of this kind. One setting at a time does not mean one *effect* at a time.

# %% [markdown]
# ## Clip range
#
# With one update a batch the policy is still the one that sampled, every ratio is 1 and there is nothing to clip (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)). So this axis has a base of its own, with $\mu = 4$. The three ranges clip very different shares of the tokens, and the averages are within 0.025 of each other. A clip range is a safety rope. Its length matters to those who fall, and at this learning rate the model rarely does.

# %% alt="Held-out accuracy over 40 batches for the clip ranges 0.05, 0.2 and 0.5 at four updates a batch. The three curves lie within 0.1 of each other and most of their bands overlap; 0.5 is lowest from batch 10 on." caption="Three clip ranges, close together." tags=["detail"]
picture(along("epsilon"), "0.2", "clip range ε")

# %% tags=["result-epsilon", "detail"]
table(along("epsilon"), "0.2", "epsilon")

# %% tags=["result-epsilon-watched", "detail"]
watch(along("epsilon"), "clip_fraction")

# %% [markdown] tags=["detail"]
# `clip_fraction` is the share of tokens that the clip switched off: in the first batches one in nine, one in 28 and one in ninety. The widest range comes out slightly the worst, and that star fell.

# %% [markdown]
# ## Temperature
#
# **Predict.** Training samples at a temperature, and the evaluation at 1. Is it best to train at 1 too? And if the evaluation samples at 0.5?

# %% tags=["result-judged-at"]
temperatures = AXES["temperature"]


def judged_at(at):
    means = [judgements(t, at).mean(dim=1).tolist() for t in temperatures]
    return [as_text(*interval(row)) for row in means]


columns = {"judged at 1": judged_at(1.0), "judged at 0.5": judged_at(0.5)}
plotting.table({"trained at": map(str, temperatures)} | columns)

# %% [markdown]
# Judged at 1, the model that was trained at 0.5 is far behind. Judged at 0.5, as it was trained, it is right in 98.6 of 100 samples, the two others in 99.7 and 99.9. So the large star of this axis belongs to the judge: its samples reach slips that the training at 0.5 rarely drew, and so rarely mended. Whether that matters depends on how the model will be used.
#
# > **What is never sampled is never mended.**

# %% alt="Held-out accuracy over 40 batches for three training temperatures. 0.5 flattens out at 0.68. 1.5 starts slower than 1.0, meets it at batch 30 and ends slightly higher, at 0.93 against 0.90." caption="Judged at 1, training at 0.5 stays behind." tags=["detail"]
picture(along("temperature"), "1.0", "temperature of training")

# %% tags=["result-temperature", "detail"]
table(along("temperature"), "1.0", "temperature")

# %% tags=["result-temperature-watched", "detail"]
watch(along("temperature"), "frac_reward_zero_std")

# %% tags=["result-temperature-last", "detail"]
apart, half = difference(runs_with(temperature=1.5), base, final)
print(f"1.5: last minus base {apart:+.3f} ± {half:.3f}")

# %% [markdown] tags=["detail"]
# At temperature 0.5 the model mostly takes the token that it finds most likely, so its slips, wrong digits in the running sums, rarely show. Nine groups in ten end up in agreement and teach nothing.
#
# At 1.5 the opposite happens. More slips are sampled, so the start is slower and the average lower; but there are more slips to learn from, nearly every group has spread, and the last value is higher than that of the base. The two measures disagree, and both are right: one asks how soon, the other how far. We had chosen the average beforehand. By the last value the sign would be the opposite one, and by Holm's rule there would be no star.

# %% [markdown]
# ## Group size
#
# 64 completions can be 32 prompts with two completions each, or two prompts with 32 each. A group in which all rewards are equal has no advantages (lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/)), and that happens more often in small groups.
#
# **Predict.** With $G = 2$, which share of the groups teaches nothing? How much worse does the model learn?
#
# What a batch gains in prompts it loses in groups that agree, and the two nearly balance: all five sizes lie within 0.03. Of the four differences one stands, $G = 16$ with −0.017.

# %% alt="Held-out accuracy over 40 batches for group sizes 2, 4, 8, 16 and 32. The five curves rise together from 0.32 to about 0.9 and their bands overlap throughout; 32 is lowest." caption="Five group sizes, nearly one curve." tags=["detail"]
picture(along("num_generations"), "8", "completions a prompt")

# %% tags=["result-num-generations", "detail"]
table(along("num_generations"), "8", "num_generations")

# %% tags=["result-num-generations-watched", "detail"]
watch(along("num_generations"), "frac_reward_zero_std")

# %% [markdown] tags=["detail"]
# `frac_reward_zero_std` is the share of silent groups. With two completions a prompt, half of the groups teach nothing at first, and four fifths at the end; the average is lower by 0.011. With 32 completions a prompt hardly a group is silent, but there are two prompts in a batch instead of 32, and the average is lower by 0.026. Each of the two keeps clear of zero for itself, and neither stands by Holm's rule.

# %% [markdown]
# ## KL penalty
#
# The small weights change nothing that could be seen. 0.2 holds the model back a little. Nowhere does the penalty help, and it could not have shown its use here: it is there to keep what the model could do before, and we never looked at that.

# %% alt="Held-out accuracy over 40 batches for beta 0, 0.01, 0.04 and 0.2. The first three lie on each other and end at 0.9; 0.2 falls behind from batch 15 on and ends at 0.83." caption="Only the weight 0.2 falls behind." tags=["detail"]
picture(along("beta"), "0.0", "weight of the KL penalty")

# %% tags=["result-beta", "detail"]
table(along("beta"), "0.0", "beta")

# %% tags=["result-beta-watched", "detail"]
watch(along("beta"), "think_rate")

# %% [markdown] tags=["detail"]
# The reference thinks in about one sample out of three, and with 0.2 the pull towards it keeps one completion in ten from thinking.

# %% [markdown]
# ## Dividing by the spread
#
# Nothing. In forty batches it makes no difference to the result which five seeds could show, whether the advantages are divided by the spread of the group, of the batch, or by nothing.

# %% alt="Held-out accuracy over 40 batches with advantages divided by the spread of the group, of the batch, and not divided. The three curves cannot be told apart." caption="No difference that five seeds could show." tags=["detail"]
picture(along("scale_rewards"), "group", "divided by the spread of")

# %% tags=["result-scale-rewards", "detail"]
table(along("scale_rewards"), "group", "scale_rewards")

# %% [markdown] tags=["detail"]
# Lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/) showed that dividing by the spread of the group nearly triples the weight of a lone right answer. Part of the reason that it does not show is the optimiser: AdamW divides the gradient by its own recent size, so a factor that all advantages share cancels, and only the weights of the groups among each other are left.

# %% [markdown]
# **Check yourself.** The narrow clip range differs from its base by −0.008 ± 0.009. What has been shown about it?
#
# <details class="right"><summary>An effect, if there is one, is too small for five seeds to tell</summary>The interval says how small: hardly more than 0.017 to the worse and 0.001 to the better, on this task.</details>
# <details class="wrong"><summary>It makes no difference</summary>The interval holds 0, and −0.015 as well. Not to see an effect is not to see that there is none.</details>
# <details class="wrong"><summary>Nothing: the comparison failed</summary>It rules out a good deal. A loss of 0.1, such as a bad learning rate costs, would have been plain to see.</details>

# %% [markdown]
# ## Break it
#
# The most common mistake costs nothing and saves four fifths of the computing: one training for each setting. Take the settings that the table could not tell from the base, look at the last accuracy, as one does, and use a single seed. Then do it again with the next seed.

# %% tags=["result-one-seed"]
alike = {
    "base": {},
    "G 4": {"num_generations": 4},
    "beta 0.01": {"beta": 0.01},
    "beta 0.04": {"beta": 0.04},
    "batch": {"scale_rewards": "batch"},
    "none": {"scale_rewards": "none"},
}
columns = {"seed": [], "best": [], "ends at": [], "worst": [], "at": []}
for seed in range(5):
    ends = {name: final(runs_with(**change)[seed]) for name, change in alike.items()}
    best, worst = max(ends, key=ends.get), min(ends, key=ends.get)
    row = seed, best, ends[best], worst, ends[worst]
    for column, value in zip(columns.values(), row, strict=True):
        column.append(value)
plotting.table(columns, decimals=3)

# %% [markdown]
# Three different winners in five attempts, and the best leads the worst by up to 0.065. Dividing by the spread of the batch wins twice and comes last once. Each row would look like a finding, and five seeds find no difference in the average.
#
# The repair is what we did above. With five seeds, in pairs, that setting differs from the base by −0.004 ± 0.006, and the temptation is gone.
#
# ## Live, in a minute
#
# Stored numbers are only worth something if they come back. Two settings, three seeds that the sweep has not used, 20 batches:

# %% tags=["detail"]
FIXED = {
    "per_device_train_batch_size": 64,
    "max_completion_length": 16,
    "lr_scheduler_type": "constant",
    "per_device_eval_batch_size": 500,
    "disable_tqdm": True,
}
problems = make_problems("chain-sum", "train", 5000)
held_out = make_problems("chain-sum", "test", 200)


def train(seed, **change):
    """Held-out accuracy after 20 batches."""
    settings = FIXED | BASE | change
    args = GRPOConfig(**settings, seed=seed, max_steps=20, eval_steps=10)
    model, tokenizer = load_base_model()
    trainer = GRPOTrainer(model, accuracy, args, problems, tokenizer, held_out)
    return round(trainer.train()[-1]["sampled_accuracy"], 4)


# %%
changes = {"base": {}, "lr 5e-5": {"learning_rate": 5e-5}}
ends = {
    name: [train(seed, **change) for seed in (100, 101, 102)]
    for name, change in changes.items()
}
at_20 = BATCHES.index(20)
stored = {
    name: [run["sampled_accuracy"][at_20] for run in runs_with(**change)]
    for name, change in changes.items()
}
lists = {
    who: [", ".join(map(str, x[name])) for name in changes]
    for who, x in {"stored": stored, "live": ends}.items()
}
plotting.table({"": changes} | lists)

# %% alt="Two rows with two dots each, stored and live, and their intervals. Base: 0.82 stored, 0.84 live. lr 5e-5: 0.52 stored, 0.51 live. The intervals of the two rows are far apart." caption="Other seeds, and the same answer."
both = {"stored, 5 seeds": stored, "live, 3 seeds": ends}
both = {who: [interval(x[name]) for name in changes] for who, x in both.items()}
plotting.intervals(
    {who: [mean for mean, _ in row] for who, row in both.items()},
    {who: [half for _, half in row] for who, row in both.items()},
    list(changes),
    xlabel="held-out accuracy after 20 batches",
)

# %%
for name in changes:
    (mean, _), (again, _) = interval(stored[name]), interval(ends[name])
    assert abs(mean - again) < 0.12
assert min(ends["base"]) > max(ends["lr 5e-5"])

# %% [markdown]
# Other seeds, so other numbers, and the same answer: the larger learning rate is far ahead after 20 batches. The interval of the live trainings is wider, since it comes from three values. Means of two such samples need not agree to the digit, and one of them may well lie outside of the interval of the other: the interval is about the mean over all seeds, not about the next three trainings.
#
# ## What others report
#
# | setting | here | elsewhere |
# |---|---|---|
# | group size | 2 to 32 at 64 completions a batch: within 0.03 | [It Takes Two (arXiv:2510.00977)](https://arxiv.org/abs/2510.00977): $G = 2$ on par with 16, from an eighth of the completions |
# | KL penalty | up to 0.04 no change, 0.2 holds back | [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300) used 0.04; [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476) leaves the penalty out |
# | spread | no change | [Dr. GRPO (arXiv:2503.20783)](https://arxiv.org/abs/2503.20783) divides by nothing; [Tricks or Traps (arXiv:2508.08221)](https://arxiv.org/abs/2508.08221) by the spread of the batch |
# | updates a batch | 2 and 4 faster, 8 unstable | DeepSeekMath made one |
# | clip range | 0.05 to 0.5: within 0.03 | [PPO (arXiv:1707.06347)](https://arxiv.org/abs/1707.06347): 0.2 the best of 0.1, 0.2 and 0.3, on control tasks |
# | the seed | 0.08 between the last values of equal trainings | [Henderson et al. (arXiv:1709.06560)](https://arxiv.org/abs/1709.06560): ten equal trainings, halved, gave two curves that looked like two methods |
#
# Agreement is no confirmation, and the opposite would be no refutation: each of these was measured on other tasks. A study of this kind on another scale tried more than 50 choices in over 250,000 trainings, [What Matters in On-Policy Reinforcement Learning (arXiv:2006.05990)](https://arxiv.org/abs/2006.05990), on control tasks too.
#
# ## What does not carry over
#
# This model has 0.4 million weights, its completions ten tokens, and its task is solved after forty batches. Before you take a number from here to a large model:
#
# - **The values of the learning rate.** 2e-4 suits these 0.4 million weights; with billions of them 1e-6 is common. That there is a slow side, and a cliff on the other, should carry over.
# - **A base that is right in a third of its samples.** There is something to learn from in almost every group. On a task where one sample in a hundred is right, group size and sampling decide whether there is anything at all (exercise 1).
# - **Nothing to forget.** We measured chain sums and nothing else, so all that a KL penalty protects is invisible here.
# - **Short and equal completions.** At four to ten tokens, questions of length, truncation and averaging hardly arise.
# - **Forty batches.** What takes thousands of updates to go wrong, a slow loss of entropy for one, has no time to.
# - **One task, one base model, 200 problems.** The intervals cover the seeds, and nothing else.

# %% [markdown]
# ## Exercises
#
# **1. A harder task.** *Easy, 10 minutes.* The base model is right in about a third of its samples, so even small groups rarely agree by chance at the start. Suppose that it were right in one sample out of a hundred. Which share of the groups would have spread, for $G = 2$, 8 and 32? With 64 completions a batch, how many groups would that be? Write a function of the probability and $G$.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# All are right with probability $p^G$, all are wrong with $(1-p)^G$. The rest has spread.


# %% tags=["solution"]
def share_with_spread(p, size):
    return 1 - p**size - (1 - p) ** size


cases = [(p, size) for p in (1 / 3, 0.01) for size in (2, 8, 32)]
shares = [share_with_spread(*case) for case in cases]
groups = [64 / size * share for (_, size), share in zip(cases, shares, strict=True)]
columns = {"p": [p for p, _ in cases], "G": [size for _, size in cases]}
plotting.table(columns | {"share": shares, "groups": groups})

# %% [markdown] tags=["solution"]
# At $p = 0.01$ there is less than one such group in a batch, whatever $G$ is. A larger $G$ does not find more right answers among 64 completions: it puts each of them into larger company, and its advantage grows with the company. (That a hard *prompt* needs a large group, lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/), holds for one prompt; this is about a budget.) That the group size made little difference here says nothing about a task like this one.

# %% [markdown]
# **2. Bonferroni.** *Medium, 10 minutes.* A stricter and older rule asks *each* of the twenty p-values to be below $0.05/20$. Which of the nine stars would fall? Why is Holm's rule just as safe?

# %%
# Your turn.

# %% tags=["solution", "result-survivors"]
p_values = [p_value(against_base[name]) for name in stars]
falls = ["" if p < 0.05 / 20 else "falls" for p in p_values]
plotting.table({"": stars, "p": p_values, "by Bonferroni": falls}, decimals=5)

# %% [markdown] tags=["solution"]
# Only one: the sizes of the p-values leave little between the two rules here. Holm is as safe because a false find needs a p-value among those settings that truly do nothing. Say there are $m$ of these. When the rule first meets one of them, at most $20 - m$ others have gone before, so the bar is at most $0.05/m$; and the chance that the smallest of $m$ such p-values is below $0.05/m$ is at most $m \cdot 0.05/m$.

# %% [markdown]
# **3. Find the bug.** *Medium, 10 minutes.* A colleague has five trainings of 200 evaluated completions each, and writes the interval of a proportion with $n = 1000$. It is much shorter than ours. What is wrong with it?


# %% tags=["result-suspicious"]
def suspicious_interval(runs):
    right = sum(200 * final(run) for run in runs)
    n = 200 * len(runs)
    p = right / n
    return p, 1.96 * (p * (1 - p) / n) ** 0.5


mus = {"1": runs_with(), "8": runs_with(num_iterations=8)}
plotting.table(
    {
        "mu": mus,
        "the colleague's": [as_text(*suspicious_interval(x)) for x in mus.values()],
        "ours": [as_text(*interval(map(final, x))) for x in mus.values()],
    }
)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The thousand completions are not independent. The 200 of one training share its weights: if that training went badly, they all suffer. What was drawn independently is five trainings, so $n = 5$. With $\mu = 8$, where the trainings differ most, the colleague's interval is several times too short.
#
# The formula answers another question: how exactly the accuracy of *these five* models is known.

# %% [markdown]
# ## What to remember
#
# > **Remember.** The learning rate comes first; the other settings are fine tuning, at least here and over these ranges. The sampling temperature comes second for a judge who samples at 1, and for one who samples cooler it hardly matters. All of it is about how soon sampling gets as good as the favourite answer. One training for each setting measures luck. Take several seeds, tell the judge's dice from the training's luck, decide on the measure before looking, compare in pairs, print the interval, and count how many comparisons were made. Keep what made no difference.
#
# **From here:** [PPO and GRPO side by side](https://grpo-lite.github.io/grpo-lite/lessons/ppo_and_grpo/) puts a critic beside the group. [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/) takes the loss itself apart: the relatives of GRPO, and what each of them changes.
