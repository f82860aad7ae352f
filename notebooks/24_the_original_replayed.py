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
# # The original, replayed
#
# This course grew from one short Chinese notebook, *手撕grpo*, "GRPO torn apart by hand". Here we reproduce the tensors that it prints, then repair it, one number at a time.
#
# **Minutes:** 25 · **Needs:** [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/) · **Gives:** the bridge from the original notebook to `grpo_lite`

# %% tags=["setup"]
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic(
        "pip",
        "install -q 'grpo-lite[plot] @ git+https://github.com/grpo-lite/grpo-lite'",
    )

import copy
import re

import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

import grpo_lite
from grpo_lite import plotting

transformers.logging.set_verbosity_error()
plotting.use_site_style()

# %% [markdown]
# ## The question
#
# A person sat down with a paper and a laptop and wrote GRPO in a few dozen lines, with two tiny models and every intermediate tensor printed. Here is one of these tensors. Do its numbers come back on another machine, and are they right?

# %% tags=["drawing"] alt="A table of the five completion tokens of two rows, with their ids. Those of the first hold 0.7138, 0.6903, 0.5614, 0.5593 and 0.7136, those of the second −0.7008, −0.7274, −0.7001, −0.9087 and −0.7005." caption="The last tensor before the loss: token ids, and one number for each token of a completion."
printed = {
    "length advantages": "1.2379 0.0982 -0.1375 -1.1986",
    "format advantages": "0.8513 -0.8513 0.8513 -0.8513",
    "response ids": "9 2 7 8 7 5 5 9 3 3 4 3 8 6 8 7 6 1 6 7",
    "log-probs": """
-1.6183 -1.3673 -1.5195 -1.5547 -1.4089 -1.3429 -1.2517 -1.3878 -1.3432 -1.1901
-1.8480 -1.5877 -1.3003 -1.3325 -1.6356 -1.7515 -1.4456 -1.4905 -1.2200 -1.4700""",
    "KL": """
2.6098e-02 4.7684e-05 4.6487e-03 1.6298e-03 3.6643e-03
6.2504e-03 2.8181e-04 2.8575e-02 2.9539e-02 3.2508e-02
1.3051e-02 1.5891e-04 4.1568e-02 7.6652e-05 1.7810e-04
1.0834e-01 4.0960e-04 4.0464e-02 2.9019e-02 7.3563e-02""",
    "clipped ratio": """
0.9900 1.0098 0.9900 1.0100 0.9900 1.0100 0.9900 0.9900 0.9900 1.0100
0.9900 0.9900 1.0100 0.9900 1.0100 0.9900 1.0100 0.9900 1.0100 0.9900""",
    "policy gradient": """
0.5672 0.7138 0.6428 0.7139 0.6496 0.7139 0.6903 0.5616 0.5596 0.7139
-0.6997 -0.6997 -0.9569 -0.6997 -0.7203 -0.6997 -0.7274 -0.6997 -0.9085 -0.6997""",
    "masked loss": """
0.0000 0.0000 0.0000 0.0000 0.0000 0.7138 0.6903 0.5614 0.5593 0.7136
-0.0000 -0.0000 -0.0000 -0.0000 -0.0000 -0.7008 -0.7274 -0.7001 -0.9087 -0.7005""",
    "final loss": "0.0352",
}


def as_rows(name):
    return torch.tensor([float(x) for x in printed[name].split()]).view(2, 10)


plotting.token_matrix(
    as_rows("masked loss")[:, 5:],
    label="masked loss, as the original printed it",
    tokens=[[f"{x:.0f}" for x in row] for row in as_rows("response ids")[:, 5:]],
    columns=[str(t) for t in range(5, 10)],
    decimals=4,
)

# %% [markdown]
# ## What the original got right
#
# To print every tensor is how one learns an algorithm, and all lessons here have kept the form. The original also got right what is easiest to get wrong:
#
# - The surrogate takes the `min`, for advantages of both signs (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)).
# - The KL estimate has the reference over the policy, and the right sign everywhere (lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/)).
# - There is no critic, and rewards are plain functions (lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/)).
# - The minus sign stands in front of everything, and β · KL is subtracted inside (lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/)).
#
# Then there are 27 things to improve. Some are deep, some are typing mistakes, and each taught us something. Finding them is how one learns.
#
# **Predict.** The original fixes a seed at the top. It was run on a Mac, with older versions of everything. How many of its digits will come back here?
#
# ## What it printed
#
# `printed`, in the code of the picture, holds its outputs, copied as text. From the ids on, a tensor has two rows of ten tokens; the last five of each row count as completion. We leave out what needs no arithmetic: the mask, the lengths 5 and 5, the rewards 100 and 66.
#
# A function puts the last five numbers of each row one below the other. Its last line is the largest difference over *all* its numbers, minus the 0.00005 that rounding to four decimals can hide (and 0.000001 for another processor).


