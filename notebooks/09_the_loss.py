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
# # The loss
#
# Ratios, advantages, KL and mask become one number with a gradient. This lesson puts the loss together token by token, and explains why it starts at 0 although the model learns from its very first step.
#
# **Minutes:** 20 · **Needs:** [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/), [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/) · **Gives:** `grpo_lite.grpo_loss`

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import json
from importlib.resources import files

import torch
from torch.nn.utils.rnn import pad_sequence

import grpo_lite
from grpo_lite import plotting

plotting.use_site_style()

# %% [markdown]
# ## The question
#
# Here is a group of four completions of `3+4=`; the first and the last are right. The second was cut off at the limit of five tokens. Each token has its ratio. Which tokens are pushed, and how much does each of them weigh?

# %% tags=["diagram"] alt="A group of four completions of 3+4= as a matrix: a row for each completion, a cell for each token with its ratio. Rewards 1, 0, 0, 1 give the rows the advantages +0.87, -0.87, -0.87, +0.87. Row 1: 7 with ratio 1.35, clipped, and the end token with 1.08, pushed up; then three cells of padding, not counted. Row 2, cut off without an end token: ratios 0.92, 0.71, 1.30, 0.97, 1.02; the 0.71 is clipped, the others are pushed down. Row 3: 8 with 0.64, clipped, and the end token with 0.95, pushed down. Row 4: ratios 0.74, pushed up, 1.24, clipped, and the end token with 1.12, pushed up. A token of row 1 weighs 1/8, of row 2 1/20, of row 3 1/8, of row 4 1/12." caption="One group on its way into the loss: advantage by row, ratio by token, weight by length."
plotting.diagram("loss-matrix")

# %% [markdown]
# One number comes out of such a matrix, and beginners report three things of it. It is 0.0000, as on the first update with fresh samples. It is slightly negative, as on a further update with the same samples ($\mu > 1$). It *rises* while the answers get better, as with a KL penalty ($\beta > 0$). All three are normal, and you will be able to say why.
#
# The pieces, for each token: the ratio $\rho_{i,t}$ of new to old probability, the clip, the KL estimate $k_3$ (0 if there is no leash). For each completion: its advantage $\hat A_i$ and its length $\lvert o_i \rvert$. The loss joins them:
#
# $$\mathcal L = -\frac1B \sum_{i=1}^{B} \frac{1}{\lvert o_i \rvert} \sum_{t=1}^{\lvert o_i \rvert} \Big[ \min\big(\rho_{i,t} \hat A_i,\ \operatorname{clip}(\rho_{i,t}, 1-\epsilon, 1+\epsilon)\, \hat A_i\big) - \beta\, k_{3,i,t} \Big]$$
#
# Read it from the inside: one number a token, the mean over the tokens of a completion, the mean over the completions, a minus sign because optimisers minimise. $B$ is the number of rows in the batch, all groups together; the paper writes it for one group, where $B = G$.
#
# ## A ragged batch
#
# Take the prompt `3+4=` and a group of two. The first answers `7` and stops; the second answers `122` and stops. The end token, drawn as ■, is a token like any other: stopping there was a decision. So the lengths are 2 and 4, and the first row carries two cells of padding that must not count. Some updates have already been made, so the ratios are no longer 1. The advantages, +1 and −1, are made up, to keep the sums round; rewards of 1 and 0 would give ±0.707.

# %%
tokens = [["7", "■", "", ""], ["1", "2", "2", "■"]]
mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
advantages = torch.tensor([1.0, -1.0])

logps = torch.tensor([[-0.9, -0.2, 0.0, 0.0], [-1.6, -0.7, -1.4, -0.4]])
old_logps = torch.tensor([[-1.2, -0.3, 0.0, 0.0], [-1.4, -0.6, -1.0, -0.5]])
ref_logps = torch.tensor([[-1.3, -0.3, 0.0, 0.0], [-1.4, -0.7, -0.9, -0.6]])

# %% [markdown]
# **First matrix: the ratios.** How much more likely is each token now than when it was sampled?

