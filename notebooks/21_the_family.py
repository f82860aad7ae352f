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
# # The family
#
# Dr. GRPO, DAPO, GSPO, CISPO, SAPO and a few more: each came with a paper and a notation of its own. Side by side they are one loss with three parts that can be exchanged.
#
# **Minutes:** 30 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** `grpo_lite.aggregate`, `grpo_lite.cispo_objective`, `grpo_lite.sapo_objective`, `grpo_lite.vespo_objective`, `grpo_lite.gmpo_objective`, and the options around them

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import math

import torch

import grpo_lite
from grpo_lite import plotting
from grpo_lite.algorithms import ALGORITHMS

plotting.use_site_style()
torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## The question
#
# Lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) ended with one number made of four steps: a **ratio** for each token, an **objective** that says what is wanted of it, an **average** over tokens and completions, and a minus sign. Nearly every successor of GRPO changes one of the first three and keeps the rest.
#
# **Play first.** Put any two relatives beside each other. (Their names are explained below.) **The goal:** find two names for one and the same loss.
#
# <family-explorer>On the site there is a picture to play with here.</family-explorer>
#
# One batch will go through all of them: two completions of one prompt. The first is short and right, the second long and wrong. Since sampling, the policy has moved a little, and one token of each has moved a lot.

# %% tags=["result-batch"]
old_logps = torch.tensor([[-1.0, -2.0, 0, 0, 0], [-1.0, -1.0, -2.0, -0.5, -0.5]])
moved = torch.tensor([[0.1, 0.5, 0, 0, 0], [-0.1, -0.1, -0.6, 0.1, 0.0]])
mask = torch.tensor([[True, True, False, False, False], [True] * 5])
advantages = torch.tensor([1.0, -1.0])
logps = old_logps + moved
print(grpo_lite.importance_ratio(logps, old_logps, mask).numpy().round(2))

# %% [markdown]
# **Predict.** Both completions have an advantage of size 1. With the loss of lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/), which single token gets the largest push? Which tokens get none?
#
# ## Who is pushed how much
#
# The derivative of the loss with respect to a token's log-prob is the push that this token gets. With a minus in front, positive means *more likely*.


# %% tags=["result-push-grpo"]
def push(**settings):
    leaf = logps.clone().requires_grad_()
    grpo_lite.grpo_loss(leaf, old_logps, advantages, mask, **settings).loss.backward()
    return 0 - leaf.grad


print(push().numpy().round(3))

# %% alt="Pushes of the default loss as a table of two completions. The short right one: 0.28 and 0. The long wrong one: minus 0.09, minus 0.09, 0, minus 0.11, minus 0.10." caption="Equal advantages, unequal pushes, and two tokens that get none."
plotting.token_matrix(push(), mask, label="push of each token", rows=["short", "long"])

# %% [markdown]
# The first token of the short completion gets the most. Two zeros inside the mask: the tokens that moved a lot are past the clip on the side where they would gain. And the tokens of the long completion weigh less: the paper's average gives each completion the same total, so each of five tokens gets a fifth.
#
# ## Averages
#
# Loss types differ in what they divide by. There are five ways. (Who is behind each name follows in the table of all.)
#
# | Average | Formula | Loss types |
# |---|---|---|
# | mean of row means | $\frac1B\sum_i\frac{1}{\lvert o_i\rvert}\sum_t x_{i,t}$ | `grpo`, `sapo`, `gmpo` |
# | mean over tokens | $\sum_{i,t} x_{i,t} \,/\, \sum_i \lvert o_i\rvert$ | `bnpo` |
# | sum by limit | $\sum_{i,t} x_{i,t} \,/\, (B \cdot L_{\max})$ | `dr_grpo` |
# | sum by total | $\sum_{i,t} x_{i,t} \,/\, N$ | `dapo`, `cispo`, `vespo` |
# | mean of row sums | $\frac1B\sum_i\sum_t x_{i,t}$ | `luspo` |
#
# $B$ is the number of completions, $L_{\max}$ the length limit of sampling, $N$ the number of tokens in the whole batch, also when this call sees only a part of it. (The papers of DAPO and CISPO divide by the tokens of each prompt's group; TRL and verl divide by those of the batch, and so do we.)


# %% tags=["define-aggregate"]
def aggregate(
    x, mask, *, loss_type="grpo", max_completion_length=None, num_items_in_batch=None
):
    x = torch.where(mask, x, 0)
    rows = x.sum(dim=1)
    if loss_type in ("grpo", "sapo", "gmpo"):
        return (rows / mask.sum(dim=1).clamp(min=1)).mean()
    if loss_type == "luspo":
        return rows.mean()
    if loss_type == "dr_grpo":
        return rows.sum() / (len(x) * max_completion_length)
    total = mask.sum()
    if loss_type != "bnpo" and num_items_in_batch is not None:
        total = torch.as_tensor(num_items_in_batch)
    return rows.sum() / total.clamp(min=1)


# %% [markdown]
# A helper for all comparisons of this lesson: the same value, shape and type, and the same gradient with respect to the first tensor.