# %% tags=["detail"]
def compare(name, tensor, form=".6f"):
    old, new = printed[name].split(), tensor.flatten().tolist()
    worst = max(abs(float(x) - y) for x, y in zip(old, new, strict=True))
    heads, rows = [], []
    for i in range(0, len(old), 10):
        heads += ["printed", "reproduced"]
        rows += [" ".join(old[i : i + 10][-5:])]
        rows += [" ".join(format(x, form) for x in new[i : i + 10][-5:])]
    heads, rows = (
        [*heads, "beyond rounding"],
        [*rows, f"{max(worst - 0.000051, 0):.4f}"],
    )
    return plotting.table({"": heads, name: rows})


# %% [markdown]
# ## The replay
#
# **Advantages.** Four texts, scored by their length and by their format. The original compares all four with each other and adds 0.01 to the spread.

# %% tags=["detail"]
texts = [
    "<think>The sum of 1 and 2 is 3, which we multiply by 4 to get 12.</think>"
    "<answer>(1 + 2) * 4 = 12</answer>",
    "The sum of 3 and 1 is 4, which we multiply by 2 to get 8. So (3 + 1) * 2 = 8.",
    "<think>The product of 3 and 4 is 12.</think><answer>3 * 4 = 12</answer>",
    "The product of 3 and 4 is 12. So 3 * 4 = 12.",
]
lengths = torch.tensor(grpo_lite.length_reward(texts))
formats = torch.tensor(grpo_lite.format_reward(texts))

# %% tags=["result-length-advantages"]
compare("length advantages", grpo_lite.group_advantages(lengths, 4, eps=0.01))

# %% tags=["result-format-advantages"]
compare("format advantages", grpo_lite.group_advantages(formats, 4, eps=0.01))

# %% [markdown]
# **Models and ids.** From here on the *order of calls* matters: seed, policy, reference, prompt, response. One more random number in between would change everything after it.
#
# We depart in one point, which draws no random number: the end token of GPT-2, 50256, is outside of a vocabulary of 10 (defect 9). We switch it off.

# %% tags=["result-response-ids"]
torch.manual_seed(1)
sizes = {"vocab_size": 10, "n_embd": 128, "n_inner": 256, "n_layer": 2, "n_head": 4}
config = GPT2Config(**sizes, bos_token_id=None, eos_token_id=None)
policy, reference = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
prompt = torch.randint(0, 10, (2, 5))
response = torch.randint(0, 10, (2, 10))
compare("response ids", response, "d")

# %% [markdown]
# **Log-probs.** Each token is scored with the logits at its own position, and dropout is on: defects 2 and 3, which must be reproduced to get the same numbers.


# %% tags=["result-log-probs"]
def scores(model, ids=response):
    return grpo_lite.token_logps(model(input_ids=ids).logits, ids)


compare("log-probs", scores(policy))

# %% [markdown]
# The same four decimals, from another machine, another operating system and a newer library. Nobody promises that, and here it holds.
#
# **KL.** One more pass through each model, the policy first. The original prints these with five significant digits.

# %% tags=["result-kl"]
pi, pi_ref = scores(policy).detach(), scores(reference).detach()
compare("KL", grpo_lite.kl_k3(pi, pi_ref), ".4e")

# %% [markdown]
# To four *decimals* all agree; the second number shown differs in its fifth *digit*. The original divides two exponentials and subtracts from a number near 1, where a float32 moves in steps of 1.2e-07. So 4.1e-04 is known to three digits, and the others depend on the machine. (`kl_k3` uses `torch.expm1`, which avoids the 1.)
#
# **Ratio, clip, policy gradient, masked loss.** Rewards of 100 and 66 give two advantages. The ratio is policy over *reference* (defect 14), the clip range ±0.01 (defect 15), and β is 0.01.

# %% tags=["result-clipped-ratio"]
advantages = grpo_lite.group_advantages(torch.tensor([100.0, 66.0]), 2, eps=0.01)
ratio = grpo_lite.importance_ratio(pi, pi_ref)
compare("clipped ratio", ratio.clamp(0.99, 1.01))

