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
# # Token log-probs
#
# The loss never sees the model. It sees one number for each sampled token: the logarithm of the probability that the model gives it. This lesson computes that number, finds out which tokens count, and shows the ways in which it goes wrong without an error.
#
# **Minutes:** 20 · **Needs:** [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/) · **Gives:** `grpo_lite.token_logps`, `grpo_lite.completion_logps`, `grpo_lite.completion_mask`, `grpo_lite.masked_mean`

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import torch
from transformers import GPT2Config, GPT2LMHeadModel

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()
torch.set_printoptions(sci_mode=False)
torch.set_num_threads(1)  # fastest for a model this small

# %% tags=["setup"]
# The model of lesson "Sampling a group", and two groups of answers.
symbols = "0123456789+=._"
EOS, PAD = symbols.index("."), symbols.index("_")


def encode(texts):
    return torch.tensor([[symbols.index(symbol) for symbol in text] for text in texts])


def half_taught_model(steps=200):
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=14,
        n_positions=32,
        n_embd=32,
        n_layer=1,
        n_head=4,
        bos_token_id=EOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )
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
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].mT, ids[:, 1:], ignore_index=PAD
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


model = half_taught_model()

questions = ["_3+4="] * 4 + ["12+3="] * 4
prompts = encode(["_3+4=", "12+3="])
group = grpo_lite.sample_group(
    model,
    prompts,
    4,
    max_new_tokens=4,
    eos_token_id=EOS,
    pad_token_id=PAD,
    prompt_mask=prompts != PAD,
    generator=torch.Generator().manual_seed(2),
)
names = [*symbols[:-2], "end", "pad"]
texts = [[names[i] for i in row] for row in group.ids.tolist()]

# %% [markdown]
# ## The question
#
# A completion was sampled. Later the loss asks: how probable is it now, and how probable was it then? For each token the answer is one of the numbers that the model has computed along the way.
#
# Here are four answers to `3+4=` and four to `12+3=`, from the half-taught model of lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/): the log-prob of each token, and nothing where the row has ended.

# %% tags=["drawing"] alt="Table of the log-probs of eight completions. The four answers to 3+4= have two tokens: a digit at -0.7 to -2.1 and the end token near 0. Three answers to 12+3= have three tokens: a 1 near 0, a digit at -0.6 to -2.3, and the end token near 0. The last row is a 9 at -5.5 and the end. Cells after the end are empty." caption="Each token has its log-prob, the end token too; behind it nothing counts."
plotting.token_matrix(
    group.logps,
    group.mask,
    tokens=texts,
    rows=[question.strip("_") for question in questions],
    label="log-prob (nats)",
    decimals=3,
    xlabel="token of the completion",
    ylabel="prompt",
)

# %% [markdown]
# The model hesitates over the answer and is nearly sure when to end it. Most of the variety of a group comes from one token a row. How does one get these numbers?
#
# **Predict.** The vocabulary has two tokens, 0 and 1. At the first position the model gives both the logit 0. At the second it gives them 0 and 3. The completion is token 0, then token 1. How probable is each of the two?
#
# ## By hand: two positions, two tokens
#
# The softmax turns logits $z$ into probabilities: $\pi(v) = e^{z_v} / \sum_w e^{z_w}$.
#
# | position | logits | token | probability | log-prob |
# |---|---|---|---|---|
# | 1 | 0, 0 | 0 | $e^0 / (e^0 + e^0) = 0.5$ | $\ln 0.5 = -0.6931$ |
# | 2 | 0, 3 | 1 | $e^3 / (e^0 + e^3) = 0.9526$ | $\ln 0.9526 = -0.0486$ |
#
# The unit of a log-prob is the **nat**. It is 0 for a token that was certain, and it falls without limit as the token gets rarer.

# %% tags=["result-by-hand"]
logits = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]])
ids = torch.tensor([[0, 1]])
print(logits[0, 0].softmax(dim=-1)[0].log())
print(logits[0, 1].softmax(dim=-1)[1].log())