# %%
def compare(mine, packaged, first, *others, **settings):
    seen = []
    for function in (mine, packaged):
        leaf = first.clone().requires_grad_()
        out = function(leaf, *others, **settings)
        seen.append([out.detach()])
        if out.requires_grad:
            seen[-1].append(torch.autograd.grad(out.sum(), leaf)[0])
    torch.testing.assert_close(seen[0], seen[1])


generator = torch.Generator().manual_seed(0)
x, y, z = (-2 * torch.rand(6, 5, generator=generator) for _ in range(3))
some = torch.arange(5) < torch.tensor([5, 1, 3, 0, 2, 4])[:, None]
signs = torch.randn(6, generator=generator)

# %% tags=["same-aggregate"] caption="value and gradient, 6 × 5 random tokens with padding, every loss type, with and without a count of tokens"
for loss_type in ALGORITHMS:
    for items in (None, 40):
        sizes = {"max_completion_length": 8, "num_items_in_batch": items}
        compare(aggregate, grpo_lite.aggregate, x, some, loss_type=loss_type, **sizes)

# %% [markdown]
# **Predict.** The push on a token of the short completion, divided by the push on a token of the long one: what is it for `grpo`, what for `dapo`? (Both at ratio 1.)

# %% tags=["result-averages"]
ones = torch.ones(2, 5, requires_grad=True)
types, rows = ["grpo", "bnpo", "dr_grpo", "dapo", "luspo"], []
for loss_type in types:
    out = grpo_lite.aggregate(ones, mask, loss_type=loss_type, max_completion_length=8)
    rows.append(torch.autograd.grad(out, ones)[0][:, 0])
short, long = torch.stack(rows).T
columns = {"short": short, "long": long, "short / long": short / long}
plotting.table({"loss type": types, **columns}, decimals=4)

# %% alt="Weight of one token of the short and of the long completion under five averages. grpo: 0.25 and 0.10. bnpo and dapo: 0.14 for both. dr_grpo: 0.06 for both. luspo: 0.50 for both." caption="Of these five only grpo lets a token of the short completion weigh more."
kinds = ["grpo", "bnpo", "dr_grpo", "dapo", "luspo"]
weights = []
for kind in kinds:
    out = grpo_lite.aggregate(ones, mask, loss_type=kind, max_completion_length=8)
    weights.append(torch.autograd.grad(out, ones)[0])
plotting.bars(
    {"short": [w[0, 0] for w in weights], "long": [w[1, 0] for w in weights]},
    kinds,
    ylabel="weight of one token",
)

# %% [markdown]
# Only `grpo` treats tokens of short and long completions differently. In one batch the others differ by a constant. From one batch to the next `bnpo` divides by another number, `dr_grpo` by the same. (`luspo` is meant to be used with one ratio a completion.)
#
# `bnpo` and `dapo` are the two names of the goal: one loss, as long as a batch is one call. What an own length in the denominator does to the average step is computed in lesson [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/).

# %% [markdown]
# **Check yourself.** A right answer of 10 tokens and a wrong one of 1,000 share a group, with advantages +1 and −1 and ratio 1. With `dapo`, which of the two pushes more in total?
#
# <details class="wrong"><summary>Neither: all tokens weigh the same</summary>That is why they differ: a thousand equal tokens against ten.</details>
# <details class="wrong"><summary>The short one: its tokens weigh more</summary>With <code>grpo</code> they do, a hundred times as much, and then the totals are equal.</details>
# <details class="right"><summary>The long one, a hundred times as much</summary>Each token weighs 1/1010. Equal tokens make unequal completions, and equal completions (<code>grpo</code>) make unequal tokens.</details>

# %% [markdown]
# ## Objectives
#
# The clip of PPO switches a token off once it has gone far enough. The following do it in other ways: CISPO caps the push, SAPO and VESPO let it fade, GMPO clips elsewhere. All agree at ratio 1: their push there is the advantage.
#
# **CISPO** ([arXiv:2506.13585](https://arxiv.org/abs/2506.13585)). Rare words such as *However* tend to have large ratios. They are the first to be clipped, and they may be the ones that change the course of an answer. So CISPO never switches a token off: the ratio becomes a constant weight with a cap, and the gradient flows through the log-prob alone.
#
# $$\operatorname{sg}[\min(\rho, \epsilon_{\text{high}})]\;\hat A\;\log\pi_\theta \qquad (\operatorname{sg}:\text{ no gradient})$$
#
# (The paper writes the cap as $1 + \epsilon_{\text{high}}$; TRL and ScaleRL name the cap itself, as here.)


# %% tags=["define-cispo_objective"]
def cispo_objective(ratio, advantages, logps, *, epsilon_high):
    weight = ratio.detach().clamp(max=epsilon_high)
    return weight * advantages.detach()[:, None] * logps


# %% tags=["same-cispo_objective"] caption="value and gradient, 6 × 5 random log-probs, cap at 2"
ratio = (x - y).exp()
compare(
    lambda leaf: cispo_objective(ratio, signs, leaf, epsilon_high=2.0),
    lambda leaf: grpo_lite.cispo_objective(ratio, signs, leaf, epsilon_high=2.0),
    x,
)

# %% [markdown]
# **SAPO** ([arXiv:2511.20347](https://arxiv.org/abs/2511.20347)) lets the push fade instead of cutting it: a sigmoid whose slope at ratio 1 is 1 and falls off on both sides. The temperature $\tau$ is a little larger for negative advantages, so that they fade sooner.
#
# $$\frac{4}{\tau}\,\sigma\big(\tau(\rho - 1)\big)\,\hat A$$