# %% tags=["result-policy-gradient"]
policy_gradient = grpo_lite.clipped_surrogate(ratio, advantages, epsilon=0.01)
compare("policy gradient", policy_gradient)

# %% tags=["result-masked-loss"]
mask = (torch.arange(10) >= 5).expand(2, 10)
compare("masked loss", (policy_gradient - 0.01 * grpo_lite.kl_k3(pi, pi_ref)) * mask)

# %% [markdown]
# **The final loss.** The last cells run three passes (policy, old, reference), print twenty times False for `pi == pi_old`, and one loss. The first repetition gives another loss. So we repeat.

# %% tags=["result-repetitions"]
settings, losses = {"beta": 0.01, "epsilon": 0.01}, []
for _ in range(6):
    pi, pi_old, ref_logps = scores(policy), scores(policy), scores(reference)
    final = grpo_lite.grpo_loss(
        pi, pi_old, advantages, mask, ref_logps=ref_logps, **settings
    ).loss.detach()
    losses.append(final)
plotting.table({"repetition": range(1, 7), "loss": losses}, decimals=4)

# %% tags=["result-final-loss"]
compare("final loss", final, ".4f")

# %% [markdown] tags=["detail"]
# The sixth repetition gives 0.0352. That fits the notebook: its cell In[74] uses a variable that is only defined in In[78], so the cells at the end were run more than once.
#
# How strong is this evidence? The six losses spread over 0.04, that is 400 steps of 0.0001, so six tries hit a given number by chance in 1 or 2 cases of 100. The other tensors are beyond doubt; this one is likely, not proven. What is certain is what the number is made of: dropout masks that happen to differ, and the distance to an unrelated model.

# %% [markdown]
# **Check yourself.** The sixth repetition gives the printed digits, 0.0352. What does that say about the loss of the original?
#
# <details class="right"><summary>Most likely we repeat what it computed, mistakes included</summary>Whether that is the right loss takes a test that knows the answer from somewhere else.</details>
# <details class="wrong"><summary>It is right: two computations agree</summary>It is one computation, made twice. Scores without a shift and with dropout came back to the digit as well.</details>
# <details class="wrong"><summary>Nothing: with enough tries one finds any number</summary>Six tries hit a given number by chance in 1 or 2 cases of 100. That is evidence, though no proof.</details>

# %% [markdown]
# ## Break it, repair it
#
# The defects, 1 to 27 in four groups. For each: what it does to a number, the repair, the number after. `show` puts both side by side; `outcome` runs something and says how it ended. From here on dropout is off.


# %% tags=["detail"]
def as_text(x):
    if isinstance(x, torch.Tensor):
        numbers = [round(number, 4) + 0 for number in x.flatten().tolist()]
        return ", ".join(map(str, numbers))
    return str(x)


def show(what, *both):
    with_it, repaired = map(as_text, both)
    return plotting.table({"": [what], "with it": [with_it], "repaired": [repaired]})


def outcome(function, *inputs, **settings):
    try:
        function(*inputs, **settings)
    except Exception as error:
        return type(error).__name__
    return "runs"


def gradient_norm(value, model):
    parameters = list(model.parameters())
    found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    squares = [g.square().sum() for g in found if g is not None]
    return torch.as_tensor(sum(squares)).sqrt()


_ = policy.eval(), reference.eval()

# %% [markdown]
# ## 1 to 10: what stops learning
#
# **1. Old policy not detached.** The original computes `pi_old` with a second pass and keeps its gradient. Without dropout, $\pi_\theta / \pi_{\theta_{\text{old}}}$ is then 1 *whatever the weights are*, and a constant has no slope. (The reference is not detached either. Its weights receive gradients, and an optimiser that holds them would move the yardstick.)


# %% tags=["result-defect-01"]
def reward_part(rho):
    return (rho * advantages[:, None]).mean()


pi, pi_old, pi_ref = scores(policy), scores(policy), scores(reference)
show(
    "gradient of the reward part",
    gradient_norm(reward_part((pi - pi_old).exp()), policy),
    gradient_norm(reward_part(grpo_lite.importance_ratio(pi, pi_old)), policy),
)

# %% tags=["result-defect-01-reference"]
d = pi_ref - pi
kls = (d.exp() - d - 1).mean(), grpo_lite.kl_k3(pi, pi_ref).mean()
show("gradient in the reference", *(gradient_norm(x, reference) for x in kls))