# %% [markdown]
# The tensors have shapes `[B, T, V]` and `[B, T]`: B completions, T tokens each, V tokens in the vocabulary. Here they are 1, 2 and 2.
#
# ## Why the logarithm
#
# The probability of a completion is the product of the probabilities of its tokens.
#
# **Predict.** Two hundred tokens, each with probability one half. What does float32 make of the product?

# %% tags=["result-underflow"]
p = torch.full((200,), 0.5)
print("product    ", p.prod())
print("sum of logs", p.log().sum())

# %% [markdown]
# Zero. The product is $2^{-200}$, and float32 ends at $2^{-149}$. The sum of the logs has no such floor.
#
# The loss needs the quotient of two probabilities, new over old, the **ratio**. Take a rare token, with log-prob −110 now and −110.5 then:

# %% tags=["result-ratio-in-log-space"]
new, old = torch.tensor(-110.0), torch.tensor(-110.5)
print("exp(new) / exp(old)", new.exp() / old.exp())
print("exp(new - old)     ", (new - old).exp())

# %% [markdown]
# Zero over zero is nan, and one nan turns the whole loss into nan. First subtract, then take one exponential.
#
# ## A plain loop
#
# Row by row and token by token: take the logits at this position, take the one of the sampled token $o_t$, subtract the logarithm of the **normaliser**, the sum below the fraction line of the softmax.
#
# $$\log \pi(o_t) = z_{o_t} - \log \sum_{v} e^{z_v}$$


# %% tags=["result-loop"]
def token_logps_in_a_loop(logits, ids, temperature=1.0):
    logps = torch.zeros(ids.shape, dtype=logits.dtype)
    for i in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            z = logits[i, t] / temperature
            logps[i, t] = z[ids[i, t]] - z.exp().sum().log()
    return logps


token_logps_in_a_loop(logits, ids)

# %% [markdown]
# ## Temperature comes before the softmax
#
# Lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/) drew at a temperature, so the score must use the same one, and divide the logits by it. It is tempting to divide the finished log-probs instead, since they are numbers of the same kind.
#
# **Predict.** At temperature 2, what do the probabilities add up to if we divide the log-probs?

# %% tags=["result-temperature"]
z = logits[0, 1]
before = (z / 2).log_softmax(dim=-1)
after = z.log_softmax(dim=-1) / 2
both = torch.stack([before, after]).exp()
columns = {"divided": ["logits", "log-probs"], "0": both[:, 0], "1": both[:, 1]}
plotting.table({**columns, "sum": both.sum(dim=1)}, decimals=4)

# %% [markdown]
# Probabilities add up to 1, and these add up to 1.1938. The normaliser has to be computed from the divided logits, so the division comes first.
#
# ## Vectorised
#
# `gather` picks the logit of each sampled token. `logsumexp` is the normaliser, computed without overflow. Half-precision logits are widened first: bfloat16 keeps between two and three decimal digits, too few for a difference of log-probs.


# %% tags=["define-token_logps"]
def token_logps(logits, ids, *, temperature=1.0):
    if logits.dtype != torch.float64:
        logits = logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    chosen = logits.gather(dim=-1, index=ids[..., None]).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)


# %% tags=["result-token-logps"]
token_logps(logits, ids)

# %% tags=["same-token_logps"] caption="value and gradient, 3 × 5 random tokens, three precisions, two temperatures; the loop agrees"
generator = torch.Generator().manual_seed(0)
random_ids = torch.randint(11, (3, 5), generator=generator)
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    for temperature in (1.0, 0.7):
        random_logits = (
            torch.randn(3, 5, 11, generator=generator).to(dtype).requires_grad_()
        )
        mine = token_logps(random_logits, random_ids, temperature=temperature)
        packaged = grpo_lite.token_logps(
            random_logits, random_ids, temperature=temperature
        )
        torch.testing.assert_close(mine, packaged)
        grads = [
            torch.autograd.grad(logps.square().sum(), random_logits)
            for logps in (mine, packaged)
        ]
        torch.testing.assert_close(grads[0], grads[1])