# %% tags=["define-sapo_objective"]
def sapo_objective(
    ratio, advantages, *, sapo_temperature_pos=1.0, sapo_temperature_neg=1.05
):
    advantages = advantages.detach()[:, None]
    tau = torch.full_like(advantages, sapo_temperature_neg)
    tau[advantages > 0] = sapo_temperature_pos
    return 4 / tau * torch.sigmoid(tau * (ratio - 1)) * advantages


# %% tags=["same-sapo_objective"] caption="value and gradient, 6 × 5 random ratios, two temperatures"
compare(sapo_objective, grpo_lite.sapo_objective, ratio, signs)
compare(
    sapo_objective, grpo_lite.sapo_objective, ratio, signs, sapo_temperature_pos=3.0
)

# %% [markdown]
# **GMPO** ([arXiv:2507.20673](https://arxiv.org/abs/2507.20673)) takes the geometric mean of the token ratios of a completion, each clipped on the side of its advantage first. One wild token is clipped by itself; the others keep their gradient. The clip is on the log-ratio, 0.4 in the paper.
#
# $$\exp\Big(\frac{1}{|o|}\sum_t c_t\Big)\hat A, \qquad c_t = \begin{cases}\min(\log\rho_t, \epsilon_{\text{high}}) & \hat A > 0\\ \max(\log\rho_t, -\epsilon) & \text{otherwise}\end{cases}$$


# %% tags=["define-gmpo_objective"]
def gmpo_objective(logps, old_logps, advantages, mask, *, epsilon, epsilon_high=None):
    epsilon_high = epsilon if epsilon_high is None else epsilon_high
    advantages = advantages.detach()[:, None]
    log_ratio = torch.where(mask, logps, 0) - torch.where(mask, old_logps.detach(), 0)
    up, down = log_ratio.clamp(max=epsilon_high), log_ratio.clamp(min=-epsilon)
    total = torch.where(advantages > 0, up, down).sum(dim=1, keepdim=True)
    return (total / mask.sum(dim=1, keepdim=True).clamp(min=1)).exp() * advantages


# %% tags=["same-gmpo_objective"] caption="value and gradient, 6 × 5 random tokens with padding, one border and two"
compare(gmpo_objective, grpo_lite.gmpo_objective, x, y, signs, some, epsilon=0.4)
compare(
    gmpo_objective,
    grpo_lite.gmpo_objective,
    x,
    y,
    signs,
    some,
    epsilon=0.4,
    epsilon_high=0.1,
)

# %% [markdown]
# **VESPO** ([arXiv:2602.10693](https://arxiv.org/abs/2602.10693)) weighs a whole completion by a smooth bump over $w$, the *product* of its ratios. A completion that has become much rarer or much more common counts little; the bump is highest at $k/\lambda$. Like CISPO it pushes through the log-prob.
#
# $$\operatorname{sg}[\phi(w)]\;\hat A\;\log\pi_\theta, \qquad \phi(w) = e^{\lambda} w^{k} e^{-\lambda w}, \quad \phi(1) = 1$$


# %% tags=["define-vespo_objective"]
def vespo_objective(
    logps,
    old_logps,
    advantages,
    mask,
    correction=None,
    *,
    vespo_k_pos=2.0,
    vespo_lambda_pos=3.0,
    vespo_k_neg=3.0,
    vespo_lambda_neg=2.0,
):
    tiny = math.log(1e-8)
    advantages = advantages.detach()[:, None]
    log_ratio = torch.where(mask, logps, 0) - torch.where(mask, old_logps, 0)
    log_w = log_ratio.detach().clamp(-20, 20).sum(dim=1, keepdim=True)
    if correction is not None:
        factors = torch.where(mask, correction.detach(), 1).log().clamp(tiny, 20)
        log_w = log_w + factors.sum(dim=1, keepdim=True)
    log_w = log_w.clamp(tiny, 20)
    up = vespo_lambda_pos + vespo_k_pos * log_w - vespo_lambda_pos * log_w.exp()
    down = vespo_lambda_neg + vespo_k_neg * log_w - vespo_lambda_neg * log_w.exp()
    phi = torch.where(advantages >= 0, up, down).exp()
    return phi * advantages * torch.where(mask, logps, 0)


# %% tags=["same-vespo_objective"] caption="value and gradient, 6 × 5 random tokens with padding, with and without a correction for the sampler"
compare(vespo_objective, grpo_lite.vespo_objective, x, y, signs, some)
compare(vespo_objective, grpo_lite.vespo_objective, x, y, signs, some, z.exp())

# %% [markdown]
# Now the picture of all five. The horizontal axis is the ratio of a completion of one token; the vertical axis is the push on it, in units of the advantage. The upper panel is for an advantage of +1, the lower one for −1.
#
# **Predict.** In the upper panel, which curves never come down to 0 on the right? In the lower one, which are still pushing a token that has become three times *more* likely?