# %% [markdown]
# Repair: `importance_ratio` and `kl_k3` detach what is constant (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)).
#
# **2. No shift.** The logits at position t predict token t + 1. The original scores token t with the logits at t, *after* the model has read it. Test: change token 7 of the first row. Does the distribution that scores it move?

# %% tags=["result-defect-02"]
changed = response.clone()
changed[0, 7] = (changed[0, 7] + 1) % 10
with torch.no_grad():
    before, after = (policy(x).logits.log_softmax(-1) for x in (response, changed))
moved = (after - before)[0].abs().amax(dim=-1)
show("distribution moves by", moved[7], moved[6])

# %% [markdown]
# Unshifted, the model has seen the answer before it is asked. Repair: `completion_logps` shifts once, inside (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# **3. Dropout on.** A new model is in training mode, hence the twenty times False. How many ratios between two passes of the same model leave the clip range of the original?

# %% tags=["result-defect-03"]
torch.manual_seed(0)
many = response.repeat(200, 1)
shares = []
for training in (True, False):
    policy.train(training)
    with torch.no_grad():
        rho = grpo_lite.importance_ratio(scores(policy, many), scores(policy, many))
    shares.append(f"{((rho - 1).abs() > 0.01).float().mean():.0%}")
show("ratios outside of 1 ± 0.01", *shares)

# %% [markdown]
# Nothing has been learned, and nearly every token is outside. Repair: `model.eval()` before scoring, or a dropout rate of 0 (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# **4. Greedy sampling.** `generate` without `do_sample=True` always takes the most likely token. Ask twice, and you get the same answer twice. Take the sum of the digits as a reward:

# %% tags=["result-defect-04"]
pair = prompt[:1].repeat(2, 1)
greedy = policy.generate(pair, max_new_tokens=5, do_sample=False)[:, 5:]
limits = {"max_new_tokens": 5, "eos_token_id": 0, "pad_token_id": 0}
generator = torch.Generator().manual_seed(0)
sampled = grpo_lite.sample_group(policy, prompt[:1], 2, **limits, generator=generator)
show("completions", greedy.tolist(), sampled.ids.tolist())

# %% tags=["result-defect-04-advantages"]
sums = greedy.sum(dim=1).float(), sampled.ids.sum(dim=1).float()
show("advantages", *(grpo_lite.group_advantages(x, 2) for x in sums))

# %% [markdown]
# A group of copies has nothing to compare. Repair: `sample_group` (lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/)).
#
# **5. No groups.** The four texts answer different prompts and are compared with each other; `grpo_samples_nums = 2` is never used. Suppose that the first two answered one prompt and the last two another:

# %% tags=["result-defect-05"]
together = grpo_lite.group_advantages(lengths, 4, eps=0.01)
show("advantages", together, grpo_lite.group_advantages(lengths, 2))

# %% [markdown]
# The two in the middle change their sign. Repair: tell `group_advantages` the size of a group (lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/)).
#
# **6. Unrelated response.** `response` is drawn at random. It does not continue `prompt`, it is not what was rewarded, and its two rows are not one group. Nor is anything updated: there is no optimiser and no loop, and the last heading, 采样 ("sampling"), is empty.

# %% tags=["result-defect-06"]
whole = torch.cat([pair, sampled.ids], dim=1)
in_place = (response[:, :5] == prompt).sum(), (whole[:, :5] == pair).sum()
show("prompt tokens in place, of 10", *in_place)

# %% [markdown]
# Repair: the loop at the end of this lesson (lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/)).
#
# **7. Quotient of exponentials.** `pi.exp() / pi_old.exp()` divides two numbers that may both have become 0. A token of log-prob −110, the same before and after:

# %% tags=["result-defect-07"]
rare = torch.tensor([[-110.0]])
show("ratio", rare.exp() / rare.exp(), grpo_lite.importance_ratio(rare, rare))

# %% [markdown]
# Repair: subtract first, one exponential after, also in the KL (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)).
#
# **8. Not runnable in order.** Run from top to bottom, In[66] multiplies two rows of ratios by *four* advantages, because `len_rewards` gets its two values only in In[77] (the `test_rewards` of In[65] are overwritten at once). And In[74] asks for a variable of In[78].

# %% tags=["result-defect-08"]
four = grpo_lite.group_advantages(lengths, 4)
ways = [outcome(torch.mul, ratio, x[:, None]) for x in (four, advantages)]
show("In[66]", *ways)