loop = token_logps_in_a_loop(random_logits.double(), random_ids, temperature=0.7)
torch.testing.assert_close(packaged.double(), loop, rtol=1e-5, atol=1e-5)

# %% [markdown]
# ## What the table would cost
#
# One would expect `logits.log_softmax(dim=-1).gather(...)`. It gives the same numbers. But it builds the log-prob of *every* token of the vocabulary, to keep one of them.
#
# A vocabulary can be large: 151,936 tokens in the Qwen3 models. Take 8 rows with a prompt of 512 and a completion of 512 tokens, in float32 (4 bytes). Sizes in gigabytes:

# %% tags=["result-memory"]
B, P, T, V = 8, 512, 512, 151_936
gigabytes = {
    "logits, all": B * (P + T) * V * 4 / 1e9,
    "logits, completion": B * (T + 1) * V * 4 / 1e9,
    "log-prob table": B * T * V * 4 / 1e9,
    "chosen": B * T * 4 / 1e9,
}
plotting.table({"kept": list(gigabytes), "GB": list(gigabytes.values())}, decimals=6)

# %% [markdown]
# Two savings. We never ask for the logits of the prompt, because nobody scores the prompt (`logits_to_keep` in transformers). And no table of log-probs is kept for the backward pass. (Long completions need [more remedies](../docs/questions.md#memory).)

# %% [markdown] tags=["detail"]
# Autograd hands each tensor that it keeps to `pack`, so we can count the numbers that it keeps in addition to the logits. A small example with B = 2, T = 8, V = 1000:


# %% tags=["result-kept", "detail"]
def numbers_kept(function):
    x = torch.zeros(2, 8, 1000, requires_grad=True)
    kept = {}

    def pack(tensor):
        if tensor.is_floating_point() and tensor.data_ptr() != x.data_ptr():
            kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = function(x, torch.zeros(2, 8, dtype=torch.long))
    return sum(kept.values()), result.shape


print(
    "table ",
    numbers_kept(
        lambda z, ids: z.log_softmax(dim=-1).gather(-1, ids[..., None]).squeeze(-1)
    ),
)
print("gather", numbers_kept(grpo_lite.token_logps))

# %% [markdown] tags=["detail"]
# 16,000 numbers or 16: the factor is the vocabulary. (The logits themselves stay, and half precision or another temperature costs one float32 copy of them.)

# %% [markdown]
# ## The shift
#
# A language model predicts the *next* token. The logits $z_t$ that come out at position $t$ are about the token at $t + 1$:

# %% tags=["diagram"] alt="The prompt 3+4= has P = 4 tokens, at positions 0 to 3, the completion 7 and dot T = 2 tokens, at positions 4 and 5. The model reads all six and gives logits z at each position, which predict the token at the next one: an arrow leads from z at position t to the token at t + 1. The logits at positions 0 to 2 predict tokens of the prompt, and nobody scores those. The last T + 1 = 3 logits are kept. Those at position 3, the last of the prompt, predict the 7; those at position 4 predict the dot; those at position 5 are dropped. So log-probs come out for the two tokens of the completion, from positions P - 1 to P + T - 2." caption="The logits at one position score the token at the next."
plotting.diagram("shift")

# %% [markdown]
# The completion `7.` stands at positions 4 and 5. It is predicted at positions 3 and 4. The first token of the completion is predicted at the last token of the prompt, and the last logits are thrown away.
#
# **Predict.** What do you score if you forget the shift?

# %%
ids = encode(["3+4=7."])
with torch.no_grad():
    logits = model(ids).logits
cuts = {"shifted": logits[:, 3:5], "unshifted": logits[:, 4:6]}
scores = torch.cat([grpo_lite.token_logps(cut, ids[:, 4:6]) for cut in cuts.values()])
plotting.table({"": list(cuts), "7": scores[:, 0], ".": scores[:, 1]}, decimals=4)