# %% alt="Push against the ratio from 0 to 3. Advantage plus 1: grpo rises with the ratio to 1.2 and then is 0; cispo rises on to its cap, here 2; sapo rises to 1.57 near ratio 2 and then fades slowly; vespo has a bump at 0.67 and is almost 0 at 3; gmpo rises to 1.49 and then is 0. Advantage minus 1: grpo is 0 below 0.8 and then falls without end; cispo falls to minus 2 and stays; sapo is strongest near 2, vespo at 1.5, and both fade; gmpo is 0 below 0.67 and then falls without end." caption="Far from 1 the relatives differ: cut off, capped or faded out."
ratios = torch.linspace(0.01, 3.0, 300)
one = torch.ones(300, 1, dtype=torch.bool)
own = {"cispo": {"epsilon_high": 2.0}, "gmpo": {"epsilon": 0.4}}
panels = []
for sign in (1.0, -1.0):
    panels.append({})
    for loss_type in ("grpo", "cispo", "sapo", "vespo", "gmpo"):
        leaf = ratios.log()[:, None].requires_grad_()
        out = grpo_lite.grpo_loss(
            leaf,
            torch.zeros(300, 1),
            torch.full((300,), sign),
            one,
            loss_type=loss_type,
            **own.get(loss_type, {}),
        )
        pushes = -torch.autograd.grad(out.loss, leaf)[0][:, 0] * 300  # undo the average
        panels[-1][loss_type] = pushes
plotting.lines(
    ratios,
    *panels,
    xlabel="ratio",
    ylabel="push on the log-prob",
    titles=["advantage +1", "advantage −1"],
    dashed=["gmpo"],
    marks={(0.05, 1.8): "far from 1: cut off,\ncapped or faded out"},
)

# %% [markdown]
# The push is the derivative with respect to the *log-prob*, so where nothing is clipped it is ratio times advantage. Panel by panel:
#
# - **Above,** CISPO alone never comes down: it stays at its cap. VESPO peaks at 0.67, so a good answer that has become somewhat rarer is pushed hardest. SAPO turns near ratio 2 and fades slowly, since its push is the slope times the ratio.
# - **Below,** all five still push a bad token that has become three times more likely, GRPO and GMPO without a limit. That is what the cap `delta` is for, further down.

# %% [markdown]
# **Check yourself.** You sample anew for every update, $\mu = 1$, and change `loss_type` from `grpo` to `sapo`. What happens to the gradient?
#
# <details class="right"><summary>Nothing</summary>All ratios are 1, and there all objectives push with the advantage. The average of <code>sapo</code> is that of <code>grpo</code>.</details>
# <details class="wrong"><summary>All pushes get softer</summary>The gate is soft away from ratio 1. At 1 its slope is 1.</details>
# <details class="wrong"><summary>Bad completions are pushed less, for they have the higher temperature</summary>The temperature bends the curve further out. At ratio 1 the slope is 1 for every temperature.</details>

# %% [markdown]
# ## One ratio for a whole completion
#
# The third part. Up to here every token had a ratio of its own. **GSPO** ([arXiv:2507.18071](https://arxiv.org/abs/2507.18071)) argues that the reward is for the whole completion, so the ratio should be too: the exp of the *mean* log-ratio, which is the geometric mean of the token ratios, one number a completion. The clip then acts on whole completions. (Counting whole completions for another policy would take the *product* of the token ratios, which explodes or vanishes with the length. Token ratios and their geometric mean are two ways around it.)
#
# By hand, for four tokens with ratios 1.5, 1.0, 0.9 and 0.8: their product is 1.08, and its fourth root is 1.0194.

# %% tags=["result-sequence-ratio"]
token_ratios = torch.tensor([[1.5, 1.0, 0.9, 0.8]])
even = torch.zeros(1, 4)
for level in ("token", "sequence"):
    four = grpo_lite.importance_ratio(token_ratios.log(), even, level=level)
    print(f"{level:9}", four.numpy().round(4))

# %% [markdown]
# Token by token, with $\hat A = +1$, the first of the four is clipped. As a sequence nothing is: up and down nearly cancel. Now our batch:

# %% tags=["result-gspo"]
print(grpo_lite.importance_ratio(logps, old_logps, mask, level="sequence"))
print(push(importance_sampling_level="sequence").numpy().round(3))

# %% [markdown]
# The short completion is past 1.2 as a whole, so both its tokens are silent. The long one is not below 0.8, so all five are pushed, also the one that had moved a lot, and all by the same amount. (The mean of many log-ratios moves little, so the paper's own range is far narrower, 3e-4 and 4e-4. Here it stays 0.2, to compare.)

# %% [markdown]
# > **At scale: old samples.** Large systems train while they sample ([AReaL, arXiv:2505.24298](https://arxiv.org/abs/2505.24298)). The sampler is then some updates behind, and ratios differ from 1 from the start. [What one does about it](../docs/questions.md#stale).