# %% [markdown]
# Repair: restart and run all before publishing. Here a test does it for every lesson.
#
# **9. Foreign end token.** The vocabulary has 10 ids. The end token of GPT-2 is 50256, and the original pads with it. No sampled token can ever be the end, and a single padding token stops the program:

# %% tags=["result-defect-09"]
end = GPT2Config(vocab_size=10).eos_token_id
padding = torch.tensor([[end]]), torch.tensor([[0]])
show(f"padding with {end} or 0", *(outcome(policy, x) for x in padding))

# %% [markdown]
# Repair: an end token inside of the vocabulary; `sample_group` refuses any other (lesson [Sampling a group](https://grpo-lite.github.io/grpo-lite/lessons/sampling_a_group/)).
#
# **10. Foreign reference.** The reference should be the policy as it was at the start. The original initialises a second model, with other random weights.

# %% tags=["result-defect-10"]
frozen = copy.deepcopy(policy).requires_grad_(False)
with torch.no_grad():
    kls = [grpo_lite.kl_k3(pi, scores(model)).mean() for model in (reference, frozen)]
show("KL at step 0", *kls)

# %% [markdown]
# A penalty pulls the policy towards the reference, whatever that is. Here it would pull towards noise. Repair: copy, then freeze (lesson [The leash](https://grpo-lite.github.io/grpo-lite/lessons/the_leash/)).
#
# ## 11 to 15: masks and loss
#
# **11. One mask for three jobs.** The original has one mask, 0 on the prompt and 1 after it, calls it attention mask, and never gives it to the model. A comment says that none seems to be needed. True, until prompts differ in length and the shorter one is padded on the left:

# %% tags=["result-defect-11"]
left = torch.cat([torch.zeros(1, 3, dtype=torch.long), prompt[:1]], dim=1)
real = torch.tensor([[False] * 3 + [True] * 5])
written = sampled.ids[:1]
with torch.no_grad():
    alone = grpo_lite.completion_logps(policy, prompt[:1], written)
    padded = [
        grpo_lite.completion_logps(policy, left, written, prompt_mask=mask)
        for mask in (None, real)
    ]
show("log-probs off by", *((x - alone).abs().max() for x in padded))

# %% [markdown]
# There are three things: what the model may look at (attention mask), the place of each token (position ids), and which tokens the loss counts (completion mask). Repair: `prompt_mask` gives the first two, `completion_mask` the third (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# **12. Constant length.** `len_oi` is a constant. With an end token in play, say 9, lengths differ:

# %% tags=["result-defect-12"]
ids = torch.tensor([[3, 9, 9, 9, 9], [4, 3, 8, 6, 9]])
show("lengths", [5, 5], grpo_lite.completion_mask(ids, eos_token_id=9).sum(dim=1))

# %% [markdown]
# Divided by 5, a completion of 2 tokens weighs 2/5 of what it should. Repair: `completion_mask` for the length, `masked_mean` for the division (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# **13. A name for two things.** The factor is `1 / group_num`, where `group_num` counts *rows*. The formula has $1/G$ there, for one group. With several prompts, dividing by all rows is right. But read the name as $G$ and divide by that: with three prompts the loss triples.

# %% tags=["result-defect-13"]
per_row = torch.tensor([0.2, 0.4, 0.1, 0.5, 0.3, 0.3])  # three prompts, G = 2
show("mean over completions", per_row.sum() / 2, per_row.sum() / 6)

# %% [markdown]
# Repair: one name for one thing, B rows and G completions per prompt (lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/)).
#
# **14. Ratio to the reference.** The step-by-step part has `pi.exp() / pi_ref.exp()`. The ratio compares with the policy that *sampled*, and before the first update that is 1 for every token.

# %% tags=["result-defect-14"]
ratios = [grpo_lite.importance_ratio(pi, other).detach() for other in (pi_ref, pi_old)]
show("lowest and highest ratio", *(torch.stack(x.aminmax()) for x in ratios))

# %% [markdown]
# The function at the end of the original has it right. Repair: the old log-probs go into the ratio, the reference only into the KL (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)).
#
# **15. Clip range of 0.01.** `epslion = 0.01`, and `beta` is 0.1 in the text and 0.01 in the code. How many of the ratios of the replay are outside?

# %% tags=["result-defect-15"]
outside = [int(((ratio - 1).abs() > epsilon).sum()) for epsilon in (0.01, 0.2)]
show("ratios outside, of 20", *outside)