# %% alt="Ratios by token. Completion 7 with its end token: 1.35 and 1.11, then two empty cells. Completion 122 with its end token: 0.82, 0.90, 0.67, 1.11." caption="The first completion has become likelier, most tokens of the second rarer."
ratio = grpo_lite.importance_ratio(logps, old_logps, mask)
plotting.token_matrix(ratio, mask, tokens=tokens, label="ratio ρ", middle=1.0)

# %% [markdown]
# **Second matrix: the surrogate.** Each ratio is multiplied by the advantage of its row and clipped. All tokens of a completion share one advantage: the reward judged the whole answer, not a token.

# %% alt="Surrogate by token. Row one: 1.20 and 1.11. Row two: minus 0.82, minus 0.90, minus 0.80, minus 1.11." caption="The clip changes two tokens of six: 1.35 becomes 1.20, and 0.67 counts as 0.80."
surrogate = grpo_lite.clipped_surrogate(ratio, advantages)
plotting.token_matrix(
    surrogate, mask, tokens=tokens, label="surrogate, to be maximised"
)

# %% [markdown]
# The clip has changed two tokens, 1.35 and 0.67. Both have moved far enough in the right direction. From here on the reward pushes them no further.
#
# **Third matrix: the KL estimate.** How far is each token from the reference? The estimate knows nothing of rewards and is never negative.

# %% alt="KL estimate by token. Row one: 0.070 and 0.005. Row two: 0.021, 0.000, 0.149, 0.019." caption="The token that has moved furthest pays most."
kl = grpo_lite.kl_k3(logps, ref_logps)
plotting.token_matrix(
    kl, mask, tokens=tokens, decimals=3, label="KL estimate k₃ (nats)"
)

# %% [markdown]
# **Fourth matrix: the weight of a token.** The mean over a completion, then over completions, gives each token the weight $1/(B \lvert o_i \rvert)$.

# %% tags=["result-token-weights"] alt="Weight of a token in the loss. The two tokens of the short completion weigh 0.250 each, the four tokens of the long one 0.125 each." caption="A token of the short completion weighs twice as much as one of the long."
weight = mask / mask.sum(dim=1, keepdim=True) / len(mask)
print(weight)
plotting.token_matrix(
    weight, mask, tokens=tokens, decimals=3, label="weight of a token"
)

# %% [markdown]
# Each *completion* weighs one half. The loss types differ in exactly this matrix; we come back to it.
#
# **Multiply and add.** Weight × (surrogate − β · KL), added up, with a minus sign in front:

# %% tags=["result-four-matrices"]
beta = 0.04
parts = {"policy part": -weight * surrogate, "KL part": weight * kl}
parts["loss"] = -weight * (surrogate - beta * kl)
sums = [part.sum() for part in parts.values()]
plotting.table({"part": list(parts), "sum": sums}, decimals=4)

# %% [markdown]
# The KL part stands here before $\beta$: $-0.1227 + 0.04 \cdot 0.0424 = -0.1210$. The loss is no distance from a target, so 0 is not its floor: its policy part is minus a weighted mean of ratio × advantage, clipped, and advantages have both signs.

# %% [markdown] tags=["detail"]
# The same with two loops, one token at a time. The mask decides which tokens are visited, so padding cannot leak in.


# %% tags=["detail"]
def loss_in_a_loop(logps, old_logps, ref_logps, advantages, mask, beta, epsilon=0.2):
    total = 0.0
    for i in range(len(mask)):
        counted = [t for t in range(mask.shape[1]) if mask[i, t]]
        for t in counted:
            ratio = (logps[i, t] - old_logps[i, t]).exp()
            clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
            gain = min(ratio * advantages[i], clipped * advantages[i])
            d = ref_logps[i, t] - logps[i, t]
            total += (gain - beta * (d.exp() - d - 1)) / len(counted)
    return -total / len(mask)


# %% tags=["detail", "result-loop"]
print(loss_in_a_loop(logps, old_logps, ref_logps, advantages, mask, beta=0.04))