# %% [markdown]
# > **At scale: experts.** In a *mixture of experts* a *router* picks, for each token, a few of many sub-networks. Now and then sampler and trainer pick others, and a log-prob jumps although nothing was learned. *Routing replay* repeats the sampler's picks ([R3, arXiv:2510.11370](https://arxiv.org/abs/2510.11370)); one ratio for a whole completion, as in GSPO, feels the jump less. [A jump in numbers](../docs/questions.md#experts).
#
# ## A cap for bad tokens
#
# PPO's clip leaves the way back without a speed limit. For $\hat A < 0$ and a ratio of 10, the gradient is −10: one token outshouts the batch. Dual-clip PPO ([arXiv:1912.09729](https://arxiv.org/abs/1912.09729)) caps the ratio at a constant, here $\delta$, before it is multiplied; [INTELLECT-2 (arXiv:2505.07291)](https://arxiv.org/abs/2505.07291) does so in GRPO. Beyond $\delta$ the gradient is 0. For $\hat A > 0$ nothing changes, as long as $\delta$ is above $1 + \epsilon$.
#
# DAPO raises the other border, $1 + \epsilon_{\text{high}}$, so that good tokens may rise further. Both, without and with:


# %% tags=["result-refinements"]
def one_token(ratio, advantage, settings):
    logp = torch.tensor([[ratio]]).log().requires_grad_()
    rho = grpo_lite.importance_ratio(logp, torch.zeros(1, 1))
    gain = grpo_lite.clipped_surrogate(rho, torch.tensor([advantage]), **settings)
    (gradient,) = torch.autograd.grad(gain.sum(), logp)
    return gain.item(), gradient.item()


columns = {"A": [1, 1, -1, -1], "ratio": [1.25, 1.25, 10.0, 10.0]}
columns["setting"] = ["", "epsilon_high=0.28", "", "delta=4"]
given = ({}, {"epsilon_high": 0.28}, {}, {"delta": 4.0})
found = map(one_token, columns["ratio"], map(float, columns["A"]), given)
columns["objective"], columns["gradient"] = zip(*found, strict=True)
plotting.table(columns)

# %% [markdown]
# ## The table
#
# > The loss of an algorithm is a ratio, an objective and an average.

# %% tags=["result-table"]
rows = ALGORITHMS.values()
columns = {"objective": [row.objective.__name__ for row in rows]}
columns["average"] = [row.aggregation for row in rows]
plotting.table({"loss type": list(ALGORITHMS), **columns})

# %% [markdown]
# | Algorithm, and what it was made for | In `grpo_loss` |
# |---|---|
# | GRPO, [2402.03300](https://arxiv.org/abs/2402.03300): no critic | the defaults |
# | Dr. GRPO, [2503.20783](https://arxiv.org/abs/2503.20783): no bias by length or difficulty | `dr_grpo`, advantages with `scale_rewards="none"` |
# | BNPO in TRL: every token of a batch weighs the same | `bnpo` |
# | DAPO, [2503.14476](https://arxiv.org/abs/2503.14476): long answers; with overlong punishment and dynamic sampling | `dapo`, `epsilon_high=0.28` |
# | GSPO, [2507.18071](https://arxiv.org/abs/2507.18071): stable training of mixtures of experts | `grpo`, `importance_sampling_level="sequence"`, `epsilon=3e-4`, `epsilon_high=4e-4` |
# | LUSPO, [2602.05261](https://arxiv.org/abs/2602.05261): GSPO without its bias by length | `luspo` with the sequence ratio |
# | CISPO, [2506.13585](https://arxiv.org/abs/2506.13585): no token loses its gradient | `cispo`, `epsilon_high` is the cap |
# | SAPO, [2511.20347](https://arxiv.org/abs/2511.20347): a soft gate in place of the clip | `sapo` |
# | VESPO, [2602.10693](https://arxiv.org/abs/2602.10693): samples that are old | `vespo` |
# | GMPO, [2507.20673](https://arxiv.org/abs/2507.20673): single wild ratios | `gmpo`, `epsilon=0.4` |
#
# And our batch through all of them, each row scaled so that its sizes add up to 1. (`far` stands under the tokens that have moved a lot.)

# %% alt="Share of the push that each of the seven tokens gets, for nine algorithms, positive for the short right completion and negative for the long wrong one. The second token of the short completion gets nothing under grpo, dr_grpo, dapo and gmpo and a large share, 0.23 and 0.34, under cispo and sapo. Under gspo and luspo the short completion gets nothing at all." caption="Where the clip leaves nothing, cispo and sapo still push."
gspo = {"importance_sampling_level": "sequence"}
family = {
    "grpo": {},
    "dr_grpo": {"loss_type": "dr_grpo", "max_completion_length": 8},
    "dapo": {"loss_type": "dapo"},
    "gspo": gspo,
    "luspo": {"loss_type": "luspo", **gspo},
    "cispo": {"loss_type": "cispo", "epsilon_high": 5.0},
    "sapo": {"loss_type": "sapo"},
    "vespo": {"loss_type": "vespo"},
    "gmpo": {"loss_type": "gmpo", "epsilon": 0.4},
}
pushes = {name: push(**settings)[mask] for name, settings in family.items()}
plotting.token_matrix(
    torch.stack([x / x.abs().sum() for x in pushes.values()]),
    label="share of the push",
    rows=list(family),
    columns=["s0", "s1\nfar", "l0", "l1", "l2\nfar", "l3", "l4"],
    xlabel="tokens of the short (s) and the long (l) completion",
    ylabel="",
)