# %% [markdown]
# With 0.01 nearly every token is at its limit. Of the 8 that remain, 6 are due to defect 14 and 2 to dropout, defect 3:

# %% tags=["result-defect-15-dropout"]
both = ratio, grpo_lite.importance_ratio(pi, pi_ref)  # in the replay, and now
outside = [int(((x - 1).abs() > 0.2).sum()) for x in both]
plotting.table({"dropout": ["on", "off"], "ratios outside of 1 ± 0.2": outside})

# %% [markdown]
# Repair: the default `epsilon=0.2`; DeepSeekMath reports $\beta = 0.04$ (lesson [Ratio and clipping](https://grpo-lite.github.io/grpo-lite/lessons/ratio_and_clipping/)).
#
# ## 16 to 19: advantages
#
# Where nothing else is said, the repair stands in lesson [Group-relative advantages](https://grpo-lite.github.io/grpo-lite/lessons/group_advantages/).
#
# **16. Stabiliser of 0.01.** It is there against division by zero, and it is added to *every* spread. Rewards of 0.05 and 0.06:

# %% tags=["result-defect-16"]
close = torch.tensor([0.05, 0.06])
both = [grpo_lite.group_advantages(close, 2, eps=eps) for eps in (0.01, 1e-4)]
show("advantages", *both)

# %% [markdown]
# Repair: `eps=1e-4`, and equal rewards become 0 before the division.
#
# **17. Whole-number rewards.** `torch.tensor([100, 66])` holds integers, and integers have no mean. To wrap a tensor in `torch.tensor` once more works but warns, as the output of the original shows.

# %% tags=["result-defect-17"]
whole_numbers = torch.tensor([100, 66])
repaired = grpo_lite.group_advantages(whole_numbers.float(), 2)
show("advantages", outcome(torch.mean, whole_numbers), repaired)

# %% [markdown]
# Repair: `.float()`. `grpo_lite` refuses integers too, and its error says what to do.
#
# **18. Which standard deviation.** `rewards.std()` divides by $n - 1$; neither the formula nor the original says so. With two completions, a reader who takes $n$ gets another constant:

# %% tags=["result-defect-18"]
two = torch.tensor([100.0, 66.0])
with_n = (two - two.mean()) / two.std(unbiased=False)
show("advantages", with_n, grpo_lite.group_advantages(two, 2))

# %% [markdown]
# Not a mistake, a thing to say. Repair: say it. Ours is $n - 1$, as in TRL.
#
# **19. Rewards never added.** Length and format get advantages of their own, and nothing adds them up. A reward function that declines to judge returns `None`, which `torch.tensor` refuses.


# %% tags=["result-defect-19"]
def only_sums(completions, **columns):
    return [1.0 if "sum" in text else None for text in completions]


functions = [grpo_lite.format_reward, only_sums]
total = grpo_lite.combine_rewards(
    grpo_lite.score_completions(functions, [""] * 4, texts)
)
show("rewards", outcome(torch.tensor, only_sums(texts)), total)

# %% [markdown]
# Repair: one column per function, nan for None, and then their sum (lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/)).
#
# ## 20 to 27: rewards and the rest
#
# The repairs of 20 to 25 stand in lesson [Rewards](https://grpo-lite.github.io/grpo-lite/lessons/rewards/).
#
# **20. "code" and "coding".** The data calls the task `"code"`, the reward function asks for `"coding"`. It declines every time, and no error appears.

# %% tags=["result-defect-20"]
tasks = ["math", "code", "math", "code"]
show("tasks judged, of 4", tasks.count("coding"), tasks.count("code"))

# %% [markdown]
# Repair: look at the reward table before training. A column that is nan throughout says that a function never judged.
#
# **21. Format pattern.** In the pattern a dot stops at a newline, nothing may stand between the tags, and `.*?` swallows anything. Two well formed completions, then junk at the end, empty tags, and a repetition:

# %% tags=["result-defect-21"]
pattern = r"^<think>.*?</think><answer>.*?</answer>$"
cases = [
    "<think>a\nb</think><answer>7</answer>",
    "<think>a</think> <answer>7</answer>",
    "<think>a</think><answer>7</answer> or 8</answer>",
    "<think></think><answer></answer>",
    "<think>a</think><answer>7</answer>" * 2,
]
with_it = [int(bool(re.match(pattern, x))) for x in cases]
show("format rewards", with_it, grpo_lite.format_reward(cases))

