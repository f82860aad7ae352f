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
# # Sampling a group
#
# GRPO learns from the differences between several answers to one question. This lesson draws those answers, one token at a time, and keeps for each token the probability with which it was really drawn.
#
# **Minutes:** 20 · **Needs:** [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/) · **Gives:** `grpo_lite.sample_group`, `grpo_lite.Completions`

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import copy
import math
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()
torch.set_printoptions(sci_mode=False)
torch.set_num_threads(1)  # fastest for a model this small

# %% tags=["setup"]
# The small model of this lesson, explained below.
symbols = "0123456789+=._"
EOS, PAD = symbols.index("."), symbols.index("_")


def encode(texts):
    return torch.tensor([[symbols.index(symbol) for symbol in text] for text in texts])


def decode(ids):
    return ["".join(symbols[i] for i in row) for row in ids.tolist()]


def half_taught_model(steps=200):
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=14, n_positions=32, n_embd=32, n_layer=1, n_head=4,
        bos_token_id=EOS, eos_token_id=EOS, pad_token_id=PAD,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    book = [
        f"{a}+{b}={max(0, a + b + slip)}."
        for a in range(13)
        for b in range(5)
        for slip in (-1, 0, 0, 1)
    ]
    book = encode([line.ljust(8, "_") for line in book])
    for _ in range(steps):
        ids = book[torch.randint(len(book), (64,))]
        logits = model(ids, attention_mask=ids != PAD).logits
        loss = cross_entropy(logits[:, :-1].mT, ids[:, 1:], ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


model = half_taught_model()
prompt = encode(["3+4="])
with torch.no_grad():
    out = model(prompt)
logits = out.logits[0, -1]
# transformers calls it `cache` from 5.24 on and `past_key_values` before
CACHE = "cache" if hasattr(out, "cache") else "past_key_values"

# %% [markdown]
# ## The question
#
# A language model does one thing: it reads tokens and gives a probability to each token that could come next. A completion is what we get when we draw a token, append it, and ask again, until the end token is drawn.
#
# From the policy $\pi_\theta$ we need two things for every prompt $q$: a group of $G$ completions, and the probability of each token in them. How are they drawn, so that these probabilities can be trusted later? Here is what a small model, which half knows its sums, would write after `3+4=`, at three **temperatures** $\tau$.

# %% alt="Probability of each of the 14 symbols after 3+4= at temperatures 0.5, 1 and 2. The favourite 7 falls from 0.73 to 0.49 to 0.31; at temperature 2 the digits 5, 6 and 8 have 0.15 to 0.22, and even the equals sign and padding have 0.02." caption="Heat flattens the choice: at 2 even padding gets its share."
plotting.bars(
    {f"τ = {tau}": (logits / tau).softmax(dim=-1) for tau in (0.5, 1.0, 2.0)},
    [*symbols[:-2], "end", "pad"],
    ylabel="probability",
    xlabel="next symbol",
    colors={"τ = 0.5": "third", "τ = 1.0": "policy", "τ = 2.0": "other"},
)

# %% [markdown]
# The model has an opinion, and it is not sure. As $\tau$ grows, the digits around the right 7 gain, and so do symbols that make no sense there: a second equals sign, or padding. Temperature buys variety and pays in nonsense.
#
# It is a GPT-2 built from a config, with a vocabulary of 14 symbols, each of them one token. The dot is the **end token** (EOS), with which a completion ends. The underscore is **padding**: it fills up rows of a batch to the same length and means nothing. It has practised on sums for a few seconds, ordinary training on given text, and half of the answers in its book were wrong by one. That is the right pupil for GRPO: sometimes right, sometimes not.

# %% tags=["result-encode"]
print(encode(["3+4=7._"]))
print(decode(encode(["3+4=7._"])))

# %% [markdown]
# The numbers before the softmax, one for each token of the vocabulary, are the **logits**.
#
# ## Four times the same answer
#
# **Predict.** Give the same model the same prompt four times, and let it take the most probable token at every step. What do you know about the four rewards? What will the advantages be?
#
# That is **greedy** decoding, `do_sample=False` in transformers. A right answer earns 1:

# %%
four_prompts = prompt.repeat(4, 1)
greedy = model.generate(
    four_prompts,
    attention_mask=torch.ones_like(four_prompts),
    do_sample=False,
    max_new_tokens=4,
)
texts = decode(greedy[:, prompt.shape[1] :])
texts

# %% tags=["result-greedy-advantages"]
rewards = torch.tensor([float(text.startswith("7.")) for text in texts])
grpo_lite.group_advantages(rewards, num_generations=4)

# %% [markdown]
# The same answer earns the same reward. There is nothing to compare: all advantages are 0, and the model learns nothing, however long it runs.
#
# > The rewards of a group must differ before it can teach.
#
# So its tokens are drawn at random, by their probabilities: they are **sampled**.
#
# ## By hand: two completions of two tokens
#
# Take a vocabulary of two tokens, `a` and `b`, and completions of two tokens. The policy is three numbers:
#
# | after | probability of `a` | probability of `b` |
# |---|---|---|
# | the prompt | 0.7 | 0.3 |
# | the prompt, `a` | 0.2 | 0.8 |
# | the prompt, `b` | 0.9 | 0.1 |
#
# To draw a token, draw a number $u$ between 0 and 1. Below the probability of `a` it means `a`, otherwise `b`. Say the first completion gets $u = 0.35,\ 0.60$ and the second $u = 0.90,\ 0.50$:
#
# | | token 1 | token 2 | probability | log-prob |
# |---|---|---|---|---|
# | $o_1$ | $0.35 < 0.7$: `a` | $0.60 \ge 0.2$: `b` | $0.7 \cdot 0.8 = 0.56$ | $-0.5798$ |
# | $o_2$ | $0.90 \ge 0.7$: `b` | $0.50 < 0.9$: `a` | $0.3 \cdot 0.9 = 0.27$ | $-1.3093$ |
#
# The probability of a completion is a product over its tokens, so its logarithm is a sum: $\ln 0.7 + \ln 0.8 = -0.5798$. We keep one log-prob for each token.

# %% tags=["detail", "result-by-hand"]
probability_of_a = {"": 0.7, "a": 0.2, "b": 0.9}


def draw_two(draws):
    text, logps = "", []
    for u in draws:
        p = probability_of_a[text]
        logps.append(math.log(p if u < p else 1 - p))
        text += "a" if u < p else "b"
    return text, logps


columns = {"text": [], "first": [], "second": [], "sum": []}
for draws in ([0.35, 0.60], [0.90, 0.50]):
    text, logps = draw_two(draws)
    for column, value in zip(columns.values(), [text, *logps, sum(logps)], strict=True):
        column.append(value)
plotting.table(columns, decimals=4)

# %% [markdown]
# ## Temperature
#
# The **temperature** $\tau$ divides the logits $z$ before the softmax:
#
# $$\pi(v) = \frac{e^{z_v / \tau}}{\sum_w e^{z_w / \tau}}$$
#
# Here $v$ is a token, and $w$ runs over the whole vocabulary. A temperature below 1 makes the probable tokens more probable; near 0, sampling is greedy decoding again. Above 1 the distribution gets flatter.
#
# For the first token of the example, take the logits $\ln 0.7$ and $\ln 0.3$. Dividing them by $\tau$ raises the probabilities to the power $1/\tau$, so at $\tau = 2$ the probability of `a` is $\sqrt{0.7} / (\sqrt{0.7} + \sqrt{0.3}) = 0.6044$.

# %% tags=["result-temperature"]
z = torch.tensor([0.7, 0.3]).log()
tau = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0])
p = (z / tau[:, None]).softmax(dim=-1)
plotting.table({"τ": tau, "a": p[:, 0], "b": p[:, 1]}, decimals=4)