# %% [markdown]
# ## Vectorised
#
# Earlier lessons in a row: ratio, clip, KL, mean over the mask. Of the four numbers that come back only `loss` has a gradient; the others are there to be watched.
#
# `old_logps=None` means on-policy: the policy is its own old policy. Then the ratio is $\pi_\theta$ divided by a frozen copy of itself, which is 1 in value and still has a gradient.
#
# This is the loss of the paper. More settings of the packaged function belong to its relatives, which lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/) builds from the same three pieces: a ratio, an objective, and a way to average. Their defaults are what you see here.


# %% tags=["define-grpo_loss"]
def grpo_loss(
    logps,
    old_logps,
    advantages,
    mask,
    *,
    ref_logps=None,
    beta=0.0,
    epsilon=0.2,
    epsilon_high=None,
    delta=None,
):
    old_logps = logps if old_logps is None else old_logps
    high = epsilon if epsilon_high is None else epsilon_high
    ratio = grpo_lite.importance_ratio(logps, old_logps, mask)
    surrogate = grpo_lite.clipped_surrogate(
        ratio, advantages, epsilon=epsilon, epsilon_high=high, delta=delta
    )
    policy_loss = grpo_lite.masked_mean(-surrogate, mask, dim=1).mean()

    kl = torch.zeros_like(policy_loss)
    if ref_logps is not None:
        k3 = grpo_lite.kl_k3(
            torch.where(mask, logps, 0), torch.where(mask, ref_logps, 0)
        )
        kl = grpo_lite.masked_mean(k3, mask, dim=1).mean()

    good = advantages[:, None] > 0
    bad = advantages[:, None] < 0
    clipped = (good & (ratio > 1 + high)) | (bad & (ratio < 1 - epsilon))
    clip_fraction = grpo_lite.masked_mean(clipped.to(ratio.dtype), mask)
    return grpo_lite.LossOutput(
        policy_loss + beta * kl, policy_loss.detach(), kl.detach(), clip_fraction
    )


# %% tags=["result-vectorised"]
out = grpo_loss(logps, old_logps, advantages, mask, ref_logps=ref_logps, beta=0.04)
plotting.table({"part": out._fields, "value": out}, decimals=6)

# %% [markdown]
# The same loss as from the four matrices. Two of six tokens are clipped: 0.333.
#
# Now against the package. No gradient may flow into the three constants: what the old policy did, what the reference thinks, and how good the answer was are facts of the past.

# %% tags=["same-grpo_loss"] caption="loss, its parts and gradient, 6 × 5 random tokens with padding, on-policy and off, four settings; constants stay constants"
generator = torch.Generator().manual_seed(0)
a, b, c = (
    -3 * torch.rand(6, 5, dtype=torch.float64, generator=generator) for _ in range(3)
)
random_advantages = torch.randn(6, dtype=torch.float64, generator=generator)
random_mask = torch.arange(5) < torch.tensor([5, 1, 3, 0, 2, 4])[:, None]


def value_and_gradient(loss_function, old, **settings):
    leaf = a.clone().requires_grad_()
    out = loss_function(leaf, old, random_advantages, random_mask, **settings)
    out.loss.backward()
    return [*out, leaf.grad]


for old in (None, b):
    for settings in (
        {},
        {"ref_logps": c},
        {"ref_logps": c, "beta": 0.1, "epsilon": 0.1},
        {"epsilon_high": 0.28, "delta": 1.5},
    ):
        mine = value_and_gradient(grpo_loss, old, **settings)
        packaged = value_and_gradient(grpo_lite.grpo_loss, old, **settings)
        for x, y in zip(mine, packaged, strict=True):
            torch.testing.assert_close(x.detach(), y.detach())

# Constants stay constants, even when they are handed over with a gradient.
constants = [x.clone().requires_grad_() for x in (b, random_advantages, c)]
for function in (grpo_loss, grpo_lite.grpo_loss):
    out = function(
        a.clone().requires_grad_(),
        constants[0],
        constants[1],
        random_mask,
        ref_logps=constants[2],
        beta=0.1,
    )
    assert torch.autograd.grad(out.loss, constants, allow_unused=True) == (
        None,
        None,
        None,
    )