# %% [markdown]
# All five are judged the wrong way round. The first hole is the worst: real reasoning has newlines, so everybody gets 0 and the group teaches nothing. Repair: `format_reward`.
#
# **22. Box pattern.** The pattern stops at the first `}` of the first box and compares texts as they are.

# %% tags=["result-defect-22"]
cases = {
    r"\boxed{\frac{1}{2}}": r"\frac{1}{2}",
    r"First \boxed{3}, no: \boxed{4}": "4",
    r"\boxed{ 2 }": "2",
    r"\boxed{2.0}": "2",
    "no box": "",
}
found = [re.search(r"\\boxed\{(.*?)\}", text) for text in cases]
contents = [match.group(1) if match else "" for match in found]
with_it = [int(x == y) for x, y in zip(contents, cases.values(), strict=True)]
show("boxed rewards", with_it, grpo_lite.boxed_reward(list(cases), cases.values()))

# %% [markdown]
# All five are wrong again, and the last one pays for saying nothing. Repair: `boxed_reward` counts braces, reads the last box, and never pays for an empty one.
#
# **23. Longer is better.** The length reward counts characters, not tokens, and it pays for anything. Which of these two would you rather have?

# %% tags=["result-defect-23"]
answers = [r"\boxed{7}", "a" * 500]
show(
    "rewards",
    grpo_lite.length_reward(answers),
    grpo_lite.boxed_reward(answers, ["7"] * 2),
)

# %% [markdown]
# Good for a demonstration, and the first thing that a model will exploit. Repair: reward what you want, and watch the length.
#
# **24. Missing functions.** `check_math_solution` and `test_code_solution` are called and never defined (the original says so), and two large libraries are imported for a cell whose main part is commented out.

# %% tags=["result-defect-24"]
missing = outcome(lambda: check_math_solution("What is 2+2?", "4"))
show("reward", missing, grpo_lite.boxed_reward([r"\boxed{4}"], ["4"]))

# %% [markdown]
# Repair: a smaller reward that runs.
#
# **25. Text or messages.** One reward reads strings, the next reads chat lists (whose prompts carry the role "assistant" where "user" is meant). Hand the wrong kind to the wrong function, and you get a number all the same: the length of a list with one message.

# %% tags=["result-defect-25"]
chat = [[{"role": "assistant", "content": text}] for text in texts]
show("lengths", [len(messages) for messages in chat], grpo_lite.length_reward(chat))

# %% [markdown]
# Repair: all our rewards read both.
#
# **26. Table of all log-probs.** `log_softmax` over the vocabulary, then `gather`: of each row of V numbers one is used. At V = 10 nobody notices. For 8 completions of 512 tokens and the 50257 tokens of GPT-2, in float32:

# %% tags=["result-defect-26"]
logits = policy(response).logits
full = logits.log_softmax(-1).gather(2, response[:, :, None])[..., 0]
torch.testing.assert_close(full, scores(policy))  # by token_logps
tokens = 8 * 512
show("megabytes", tokens * 50257 * 4 / 1e6, tokens * 4 / 1e6)

# %% [markdown]
# Repair: `token_logps`, the chosen logit minus the log of the normaliser. The logits are still there; a second table of their size is saved (lesson [Token log-probs](https://grpo-lite.github.io/grpo-lite/lessons/token_logprobs/)).
#
# **27. Names.** `accury`, `rēward`, `epslion`, and `oi` for $o_i$. Harmless in a private variable. Among settings, a typing mistake should be an error and not a silent default:

# %% tags=["result-defect-27"]
loss = grpo_lite.grpo_loss
misspelt = outcome(loss, pi, None, advantages, mask, epslion=0.1)
show("epslion=0.1", outcome(dict, epslion=0.1), misspelt)

# %% [markdown]
# A `dict` of settings takes any name. Repair: settings are keywords, with the names of the paper and of TRL (lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/)).
#
# ## The original, repaired
#
# Same sizes, same seed, run from top to bottom. The actor (the original's name for the policy) gets an end token of its own, 0; the reference is its copy; dropout is off. The reward can be checked by eye: the share of sevens in the completion.

# %% tags=["detail"]
torch.manual_seed(1)
actor = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).eval()
frozen = copy.deepcopy(actor).requires_grad_(False)
optimizer = torch.optim.Adam(actor.parameters(), lr=1e-3)
prompts, G = torch.randint(1, 10, (2, 5)), 8
repeated = prompts.repeat_interleave(G, dim=0)