# %% [markdown]
# TRL samples at 1 unless told otherwise.
#
# ## What was drawn must be what is scored
#
# Later, the training pass scores each token again. It divides its probability now by its probability when it was drawn; before the first update that **ratio** has to be 1. (Lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) uses it; here it is only a check.) So we store the log-prob with which a token was really drawn, and score from the same distribution.
#
# **Predict.** In the two-token example, draw and store at $\tau = 2$, but score at $\tau = 1$. What are the ratios of `a` and `b` before anything has been learned?

# %% tags=["result-two-temperatures"]
drawn_at, scored_at = (z / 2).softmax(dim=-1), z.softmax(dim=-1)
columns = {"drawn": drawn_at, "scored": scored_at, "ratio": scored_at / drawn_at}
plotting.table({"token": ["a", "b"], **columns}, decimals=4)

# %% [markdown]
# The loss would see a policy that has already moved: 16% towards `a`, 24% away from `b`. Nothing has moved. Storing at $\tau = 1$ would only hide this: the tokens would still come from another distribution. There is one temperature, for drawing, storing and scoring.
#
# The same holds for **top-k**, which draws only from the $k$ most probable tokens, and for **top-p**, which draws from the fewest tokens whose probabilities add up to at least $p$. They are popular because they cut off nonsense, and they draw from another distribution than the softmax. Here is top-2:

# %% tags=["result-top-k"]
p = torch.tensor([0.50, 0.25, 0.15, 0.10])
top_2 = torch.where(p >= 0.25, p, 0) / 0.75
print("scored", p)
print("drawn ", top_2)
print("ratio ", p[:2] / top_2[:2])

# %% [markdown]
# Both tokens that are left are drawn more often than their score says. The ratios are 0.75: exactly the probability that top-2 has kept. In a long text that is a different number at every token.
#
# The training pass could cut in the same way. But once the policy has moved, a token that was drawn may fall out of the cut: probability 0, log-prob $-\infty$. [DeepSeek-V3.2 (arXiv:2512.02556)](https://arxiv.org/abs/2512.02556) stores which tokens were kept, and cuts to the same ones when it scores. We do not cut, and store nothing.

# %% [markdown]
# **Check yourself.** A sampler draws with top-k and stores the log-probs of the *whole* softmax. Scored again before any update, every ratio is 1. Is all well?
#
# <details class="wrong"><summary>Yes: before the first update every ratio has to be 1</summary>The ratio compares what was stored with what is scored. What was <em>drawn</em> is something else, and here no number shows it.</details>
# <details class="right"><summary>No: the tokens come from another distribution than the stored one</summary>In the example of four tokens the first is drawn with probability 0.67 and recorded with 0.50. The samples do not stand for the policy that is trained.</details>
# <details class="wrong"><summary>No, but storing the log-probs after the cut repairs it</summary>Then the ratios differ from 1 before anything was learned, as above, and what was cut off is still never drawn.</details>

# %% [markdown]
# ## A plain loop
#
# One token at a time for the whole group. In each step the model reads everything again, `multinomial` draws one token for each row, and `gather` picks its log-prob.


# %%
@torch.no_grad()
def sample_slowly(model, prompt_ids, num_generations, max_new_tokens, generator):
    rows = prompt_ids.repeat_interleave(num_generations, dim=0)
    logps = []
    for _ in range(max_new_tokens):
        all_logps = model(rows).logits[:, -1].log_softmax(dim=-1)
        token = torch.multinomial(all_logps.exp(), num_samples=1, generator=generator)
        logps.append(all_logps.gather(1, token))
        rows = torch.cat([rows, token], dim=1)
    return rows[:, prompt_ids.shape[1] :], torch.cat(logps, dim=1)


slow_ids, slow_logps = sample_slowly(
    model, prompt, 8, 5, torch.Generator().manual_seed(5)
)
decode(slow_ids)

# %% [markdown]
# A group at last: four answers are right, four are not. Two things are left to repair. The rows go on after their end token, the dot. And the model reads the same prompt again in every step.
#
# ## Each row stops at its own end
#
# Rows end at different steps, and a tensor has no ragged edge. So a finished row is filled with padding on the right, and a **mask** says which tokens count: 1 up to and including the row's end token.
#
# In the loop, one boolean a row is enough: is it still alive? Here are two rows, `7.` and `12.`, drawn token by token.

# %% tags=["result-alive"]
drawn_tokens = encode(["7.+", "12."])
alive = torch.tensor([True, True])
ids, mask = [], []
for t in range(3):
    ids.append(torch.where(alive, drawn_tokens[:, t], PAD))
    mask.append(alive)
    alive = alive & (drawn_tokens[:, t] != EOS)