# %% [markdown]
# Three things to see. Where GRPO is silent (`s1`, `l2`), CISPO, SAPO and VESPO speak. Sequence ratios (`gspo`, `luspo`) and VESPO's weight treat a completion as one. And compare `s0` with `l3`, two tokens of the same ratio 1.11: equal in size under `dr_grpo`, `dapo` and `cispo`, 2.5 to 1 under `grpo` and `sapo`, whose average divides by each length.
#
# ## Options around the loss
#
# What follows can be combined with any of them. Most are a weight on the objective, and the denominators stay as they are; overlong punishment is a reward function, and the entropy bonus is added to the objective.
#
# **Truncated completions.** An answer cut off at the length limit earns nothing, however good it was going to be. DAPO leaves its tokens out of the loss. Its reward still counts in the group.


# %% tags=["define-mask_truncated"]
def mask_truncated(mask, completion_ids, eos_token_id):
    ended = (mask & (completion_ids == eos_token_id)).any(dim=1)
    return mask & ended[:, None]


# %% tags=["same-mask_truncated", "result-truncated"]
ids = torch.tensor([[7, 5, 2, 2], [4, 4, 4, 4], [2, 9, 9, 9]])
counted = grpo_lite.completion_mask(ids, eos_token_id=2)
print(mask_truncated(counted, ids, 2).long())
packaged = grpo_lite.mask_truncated(counted, ids, 2)
assert torch.equal(mask_truncated(counted, ids, 2), packaged)

# %% [markdown]
# **Overlong punishment.** DAPO also warns before the limit: a penalty that grows from 0 to −1 over the last tokens. It is a reward function, made for a limit and a margin.


# %% tags=["define-soft_overlong_reward"]
def soft_overlong_reward(max_completion_length, soft_punish_cache):
    def reward(completions, completion_ids, **columns):
        start = max_completion_length - soft_punish_cache
        over = [max(len(ids) - start, 0) for ids in completion_ids]
        return [0.0 - min(n / soft_punish_cache, 1.0) for n in over]

    return reward


# %% tags=["same-soft_overlong_reward", "result-overlong"]
written = [[1] * n for n in (60, 80, 90, 99, 100, 120)]
arguments = {"completions": [""] * 6, "completion_ids": written}
print(soft_overlong_reward(100, 20)(**arguments))
packaged = grpo_lite.soft_overlong_reward(100, 20)(**arguments)
torch.testing.assert_close(
    torch.tensor(soft_overlong_reward(100, 20)(**arguments)), torch.tensor(packaged)
)

# %% [markdown]
# **Entropy.** How undecided the policy was at a token: 0 if one token was certain, $\log V$ if all $V$ tokens of the vocabulary were equally likely. A bonus on it keeps a policy from settling too early.


# %% tags=["define-token_entropies"]
def token_entropies(logits, *, temperature=1.0):
    all_logps = (logits / temperature).log_softmax(dim=-1)
    return -(all_logps.exp() * all_logps).sum(dim=-1)


# %% tags=["same-token_entropies", "result-entropies"]
logits = torch.tensor([[[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [20.0, 0.0, 0.0]]])
print(token_entropies(logits).numpy().round(4), round(math.log(3), 4))
noise = torch.randn(2, 3, 7, generator=generator)
compare(token_entropies, grpo_lite.token_entropies, noise, temperature=0.7)

# %% [markdown]
# Most tokens of an answer are nearly certain. Wang et al. ([arXiv:2506.01939](https://arxiv.org/abs/2506.01939)) train on the fifth of the tokens with the highest entropy only.


# %% tags=["define-high_entropy_mask"]
def high_entropy_mask(entropies, mask, *, top_entropy_quantile):
    threshold = torch.quantile(entropies.float()[mask], 1 - top_entropy_quantile)
    return mask & (entropies.float() >= threshold)


# %% tags=["same-high_entropy_mask", "result-high-entropy"]
entropies = torch.tensor([[0.1, 2.0, 0.3, 0.2, 9.0], [0.0, 1.5, 0.1, 0.9, 0.4]])
kept = torch.tensor([[True] * 4 + [False], [True] * 5])
print(high_entropy_mask(entropies, kept, top_entropy_quantile=0.4).long())
for share in (0.0, 0.2, 0.5, 1.0):
    mine = high_entropy_mask(-x, some, top_entropy_quantile=share)
    packaged = grpo_lite.high_entropy_mask(-x, some, top_entropy_quantile=share)
    assert torch.equal(mine, packaged)

# %% [markdown]
# **A sampler with other numbers.** A fast inference engine computes with fewer digits than the trainer, so it draws from a slightly different distribution. The ratio $\pi_{\text{old}} / \pi_{\text{sampler}}$ makes up for that, for a token or for a completion (as a *product*), and large ratios are cut (`truncate`) or dropped (`mask`).


# %% tags=["define-sampler_correction"]
def sampler_correction(
    old_logps, sampling_logps, mask, *, mode="sequence_mask", cap=3.0, floor=None
):
    floor = 0.0 if floor is None else floor
    gap = torch.where(mask, old_logps, 0) - torch.where(mask, sampling_logps, 0)
    if mode.startswith("sequence"):
        gap = gap.sum(dim=1, keepdim=True)
    ratio = gap.exp()
    if mode.endswith("truncate"):
        return ratio.clamp(floor, cap)
    return torch.where((ratio >= floor) & (ratio <= cap), ratio, 0)


# %% tags=["same-sampler_correction", "result-correction"]
before, reported = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-1.5, -2.5]])
both = torch.ones(1, 2, dtype=torch.bool)
for mode in ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"):
    print(f"{mode:17}", sampler_correction(before, reported, both, mode=mode).numpy())
    packaged = grpo_lite.sampler_correction(x, y, some, mode=mode, floor=0.5)
    torch.testing.assert_close(
        sampler_correction(x, y, some, mode=mode, floor=0.5), packaged
    )

