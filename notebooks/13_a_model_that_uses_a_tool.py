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
# # A model that uses a tool
#
# A model may stop in the middle of its answer, ask a calculator, read what comes back, and go on. How is such a completion sampled, which of its tokens are trained, and does the model find out when asking pays? All of it is computed here, in about two minutes on one CPU core.
#
# **Minutes:** 25 · **Needs:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) · **Gives:** `grpo_lite.sample_episodes`, and the argument `environment` of the trainer

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
import random
import re
from unittest.mock import patch

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.experiments.pretrain import character_tokenizer, pretrain, small_model
from grpo_lite.tasks import is_held_out
from grpo_lite.training import rollout

plotting.use_site_style()
torch.set_num_threads(1)

TAGS = ["<call>", "</call>", "<result>", "</result>", "<answer>", "</answer>"]


def tokens(text):
    return re.findall(r"</?[a-z]+>|.", text)


WAYS = {
    "straight": ["<answer>71</answer><eos>"],
    "asks": [
        "<call>27+38</call><eos>",
        "<result>65</result>",
        "<answer>65</answer><eos>",
    ],
    "invents": ["<call>27+38</call><result>49</result><answer>49</answer><eos>"],
}


def drawn(ways):
    rows = [[tokens(part) for part in parts] for parts in ways.values()]
    width = max(sum(map(len, row)) for row in rows)
    written = torch.zeros(len(rows), width)
    real = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, row in enumerate(rows):
        own = [1 - k % 2 for k, part in enumerate(row) for _ in part]
        written[i, : len(own)], real[i, : len(own)] = torch.tensor(own), True
    shown = [sum(row, []) + [""] * (width - len(sum(row, []))) for row in rows]
    names = {tag: tag.strip("<>")[: 1 + ("/" in tag)] for tag in TAGS} | {
        "<eos>": "end"
    }
    shown = [[names.get(token, token) for token in row] for row in shown]
    return plotting.token_matrix(
        written, real, label="written by the model", tokens=shown, rows=list(ways),
        decimals=0,
    )  # fmt: skip


# %% [markdown]
# ## The question
#
# After `27+38=` a completion may look like one of these. What the model wrote is marked 1, what a calculator wrote is marked 0.

# %% alt="Three completions of the prompt 27+38= as rows of tokens. First: answer 71, all tokens marked 1. Second: a call of 27+38, an end token, then the result 65 marked 0, then answer 65 marked 1. Third: the call and a result of 49 and the answer 49, all marked 1: the model made the result up." caption="Only what the model wrote is marked 1, an invented result too."
drawn(WAYS)

# %% [markdown]
# (`c`, `r` and `a` are the tags of call, result and answer, `end` is the end token.) The first model guesses. The second one asks, *waits*, and reads. The third writes a call and does not wait: it makes the result up.
#
# A stretch that ends with an end token is a **turn**; a whole completion, with what others wrote in between, is an **episode**. The thing that answers is called the **environment**. Here it is a function from text to text:


# %% tags=["result-calculator"]
CALL = re.compile(r"<call>(\d+)\+(\d+)</call>$")


def calculator(turn):
    """Answer a call at the end of a turn; None if there is none."""
    if not turn.endswith("</call>"):
        return None
    call = CALL.search(turn)
    return f"<result>{int(call[1]) + int(call[2]) if call else '?'}</result>"


turns = ["<call>27+38</call>", "<answer>65</answer>", "<call>27+</call>"]
plotting.table({"turn": turns, "answered": list(map(calculator, turns))})

# %% [markdown]
# A model writes anything, so the environment must cope with anything. The broken call gets a question mark. An exception would end the training; `eval` on what a model wrote would be worse.
#
# ## The task, and a model that has seen others do it badly
#
# In training, about half of the sums have one digit on each side, and the model can know them by heart: there are 100. The others have two digits, 10 to 49. One in ten of these is held out; so what is measured on the large ones is not memory.

# %%
ONE, TWO = range(10), range(10, 50)