# %% [markdown]
# From here on we use `grpo_lite.grpo_loss`.

# %% [markdown] tags=["detail"]
# Here are the eight completions that go through the loop in lesson [The map](https://grpo-lite.github.io/grpo-lite/lessons/the_map/), at the last of their three updates, from log-probs to the loss that stands there:

# %% tags=["detail", "result-eight-answers"]
recorded = files("grpo_lite") / "data" / "recording.json"
batch = json.loads(recorded.read_text())["batch"]
then, now = (
    pad_sequence([torch.tensor(row) for row in batch[name]], batch_first=True)
    for name in ("old_logps", "logps")
)
lengths = torch.tensor([len(row) for row in batch["logps"]])
counted = torch.arange(10) < lengths[:, None]
out = grpo_lite.grpo_loss(now, then, torch.tensor(batch["advantages"]), counted)
print(f"loss {out.loss:.4f}, recorded {batch['loss']:.4f}")
print(f"clipped {out.clip_fraction * counted.sum():.0f} of {counted.sum()} tokens")

# %% [markdown]
# ## Who is pushed
#
# Back to the group of four. Four tokens have moved beyond the clip in the good direction and get no push. Two others are outside of the range as well, the 1.30 of a wrong answer and the 0.74 of a right one. They have moved the wrong way, so they are pushed: the way back is open. The loss says the same. Here is its push on each log-prob, minus the gradient:

# %% tags=["result-who-is-pushed"]
ratios = torch.tensor(
    [
        [1.35, 1.08, 1.00, 1.00, 1.00],
        [0.92, 0.71, 1.30, 0.97, 1.02],
        [0.64, 0.95, 1.00, 1.00, 1.00],
        [0.74, 1.24, 1.12, 1.00, 1.00],
    ]
)
counts = torch.arange(5) < torch.tensor([2, 5, 2, 3])[:, None]
relative = grpo_lite.group_advantages(torch.tensor([1.0, 0.0, 0.0, 1.0]), 4)
leaf = (ratios.log() - 1).requires_grad_()
out = grpo_lite.grpo_loss(leaf, torch.full((4, 5), -1.0), relative, counts)
out.loss.backward()
print(0 - leaf.grad)
print(f"clipped {out.clip_fraction:.3f}")

# %% [markdown]
# Each push is weight × advantage × ratio. For the end token of the first row that is $1/8 \cdot 0.866 \cdot 1.08 = 0.117$.
#
# ## Why the loss starts at 0
#
# The group of two again. At the first step the policy *is* the old policy: every ratio is 1.
#
# **Predict.** What is the loss then? And what is its gradient?

# %% tags=["result-first-step"]
leaf = logps.clone().requires_grad_()
out = grpo_lite.grpo_loss(leaf, None, advantages, mask)
out.loss.backward()
print("loss    ", out.loss)
print("gradient", leaf.grad)

# %% [markdown]
# > At the first step the loss is 0, and the gradient is not.
#
# With $\rho = 1$ every token of completion $i$ contributes $\hat A_i$. The mean over the completion is $\hat A_i$ again, and the advantages of a group add up to 0. The *value* carries no information at all: it would be 0 for any rewards.
#
# The *slope* is another matter. The derivative of a ratio with respect to $\log \pi_\theta$ is the ratio itself, here 1. So each token is pushed by $\hat A_i / (B \lvert o_i \rvert)$, up in one row and down in the other. Values of opposite sign cancel when they are added to one number. Slopes do not, because they belong to different tokens. After an update along them the surrogates of the *same* batch are higher, so its loss falls a little below 0: that is the slightly negative loss of the opening.

# %% alt="The push on each log-prob, minus the gradient of the loss. The two tokens of completion 7 are pushed up by 0.250 each, the four tokens of completion 122 down by 0.125 each." caption="Up for the better completion, down for the worse, as strong as the weights."
plotting.token_matrix(
    -leaf.grad,
    mask,
    tokens=tokens,
    decimals=3,
    label="push on the log-prob: −∂loss/∂logp",
)