# %% [markdown]
# **Bad and far away.** DeepSeek-V3.2 ([arXiv:2512.02556](https://arxiv.org/abs/2512.02556)) drops completions with a negative advantage that the policy would hardly write any more: pushing them down further teaches nothing.


# %% tags=["define-off_policy_mask"]
def off_policy_mask(logps, sampling_logps, advantages, mask, *, threshold):
    gap = torch.where(mask, sampling_logps, 0) - torch.where(mask, logps, 0)
    drift = gap.sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return ((advantages >= 0) | (drift <= threshold))[:, None]


# %% tags=["same-off_policy_mask", "result-off-policy"]
print(off_policy_mask(logps, old_logps, advantages, mask, threshold=0.1))
for threshold in (0.0, 0.1, 0.5):
    mine = off_policy_mask(x, y, signs, some, threshold=threshold)
    packaged = grpo_lite.off_policy_mask(x, y, signs, some, threshold=threshold)
    assert torch.equal(mine, packaged)

# %% [markdown]
# `grpo_loss` takes such factors as `weight=`; several at once are their product. The entropy bonus is one line at the call: `out.loss - 0.01 * masked_mean(entropies, mask)`.
#
# ## Several rewards
#
# The last relatives change the advantages. Sum two rewards of 0 and 1, and being right in the wrong form (1 + 0) looks the same as being wrong in the right form (0 + 1). **GDPO** ([arXiv:2601.05242](https://arxiv.org/abs/2601.05242)) compares each reward within the group first and adds up then, so that the rarer success counts more. At the end it divides by the spread of the whole batch.


# %% tags=["define-normalize_then_sum"]
def normalize_then_sum(rewards, num_generations, weights=None):
    weights = torch.ones(rewards.shape[1]) if weights is None else torch.tensor(weights)
    groups = rewards.view(-1, num_generations, rewards.shape[1])
    centred = groups - groups.mean(dim=1, keepdim=True)
    alone = centred / (groups.std(dim=1, keepdim=True) + 1e-4)
    total = (alone * weights).sum(dim=2).flatten()
    return total / (total.std() + 1e-4)


# %% tags=["same-normalize_then_sum", "result-gdpo"]
scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
print(grpo_lite.group_advantages(grpo_lite.combine_rewards(scores), 4).numpy())
print(normalize_then_sum(scores, 4).numpy().round(3))
random_scores = torch.randn(12, 3, generator=generator)
for weights in (None, [1.0, 0.5, -2.0]):
    mine = normalize_then_sum(random_scores, 4, weights)
    packaged = grpo_lite.normalize_then_sum(random_scores, 4, weights)
    torch.testing.assert_close(mine, packaged)

# %% [markdown]
# Summed first, three completions have the reward 1 and are the same. Compared first, the rare success of the first is worth more than the common one of the second and third.
#
# ## What the advantages are divided by
#
# Two more relatives change the divisor. **REINFORCE++** ([arXiv:2501.03262](https://arxiv.org/abs/2501.03262)) takes mean and spread over the whole batch, so one completion a prompt is enough. Its variant with groups takes away the group's mean first, which is nearly `scale_rewards="batch"`. **MaxRL** ([arXiv:2602.02710](https://arxiv.org/abs/2602.02710)), for rewards of 0 and 1, divides by the group's *mean* (and gives 0 where that is 0).
#
# **Predict.** A hard prompt has one right answer of four, an easy one three. Which of these ways pushes the right answer to the hard prompt hardest, compared with one to the easy prompt?

# %% tags=["result-divisors"]
two_prompts = torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 0])
centred = grpo_lite.group_advantages(two_prompts, 4, scale_rewards="none")
columns = {
    "GRPO": grpo_lite.group_advantages(two_prompts, 4),
    "REINFORCE++": grpo_lite.group_advantages(two_prompts, 8),  # the batch as a group
    "with groups": grpo_lite.group_advantages(two_prompts, 4, scale_rewards="batch"),
    "MaxRL": centred / two_prompts.view(2, 4).mean(dim=1).repeat_interleave(4),
}
seen = [0, 1, 4, 7]
names = ["hard, right", "hard, wrong", "easy, right", "easy, wrong"]
plotting.table({"": names, **{name: x[seen] for name, x in columns.items()}})

# %% [markdown]
# MaxRL: 3 against 0.33. REINFORCE++ pushes all right answers alike, because it does not know which prompt was hard.
#
# Why divide by the mean? In lesson [Why it works](https://grpo-lite.github.io/grpo-lite/lessons/why_it_works/) the group's mean gave each prompt its due, times $1 - 1/G$. With MaxRL a prompt of success rate $p$ weighs on average $(1 - (1 - p)^{G-1})/p$ times its due. For large groups that is $1/p$: the step climbs $\log p$ instead of $p$, as maximum likelihood does.