# %% [markdown]
# Without the shift we ask, having read `7`, whether the next symbol is another `7`. That score is poor enough to be noticed. The one after it is not: having read the dot, the model expects another dot, and the wrong number looks like a good one.
#
# There is a sharper test, which needs no opinion about good and poor scores. The probability of a token must not depend on that token having been read already. So replace the token at position 5 of the input, and see which scores move. We score the same symbols both times.

# %% alt="Change of the score at positions 1 to 7 when the token at position 5 of the input is replaced. The unshifted score of position 5 itself moves by 2.9 nats. The shifted scores are unchanged up to and including position 5; the first to move is position 6, by 5.6 nats." caption="Unshifted, a score has seen the very token that it scores; shifted, it has not."
ids = encode(["12+3=15."])
changed = ids.clone()
changed[0, 5] = symbols.index("9")
with torch.no_grad():
    logits, logits_changed = model(ids).logits, model(changed).logits


def moved(shift):
    scored = ids[:, 1:]
    position = slice(1 - shift, ids.shape[1] - shift)
    before = grpo_lite.token_logps(logits[:, position], scored)
    after = grpo_lite.token_logps(logits_changed[:, position], scored)
    return (after - before).abs()[0]


plotting.bars(
    {"unshifted": moved(shift=0), "shifted": moved(shift=1)},
    [
        f"{t}\n{symbols[i]}{'→9' if t == 5 else ''}"
        for t, i in enumerate(ids[0, 1:].tolist(), start=1)
    ],
    ylabel="change of score (nats)",
    xlabel="position and token scored; position 5 was replaced",
    colors={"unshifted": "negative", "shifted": "policy"},
)

# %% [markdown]
# Unshifted, the score at position 5 moves when the token there is replaced: the model has seen the answer that it is asked to judge. Shifted, nothing moves up to and including position 5.
#
# > The score of a token depends on it and on the tokens before it, and on none after it.
#
# This is **causality**, and it makes a good test of any code that computes log-probs.

# %% [markdown]
# **Check yourself.** A prompt stands at positions 0 to 4, its completion at positions 5 to 7. The logits of which positions score the completion?
#
# <details class="right"><summary>4 to 6</summary>The logits at a position are about the next token. The end of the prompt predicts the first token of the completion, and the logits at 7 predict nothing that we have.</details>
# <details class="wrong"><summary>5 to 7</summary>At position 5 the model has already read the token at 5. It would be asked about something that it has seen.</details>
# <details class="wrong"><summary>5 and 6</summary>They predict the tokens at 6 and 7. The one at 5 would never be scored.</details>

# %% [markdown]
# ## Score completions
#
# Prompt and completion go through the model in one pass. The shift is done once, here: `logits_to_keep` asks for the logits of the completion and of the one position before it, and the last of them is dropped. Attention mask and position ids take care of prompts that are padded on the left, as in lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/).


# %% tags=["define-completion_logps"]
def completion_logps(
    model,
    prompt_ids,
    completion_ids,
    *,
    prompt_mask=None,
    completion_mask=None,
    temperature=1.0,
):
    if prompt_mask is None:
        prompt_mask = torch.ones_like(prompt_ids, dtype=torch.bool)
    if completion_mask is None:
        completion_mask = torch.ones_like(completion_ids, dtype=torch.bool)
    attention_mask = torch.cat([prompt_mask, completion_mask], dim=1)
    logits = model(
        input_ids=torch.cat([prompt_ids, completion_ids], dim=1),
        attention_mask=attention_mask.long(),
        position_ids=grpo_lite.masking.position_ids(attention_mask),
        logits_to_keep=completion_ids.shape[1] + 1,
    ).logits
    logps = token_logps(logits[:, :-1], completion_ids, temperature=temperature)
    return torch.where(completion_mask, logps, 0)


# %% [markdown]
# The gradient is compared for every parameter of the model, with padding on both sides. What is under the mask comes out as 0.