def problems(numbers, held_out):
    sums = [(f"{a}+{b}=", str(a + b)) for a in numbers for b in numbers]
    return [
        {"prompt": prompt, "ground_truth": truth}
        for prompt, truth in sums
        if numbers is ONE or is_held_out(prompt) == held_out
    ]


small, large = problems(ONE, False), problems(TWO, False)
test = {"small": problems(ONE, True), "large": problems(TWO, True)}
print(
    len(small), "small sums,", len(large), "large ones,", len(test["large"]), "held out"
)

# %% [markdown]
# The demonstrations are flawed. On small sums three in four answer straight, and right. On large ones half answer straight, by a guess. The rest call; but one call in twenty has a wrong number in it, and one in five does not wait.
#
# A demonstration is a pair: what was read, and what is written next. An episode of two turns gives two pairs. So the result stands in the part that is read, and *pretraining does not teach to write it*. (Those that do not wait teach to make one up.)


# %% tags=["result-demonstrations"]
def demonstrate(row, rng):
    prompt, total = row["prompt"], int(row["ground_truth"])
    if rng.random() < (0.75 if row in small else 0.5):
        guess = total if row in small else rng.randrange(100)
        return [(prompt, f"<answer>{guess}</answer>")]
    a, b = map(int, prompt[:-1].split("+"))
    if rng.random() < 0.05:
        b = rng.choice(TWO)
    call, result = f"<call>{a}+{b}</call>", f"<result>{a + b}</result>"
    if rng.random() < 0.2:
        made_up = rng.choice(TWO)
        return [(prompt, f"{call}<result>{made_up}</result><answer>{made_up}</answer>")]
    return [
        (prompt, call),
        (f"{prompt}{call}<eos>{result}", f"<answer>{a + b}</answer>"),
    ]


rng = random.Random(0)
pairs = []
while len(pairs) < 600 * 64:
    pairs += demonstrate(rng.choice(small if rng.random() < 0.6 else large), rng)
rng.shuffle(pairs)
some = [(tokens(read), tokens(written)) for read, written in pairs[:4]]
plotting.table({"read": [x for x, _ in some], "written next": [x for _, x in some]})

# %% [markdown]
# The model is a GPT-2 of 60,000 weights, with a token for each tag and each character.

# %%
tokenizer = character_tokenizer([*TAGS, *"0123456789+=?"])
EOS, PAD = tokenizer.eos_token_id, tokenizer.pad_token_id

torch.manual_seed(0)
base = small_model(tokenizer, width=48)
losses = pretrain(base, tokenizer, pairs, batch_size=64, learning_rate=6e-3)
print(
    f"{base.num_parameters()} weights, "
    f"loss {losses[0]:.2f} -> {sum(losses[-50:]) / 50:.2f}"
)

# %% [markdown]
# ## Sampling an episode
#
# One row, written out. Draw a token; at an end token show the turn to the environment; if it answers, append its tokens and go on. The environment of this function speaks tokens, so a wrapper turns the tokens of a turn into text, and the text of the answer into tokens. What is already there is never turned into text and back ([below](#re-tokenizing) is why).


# %% tags=["define-sample_episodes"]
@torch.no_grad()
def sample_one(
    model, prompt, environment, *, max_new_tokens, ends, generator, most=None
):
    ids, logps, own, turn, answer, answers = [], [], [], [], [], 0
    while len(ids) < max_new_tokens:
        logits = model(torch.tensor([prompt + ids])).logits[0, -1]
        token = torch.multinomial(logits.softmax(0), 1, generator=generator).item()
        if answer:  # the environment speaks, and what was drawn is thrown away
            ids.append(answer.pop(0))
            logps.append(0.0)
            own.append(False)
            continue
        ids.append(token)
        logps.append(logits.log_softmax(0)[token].item())
        own.append(True)
        turn.append(token)
        if token in ends:
            answer = environment(turn) if answers != most else None
            if answer is None or len(ids) + len(answer) >= max_new_tokens:
                break  # over: the model has the last word
            turn, answers = [], answers + 1
    return ids, logps, own