# %% [markdown]
# One step. Its first line was the empty heading at the end of the original.


# %%
def step():
    group = grpo_lite.sample_group(actor, prompts, G, **limits, generator=generator)
    sevens = (group.ids == 7).float()
    rewards = grpo_lite.masked_mean(sevens, group.mask, dim=1)
    advantages = grpo_lite.group_advantages(rewards, G)

    logps, ref_logps = (
        grpo_lite.completion_logps(m, repeated, group.ids, completion_mask=group.mask)
        for m in (actor, frozen)
    )
    settings = {"ref_logps": ref_logps, "beta": 0.04}
    out = grpo_lite.grpo_loss(logps, group.logps, advantages, group.mask, **settings)
    optimizer.zero_grad()
    out.loss.backward()
    optimizer.step()
    return group.ids, rewards, advantages, out


ids, rewards, advantages, out = step()

# %% [markdown]
# The completions of the first prompt, with reward and advantage. 0 ends a completion; what follows it is padding.

# %% tags=["result-first-group"]
plotting.table(
    {
        "completion": [[str(token) for token in row] for row in ids[:G].tolist()],
        "reward": rewards[:G],
        "advantage": advantages[:G],
    },
    decimals=4,
)

# %% tags=["result-first-loss"]
plotting.table({"loss": out.loss.detach()[None], "KL": out.kl[None]}, decimals=4)

# %% [markdown]
# Loss and KL are 0, as they must be on the first step. And yet the policy has moved. Let it run:

# %%
columns = {"step": [], "share of sevens": [], "loss": [], "KL": []}
for number in range(2, 17):
    _, rewards, _, out = step()
    if number % 5 == 1:
        row = number, rewards.mean(), out.loss.detach(), out.kl
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
plotting.table(columns, decimals=4)

# %% [markdown]
# One seed and a toy task, so read no more into it than this: the tiny model of the original learns what it is paid for. The loss is $\beta$ times the KL, and goes up (lesson [The loss](https://grpo-lite.github.io/grpo-lite/lessons/the_loss/)).
#
# ## Exercises
#
# **1. Which four?** *Medium, 15 minutes.* You may repair only four of the 27, and then add an optimiser and a loop. Which four, so that the reward steers the policy at all? For each, say why the gradient from the reward is otherwise zero or noise.

# %%
# Your turn.

# %% [markdown] tags=["solution"]
# There is room for argument. Our four are 1, 2, 4 and 6.
#
# - **1, detach.** Otherwise the gradient of the policy term is zero for any rewards (with dropout on: noise around zero).
# - **2, shift.** Otherwise what is pushed is the score of a token that the model has already read.
# - **4, sampling.** Otherwise all completions of a group are copies, with advantages of 0.
# - **6, the response.** Otherwise rewards and tokens belong to different texts: noise.
#
# 5 comes next: without groups there is a signal, mixed with how easy each prompt is. 3 adds noise to every ratio, but leaves the signal in.

# %% [markdown]
# **2. What the seed hides.** *Medium, 10 minutes.* `policy` still has the weights of the replay. Score `response` with dropout off, twice. Are these the printed log-probs? And with dropout on: which of the printed tensors would come back each time that all cells are run once, in the order of this lesson?

# %%
# Your turn.

# %% tags=["solution", "result-without-dropout"]
first, second = scores(policy), scores(policy)
print("same on the second pass", torch.equal(first, second))
print(first[0, -5:].detach())

# %% [markdown] tags=["solution"]
# A second pass agrees with the first, but not with the printed numbers: those carry a dropout mask.
#
# All but the final loss. Advantages involve no randomness, the ids depend on the seed alone, and dropout draws from the same seeded generator. The final loss would be the same in each such run, but another one, 0.0428: what was printed needs the last cells six times. It was the repeated cells, not dropout alone, that made this number hard to find.

# %% [markdown]
# ## What to remember
#
# > **Remember.** A fixed seed and a fixed order of calls can bring a notebook back to the digit, even on another machine. Printing every tensor is what makes mistakes findable. And most mistakes in reinforcement learning raise no error: the loss is a plausible number, and only a test that knows the answer can tell.
#
# The loss and its parts: [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). The format and accuracy rewards: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948).
#
# **From here:** [The training loop](https://grpo-lite.github.io/grpo-lite/lessons/the_training_loop/) puts the loss into a loop that trains a model. Or take the original and repair it yourself, without looking.