# %% tags=["same-completion_logps"] caption="value and gradient in all weights, with and without padding, with a temperature"
generator = torch.Generator().manual_seed(0)
prompt_ids = torch.randint(14, (3, 6), generator=generator)
completion_ids = torch.randint(14, (3, 4), generator=generator)
masks = dict(
    prompt_mask=torch.arange(6) >= torch.tensor([[0], [2], [4]]),
    completion_mask=torch.arange(4) < torch.tensor([[4], [1], [3]]),
)
for settings in ({}, masks, dict(masks, temperature=0.7)):
    mine = completion_logps(model, prompt_ids, completion_ids, **settings)
    packaged = grpo_lite.completion_logps(model, prompt_ids, completion_ids, **settings)
    torch.testing.assert_close(mine, packaged)
    grads = [
        torch.autograd.grad(logps.square().sum(), list(model.parameters()))
        for logps in (mine, packaged)
    ]
    torch.testing.assert_close(grads[0], grads[1])

# %% [markdown]
# Score the ids that were drawn, never a text that was tokenized again: it may come back as other tokens (lesson [A model that uses a tool](https://grpo-lite.github.io/grpo-lite/lessons/a_model_that_uses_a_tool/#re-tokenizing)).
#
# ## Which tokens count
#
# The sampler noted [which tokens count](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/#each-row-stops-at-its-own-end). Where only the ids are left, the **completion mask** has to be found from them: `True` up to and including the first end token, since ending there was a decision too.
#
# By hand, with 2 as the end token *and* as the padding, which is common because many tokenizers have no padding token of their own:
#
# | row | ids | mask |
# |---|---|---|
# | ends at the third token | 7, 5, 2, 2 | 1, 1, 1, 0 |
# | never ends | 4, 4, 4, 4 | 1, 1, 1, 1 |
# | ends at once | 2, 2, 2, 2 | 1, 0, 0, 0 |
#
# The ids alone do not tell the end from the padding. The position does, unless a row that was cut off is padded with the end token: in 4, 4, 4, 2, 2 the first 2 would count. So keep the sampler's own mask, `Completions.mask`. (Whether a row that was cut off should teach at all, lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/#options-around-the-loss) asks.)
#
# A token counts if no end token stands *before* it. `cumsum` counts the end tokens up to and including each position; subtracting the token's own leaves those before it. (`isin` allows for several end tokens, as chat models have them.)


# %% tags=["define-completion_mask"]
def completion_mask(completion_ids, eos_token_id):
    is_eos = torch.isin(completion_ids, torch.tensor(eos_token_id))
    ends_before = is_eos.cumsum(dim=1) - is_eos.long()
    return ends_before == 0


# %% tags=["result-mask"]
rows = torch.tensor([[7, 5, 2, 2], [4, 4, 4, 4], [2, 2, 2, 2]])
completion_mask(rows, eos_token_id=2).int()

# %% tags=["same-completion_mask"] caption="200 random rows, one end token and two"
generator = torch.Generator().manual_seed(0)
random_ids = torch.randint(5, (200, 6), generator=generator)
for eos_token_id in (2, [2, 4]):
    mine, packaged = (
        completion_mask(random_ids, eos_token_id),
        grpo_lite.completion_mask(random_ids, eos_token_id),
    )
    torch.testing.assert_close(mine, packaged)
    assert not packaged.requires_grad

# %% [markdown]
# ## Means under a mask
#
# An average over tokens must leave the padding out: of the sum, and of the number that we divide by. By hand, for the rows (1, 3, 100) with the 100 masked, and (5, 5, 5) with everything masked:
#
# | values | mask | masked mean |
# |---|---|---|
# | 1, 3, 100 | 1, 1, 0 | $(1 + 3)/2 = 2$ |
# | 5, 5, 5 | 0, 0, 0 | $0 / \max(0, 1) = 0$ |
#
# Where nothing counts, the mean is 0 and not 0/0.


# %% tags=["define-masked_mean"]
def masked_mean(x, mask, dim=None):
    kept = torch.where(mask, x, 0)
    if dim is None:
        return kept.sum() / mask.sum().clamp(min=1)
    return kept.sum(dim) / mask.sum(dim).clamp(min=1)