def in_tokens(turn):
    text = calculator(tokenizer.decode([token for token in turn if token != EOS]))
    return None if text is None else tokenizer(text)["input_ids"]


# %% [markdown]
# (`most` is how many answers an episode gets at most. While the environment speaks, a token is drawn and thrown away. The packaged function does so too: it writes the rows of a batch together, and the random numbers of one row must not depend on when another is spoken to.)
#
# `grpo_lite.sample_episodes` does this for a batch, with what the model remembers (the key-value cache) kept from turn to turn. Rows are answered each at its own time: while one row is being told its result, the others go on. The same random numbers must give the same episodes.

# %% tags=["same-sample_episodes"] caption="tokens, whose they are, and log-probs of 40 episodes with the same seed, with and without calls allowed"
exact = copy.deepcopy(base).double()
for seed in range(40):
    prompt = tokenizer(test["large"][seed]["prompt"])["input_ids"]
    most = None if seed % 2 else 0
    ids, logps, own = sample_one(
        exact, prompt, in_tokens, max_new_tokens=12 + seed % 9, ends=[EOS],
        generator=torch.Generator().manual_seed(seed), most=most,
    )  # fmt: skip
    packaged = grpo_lite.sample_episodes(
        exact, torch.tensor([prompt]), 1, in_tokens, max_new_tokens=12 + seed % 9,
        eos_token_id=EOS, pad_token_id=PAD, max_tool_calling_iterations=most,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    assert packaged.ids.tolist() == [ids]
    assert packaged.env_mask.tolist() == [own]
    assert packaged.mask.all()
    torch.testing.assert_close(packaged.logps, torch.tensor([logps]).double())

# %% [markdown]
# ## By hand: a mask with holes
#
# One episode that asked, with everything that the sampler returns. (The names are TRL's: `env_mask` is 1 on what the model wrote.)

# %%
ids = torch.tensor(
    [
        tokenizer("<call>27+38</call><eos><result>65</result><answer>65</answer><eos>")[
            "input_ids"
        ]
    ]
)
prompt_ids = torch.tensor([tokenizer("27+38=")["input_ids"]])
mask = torch.ones_like(ids, dtype=torch.bool)
env_mask = mask.clone()
env_mask[0, 8:12] = False
logps = grpo_lite.completion_logps(base, prompt_ids, ids, completion_mask=mask)
texts = [[token] for token in tokenizer.convert_ids_to_tokens(ids[0])]
plotting.table(
    {"token": texts, "own": env_mask[0].long(), "log-prob": logps[0]}, decimals=3
)

# %% [markdown]
# Two masks, two questions. `mask` says what is *read*: everything. `env_mask` says what is *trained*: what the policy decided. The model gives a log-prob to the tokens of the result too. It is the log-prob of something that it did not choose, and for a `<result>` after an end token, which it was never taught to write, it is very low.
#
# **Predict.** The loss takes the mask with holes. Is its gradient the same as if the four tokens were cut out of the rows that the loss gets? (Only the loss skips them: the model has read them, and the log-probs of what follows depend on them.)

# %% tags=["result-holes"]
generator = torch.Generator().manual_seed(1)
now = -torch.rand(2, 17, generator=generator, dtype=torch.float64)
now.requires_grad_()
old = now.detach() + 0.1
advantages = torch.tensor([1.0, -1.0]).double()
own = env_mask.repeat(2, 1)
own[1] = True


def gradient(logps, old, mask):
    loss = grpo_lite.grpo_loss(logps, old, advantages, mask).loss
    return torch.autograd.grad(loss, now)[0]


def cut(x):
    rows = [row[keep] for row, keep in zip(x, own, strict=True)]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


with_holes, without = gradient(now, old, own), gradient(cut(now), cut(old), cut(own))
print("same gradient:", torch.allclose(with_holes, without, rtol=1e-12))
print("|o| of the two rows:", own.sum(dim=1).tolist())

# %% [markdown]
# The loss never asks where in a row a token stands. So nothing of GRPO changes: the log-probs of what the policy drew, an advantage for the episode, and a mean over *its own* tokens. $|o|$ counts 13 tokens of the first row and not 17.
#
# ## Does it find out that asking pays?
#
# The trainer takes the calculator by one argument, `environment`. Right answers are paid. Two more functions only watch: how many calls were answered, and how many results the model made up. (A turn that is answered goes on after its end token, so every end token but one in the last place stands for an answered call.)


# %%
ANSWER = re.compile(r"<answer>(\d+)</answer>$")


def right(completions, ground_truth, **columns):
    found = [ANSWER.search(text) for text in completions]
    return [
        float(m is not None and m[1] == truth)
        for m, truth in zip(found, ground_truth, strict=True)
    ]


def asked(completions, completion_ids, **columns):
    return [float(ids[:-1].count(EOS)) for ids in completion_ids]


def invented(completions, completion_ids, **columns):
    results = [text.count("<result>") for text in completions]
    answered = asked(completions, completion_ids)
    return [n - k for n, k in zip(results, answered, strict=True)]


def settings(seed=0, price=0.0, steps=30):
    return grpo_lite.GRPOConfig(
        max_steps=steps,
        learning_rate=1e-3,
        per_device_train_batch_size=64,
        num_generations=8,
        max_completion_length=20,
        reward_weights=[1.0, -price, 0.0],
        per_device_eval_batch_size=300,
        seed=seed,
        use_cpu=True,
        disable_tqdm=True,
    )


data = small * 14 + large
WATCHED = [right, asked, invented]


def look(model, kinds=("small", "large")):
    """Right answers, answered calls and invented results an episode."""
    results = [
        rollout.evaluate(
            model, tokenizer, WATCHED, test[kind], settings(), environment=calculator
        )
        for kind in kinds
    ]
    return torch.tensor(
        [[r[f"sampled_{f.__name__}"] for f in WATCHED] for r in results]
    )


def train(seed, price=0.0, steps=30):
    model, curve = copy.deepcopy(base), [look(base)]
    trainer = grpo_lite.GRPOTrainer(
        model, WATCHED, settings(seed, price, steps), data, tokenizer,
        callback=lambda record: record["step"] % 10 or curve.append(look(model)),
        environment=calculator,
    )  # fmt: skip
    trainer.train()
    return model, torch.stack(curve)


# %% [markdown]
# Before any training: which way does the base model go, and how often is it right there? Eight answers to each small sum and to each large one that was held out.


# %%
def answers(kind):
    generator = torch.Generator().manual_seed(0)
    return rollout.sample_groups(
        base, tokenizer, WATCHED, test[kind], settings(), generator, calculator
    )


columns = {"sums": [], "way": [], "share": [], "right": []}
said = {kind: answers(kind) for kind in test}
for kind, groups in said.items():
    paid, calls, made_up = torch.cat([group.scores for group in groups]).T
    asks, invents = (calls > 0) & (made_up == 0), made_up > 0
    ways = {"straight": ~asks & ~invents, "asks": asks, "invents": invents}
    for way, went in ways.items():
        row = kind, way, went.float().mean(), paid[went].mean()
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
plotting.table(columns)

# %% [markdown]
# Small sums are mostly answered straight. Asking is right a little less often there, since it may copy a digit wrongly. On large sums asking is nearly always right and a straight answer nearly never.
#
# **Predict.** What will the model do with small sums when asking is free?

# %%
SEEDS = range(5)
free = [train(seed) for seed in SEEDS]


# %% tags=["drawing"] alt="Two panels over 30 updates, the mean of five seeds. Small sums: right answers stay at about 0.9, calls rise from 0.2 to 0.8. Large sums: right answers rise from 0.3 to 0.9, calls from 0.35 to above 0.95." caption="Large sums become right as the model asks; it asks about small ones too, and gains nothing there."
def progress(runs):
    curves = torch.stack([curve for _, curve in runs])
    mean = curves.mean(dim=0)
    panels = [{"right": mean[:, k, 0], "asked": mean[:, k, 1]} for k in range(2)]
    return plotting.lines(
        range(0, 10 * len(mean), 10),
        *panels,
        titles=["small sums", "large sums, held out"],
        xlabel="update",
        ylabel="per completion",
        colors={"right": "positive", "asked": "policy"},
    )


progress(free)


# %%
def table(runs):
    """One row for the base model, untrained, and one for the end of each run."""
    ends = torch.stack([runs[0][1][0], *(curve[-1] for _, curve in runs)])
    columns = {"seed": ["base", *range(len(runs))]}
    for i, sums in enumerate(("small", "large")):
        for k, what in enumerate(("right", "asked", "invented")):
            columns[f"{sums}: {what}"] = ends[:, i, k]
    return plotting.table(columns)


table(free)

# %% [markdown]
# On all five seeds the model learns to ask about large sums and to wait for the answer, and sums that it never saw come out right about nine times in ten. (The row *base* is the model before GRPO. The small sums are those of the training, all 100.) It also asks about most small sums, where it need not: the habit spreads from where it pays to where it does little harm. A little it does: small sums are right less often than before, since copying has its slips.
#
# ## A price
#
# In the world a call takes time and costs money. One weight changes: each answered call costs 0.3.
#
# By hand: on a large sum asking earns about $0.9 - 0.3 = 0.6$, a guess about 0. On a small one asking earns 0.6 and a straight answer 0.9 or more.
#
# **Predict.** Nobody tells the model which sums are small. Will it ask always, never, or sometimes?

# %% alt="Two panels over 40 updates, mean of five seeds, each answered call costs 0.3. Small sums: right answers stay at about 0.9, calls fall from 0.2 to below 0.1. Large sums: right answers rise from 0.3 to 0.9, calls from 0.35 to above 0.95." caption="Once asking has a price, the model asks where it has to."
priced = [train(seed, price=0.3, steps=40) for seed in SEEDS]
progress(priced)

# %%
table(priced)

# %% [markdown]
# The model asks where asking pays, and seldom elsewhere: in 5 to 10 of 100 small sums. It was never told what a small sum is; the difference in pay was enough. The price has to lie between the two gains: below what asking adds on large sums, above what it adds on small ones.

# %% [markdown]
# **Check yourself.** The price is 0.3, and the base model copies so badly that an asking episode on a large sum is right only two times in ten. What do the first updates do to calls, on average?
#
# <details class="wrong"><summary>Make them more frequent, for they are the only way to a right answer</summary>What is paid counts: 0.2 minus 0.3 is less than the 0 of a guess.</details>
# <details class="right"><summary>Make them rarer, although a better model would gain by them</summary>An advantage compares with what the siblings earn now. Right copies are pushed up meanwhile, and from three right in ten on calls gain again. A price that begins later avoids the detour.</details>
# <details class="wrong"><summary>Nothing, for the price is the same in every episode</summary>Only episodes that call pay it, so within a group it makes a difference.</details>

# %% [markdown]
# ## Break it
#
# ### Training on the results
#
# One mask for another: the loss takes `mask`, and what the calculator wrote is trained as if the model had decided it. (`patch.object` puts our function in the place of the trainer's own for a while.)
#
# **Predict.** The results are right. What harm can it do to make right results likelier?


# %% alt="Two panels over 30 updates, large sums, mean of three seeds. Right answers: with the mask of the model's own tokens they rise to 0.84 in ten updates and to 0.9; trained on the results they reach 0.65 and 0.8. Invented results an episode: from 0.11 they fall to 0.02 with the right mask, and only to 0.07 when results are trained." caption="Trained on the results, it learns more slowly and goes on inventing them."
draw = rollout._draw  # what the trainer samples with


def without_holes(*args):
    episodes = draw(*args)
    return episodes._replace(env_mask=episodes.mask)


with patch.object(rollout, "_draw", without_holes):
    leaky = [train(seed) for seed in range(3)]
curves = {
    name: torch.stack([curve for _, curve in runs]).mean(dim=0)[:, 1]
    for name, runs in {"own tokens": free[:3], "results too": leaky}.items()
}
plotting.lines(
    range(0, 31, 10),
    *({name: curve[:, column] for name, curve in curves.items()} for column in (0, 2)),
    titles=["right, large sums", "invented results"],
    xlabel="update",
    ylabel="per completion",
    colors={"own tokens": "policy", "results too": "negative"},
)

# %%
table(leaky)

# %% [markdown]
# Learning is slower, and the habit of making results up, which the right mask nearly ends, falls by about a third only. What has the gradient done instead? After a call and its end token, how surprised is each model by the right result?


# %%
@torch.no_grad()
def surprise(model):
    """Mean of -log p over the tokens of the right result, in nats, for 50 sums."""
    nats = []
    for row in test["large"][:50]:
        call = f"{row['prompt']}<call>{row['prompt'][:-1]}</call><eos>"
        read, result = (
            torch.tensor([tokenizer(text)["input_ids"]])
            for text in (call, f"<result>{row['ground_truth']}</result>")
        )
        nats.append(-grpo_lite.completion_logps(model, read, result).mean())
    return torch.stack(nats).mean().item()


trained = {"own tokens": free[:3], "results too": leaky}
nats = [[surprise(base)] * 3] + [[surprise(m) for m, _ in x] for x in trained.values()]
seeds = {f"seed {i}": [row[i] for row in nats] for i in range(3)}
plotting.table({"surprise, nats a token": ["base", *trained], **seeds}, decimals=1)

# %% [markdown]
# With the right mask a result is as strange to the model as it was, give or take; it was never pushed to write one. Trained on results, it is taught to write them itself. But nobody taught it to add: it learns what a result looks like, and a result that it writes is made up.
#
# Two things went wrong at once. For a token that the policy drew, the gradient of its log-prob is 0 on average, so that praise and blame cancel unless they tell something. For a token of the environment it is not: an episode that is praised for asking teaches the results with it. And these tokens are improbable, so their gradients are long and can drown those of the decisions.
#
# Search-R1 and TRL mask these tokens too.
#
# ### Counting them in $|o|$
#
# A milder mistake: results are not trained, but they are counted in the length by which an episode is divided.

# %% tags=["result-counting"]
straight, asking = (
    len(tokens(WAYS["straight"][0])),
    sum(len(tokens(x)) for x in WAYS["asks"]),
)
written = asking - len(tokens(WAYS["asks"][1]))
episodes = {
    "straight": straight,
    "asked, own tokens counted": written,
    "asked, all tokens counted": asking,
}
weights = [1 / n for n in episodes.values()]
plotting.table(
    {"episode": episodes, "|o|": episodes.values(), "weight of a token": weights},
    decimals=3,
)

# %% [markdown]
# With a result of four tokens an episode that asked is pushed by nearly a quarter less. With a page of search results it is hardly pushed at all: the longer the environment speaks, the less is learned from the decision to ask it.
#
# ### Re-tokenizing
#
# It is tempting to keep an episode as text, append the result, and tokenize the whole for the next turn. With one token a character nothing happens. Real tokenizers have several ways to write the same text. This one knows `49` as one token:

# %% tags=["result-retokenized"]
merging = character_tokenizer([*TAGS, *"0123456789+=?", "49"])
drawn_ids = merging.convert_tokens_to_ids(["<answer>", "4", "9", "</answer>"])
again = merging(merging.decode(drawn_ids))["input_ids"]
rows = {"drawn": drawn_ids, "re-read": again}
plotting.table(
    {
        "": rows,
        "tokens": map(merging.convert_ids_to_tokens, rows.values()),
        "ids": [str(ids) for ids in rows.values()],
    }
)

# %% [markdown]
# The text is the same and the tokens are not: another sequence, another length, other log-probs, and all that follows stands at other positions. A gradient on the second one trains what the policy did not do. So `sample_episodes` keeps ids, and so does TRL ("concatenated IDs, no re-tokenization" says a comment in its loop).
#
# ### Whose merit is it?
#
# An episode has one advantage, and all of its turns share it. The base model has answered each large sum eight times above. These are the episodes whose call copied the sum rightly.

# %%
columns = {
    "the rest": ["waited", "made a result up"],
    "praised": [0, 0],
    "blamed": [0, 0],
}
for group in said["large"]:
    advantages = grpo_lite.group_advantages(group.rewards, 8)
    made_up = (group.scores[:, 2] > 0).long()
    for k, text in enumerate(group.completions):
        if text.startswith(f"<call>{group.prompt[:-1]}</call>"):
            columns["praised"][made_up[k]] += int(advantages[k] > 0)
            columns["blamed"][made_up[k]] += int(advantages[k] < 0)
plotting.table(columns)

# %% [markdown]
# The call was right, and it is blamed with what followed: nearly always a made-up result. On average a right call gains, because it makes right answers likelier; that is why training works. With many turns this noise grows, and a reward for single turns is what people try then.
#
# ## Exercises
#
# **1. A hostile turn.** *Easy, 5 minutes.* What does `calculator` answer to `<call>9+9</call><call>1+1</call>`, to `<call>__import__('os')</call>` and to `<result>5</result></call>`? Is there a turn that makes it raise an exception?

# %%
# Your turn.

# %% tags=["solution", "result-hostile"]
hostile = [
    "<call>9+9</call><call>1+1</call>",
    "<call>__import__('os')</call>",
    "<result>5</result></call>",
]
plotting.table({"turn": hostile, "answered": map(calculator, hostile)})

# %% [markdown] tags=["solution"]
# The last call is answered, and what is no sum gets a question mark. The pattern lets only digits through, and `int` takes up to 4,300 of them; the length limit of a completion keeps a model far below that. With a longer limit, a bound on the digits belongs into the pattern: `\d{1,9}`.

# %% [markdown]
# **2. The right price.** *Easy, 10 minutes.* Say that on small sums a straight answer is right in 95 of 100 cases, and so is one after asking. Between which two prices does the best way depend on the sum? What happens just above 0?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# On small sums asking adds nothing, so any price above 0 makes the straight answer the better one. On large sums asking adds about 0.9, so the price must stay below that. How fast a small price is learned is another question: an advantage is divided by the spread of its group, which is small where all answers are right, so that even a small price counts there. (No run here shows how fast.)

# %% [markdown]
# **3. No calculator today.** *Medium, 10 minutes.* Take a model that was trained with free calls and let it write with an environment that never answers. What is its share of right answers on large sums?

# %%
# Your turn.

# %% tags=["solution"]
silent = rollout.evaluate(
    free[0][0], tokenizer, WATCHED, test["large"], settings(),
    environment=lambda turn: None,
)  # fmt: skip
print(f"right {silent['sampled_right'] * 148:.0f} of 148")

# %% [markdown] tags=["solution"]
# None of the 148 answers is right. In the table above it asks in 95 of 100 cases (seed 0); now the episode ends there, with the call. It has learned a division of labour, not addition.

# %% [markdown]
# ## What to remember
#
# > **Remember.** An episode is a completion with holes: all of it is read, and only what the policy drew is trained and counted. Keep the tokens as they were drawn. One advantage pays all turns. Asking is learned where it pays more than the alternative, and a price on calls teaches when not to ask. Train on the environment's words and the model goes on making them up.
#
# The mask over what a search engine returned, and its effect: [Search-R1 (arXiv:2503.09516)](https://arxiv.org/abs/2503.09516). GRPO itself: [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300).
#
# **From here:** [When a run is sick](https://grpo-lite.github.io/grpo-lite/lessons/when_a_run_is_sick/) shows curves that went wrong. [To TRL](https://grpo-lite.github.io/grpo-lite/lessons/to_trl/) shows the same with `rollout_func`.