# %% [markdown]
# **Check yourself.** Two groups at their first step, with $\beta = 0$. One has the rewards 1, 0, the other 1, 1. Both losses print 0. From which does the model learn?
#
# <details class="wrong"><summary>From neither: the loss is 0</summary>The value is 0 for any rewards. The slopes of the first group are not: one completion goes up, the other down.</details>
# <details class="right"><summary>From the first</summary>Its advantages have two signs, which cancel in the value and not in the slopes. In the second group every advantage is 0.</details>
# <details class="wrong"><summary>From both: right answers are rewarded</summary>A reward does not push, an advantage does. In 1, 1 nobody is better than the other.</details>

# %% [markdown]
# ## The first gradient is REINFORCE, divided by each length
#
# Lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) ended at log-prob times advantage, which is REINFORCE with a baseline. Written as a loss, with the same weights: $-\frac1B \sum_i \frac{1}{\lvert o_i \rvert} \sum_t \hat A_i \log \pi_\theta(o_{i,t})$. It has no ratio, no clip, no old policy. Another value, and at the first step the same gradient in every entry:

# %% [markdown] tags=["detail"]
# A small model: a table of logits in which each token predicts the next.

# %% tags=["detail"]
model = torch.randn(
    10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
).requires_grad_()
previous = torch.randint(10, (4, 6), generator=torch.Generator().manual_seed(2))
sampled = torch.randint(10, (4, 6), generator=torch.Generator().manual_seed(3))
lengths_mask = torch.arange(6) < torch.tensor([6, 2, 4, 3])[:, None]
model_advantages = grpo_lite.group_advantages(
    torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64), 4
)

model_logps = grpo_lite.token_logps(model[previous], sampled)

# %% tags=["detail", "result-reinforce"]
grpo = grpo_lite.grpo_loss(model_logps, None, model_advantages, lengths_mask).loss
reinforce = -grpo_lite.masked_mean(
    model_advantages[:, None] * model_logps, lengths_mask, dim=1
).mean()

(grpo_gradient,) = torch.autograd.grad(grpo, model, retain_graph=True)
(reinforce_gradient,) = torch.autograd.grad(reinforce, model)

torch.testing.assert_close(grpo_gradient, reinforce_gradient)
norms = [grpo_gradient.norm(), reinforce_gradient.norm()]
columns = {"loss": [grpo, reinforce], "gradient norm": norms}
plotting.table({"": ["grpo", "reinforce"], **columns}, decimals=4)

# %% [markdown]
# On the first step after sampling, GRPO *is* REINFORCE, with the group mean as baseline, the group's spread as unit, and each completion divided by its length. The length is no part of REINFORCE: without it the gradient is another vector, at a cosine of 0.93 here, 0.44 for lengths 60, 5, 10, 40 ([computed in a test](https://github.com/grpo-lite/grpo-lite/blob/main/tests/test_claims.py)), and 1 for equal ones.
#
# ## Only the mean per completion starts at 0
#
# There are other ways to average, and TRL names them by `loss_type`; its default is `"dapo"`. `"bnpo"` and `"dapo"` take one mean over all tokens (they differ only where a batch is cut into parts, as in the next lesson); `"dr_grpo"` divides by a constant, the number of completions times the length limit. The group of two again, ratio 1, lengths 2 and 4.
#
# **Predict.** Which of them start at 0? Which sign have the others?

# %% tags=["result-four-averages"]
types = ["grpo", "bnpo", "dapo", "dr_grpo"]


def first_losses(signs):
    four = {"max_completion_length": 4}
    outs = (
        grpo_lite.grpo_loss(logps, None, signs, mask, loss_type=loss_type, **four)
        for loss_type in types
    )
    return [out.loss for out in outs]


short_better, long_better = first_losses(advantages), first_losses(-advantages)
plotting.table(
    {
        "loss type": types,
        "short one better": short_better,
        "long one better": long_better,
    },
    decimals=4,
)