# %% tags=["result-masked-mean"]
x = torch.tensor([[1.0, 3.0, 100.0], [5.0, 5.0, 5.0]])
mask = torch.tensor([[True, True, False], [False, False, False]])
print(masked_mean(x, mask, dim=1))
print(masked_mean(x, mask))

# %% tags=["same-masked_mean"] caption="value and gradient, 4 × 6 random numbers, over all, columns and rows, one of them empty"
generator = torch.Generator().manual_seed(0)
x = torch.randn(4, 6, dtype=torch.float64, generator=generator, requires_grad=True)
mask = torch.rand(4, 6, generator=generator) < torch.tensor(
    [[0.0], [0.3], [0.7], [1.0]]
)
for dim in (None, 0, 1):
    mine, packaged = (
        masked_mean(x, mask, dim=dim),
        grpo_lite.masked_mean(x, mask, dim=dim),
    )
    torch.testing.assert_close(mine, packaged)
    grads = [torch.autograd.grad(mean.square().sum(), x) for mean in (mine, packaged)]
    torch.testing.assert_close(grads[0], grads[1])

# %% [markdown]
# Why `where`, when multiplying by the mask is shorter? Because whatever stands under the mask may be inf or nan, and zero times nan is nan.

# %% tags=["result-nan-under-mask"]
x = torch.tensor([1.0, 3.0, float("nan")])
mask = torch.tensor([True, True, False])
print("times", (x * mask).sum() / mask.sum())
print("where", grpo_lite.masked_mean(x, mask))

# %% [markdown]
# For the gradient, the order matters as well. Take the exponential of three log-ratios (log-prob now minus log-prob then); the one under the mask is garbage and overflows.
#
# **Predict.** We mask after the exponential, and the value is right. Is the gradient?

# %% tags=["result-where-before-exp"]
log_ratio = torch.tensor([0.0, 0.1, 1000.0], requires_grad=True)
late = torch.where(mask, log_ratio.exp(), 0).sum()
early = torch.where(mask, log_ratio, 0).exp()[mask].sum()
for name, value in (("late", late), ("early", early)):
    gradient = torch.autograd.grad(value, log_ratio)[0]
    print(f"{name:6}value {value.item():.4f}  gradient {gradient}")

# %% [markdown]
# Backward, the masked entry receives a gradient of 0, and multiplies it by the derivative of its exponential, which is inf. Zero times inf is nan. Masked values are replaced *before* any exponential.
#
# And score in eval mode: dropout moves every log-prob, more than one in four by more than the clip allows (lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/#dropout-moves-every-number)).

# %% [markdown]
# ## Break it
#
# A common way to find the padding: a token is padding if its id is the padding id. When padding and end token share an id, this takes the end token away as well.

# %% tags=["result-mask-by-id"]
by_id = (rows != 2).int()
by_position = grpo_lite.completion_mask(rows, eos_token_id=2).int()
columns = {"ids": rows, "mask by id": by_id, "by position": by_position}
plotting.table(columns)

# %% [markdown]
# Each row that ends has lost a token, and the row that ends at once has none left.
#
# **Predict.** What does the model learn from a good completion whose end token is masked out?
#
# The smallest policy that can show it: two positions, and a vocabulary of two, `7` (id 0) and the end (id 1). It starts undecided. The completion `7`, end was right, so each step raises the masked mean of its log-probs.

# %% alt="Probability of ending after the 7 over 30 updates. With the mask by position it rises from 0.5 to 0.97. With the mask by id it stays at 0.5." caption="Masked by id, the end is never learnt."
completion = torch.tensor([[0, 1]])
curves = {}
for name, mask in {
    "by position": grpo_lite.completion_mask(completion, 1),
    "by id": completion != 1,
}.items():
    z = torch.zeros(1, 2, 2, requires_grad=True)
    curves[name] = []
    for _ in range(31):
        curves[name].append(z[0, 1].softmax(dim=-1)[1].item())
        objective = grpo_lite.masked_mean(grpo_lite.token_logps(z, completion), mask)
        z = (z + torch.autograd.grad(objective, z)[0]).detach().requires_grad_()