texts, masks = decode(torch.stack(ids, dim=1)), torch.stack(mask, dim=1)
plotting.table({"text": map(list, texts), "mask": masks.int()})

# %% [markdown]
# The order matters: first note who is alive, then look for the end.
#
# What is left is engineering: it changes nothing about what is drawn. The prompt is read once for the whole group. Prompts of different length share a batch, padded on the left, and `position_ids` tells the model where each of them begins. The fold shows how, and what goes wrong without it. You may skip it for now.

# %% [markdown] tags=["detail"]
# ## Read the prompt once
#
# While a transformer reads a token, it computes a key and a value for it in every layer. Later tokens look at these and at nothing else of the past. Keys and values that are kept are the **cache**. With it, the next step reads only the one new token of each row.
#
# The group shares its prompt, so it can share the reading too: we read it once, as a single row, and copy the cache $G$ times.

# %% [markdown] tags=["detail"]
# ## Prompts of different length
#
# Several questions go into one batch, and questions differ in length. They are padded on the **left**, so that each completion follows its prompt directly. Now the model needs two more tensors:
#
# - the **attention mask**, so that no token looks at the padding;
# - the **position ids**, because GPT-2 adds to each token an embedding of its position. Without them, padding would shift a prompt to other positions.


# %% tags=["detail"]
def position_ids(attention_mask):
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)


# %% tags=["detail", "result-position-ids"]
ragged = encode(["__3+4=", "_12+3="])
mask = ragged != PAD
plotting.table({"mask": mask.int(), "position ids": position_ids(mask)})

# %% tags=["detail"]
masks = torch.arange(9) >= torch.tensor([[0], [3], [8]])
torch.testing.assert_close(position_ids(masks), grpo_lite.masking.position_ids(masks))

# %% [markdown] tags=["detail"]
# How much do they matter? The log-prob of `7` after `3+4=`: alone, then behind eight symbols of padding with neither, one or both of the two tensors.

# %% tags=["detail"]
padded = encode(["________3+4="])
real = (padded != PAD).long()
neither = {"attention_mask": torch.ones_like(padded)}
one = {"attention_mask": real}
both = {"attention_mask": real, "position_ids": position_ids(real)}

cases = {"alone": (prompt, {}), "neither": (padded, neither)}
cases |= {"attention mask": (padded, one), "mask + positions": (padded, both)}
with torch.no_grad():
    last = [model(ids, **tensors).logits[0, -1] for ids, tensors in cases.values()]
logps = torch.stack(last).log_softmax(dim=-1)[:, symbols.index("7")]
plotting.table({"given": list(cases), "log-prob of 7": logps}, decimals=4)

# %% [markdown] tags=["detail"]
# Without the mask, the padding becomes part of the question. Without the position ids the error is smaller, and so harder to notice. Neither raises an exception. With both tensors, padding changes nothing.

# %% [markdown]
# ## Put together
#
# Everything so far in one function: eval mode (dropout off, see below), one reading of each prompt, what it left in the cache copied for the group, one draw a step, every row to its own end. The attention mask covers all that the model has read. What comes back is a record of three tensors with one row a completion. The $G$ rows of a prompt stand one after the other, as the advantages expect.


# %%
class Completions(NamedTuple):
    ids: torch.Tensor
    mask: torch.Tensor
    logps: torch.Tensor