# %% [markdown]
# Over all tokens, the long completion has four votes and the short one two. If the long one is the worse, the sum is $2 \cdot 1 - 4 \cdot 1 = -2$, and the loss is $+2/6$ or $+2/(2 \cdot 4)$. If it is the better one, the signs turn round. So in these types the first loss tells you whether the longer or the shorter answers won, and nothing about how good they were.
#
# With `grpo` a long wrong answer is punished less per token than a short one. [Dr. GRPO (arXiv:2503.20783)](https://arxiv.org/abs/2503.20783) calls this a length bias. [DAPO (arXiv:2503.14476)](https://arxiv.org/abs/2503.14476) changes the average for a related reason. Where lengths differ much, take one of theirs; where they hardly differ, it hardly matters. Lesson [The family](https://grpo-lite.github.io/grpo-lite/lessons/the_family/#averages) goes through all of them.
#
# **Try it.** Change a length and the loss type. Which tokens of the *other* completions change their weight?
#
# <loss-explorer>On the site there is a picture to play with here.</loss-explorer>
#
# ## A loss that rises
#
# A policy that chooses one of five answers, one of them right. It starts out as the reference, all five equally likely. Each step samples 256 answers, and takes one gradient step on the loss with $\beta = 0.1$.

# %% tags=["detail"]
logits = torch.zeros(5, requires_grad=True)
uniform = torch.full((256, 1), 0.2).log()
generator = torch.Generator().manual_seed(0)
history = {"reward": [], "loss": []}

for _ in range(40):
    answers = torch.multinomial(
        logits.detach().softmax(0), 256, replacement=True, generator=generator
    )
    step_advantages = grpo_lite.group_advantages((answers == 3).float(), 256)
    step_logps = logits.log_softmax(0)[answers][:, None]
    everything = torch.ones(256, 1, dtype=torch.bool)
    out = grpo_lite.grpo_loss(
        step_logps, None, step_advantages, everything, ref_logps=uniform, beta=0.1
    )
    history["reward"].append(logits.detach().softmax(0)[3].item())
    history["loss"].append(out.loss.item())
    torch.testing.assert_close(out.loss, 0.1 * out.kl, rtol=0, atol=1e-6)
    (gradient,) = torch.autograd.grad(out.loss, logits)
    logits = (logits - 0.5 * gradient).detach().requires_grad_()

# %% [markdown]
# **Predict.** The reward goes up. Where does the loss go?

# %% tags=["drawing"] alt="Two panels over 40 steps. The chance of the right answer rises smoothly from 0.2 to 0.98; the loss starts at 0, rises with it to about 0.12 by step 16, and then jumps between 0.10 and 0.22." caption="The policy gets better while its loss rises."
plotting.lines(
    torch.arange(40),
    {"reward": history["reward"]},
    {"loss": history["loss"]},
    titles=["chance of the right answer", "loss: it rises while the policy learns"],
    xlabel="step",
    ylabel="",
    colors={"reward": "positive"},
)

# %% [markdown]
# A perfect run, and the loss goes up. With one step per batch its policy part is 0 at *every* step (the cell asserts it), so all you see is $\beta$ times the KL estimate: the further the policy moves from the reference, the higher the loss. It rises *because* the policy learns. (Late it jumps: wrong answers are rare by then, and each that is drawn has a large $k_3$.)
#
# The samples change after every step, so no two points of a loss curve can be compared. Watch the mean reward on held-out prompts, the share of groups with all rewards equal, `kl`, `clip_fraction` and the lengths instead; lesson [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) says what each of them tells.

# %% [markdown]
# **Check yourself.** Two runs with the same settings end with losses of −0.02 and 0.12. Which model is better?
#
# <details class="wrong"><summary>The first: lower is better</summary>The loss is no distance from a target. A policy that learned and moved away from the reference can have the higher one, as above.</details>
# <details class="wrong"><summary>The second: the loss rises as a policy learns</summary>Here it did. But the KL part rises just as well when a policy drifts and learns nothing.</details>
# <details class="right"><summary>The losses cannot say</summary>Each was measured on samples of its own, and neither knows how good the answers are. Compare rewards on held-out prompts.</details>