plotting.lines(
    range(31),
    curves,
    xlabel="update",
    ylabel="probability of the end after 7",
    colors={"by position": "policy", "by id": "negative"},
    marks={(6, 0.55): "the end is masked: nothing pushes it"},
)

# %% [markdown]
# Masked by id, the model is praised for the `7` and never for stopping. Masked by position, it learns both.

# %% [markdown]
# **Check yourself.** Another tokenizer has a padding token of its own, with id 0, and its end token has id 2. Is `ids != 0` a good completion mask now?
#
# <details class="wrong"><summary>Yes: only padding falls out</summary>The end token is safe now. But 0 is a token of the vocabulary too, and the model may draw it in the middle of a text.</details>
# <details class="wrong"><summary>No: the end token falls out</summary>Not here: it has another id than the padding.</details>
# <details class="right"><summary>No: a 0 that the model drew itself falls out too</summary>Drawing it was a decision, so it counts. In 7, 0, 5, 2, 0 four tokens count, and this mask keeps three. Only the position after the first end token says what is padding.</details>

# %% [markdown]
# ## Exercises
#
# **1. Two numbers of a completion.** *Easy, 5 minutes.* The log-probs of a completion of two tokens are −0.5 and −1.5. What is its probability, and what is the mean log-prob per token? Which of these two numbers, the probability or the mean, gets smaller with every further token, whatever the text says?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The sum is −2, so the probability is $e^{-2} = 0.1353$. The mean is −1. Each further token can only lower the sum, and the probability with it, so long completions are improbable whatever they say. The mean per token has no such drift. The loss of lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) works with means over tokens too.

# %% [markdown]
# **2. Find the bug.** *Medium, 10 minutes.* A colleague asks for the logits of the T completion tokens, and shifts logits and ids by one as usual. No error appears. Which token is never trained?


# %%
def suspicious_logps(model, prompt_ids, completion_ids):
    ids = torch.cat([prompt_ids, completion_ids], dim=1)
    logits = model(ids, logits_to_keep=completion_ids.shape[1]).logits
    return grpo_lite.token_logps(logits[:, :-1], completion_ids[:, 1:])


with torch.no_grad():
    print(suspicious_logps(model, encode(["3+4="]), encode(["7."])).shape)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# The first token of the completion. It is predicted at the last token of the prompt, and those logits were not kept: T logits, one dropped, leave T − 1 scores. For `7.` the missing token is the answer. Keep T + 1 logits.

# %% tags=["solution"]
with torch.no_grad():
    print(grpo_lite.completion_logps(model, encode(["3+4="]), encode(["7."])).shape)

# %% [markdown]
# **3. Will it fit?** *Easy, 5 minutes.* 10 GB are free. A group of 16 completions of 1,024 tokens, the vocabulary of 151,936, logits in bfloat16 (2 bytes) and a float32 copy of them (4 bytes). How many rows fit into one pass, and how many passes does the group need?

# %%
# Your turn.

# %% tags=["solution"]
row = 1025 * 151_936 * (2 + 4)
print(f"{row / 1e9:.2f} GB a row, {int(10e9 // row)} rows in a pass")

# %% [markdown] tags=["solution"]
# Ten rows fit, so two passes, of eight rows each. All 16 at once would need 15 GB. With a large vocabulary, the logits can be larger than the model. Fewer rows in each pass is the plain remedy.

# %% [markdown]
# ## What to remember
#
# > **Remember.** The logits at one position predict the next token. Divide them by the temperature first, pick the sampled token, subtract the normaliser. Count tokens up to and including the first end token, found by position and not by id. Stay in log space, replace masked values before any exponential, and score with dropout off.
#
# The symbol $\pi_\theta(o_{i,t} \mid q, o_{i,<t})$ for the probability that is scored here, and the sum over $t \le \lvert o_i \rvert$ that the mask cuts off, stand in equation 3 of [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). Dropout is from [arXiv:1207.0580](https://arxiv.org/abs/1207.0580).
#
# **From here:** [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/) uses them for more than one step, and says how far one may go.