# %% [markdown] tags=["detail"]
# The weight by enumeration. With $k \ge 1$ right answers of $G$ the step is $(G - k)/G$, in the world of one logit, and its due is $p(1-p)$.

# %% tags=["detail", "result-max-rl"]
G = 8
columns = {"p": [0.02, 0.1, 0.5, 0.9], "enumerated": [], "formula": []}
for p in columns["p"]:
    chances = [math.comb(G, k) * p**k * (1 - p) ** (G - k) for k in range(1, G + 1)]
    step = sum(x * (G - k) / G for k, x in enumerate(chances, start=1))
    columns["enumerated"].append(step / (p * (1 - p)))
    columns["formula"].append((1 - (1 - p) ** (G - 1)) / p)
plotting.table(columns, decimals=4)

# %% [markdown]
# ## Break it
#
# CISPO's `epsilon_high` is the cap *itself*. In the other loss types the upper end of the range is $1 + \epsilon_{\text{high}}$. A script that changes only `loss_type` keeps an `epsilon_high` of 0.2, and in TRL 1.16 that is the default. What happens to the weights?

# %% tags=["result-break-cispo"]
ratio = grpo_lite.importance_ratio(logps, old_logps, mask)
print(ratio.clamp(max=5.0)[mask].numpy().round(2))
print(ratio.clamp(max=0.2)[mask].numpy().round(2))

# %% [markdown]
# Every ratio is above 0.2, so every weight is 0.2: no importance sampling at all. The gradient is far too small as well, but AdamW divides a gradient by its own size and hides even that, so nothing fails. `grpo_lite` refuses to guess:

# %%
try:
    grpo_lite.grpo_loss(logps, old_logps, advantages, mask, loss_type="cispo")
except ValueError as error:
    print(error)

# %% [markdown]
# ## Exercises
#
# **1. One at a time.** *Medium, 10 minutes.* A batch of two completions is too large for the memory and goes through the loss one completion at a time, and the two losses are averaged. For which of `grpo`, `bnpo`, `dapo` is the sum of the gradients the same as before? What repairs the others?

# %%
# Your turn.

# %% tags=["solution", "result-solution-slices"]
for loss_type in ("grpo", "bnpo", "dapo"):
    leaf = logps.clone().requires_grad_()
    for i in range(2):
        one = slice(i, i + 1)
        args = leaf[one], old_logps[one], advantages[one], mask[one]
        (grpo_lite.grpo_loss(*args, loss_type=loss_type).loss / 2).backward()
    print(f"{loss_type:5} {(-leaf.grad - push(loss_type=loss_type)).abs().max():.4f}")

# %% [markdown] tags=["solution"]
# Only `grpo` is a mean over completions. The other two divide by tokens, and the slices have different numbers of them: weigh each slice of `bnpo` by its share of the tokens, and give `dapo` the tokens of the whole batch as `num_items_in_batch`, without dividing by the number of slices. `SLICE_SHARE` in `grpo_lite/aggregation.py` lists which is which.

# %% [markdown]
# **2. A length too many.** *Easy, 10 minutes.* LUSPO is said to be GSPO times the length of the completion. Check it on our batch with a clip range so wide that nothing is clipped.

# %%
# Your turn.

# %% tags=["solution", "result-solution-luspo"]
wide = {"epsilon": 9.0, "importance_sampling_level": "sequence"}
print((push(loss_type="luspo", **wide) / push(**wide))[mask].numpy().round(2))

# %% [markdown]
# **3. A relative of your own.** *Hard, 15 minutes.* Invent a relative: an objective that pushes with $\sqrt\rho\,\hat A$ instead of $\rho\,\hat A$, averaged like Dr. GRPO. It takes two lines with `importance_ratio` and `aggregate`. What is its push at ratio 1?

# %%
# Your turn.

# %% tags=["solution", "result-solution-own"]
leaf = logps.clone().requires_grad_()
ratio = grpo_lite.importance_ratio(leaf, old_logps, mask)
objective = 2 * ratio.sqrt() * advantages[:, None]
settings = {"loss_type": "dr_grpo", "max_completion_length": 8}
(-grpo_lite.aggregate(objective, mask, **settings)).backward()
print((-leaf.grad * 16)[mask].numpy().round(3))

# %% [markdown] tags=["solution"]
# The derivative of $2\sqrt\rho$ with respect to the log-prob is $\sqrt\rho$, so at ratio 1 the push is the advantage, like that of all others. (The factor 16 is $B \cdot L_{\max}$ and undoes the average.)

# %% [markdown]
# ## What to remember
#
# > **Remember.** A relative of GRPO is a ratio (token or sequence), an objective for each token, and an average. At ratio 1 all objectives push alike; they differ in what they do with tokens that have moved. The average decides how much a token of a long answer weighs.
#
# - On fresh samples with one update a batch, the objective makes no difference: choose by the average.
# - Names travel badly: `epsilon_high` is a width for most and a cap for CISPO, and `dapo` in a library is often its average alone.
# - Each loss type is compared with TRL's own code, alone and with the options: [the table](../docs/parity.md).
#
# **From here:** [Bias and variance](https://grpo-lite.github.io/grpo-lite/lessons/bias_and_variance/) finds out exactly which of these averages are right on average.