# %% tags=["define-sample_group"]
@torch.no_grad()
def sample_group(
    model, prompt_ids, num_generations, *, max_new_tokens, eos_token_id, pad_token_id,
    temperature=1.0, prompt_mask=None, generator=None,
):  # fmt: skip
    was_training = model.training
    model.eval()
    seen = prompt_mask
    if seen is None:
        seen = torch.ones_like(prompt_ids, dtype=torch.bool)
    new_ids, cache, columns = prompt_ids, None, []
    for step in range(max_new_tokens):
        positions = position_ids(seen)[:, -new_ids.shape[1] :]
        out = model(
            new_ids, attention_mask=seen.long(), position_ids=positions,
            use_cache=True, **{CACHE: cache},
        )  # fmt: skip
        cache, logits = out[CACHE], out.logits[:, -1]
        if step == 0:
            cache.batch_repeat_interleave(num_generations)
            logits = logits.repeat_interleave(num_generations, dim=0)
            seen = seen.repeat_interleave(num_generations, dim=0)
            alive = torch.ones_like(seen[:, 0])
        all_logps = (logits / temperature).log_softmax(dim=-1)
        token = torch.multinomial(all_logps.exp(), num_samples=1, generator=generator)
        logp = torch.where(alive, all_logps.gather(1, token)[:, 0], 0)
        token = torch.where(alive, token[:, 0], pad_token_id)
        columns.append((token, alive, logp))
        new_ids, seen = token[:, None], torch.cat([seen, alive[:, None]], dim=1)
        alive = alive & ~torch.isin(token, torch.tensor(eos_token_id))
        if not alive.any():
            break
    model.train(was_training)
    ids, mask, logps = (
        torch.stack(column, dim=1) for column in zip(*columns, strict=True)
    )
    return Completions(ids, mask, logps)


# %%
settings = dict(max_new_tokens=5, eos_token_id=EOS, pad_token_id=PAD)
generator = torch.Generator().manual_seed(5)
group = sample_group(model, prompt, 8, generator=generator, **settings)
texts, slow_texts, counts = decode(group.ids), decode(slow_ids), group.mask.sum(dim=1)
plotting.table(
    {
        "sampled": [list(text) for text in texts],
        "counted": counts,
        "without a mask": [list(text) for text in slow_texts],
    }
)

# %% [markdown]
# On the left what the new function drew and how many tokens count, on the right the slow loop. The same seed draws the same tokens, up to each row's end.
#
# The packaged function does the same, for ragged prompts, in float64 and in float32; it adds checks of its arguments, and computes in float32 where a model works in half precision. The result carries no gradient: sampling only reads the model, and learning comes later.

# %% tags=["same-sample_group"] caption="ids, mask and log-probs of 3 × 4 completions with the same seed, two precisions, two temperatures"
random_prompts = torch.randint(14, (3, 6), generator=torch.Generator().manual_seed(1))
prompt_mask = torch.arange(6) >= torch.tensor([[0], [2], [4]])
for dtype in (torch.float64, torch.float32):
    converted = copy.deepcopy(model).to(dtype)
    for temperature in (1.0, 0.7):
        both = dict(settings, temperature=temperature, prompt_mask=prompt_mask)
        both["generator"] = torch.Generator().manual_seed(2)
        mine = sample_group(converted, random_prompts, 4, **both)
        both["generator"].manual_seed(2)
        packaged = grpo_lite.sample_group(converted, random_prompts, 4, **both)
        torch.testing.assert_close(tuple(mine), tuple(packaged))
        assert mine.logps.dtype == dtype
        assert not mine.logps.requires_grad
        assert not packaged.logps.requires_grad
assert Completions._fields == grpo_lite.Completions._fields

# %% [markdown] tags=["detail"]
# ## How much reading that saves
#
# Each token that the model reads goes through all its layers, so the number of tokens read is a fair measure of work. A hook on the embedding layer counts them. One prompt of 20 tokens, eight completions of 6 tokens:


# %% tags=["detail"]
def tokens_read(run):
    counts = []
    hook = model.transformer.wte.register_forward_hook(
        lambda layer, inputs, output: counts.append(inputs[0].numel())
    )
    run()
    hook.remove()
    return sum(counts)


# %% tags=["detail", "result-tokens-read"]
long_prompt = torch.randint(10, (1, 20), generator=torch.Generator().manual_seed(0))
read = {}
read["no cache"] = tokens_read(
    lambda: sample_slowly(model, long_prompt, 8, 6, torch.Generator().manual_seed(0))
)

no_end = dict(max_new_tokens=6, eos_token_id=[], pad_token_id=PAD)
eight_rows = long_prompt.repeat_interleave(8, dim=0)
read["cache"] = tokens_read(lambda: sample_group(model, eight_rows, 1, **no_end))
read["prompt once"] = tokens_read(lambda: sample_group(model, long_prompt, 8, **no_end))
print(read)