# %% [markdown]
# ## Padding adds nothing
#
# Whatever stands under the mask must change neither the value nor the gradient. The masked log-probs are replaced *before* the first exponential (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/#means-under-a-mask)), so even inf and nan there do no harm:

# %% tags=["detail", "result-garbage"]
for garbage in (0.0, -torch.inf, torch.inf, torch.nan):
    leaf = torch.where(mask, logps, garbage).requires_grad_()
    old = torch.where(mask, old_logps, -garbage)
    out = grpo_lite.grpo_loss(
        leaf,
        old,
        advantages,
        mask,
        ref_logps=torch.where(mask, ref_logps, garbage),
        beta=0.04,
    )
    out.loss.backward()
    print(f"{garbage:5} {out.loss:.6f}", leaf.grad[0])

# %% [markdown]
# ## The road of a batch
#
# All functions of the core path stand on one road. `aggregate` takes the mean that `loss_type` names. Only the policy's log-probs carry a gradient; advantages, old log-probs and those of the reference are constants.

# %% tags=["diagram", "figure-road"] alt="From top to bottom, the functions of grpo_lite and the shapes between them. sample_group takes prompt ids [N, P] and gives ids, mask and the old log-probs, [B, T] each. On the left, the ids go as text to score_completions, which gives [B, K]; combine_rewards makes [B] of it, group_advantages makes advantages [B]. On the right, completion_logps scores ids with the policy and, if beta is above 0, with the reference, [B, T] each. All meet inside grpo_loss: importance_ratio compares policy and old log-probs, clipped_surrogate takes ratio and advantages, kl_k3 compares policy and reference; each gives [B, T]. aggregate, with the mask, makes one number. Its backward pass leads to the policy." caption="From prompt to gradient, function by function."
plotting.diagram("road")

# %% [markdown]
# ## Break it
#
# **Padding counted as tokens.** One forgotten argument: `mean(dim=1)` over the width of the batch in place of the mean over the mask.
#
# **Predict.** What happens to the short completion of the group of two? And what if the batch is padded to 8 columns instead of 4?


# %% tags=["result-padding-counted"]
def padding_counted(logps, advantages, mask):
    surrogate = grpo_lite.importance_ratio(logps, logps, mask) * advantages[:, None]
    return -torch.where(mask, surrogate, 0).mean(dim=1).mean()


for width in (4, 8):
    wide_mask = torch.nn.functional.pad(mask, (0, width - 4))
    leaf = torch.nn.functional.pad(logps, (0, width - 4)).requires_grad_()
    loss = padding_counted(leaf, advantages, wide_mask)
    loss.backward()
    ours = grpo_lite.grpo_loss(leaf.detach(), None, advantages, wide_mask).loss
    print(f"width {width}: loss {loss:.4f}   ours {ours:.4f}")
    print("  gradient, first column", leaf.grad[:, 0])

# %% [markdown]
# The good short answer is pushed with half its force (0.125 instead of 0.25). Doubling the padding halves the whole gradient once more, although not a single token has changed: a batch that happens to hold a long completion now weighs less than the others. No error appears, and the loss is a plausible number.
#
# The other classic is the [end token masked out](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/#break-it).

# %% [markdown]
# ## Exercises
#
# **1. By hand.** *Easy, 10 minutes.* Two completions of two tokens, $\hat A = +1$ and $-1$, ratios 1.5, 0.9 and 1.1, 0.5, $\epsilon = 0.2$, $\beta = 0$. What is the loss, and which tokens are pushed?

# %%
# Your turn.

# %% tags=["solution", "result-by-hand"]
leaf = torch.tensor([[1.5, 0.9], [1.1, 0.5]]).log().requires_grad_()
both = torch.ones(2, 2, dtype=torch.bool)
out = grpo_lite.grpo_loss(leaf, torch.zeros(2, 2), torch.tensor([1.0, -1.0]), both)
out.loss.backward()
print(f"loss {out.loss:.2f}", 0 - leaf.grad, sep="\n")