# %% tags=["detail", "drawing"] alt="Bars of tokens read by the model: 1080 without a cache, 200 with a cache, 60 when the group shares one reading of its prompt." caption="A cache saves most of the reading, sharing the prompt most of what is left."
plotting.bars(
    {"tokens": list(read.values())},
    list(read),
    ylabel="tokens read",
    xlabel="prompt of 20, eight completions of 6",
)

# %% [markdown] tags=["detail"]
# With $N$ prompts of $P$ tokens and $G$ completions of $T$ tokens each:
#
# | | tokens read | here |
# |---|---|---|
# | no cache | $N G \,(P + (P{+}1) + \dots + (P{+}T{-}1))$ | $8 \cdot 135 = 1080$ |
# | cache | $N G P + N G (T - 1)$ | $160 + 40 = 200$ |
# | prompt once | $N P + N G (T - 1)$ | $20 + 40 = 60$ |
#
# The last token of a completion is drawn, but never read. (The empty list of end tokens keeps all rows at full length, so that the count does not depend on luck.)

# %% [markdown]
# ## Scoring again gives the same numbers
#
# The log-probs were stored while sampling, with a cache, one token a step. The training pass reads prompt and completion in one go, with `grpo_lite.completion_logps` (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) builds it; for now it is enough that it does so). The two must agree, or the ratio does not start at 1.

# %% tags=["result-score-again"]
ragged_mask = ragged != PAD
generator = torch.Generator().manual_seed(0)
group = grpo_lite.sample_group(
    model, ragged, 4, prompt_mask=ragged_mask, generator=generator, **settings
)
with torch.no_grad():
    again = grpo_lite.completion_logps(
        model,
        ragged.repeat_interleave(4, dim=0),
        group.ids,
        prompt_mask=ragged_mask.repeat_interleave(4, dim=0),
        completion_mask=group.mask,
    )
ratio = (again - group.logps).exp()
print(f"ratio from {ratio.min():.6f} to {ratio.max():.6f}")

# %% [markdown]
# Two prompts of different length, eight completions, every ratio 1.
#
# ## Dropout moves every number
#
# **Dropout** switches off random parts of the network during training. A model in train mode therefore gives other log-probs at every call. Here the slow loop samples with dropout on, and the training pass scores with dropout off. If the log-probs depended on the model alone, every ratio would be 1.

# %%
model.train()
torch.manual_seed(0)
noisy_ids, noisy_logps = sample_slowly(
    model, prompt, 64, 2, torch.Generator().manual_seed(0)
)
model.eval()
with torch.no_grad():
    again = grpo_lite.completion_logps(
        model, prompt.repeat_interleave(64, dim=0), noisy_ids
    )
ratio = (again - noisy_logps).exp()
print(f"ratio from {ratio.min():.2f} to {ratio.max():.2f}")
print(f"outside 0.8 to 1.2: {(ratio - 1).abs().gt(0.2).double().mean():.0%}")

# %% [markdown]
# Nothing has been learned, and more than one ratio in four lies outside of 0.8 to 1.2, the range that the clip allows. This is why `sample_group` puts the model into eval mode, and afterwards back into its old mode. Score in eval mode too, or set the dropout of the config to 0. Eval mode does not switch gradients off.

# %% [markdown]
# **Check yourself.** You score a fresh batch, before any update since it was sampled, and the ratios run from 0.7 to 1.4. Which of these can *not* be the cause?
#
# <details class="wrong"><summary>Dropout is on while scoring</summary>It can: the network that scores is then another one at every call.</details>
# <details class="right"><summary>The learning rate is too high</summary>No update has been made since, so the weights that score are those that sampled. What differs is how they are used.</details>
# <details class="wrong"><summary>Sampling has temperature 1, scoring has 1.5</summary>It can: the tokens are drawn from one distribution and scored with another.</details>
# <details class="wrong"><summary>Prompts are padded on the left, and scoring forgets the position ids</summary>It can: the prompt is then read at other positions than when it was sampled from.</details>

# %% [markdown]
# ## Break it
#
# A small vocabulary with settings copied from a big model: GPT-2's end token has id 50256, our ids end at 13.
#
# **Predict.** What do the completions look like, and what does the mask say?