# %% [markdown] tags=["solution"]
# | token | ratio $\rho$ | plain $\rho \hat A$ | clipped | the smaller one |
# |---|---|---|---|---|
# | completion 1, token 1 | 1.5 | 1.5 | 1.2 | 1.2 |
# | completion 1, token 2 | 0.9 | 0.9 | 0.9 | 0.9 |
# | completion 2, token 1 | 1.1 | −1.1 | −1.1 | −1.1 |
# | completion 2, token 2 | 0.5 | −0.5 | −0.8 | −0.8 |
#
# Completion 1 has the mean $(1.2 + 0.9)/2 = 1.05$, completion 2 the mean $(-1.1 - 0.8)/2 = -0.95$. The mean of the two is 0.05, so the loss is −0.05. The two tokens that hit the clip are not pushed.

# %% [markdown]
# **2. Find the bug.** *Medium, 10 minutes.* This loss agrees with ours on the batch below and raises no error. Find the mistake. What, other than the value of the loss, reveals it on the same batch?


# %%
def suspicious_loss(logps, old_logps, advantages, mask):
    ratio = grpo_lite.importance_ratio(logps, old_logps, mask)
    gain = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
    return -grpo_lite.masked_mean(gain, mask, dim=1).mean()


square = torch.tensor([[-1.0, -2.0], [-3.0, -1.0]])
full = torch.ones(2, 2, dtype=torch.bool)
print("suspicious", suspicious_loss(square, square, advantages, full) + 0.0)
print("ours      ", grpo_lite.grpo_loss(square, square, advantages, full).loss + 0.0)

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# `advantages` has shape [B] and `ratio` has shape [B, T]. PyTorch lines shapes up from the right, so the advantage of completion 1 goes to *token* 1 of every completion. With T = B nothing complains; with T ≠ B there is an error, and one is lucky. The repair is `advantages[:, None]`.
#
# The value cannot reveal it on-policy: it is 0 both ways. The gradient can.

# %% tags=["solution", "result-find-the-bug"]
for name, function in {
    "suspicious": suspicious_loss,
    "ours": lambda *inputs: grpo_lite.grpo_loss(*inputs).loss,
}.items():
    leaf = square.clone().requires_grad_()
    function(leaf, square, advantages, full).backward()
    print(f"{name:11}", -leaf.grad.flatten())

# %% [markdown]
# **3. On paper.** *Easy, 10 minutes.* A group of two: a right answer of 10 tokens, a wrong one of 100 tokens, $\hat A = \pm 1$, on-policy. With `grpo`, how hard is a token of the right answer pushed, compared with a token of the wrong one? What is the loss with `bnpo`?

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# Weights $1/(2 \cdot 10) = 0.05$ and $1/(2 \cdot 100) = 0.005$: ten times as hard. With `bnpo` all 110 tokens weigh $1/110$, so the loss is $-(10 - 100)/110 = 0.818$.

# %% tags=["solution", "result-on-paper"]
long_mask = torch.arange(100) < torch.tensor([10, 100])[:, None]
zeros = torch.zeros(2, 100)
print(grpo_lite.grpo_loss(zeros, None, advantages, long_mask, loss_type="bnpo").loss)

# %% [markdown]
# ## What to remember
#
# > **Remember.** The loss is a weighted sum over tokens: weight × (clipped ratio × advantage − β · KL), with a minus sign. On-policy, with the mean per completion, its policy part is 0 for any rewards, while the gradient is REINFORCE with the group mean as baseline, each completion divided by its length. The value may be negative and may rise; watch rewards, KL and clip fraction instead. Padding must reach neither value nor gradient, and the end token must count.
#
# The loss is equation 3 of [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300), with the KL estimate of its equation 4. REINFORCE is due to Williams (1992); PPO's clip, which the loss inherits, to [arXiv:1707.06347](https://arxiv.org/abs/1707.06347).
#
# **From here:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) puts a loop around it, and trains a model.