# %%
wrong = dict(max_new_tokens=8, eos_token_id=50256, pad_token_id=50256)
endless = sample_group(
    model, prompt, 4, generator=torch.Generator().manual_seed(5), **wrong
)
decode(endless.ids)

# %% tags=["result-no-end"]
endless.mask.sum(dim=1)

# %% [markdown]
# The model draws its end token, and nobody listens. It goes on after the answer, and every token of that counts: all four completions have the full length of 8, cut off at the limit. Whatever is learned from them is mostly learned from what came after the end.
#
# The padding id is no better. It was not needed here, because no row ever ended. If one did, the id would be looked up in an embedding table that has no such line:

# %%
try:
    model(torch.tensor([[50256]]))
except IndexError as error:
    print(error)

# %% [markdown]
# The repair is to use the special tokens of the model's own vocabulary. The packaged function checks the ids before it draws:

# %%
try:
    grpo_lite.sample_group(model, prompt, 4, **wrong)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Exercises
#
# **1. Temperature and odds.** *Easy, 5 minutes.* Token `a` is 9 times as probable as token `b` at $\tau = 1$. How many times as probable is it at $\tau = 2$, and at $\tau = 1/2$? Does the rest of the vocabulary matter?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The sum below the fraction cancels: $\pi(a)/\pi(b) = e^{(z_a - z_b)/\tau}$, which is the quotient at $\tau = 1$ to the power $1/\tau$. So 3 times at $\tau = 2$ and 81 times at $\tau = 1/2$. The other tokens do not matter.

# %% tags=["solution"]
odds = torch.tensor([9.0, 1.0, 5.0]).log()
for tau in (2.0, 0.5):
    p = (odds / tau).softmax(dim=-1)
    print(tau, round((p[0] / p[1]).item(), 4))

# %% [markdown]
# **2. Silent groups.** *Easy, 10 minutes.* A model answers a prompt correctly with probability $p$, and the reward is 0 or 1. How often do all $G$ rewards of a group agree, so that all its advantages are 0? Compute it for $p = 0.5$ and $p = 0.05$, with $G = 2$, 8 and 32. What does that say about the choice of $G$?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# All right with probability $p^G$, all wrong with $(1-p)^G$; the two add up.

# %% tags=["solution"]
for p in (0.5, 0.05):
    print(p, {G: round(p**G + (1 - p) ** G, 4) for G in (2, 8, 32)})

# %% [markdown] tags=["solution"]
# At $p = 0.5$ a group of 8 is almost never silent. At $p = 0.05$ two thirds of the groups of 8 are, and even of the groups of 32 one in five. So for one prompt: hard prompts need large groups, and prompts that are never solved need something else. For a fixed number of completions, larger groups are also fewer prompts, and find no more right answers (lesson [What matters](https://grpo-lite.github.io/grpo-lite/lessons/what_matters/)).

# %% [markdown]
# **3. Find the bug.** *Easy, 5 minutes.* In the loop with `alive`, two lines have changed places. Which token is lost, and what will the model never learn?

# %%
alive = torch.tensor([True, True])
suspicious_mask = []
for t in range(3):
    alive = alive & (drawn_tokens[:, t] != EOS)
    suspicious_mask.append(alive)
torch.stack(suspicious_mask, dim=1)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The end token of each row is lost: `7.` counts one token instead of two, `12.` two instead of three. No advantage reaches the decision to stop, so the model never learns when to stop.

# %% [markdown]
# ## What to remember
#
# > **Remember.** Draw the group from the whole softmax at one temperature, in eval mode, each row to its own end token, and keep the log-prob of every drawn token. Before the first update, scoring again must give the same numbers, with padding too. Greedy answers are all alike, and a group in agreement teaches nothing.
#
# Sampling $G$ outputs from the old policy is line 7 of algorithm 1 in [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). The transformer with its keys and values is from [Attention Is All You Need (arXiv:1706.03762)](https://arxiv.org/abs/1706.03762); top-p sampling is from [The Curious Case of Neural Text Degeneration (arXiv:1904.09751)](https://arxiv.org/abs/1904.09751).
#
# **From here:** [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/) looks at the log-prob of a token from all sides: the shift, the mask and the memory.
