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
# # 09 The original, replayed
#
# This course grew from one short Chinese notebook, *手撕grpo*, "GRPO torn apart by hand". Here we reproduce every tensor that it prints, then repair it, one number at a time.
#
# **Minutes:** 40 · **Needs:** [lesson 01](01_the_map.ipynb) to [lesson 08](08_the_loss.ipynb) · **Gives:** the bridge from the original notebook to `grpo_lite`

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

transformers.logging.set_verbosity_error()

# %% [markdown]
# ## What the original got right
#
# A person sat down with a paper and a laptop and wrote GRPO in a few dozen lines. No framework, no GPU, two tiny models, every intermediate tensor printed. That is how one learns an algorithm, and it is the form that all lessons here have kept.
#
# It also got right what is easiest to get wrong:
#
# - The surrogate takes the `min`, for advantages of both signs ([lesson 07](07_ratio_and_clipping.ipynb)).
# - The KL estimate has reference over policy in the exponential, and the right sign everywhere ([lesson 06](06_kl.ipynb)).
# - The advantage needs no critic; rewards are plain functions that follow a public protocol ([lesson 02](02_rewards.ipynb)).
# - The minus sign stands in front of everything, and β · KL is subtracted inside it ([lesson 08](08_the_loss.ipynb)).
#
# Then there are 27 things to improve. Some are deep, some are typing mistakes. Each taught us something, and several can be found in code that is far better known. Finding them is how one learns.
#
# **Predict.** The original fixes a seed at the top. It was run on a Mac, with other versions of everything. How many of its digits will come back here?
#
# ## What it printed
#
# These are its outputs, copied as data. Two rows of ten tokens; the first five columns are called prompt, the last five are the ones that count.

# %%
printed = {
    "length advantages": [1.2379, 0.0982, -0.1375, -1.1986],
    "format advantages": [0.8513, -0.8513, 0.8513, -0.8513],
    "response ids": [
        [9, 2, 7, 8, 7, 5, 5, 9, 3, 3],
        [4, 3, 8, 6, 8, 7, 6, 1, 6, 7],
    ],
    "log-probs": [
        [-1.6183, -1.3673, -1.5195, -1.5547, -1.4089, -1.3429, -1.2517, -1.3878, -1.3432, -1.1901],
        [-1.8480, -1.5877, -1.3003, -1.3325, -1.6356, -1.7515, -1.4456, -1.4905, -1.2200, -1.4700],
    ],
    "KL": [
        [2.6098e-02, 4.7684e-05, 4.6487e-03, 1.6298e-03, 3.6643e-03, 6.2504e-03, 2.8181e-04, 2.8575e-02, 2.9539e-02, 3.2508e-02],
        [1.3051e-02, 1.5891e-04, 4.1568e-02, 7.6652e-05, 1.7810e-04, 1.0834e-01, 4.0960e-04, 4.0464e-02, 2.9019e-02, 7.3563e-02],
    ],
    "clipped ratio": [
        [0.9900, 1.0098, 0.9900, 1.0100, 0.9900, 1.0100, 0.9900, 0.9900, 0.9900, 1.0100],
        [0.9900, 0.9900, 1.0100, 0.9900, 1.0100, 0.9900, 1.0100, 0.9900, 1.0100, 0.9900],
    ],
    "policy gradient": [
        [0.5672, 0.7138, 0.6428, 0.7139, 0.6496, 0.7139, 0.6903, 0.5616, 0.5596, 0.7139],
        [-0.6997, -0.6997, -0.9569, -0.6997, -0.7203, -0.6997, -0.7274, -0.6997, -0.9085, -0.6997],
    ],
    "masked loss": [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.7138, 0.6903, 0.5614, 0.5593, 0.7136],
        [0.0, 0.0, 0.0, 0.0, 0.0, -0.7008, -0.7274, -0.7001, -0.9087, -0.7005],
    ],
    "final loss": 0.0352,
}  # fmt: skip

# %% [markdown]
# And a function that puts printed and reproduced side by side. It shows up to five numbers of each row, the last ones, and the largest difference over *all* numbers of the tensor. A number printed with four decimals may be off by 0.00005, half of its last digit; such a difference is shown as 0.0000.

# %%
reproduced = {}


def compare(name, tensor):
    reproduced[name] = tensor.detach()
    target = torch.tensor(printed[name])
    form = "8.4f" if target.is_floating_point() else "8d"
    for label, x in (("printed", target), ("reproduced", reproduced[name])):
        for row in torch.atleast_2d(x).tolist():
            print(f"{label:12}", *(format(value + 0, form) for value in row[-5:]))
    print(
        f"{'difference':12}",
        format((reproduced[name] - target).abs().max().item(), form),
    )


# %% [markdown]
# ## The replay
#
# **Advantages.** Four texts, scored by their length and by their format. The original compares all four with each other and adds 0.01 to the spread.

# %%
texts = [
    "<think>The sum of 1 and 2 is 3, which we multiply by 4 to get 12.</think><answer>(1 + 2) * 4 = 12</answer>",
    "The sum of 3 and 1 is 4, which we multiply by 2 to get 8. So (3 + 1) * 2 = 8.",
    "<think>The product of 3 and 4 is 12.</think><answer>3 * 4 = 12</answer>",
    "The product of 3 and 4 is 12. So 3 * 4 = 12.",
]
lengths = torch.tensor(grpo_lite.length_reward(texts))
formats = torch.tensor(grpo_lite.format_reward(texts))
lengths, formats

# %% tags=["result-length-advantages"]
compare("length advantages", grpo_lite.group_advantages(lengths, 4, eps=0.01))

# %% tags=["result-format-advantages"]
compare("format advantages", grpo_lite.group_advantages(formats, 4, eps=0.01))

# %% [markdown]
# **Models and ids.** From here on randomness is involved, so the *order of calls* matters: seed, policy, reference, prompt, response. One more random number drawn anywhere in between would change everything after it.
#
# We depart in one point, which draws no random number: the original leaves the special token ids of GPT-2 at their default, 50256, in a vocabulary of 10. Newer versions of transformers warn about that, and we switch the ids off here. This is defect 9 below.

# %% tags=["result-response-ids"]
torch.manual_seed(1)
config = GPT2Config(
    vocab_size=10,
    n_embd=128,
    n_inner=256,
    n_layer=2,
    n_head=4,
    bos_token_id=None,
    eos_token_id=None,
)
policy = GPT2LMHeadModel(config)
reference = GPT2LMHeadModel(config)
prompt = torch.randint(0, 10, (2, 5))
response = torch.randint(0, 10, (2, 10))

compare("response ids", response)

# %% [markdown]
# **Log-probs.** All ten tokens are scored, each with the logits at its own position, and dropout is on. Both are defects (2 and 3), and both must be reproduced to get the same numbers.


# %%
@torch.no_grad()
def original_scores(model):
    return grpo_lite.token_logps(model(input_ids=response).logits, response)


# %% tags=["result-log-probs"]
compare("log-probs", original_scores(policy))

# %% [markdown]
# The same four decimals, from another machine, another operating system and a library that has since changed its major version. A seed and a fixed order of calls are worth that much.
#
# **KL.** One more pass through each model, the policy first.

# %% tags=["result-kl"]
with torch.no_grad():
    logits, logits_ref = (
        policy(input_ids=response).logits,
        reference(input_ids=response).logits,
    )
pi = grpo_lite.token_logps(logits, response)
pi_ref = grpo_lite.token_logps(logits_ref, response)
compare("KL", grpo_lite.kl_k3(pi, pi_ref))

# %% [markdown]
# The original prints these numbers with five significant digits, and there they do *not* all agree. Take token 6 of the first row, the second number shown. We compute it by two routes: ours, and that of the original (all log-softmaxes, gather, quotient of two exponentials).

# %%
p, q = pi[0, 6], pi_ref[0, 6]
p_all, q_all = logits.log_softmax(-1)[0, 6, 5], logits_ref.log_softmax(-1)[0, 6, 5]
print(f"printed                  {printed['KL'][0][6]:.4e}")
print(f"quotient of exps         {q_all.exp() / p_all.exp() - (q_all - p_all) - 1:.4e}")
print(f"kl_k3                    {grpo_lite.kl_k3(p, q):.4e}")
print(f"kl_k3 in float64         {grpo_lite.kl_k3(p.double(), q.double()):.4e}")
print(f"float32 spacing above 1  {torch.finfo(torch.float32).eps:.4e}")

# %% [markdown]
# The original's own formula, on this machine, gives another fourth digit than it gave on its author's. It adds and subtracts numbers near 1, and next to 1 a float32 can only move in steps of 1.19e-07. A result of about 2.8e-04 is therefore known to three digits, and the fourth depends on the machine. `grpo_lite.kl_k3` uses `torch.expm1`, which avoids the 1, and agrees with float64. To four *decimals* all of them agree.
#
# **Ratio, clip, policy gradient, masked loss.** Rewards of 100 and 66 give two advantages. The ratio is policy over *reference* (defect 14), the clip range ±0.01 (defect 15).

# %% tags=["result-clipped-ratio"]
advantages = grpo_lite.group_advantages(torch.tensor([100.0, 66.0]), 2, eps=0.01)
ratio = grpo_lite.importance_ratio(pi, pi_ref)
compare("clipped ratio", ratio.clamp(0.99, 1.01))

# %% tags=["result-policy-gradient"]
policy_gradient = grpo_lite.clipped_surrogate(ratio, advantages, epsilon=0.01)
compare("policy gradient", policy_gradient)

# %% tags=["result-masked-loss"]
counts = torch.arange(10) >= 5
compare("masked loss", (policy_gradient - 0.01 * grpo_lite.kl_k3(pi, pi_ref)) * counts)

# %% [markdown]
# **The final loss.** The last cells run three forward passes (policy, old, reference) and print one number. The first repetition gives another number than the printed one. So we repeat.

# %% tags=["result-repetitions"]
losses = []
for repetition in range(1, 7):
    pi, pi_old, pi_ref = (
        original_scores(policy),
        original_scores(policy),
        original_scores(reference),
    )
    out = grpo_lite.grpo_loss(
        pi,
        pi_old,
        advantages,
        counts.expand(2, 10),
        ref_logps=pi_ref,
        beta=0.01,
        epsilon=0.01,
    )
    losses.append(out.loss)
    print(repetition, f"{out.loss:.4f}")

# %% tags=["result-final-loss"]
compare("final loss", losses[-1])

# %% [markdown]
# The sixth repetition gives 0.0352. That fits the notebook: its cell In[74] uses a variable that is only defined in In[78], so the cells at the end were run more than once.
#
# How strong is this evidence? With dropout on, every repetition gives another loss, so some repetition would print 0.0352 by chance. Let us estimate how often, from 500 repetitions at once: how many come within 0.002, times the share of that window which rounds to 0.0352.

# %%
torch.manual_seed(0)
many = response.repeat(500, 1)
with torch.no_grad():
    pi, pi_old, pi_ref = (
        grpo_lite.token_logps(m(input_ids=many).logits, many)
        for m in (policy, policy, reference)
    )

gain = grpo_lite.clipped_surrogate(
    grpo_lite.importance_ratio(pi, pi_old), advantages.repeat(500), epsilon=0.01
)
per_token = (gain - 0.01 * grpo_lite.kl_k3(pi, pi_ref))[:, 5:]
noisy_losses = -per_token.mean(dim=1).view(500, 2).mean(dim=1)
per_try = (noisy_losses - 0.0352).abs().lt(0.002).float().mean() * 0.0001 / 0.004

print(f"mean {noisy_losses.mean():.3f}   spread {noisy_losses.std():.3f}")
print(f"chance per try {per_try:.2%}   in six tries {1 - (1 - per_try) ** 6:.1%}")

# %% [markdown]
# A hit by chance within six tries has a probability of about one per cent. The replay of the other tensors, nearly a hundred numbers with four decimals each, is beyond doubt; that of the last number is likely, not proven. What is certain is what the number is made of: dropout masks that happen to differ, and the distance to an unrelated model.
#
# ## The replay in one table

# %% tags=["result-all"]
print("tensor             shape     first   reproduced   difference")
for name, values in printed.items():
    target = torch.tensor(values)
    first = target.flatten().nonzero()[0, 0]
    difference = (reproduced[name] - target).abs().max()
    shape = "x".join(map(str, target.shape)) or "1"
    pair = f"{target.flatten()[first]:9.4f} {reproduced[name].flatten()[first]:12.4f}"
    print(f"{name:18} {shape:5} {pair} {difference:12.4f}")

# %% [markdown]
# ("First" is the first entry that is not 0.)
#
# ## Break it, repair it: the defects, one by one
#
# For each: what it does to a number, the repair, the number after. They are numbered 1 to 27 in four groups. They use the two models, the ids and the ratios of the replay.
#
# ## Severe: these stop learning
#
# ### 1. The old policy is not detached
#
# The original computes `pi_old` with a second forward pass and keeps its gradient. Then $\pi_\theta / \pi_{old}$ is the same function above and below the line. Without dropout it is 1 *whatever the weights are*, and a constant has no slope. (From here on dropout is off.)

# %% tags=["result-defect-01"]
policy.eval()
reference.eval()


def gradient_norm(loss, model):
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return sum(float(g.square().sum()) for g in gradients if g is not None) ** 0.5


def scores(model, ids=response):
    return grpo_lite.token_logps(model(input_ids=ids).logits, ids)


for name, ratio_of in {
    "attached": lambda pi, pi_old: (pi - pi_old).exp(),
    "detached": grpo_lite.importance_ratio,
}.items():
    surrogate = grpo_lite.clipped_surrogate(
        ratio_of(scores(policy), scores(policy)), advantages
    )
    print(
        f"{name}: gradient norm {gradient_norm(-surrogate[:, 5:].mean(), policy):.4f}"
    )

# %% [markdown]
# With the gradient of `pi_old` in, the reward teaches nothing at all. Not detaching the reference is milder: its weights receive gradients too, and an optimiser that holds them would move the yardstick.

# %% tags=["result-defect-01-reference"]
pi, pi_ref = scores(policy), scores(reference)
print(
    f"reference, attached   {gradient_norm(((pi_ref - pi).exp() - (pi_ref - pi) - 1).mean(), reference):.4f}"
)
print(
    f"reference, grpo_lite  {gradient_norm(grpo_lite.kl_k3(scores(policy), scores(reference)).mean(), reference):.4f}"
)

# %% [markdown]
# Repair: `grpo_lite.importance_ratio`, `grpo_lite.kl_k3` and `grpo_lite.grpo_loss` detach what is constant. → [lesson 07](07_ratio_and_clipping.ipynb)
#
# ### 2. No shift
#
# A model's logits at position t predict token t + 1. The original scores token t with the logits at t, *after* the model has read it. Test: change token 7 of the first row, and see whether the distribution that scores it moves.

# %% tags=["result-defect-02"]
changed = response.clone()
changed[0, 7] = (changed[0, 7] + 1) % 10
with torch.no_grad():
    before = policy(input_ids=response).logits[0].log_softmax(-1)
    after = policy(input_ids=changed).logits[0].log_softmax(-1)
print(f"logits at 7 (original)  {(after[7] - before[7]).abs().max():.4f}")
print(f"logits at 6 (shifted)   {(after[6] - before[6]).abs().max():.4f}")

# %% [markdown]
# Unshifted, the model has seen the answer before it is asked. Repair: `grpo_lite.completion_logps` shifts once, inside. → [lesson 04](04_token_logprobs.ipynb)
#
# ### 3. Dropout is on
#
# A new model is in training mode. The original printed `pi == pi_old` and got twenty times False. How far apart are two passes of the same model?

# %% tags=["result-defect-03"]
torch.manual_seed(0)
many = response.repeat(200, 1)
for mode in (True, False):
    policy.train(mode)
    with torch.no_grad():
        noise = grpo_lite.importance_ratio(scores(policy, many), scores(policy, many))[
            :, 5:
        ]
    off = (noise - 1).abs()
    print(
        f"dropout {mode!s:5}  ratios {noise.min():.1f} to {noise.max():.1f}"
        f"   outside 1±0.01: {(off > 0.01).float().mean():.0%}   outside 1±0.2: {(off > 0.2).float().mean():.0%}"
    )

# %% [markdown]
# Nothing has been learned, and yet nearly every token has left the clip range of the original. Repair: `model.eval()` before scoring, or a dropout rate of 0. → [lesson 04](04_token_logprobs.ipynb)
#
# ### 4. Greedy sampling
#
# `generate` without `do_sample=True` always takes the most likely token. Ask twice, and you get the same answer twice.

# %% tags=["result-defect-04"]
greedy = policy.generate(prompt[:1].repeat(2, 1), max_new_tokens=5, do_sample=False)[
    :, 5:
]
sampled = grpo_lite.sample_group(
    policy,
    prompt[:1],
    2,
    max_new_tokens=5,
    eos_token_id=0,
    pad_token_id=0,
    generator=torch.Generator().manual_seed(0),
)
for name, ids in {"greedy": greedy, "sampled": sampled.ids}.items():
    print(
        f"{name:8}", ids.tolist(), grpo_lite.group_advantages(ids.sum(dim=1).float(), 2)
    )

# %% [markdown]
# The last column holds the advantages, with the sum of the digits as a reward. A group of copies has nothing to compare. Repair: `grpo_lite.sample_group`. → [lesson 03](03_sampling_a_group.ipynb)
#
# ### 5. No groups
#
# The four texts of the replay answer different prompts, but all four are compared with each other. `grpo_samples_nums = 2` is set at the top and never used. Suppose the first two answered one prompt and the last two another:

# %% tags=["result-defect-05"]
print("one pot      ", grpo_lite.group_advantages(lengths, 4, eps=0.01))
print("groups of two", grpo_lite.group_advantages(lengths, 2))

# %% [markdown]
# The two in the middle change their sign. Repair: `grpo_lite.group_advantages(rewards, num_generations)`. → [lesson 05](05_group_advantages.ipynb)
#
# ### 6. The response answers nothing
#
# `response` is drawn at random. It does not continue `prompt`, it has nothing to do with the texts that were rewarded, and its two rows are not one group. Nothing is ever updated either: there is no optimiser and no loop, and the last heading, 采样 ("sampling"), is empty. How many of the ten prompt tokens stand where they should?

# %% tags=["result-defect-06"]
whole = torch.cat([prompt[:1].repeat(2, 1), sampled.ids], dim=1)
print("original ", int((response[:, :5] == prompt).sum()), "of 10")
print("repaired ", int((whole[:, :5] == prompt[:1]).sum()), "of 10")

# %% [markdown]
# Repair: the eight lines at the end of this lesson. → [lesson 03](03_sampling_a_group.ipynb)
#
# ### 7. A quotient of two exponentials
#
# `pi.exp() / pi_old.exp()` divides two numbers that may both have become 0. Take a token of log-prob −110, the same before and after:

# %% tags=["result-defect-07"]
rare = torch.tensor([[-110.0]])
print("quotient  ", (rare.exp() / rare.exp()).item())
print(
    "fp16, -20 ",
    ((-20 * torch.ones(1)).half().exp() / (-20 * torch.ones(1)).half().exp()).item(),
)
print("repaired  ", grpo_lite.importance_ratio(rare, rare).item())

# %% [markdown]
# Repair: subtract first, one exponential after, in `grpo_lite.importance_ratio` and in `grpo_lite.kl_k3`. → [lesson 07](07_ratio_and_clipping.ipynb)
#
# ### 8. It does not run from top to bottom
#
# The cells were executed out of order. Run in order, In[66] multiplies ten ratios in two rows by *four* advantages, because `len_rewards` gets its two values only in In[77]; and In[74] asks for a variable of In[78].

# %% tags=["result-defect-08"]
for name, rewards in {
    "In[66], in order": lengths,
    "with In[77] first": torch.tensor([100.0, 66.0]),
}.items():
    try:
        product = ratio * grpo_lite.group_advantages(rewards, len(rewards))[:, None]
        print(name, "->", tuple(product.shape))
    except RuntimeError as error:
        print(name, "->", type(error).__name__)

# %% [markdown]
# Repair: restart and run all, before anything is published. A test does it here for every lesson. → [lesson 01](01_the_map.ipynb)
#
# ### 9. An end token outside of the vocabulary
#
# The vocabulary has 10 ids. The default end token of GPT-2 is 50256, and the original pads with it.

# %% tags=["result-defect-09"]
print("end token by default", GPT2Config(vocab_size=10).eos_token_id)
try:
    policy(input_ids=torch.tensor([[1, 50256]]))
except IndexError as error:
    print("reading it as padding:", type(error).__name__)
try:
    grpo_lite.sample_group(
        policy, prompt, 2, max_new_tokens=1, eos_token_id=50256, pad_token_id=50256
    )
except ValueError as error:
    print("grpo_lite:", type(error).__name__)
print(
    "repaired:", GPT2Config(vocab_size=10, bos_token_id=0, eos_token_id=0).eos_token_id
)

# %% [markdown]
# No sampled token can ever be the end, and a single padding token stops the program. transformers warns about the ids (our first cell keeps it quiet, so that the page stays readable), and `grpo_lite.sample_group` refuses them. Repair: special ids of one's own, inside of the vocabulary. → [lesson 03](03_sampling_a_group.ipynb)
#
# ### 10. The reference is another model
#
# The reference should be the policy as it was at the start. The original initialises a second model, with other random weights.

# %% tags=["result-defect-10"]
frozen = copy.deepcopy(policy).requires_grad_(False)
with torch.no_grad():
    print(
        f"KL at step 0, second model {grpo_lite.kl_k3(scores(policy), scores(reference)).mean():.4f}"
    )
    print(
        f"KL at step 0, frozen copy  {grpo_lite.kl_k3(scores(policy), scores(frozen)).mean():.4f}"
    )

# %% [markdown]
# A penalty pulls the policy towards whatever the reference is. Here it would pull towards noise. Repair: `copy.deepcopy`, then freeze. → [lesson 06](06_kl.ipynb)
#
# ## Masks and loss
#
# ### 11. One mask for three jobs
#
# The original has one float mask, 0 on the prompt and 1 after it, calls it attention mask, and never gives it to the model. A comment says that generation probably needs no mask. True, until prompts differ in length and the shorter one is padded on the left:

# %% tags=["result-defect-11"]
padded_prompt = torch.cat([torch.zeros(1, 3, dtype=torch.long), prompt[:1]], dim=1)
real = torch.tensor([[False] * 3 + [True] * 5])
completion = sampled.ids[:1]
with torch.no_grad():
    alone = grpo_lite.completion_logps(policy, prompt[:1], completion)
    without = grpo_lite.completion_logps(policy, padded_prompt, completion)
    with_mask = grpo_lite.completion_logps(
        policy, padded_prompt, completion, prompt_mask=real
    )
print(f"without mask: log-probs off by {(without - alone).abs().max():.4f}")
print(f"with mask   : log-probs off by {(with_mask - alone).abs().max():.4f}")

# %% [markdown]
# There are three things: what the model may look at (attention mask), which place each token has (position ids), and which tokens the loss counts (completion mask). `grpo_lite.completion_logps` derives the first two from the prompt mask. → [lesson 04](04_token_logprobs.ipynb)
#
# ### 12. Every completion is five tokens long
#
# `len_oi` is a constant. With an end token in play, say 9, lengths differ:

# %% tags=["result-defect-12"]
ids = torch.tensor([[3, 9, 9, 9, 9], [4, 3, 8, 6, 9]])
print("original", [5, 5])
print("repaired", grpo_lite.completion_mask(ids, eos_token_id=9).sum(dim=1).tolist())

# %% [markdown]
# Dividing by 5 where 2 tokens count makes the short completion weigh 2/5 of what it should. Repair: `grpo_lite.completion_mask` for the length, `grpo_lite.masked_mean` for the division, which also survives a length of 0. → [lesson 04](04_token_logprobs.ipynb)
#
# ### 13. A number with the wrong name
#
# The factor is `1 / group_num`, where `group_num` is the number of *rows*. The formula has $1/G$ there, for one group. Dividing by all rows is in fact the mean over prompts of the mean over each group, which is right. But read the name as $G$, put $G$ in, and with three prompts the loss triples:

# %% tags=["result-defect-13"]
per_row = torch.tensor([0.2, 0.4, 0.1, 0.5, 0.3, 0.3])  # three prompts, G = 2
print(f"sum / G      {per_row.sum() / 2:.4f}")
print(f"sum / rows   {per_row.sum() / 6:.4f}")
print(f"mean of group means {per_row.view(3, 2).mean(dim=1).mean():.4f}")

# %% [markdown]
# Repair: one name for one thing, B rows and G completions per prompt. → [lesson 08](08_the_loss.ipynb)
#
# ### 14. The ratio is taken against the reference
#
# In the step-by-step part, `pi.exp() / pi_ref.exp()`. The ratio compares with the policy that *sampled*, and before the first update that is 1 for every token.

# %% tags=["result-defect-14"]
with torch.no_grad():
    against_reference = grpo_lite.importance_ratio(scores(policy), scores(reference))
    against_old = grpo_lite.importance_ratio(scores(policy), scores(policy))
print(
    f"against the reference {against_reference.min():.4f} to {against_reference.max():.4f}"
)
print(f"against the old policy {against_old.min():.4f} to {against_old.max():.4f}")

# %% [markdown]
# The function at the end of the original has it right. Repair: `grpo_lite.importance_ratio(logps, old_logps)`, and the reference only in the KL. → [lesson 07](07_ratio_and_clipping.ipynb)
#
# ### 15. A clip range of 0.01
#
# `epslion = 0.01`, and `beta` is 0.1 in the text and 0.01 in the code. How many of the twenty ratios of the replay are outside of the range?

# %% tags=["result-defect-15"]
for epsilon in (0.01, 0.2):
    outside = (ratio - 1).abs() > epsilon
    print(f"epsilon {epsilon}: {int(outside.sum())} of {ratio.numel()} outside")

# %% [markdown]
# With such a range almost every token is at its limit. Repair: the default `epsilon=0.2`; DeepSeekMath reports $\beta = 0.04$. → [lesson 07](07_ratio_and_clipping.ipynb)
#
# ## Advantages
#
# ### 16. A stabiliser of 0.01
#
# It is there against division by zero, and it is added to *every* spread.

# %% tags=["result-defect-16"]
close = torch.tensor([0.05, 0.06])
for eps in (0.01, 1e-4):
    print(f"eps {eps}: {grpo_lite.group_advantages(close, 2, eps=eps)}")

# %% [markdown]
# Repair: `eps=1e-4`, and equal rewards become 0 before the division. → [lesson 05](05_group_advantages.ipynb)
#
# ### 17. Whole-number rewards
#
# `torch.tensor([100, 66])` holds integers, and integers have no mean. Floats work, but wrapping a tensor in `torch.tensor` once more warns: the warning stands in the printed output of the original.

# %% tags=["result-defect-17"]
try:
    torch.tensor([100, 66]).mean()
except RuntimeError as error:
    print("original:", type(error).__name__)
try:
    grpo_lite.group_advantages(torch.tensor([100, 66]), 2)
except ValueError as error:
    print("grpo_lite:", error)
print("repaired:", grpo_lite.group_advantages(torch.tensor([100, 66]).float(), 2))

# %% [markdown]
# An error is better than a wrong number, and an error that says what to do is better still. → [lesson 05](05_group_advantages.ipynb)
#
# ### 18. Which standard deviation
#
# `rewards.std()` divides by $n - 1$. The formula does not say which one is meant, and the original does not either. For two completions the choice is between two constants:

# %% tags=["result-defect-18"]
pair = torch.tensor([100.0, 66.0])
print("n - 1:", (pair - pair.mean()) / pair.std())
print("n    :", (pair - pair.mean()) / pair.std(unbiased=False))

# %% [markdown]
# Not a mistake, a thing to say. `grpo_lite.group_advantages` divides by $n - 1$, as TRL does, and its page says so. → [lesson 05](05_group_advantages.ipynb)
#
# ### 19. Two rewards that never meet
#
# Length and format each get advantages of their own, and nothing adds them up. A reward function that declines to judge returns `None`, which `torch.tensor` refuses.


# %% tags=["result-defect-19"]
def only_sums(completions, **columns):
    return [1.0 if "sum" in text else None for text in completions]


try:
    torch.tensor(only_sums(texts))
except (TypeError, RuntimeError) as error:
    print("original:", type(error).__name__)
table = grpo_lite.score_completions(
    [grpo_lite.format_reward, only_sums], [""] * 4, texts
)
print("repaired:", table.tolist())
print("combined:", grpo_lite.combine_rewards(table, weights=[1.0, 0.5]))

# %% [markdown]
# Repair: `grpo_lite.score_completions` gives one column a function and nan for None; `grpo_lite.combine_rewards` adds the columns with weights. → [lesson 02](02_rewards.ipynb)
#
# ## Rewards
#
# ### 20. "code" is not "coding"
#
# The data calls the task `"code"`, the reward function asks for `"coding"`. It declines every time, and no error appears. The documentation example that it follows has the same slip.

# %% tags=["result-defect-20"]
tasks = ["math", "code", "math", "code"]
for word in ("coding", "code"):
    judged = [1.0 if task == word else None for task in tasks]
    print(f"{word:7} {judged}")

# %% [markdown]
# Repair: look at the reward table before training. A column that is nan throughout says that a function never judged. → [lesson 02](02_rewards.ipynb)
#
# ### 21. A format pattern with holes
#
# The original pattern lets a dot stop at a newline, allows nothing between the tags, and lets `.*?` swallow anything. Six completions, the first two well formed:

# %% tags=["result-defect-21"]
pattern = r"^<think>.*?</think><answer>.*?</answer>$"
cases = {
    "newline": "<think>a\nb</think><answer>7</answer>",
    "space": "<think>a</think> <answer>7</answer>",
    "junk": "<think>a</think><answer>7</answer> or 8</answer>",
    "empty": "<think></think><answer></answer>",
    "repeated": "<think>a</think><answer>7</answer><think>b</think><answer>8</answer>",
    "nested": "<think>a<think>b</think></think><answer>7</answer>",
}
print("           original  repaired")
for name, text in cases.items():
    print(
        f"{name:10} {float(bool(re.match(pattern, text))):8} {grpo_lite.format_reward([text])[0]:9}"
    )

# %% [markdown]
# All six are judged the wrong way round. The first hole is the worst: real reasoning has newlines, so the reward is 0 for everybody, and the group teaches nothing. Repair: `grpo_lite.format_reward`. → [lesson 02](02_rewards.ipynb)
#
# ### 22. A box that closes too early
#
# The pattern stops at the first `}` of the first box and compares texts as they are.

# %% tags=["result-defect-22"]
pattern = r"\\boxed\{(.*?)\}"
cases = [
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"First \boxed{3}, no: \boxed{4}", "4"),
    (r"\boxed{ 2 }", "2"),
    (r"\boxed{2.0}", "2"),
    ("no box", ""),
]
print("original  repaired")
for text, truth in cases:
    match = re.search(pattern, text)
    original = float((match.group(1) if match else "") == truth)
    print(f"{original:8} {grpo_lite.boxed_reward([text], [truth])[0]:9}   {text}")

# %% [markdown]
# The last line pays for saying nothing. Repair: `grpo_lite.boxed_reward` counts braces, reads the last box, and never pays for an empty one. → [lesson 02](02_rewards.ipynb)
#
# ### 23. Longer is better
#
# The length reward counts characters, not tokens, and it pays for anything. Which of these would you rather have?

# %% tags=["result-defect-23"]
answers = [r"\boxed{7}", "a" * 500]
print("length:", grpo_lite.length_reward(answers))
print("boxed :", grpo_lite.boxed_reward(answers, ["7", "7"]))

# %% [markdown]
# Good for a demonstration, and the first thing that a model will exploit. Repair: reward what you want, and watch the length. → [lesson 02](02_rewards.ipynb)
#
# ### 24. Functions that do not exist
#
# `check_math_solution` and `test_code_solution` are called and never defined (the original says so), and two large libraries are imported for a cell whose main part is commented out.

# %% tags=["result-defect-24"]
for name in ("check_math_solution", "test_code_solution"):
    print(f"{name:20} defined: {name in globals()}")
for library in ("trl", "datasets"):
    print(f"{library:20} needed:  {library in sys.modules}")
print("boxed_reward:", grpo_lite.boxed_reward([r"\boxed{4}"], ["4"]))

# %% [markdown]
# Repair: a smaller reward that runs. → [lesson 02](02_rewards.ipynb)
#
# ### 25. Text here, messages there
#
# One reward reads strings, the next reads chat lists. Hand the wrong kind to the wrong function and you get a number all the same:

# %% tags=["result-defect-25"]
chat = [
    [{"role": "assistant", "content": texts[0]}],
    [{"role": "assistant", "content": texts[1]}],
]
print("original, length of a chat:", [float(len(completion)) for completion in chat])
print("repaired                  :", grpo_lite.length_reward(chat))
print(
    "format, chat and text     :",
    grpo_lite.format_reward(chat),
    grpo_lite.format_reward(texts[:2]),
)

# %% [markdown]
# A chat list of one message has the length 1. Repair: all our rewards read both. → [lesson 02](02_rewards.ipynb)
#
# ### 26. A table of all log-probs
#
# `log_softmax` over the vocabulary, then `gather`: of each row of V numbers one is used. At V = 10 nobody notices. For 8 completions of 512 tokens and the 50257 words of GPT-2:

# %% tags=["result-defect-26"]
logits = torch.randn(2, 5, 10, generator=torch.Generator().manual_seed(0))
full = logits.log_softmax(-1).gather(2, response[:, 5:, None])[..., 0]
print(
    f"same values within  {(full - grpo_lite.token_logps(logits, response[:, 5:])).abs().max():.4f}"
)
print(f"table of all        {8 * 512 * 50257 * 4 / 1e6:.1f} MB")
print(f"one number a token  {8 * 512 * 4 / 1e6:.3f} MB")

# %% [markdown]
# Repair: `grpo_lite.token_logps`, the chosen logit minus the log of the normaliser. The logits themselves are still there; what is saved is the second table of their size. → [lesson 04](04_token_logprobs.ipynb)
#
# ### 27. Names
#
# `accury`, `rēward`, `epslion`, and `oi` for $o_i$. Harmless in a private variable. In a keyword, a typing mistake should be an error and not a silent default:

# %% tags=["result-defect-27"]
pi = scores(policy).detach()
try:
    grpo_lite.grpo_loss(pi, None, advantages, counts.expand(2, 10), epslion=0.01)
except TypeError as error:
    print("epslion:", type(error).__name__)
print(
    "epsilon:",
    type(
        grpo_lite.grpo_loss(pi, None, advantages, counts.expand(2, 10), epsilon=0.2)
    ).__name__,
)

# %% [markdown]
# Repair: settings are keywords with the names of the paper and of TRL. → [lesson 08](08_the_loss.ipynb)
#
# ## The original, repaired
#
# Same config, same seed, same sizes, run from top to bottom. The policy gets an end token of its own, the reference is its copy, dropout is off. The reward is one that can be checked by eye: the share of sevens in the completion.


# %%
def sevens(completions, **columns):
    return [text.count("7") / len(text) for text in completions]


torch.manual_seed(1)
config = GPT2Config(
    vocab_size=10,
    n_embd=128,
    n_inner=256,
    n_layer=2,
    n_head=4,
    bos_token_id=0,
    eos_token_id=0,
)
policy = GPT2LMHeadModel(config).eval()
reference = copy.deepcopy(policy).requires_grad_(False)
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
prompts = torch.randint(1, 10, (2, 5))
G = 8
generator = torch.Generator().manual_seed(0)

# %% [markdown]
# The eight lines. The first was the empty heading at the end of the original.


# %%
def step():
    group = grpo_lite.sample_group(
        policy,
        prompts,
        G,
        max_new_tokens=5,
        eos_token_id=0,
        pad_token_id=0,
        generator=generator,
    )
    texts = [
        "".join(map(str, ids[mask].tolist()))
        for ids, mask in zip(group.ids, group.mask, strict=True)
    ]
    rewards = grpo_lite.combine_rewards(
        grpo_lite.score_completions(sevens, [""] * 2 * G, texts)
    )
    advantages = grpo_lite.group_advantages(rewards, G)

    rows = (prompts.repeat_interleave(G, dim=0), group.ids)
    logps = grpo_lite.completion_logps(policy, *rows, completion_mask=group.mask)
    with torch.no_grad():
        ref_logps = grpo_lite.completion_logps(
            reference, *rows, completion_mask=group.mask
        )
    out = grpo_lite.grpo_loss(
        logps, group.logps, advantages, group.mask, ref_logps=ref_logps, beta=0.04
    )

    optimizer.zero_grad()
    out.loss.backward()
    optimizer.step()
    return texts, rewards, advantages, logps.detach(), rows, group.mask, out


texts, rewards, advantages, old, rows, mask, out = step()

# %% [markdown]
# One real step has been taken. Look at the first group:

# %% tags=["result-first-group"]
for text, reward, advantage in list(zip(texts, rewards, advantages, strict=True))[:G]:
    print(f"{text:6} reward {reward:.2f}   advantage {advantage:+.4f}")
print(
    f"loss {out.loss.abs():.4f}   kl {out.kl.abs():.4f}   clip fraction {out.clip_fraction:.4f}"
)

# %% [markdown]
# The loss is 0 and the KL is 0, as they must be on the first step. And the policy has moved: score the same completions again.

# %% tags=["result-one-step"]
with torch.no_grad():
    new = grpo_lite.completion_logps(policy, *rows, completion_mask=mask)
change = grpo_lite.masked_mean(new - old, mask, dim=1)
print(
    f"better than their group: log-prob per token {change[advantages > 0].mean():+.4f}"
)
print(
    f"worse than their group : log-prob per token {change[advantages < 0].mean():+.4f}"
)

# %% [markdown]
# The better ones have become more likely, the worse ones less. Now let it run:

# %%
for number in range(2, 17):
    _, rewards, *_, out = step()
    if number % 5 == 1:
        print(
            f"step {number}: share of sevens {rewards.mean():.2f}   loss {out.loss.item():+.4f}   kl {out.kl:.2f}"
        )

# %% [markdown]
# One seed and a toy task, so read no more into it than this: the tiny model of the original learns what it is paid for. Notice the loss. It goes up, and it is $\beta$ times the KL ([lesson 08](08_the_loss.ipynb)).
#
# ## All 27 in one table
#
# | # | defect | with it | repaired | repair | lesson |
# |---|---|---|---|---|---|
# | 1 | old policy not detached | gradient norm 0.0000 | 6.4103 | `grpo_lite.importance_ratio` | [07](07_ratio_and_clipping.ipynb) |
# | 2 | no shift | logits move by 1.4779 | 0.0000 | `grpo_lite.completion_logps` | [04](04_token_logprobs.ipynb) |
# | 3 | dropout on | 93% outside of 1 ± 0.01 | 0% | `model.eval()` | [04](04_token_logprobs.ipynb) |
# | 4 | greedy sampling | advantages 0, 0 | ±0.7070 | `grpo_lite.sample_group` | [03](03_sampling_a_group.ipynb) |
# | 5 | no groups | 1.24, 0.10, −0.14, −1.20 | ±0.7071 | `grpo_lite.group_advantages` | [05](05_group_advantages.ipynb) |
# | 6 | response answers nothing | 2 of 10 prompt tokens | 10 of 10 | `grpo_lite.sample_group` | [03](03_sampling_a_group.ipynb) |
# | 7 | quotient of exponentials | nan | 1.0 | `grpo_lite.importance_ratio` | [07](07_ratio_and_clipping.ipynb) |
# | 8 | not runnable in order | RuntimeError | runs | restart and run all | [01](01_the_map.ipynb) |
# | 9 | end token outside of the vocabulary | 50256 | 0 | ids of one's own | [03](03_sampling_a_group.ipynb) |
# | 10 | reference is another model | KL 0.0169 | 0.0000 | `copy.deepcopy`, freeze | [06](06_kl.ipynb) |
# | 11 | one mask for three jobs | log-probs off by 0.4424 | 0.0000 | `grpo_lite.completion_logps` | [04](04_token_logprobs.ipynb) |
# | 12 | constant length | 5, 5 | 2, 5 | `grpo_lite.completion_mask` | [04](04_token_logprobs.ipynb) |
# | 13 | number with the wrong name | 0.9 if taken as G | 0.3 | B rows, G per prompt | [08](08_the_loss.ipynb) |
# | 14 | ratio against the reference | 0.69 to 1.36 | 1.0 | `grpo_lite.importance_ratio` | [07](07_ratio_and_clipping.ipynb) |
# | 15 | clip range 0.01 | 19 of 20 outside | 8 of 20 | `epsilon=0.2` | [07](07_ratio_and_clipping.ipynb) |
# | 16 | stabiliser 0.01 | ±0.2929 | ±0.6972 | `eps=1e-4` | [05](05_group_advantages.ipynb) |
# | 17 | whole-number rewards | RuntimeError | ±0.7071 | `.float()` | [05](05_group_advantages.ipynb) |
# | 18 | which standard deviation | not said | n − 1 | say it | [05](05_group_advantages.ipynb) |
# | 19 | rewards never combined | error for None | 1.5, 0.5, 1.0, 0.0 | `grpo_lite.combine_rewards` | [02](02_rewards.ipynb) |
# | 20 | "code" and "coding" | 0 of 4 judged | 2 of 4 | read the table | [02](02_rewards.ipynb) |
# | 21 | format pattern | 6 of 6 wrong | 6 of 6 right | `grpo_lite.format_reward` | [02](02_rewards.ipynb) |
# | 22 | box pattern | 5 of 5 wrong | 5 of 5 right | `grpo_lite.boxed_reward` | [02](02_rewards.ipynb) |
# | 23 | longer is better | 500 for "aaa…" | 0 | reward what you want | [02](02_rewards.ipynb) |
# | 24 | undefined functions | cannot be called | 1.0 | `grpo_lite.boxed_reward` | [02](02_rewards.ipynb) |
# | 25 | text or messages | length 1 | 106 | all rewards read both | [02](02_rewards.ipynb) |
# | 26 | table of all log-probs | 823.4 MB | 0.016 MB | `grpo_lite.token_logps` | [04](04_token_logprobs.ipynb) |
# | 27 | names | `epslion` unnoticed | TypeError | keywords | [08](08_the_loss.ipynb) |
#
# ## Exercises
#
# **1. Which four?** Suppose you may repair only four of the 27 in the original and then add an optimiser and a loop. Which four must it be, for the reward to have any effect on the policy at all? Argue for each: without this repair, the gradient that comes from the reward is zero, or noise.

# %% [markdown] tags=["solution"]
# There is room for argument. Our four are 1, 2, 4 and 6.
#
# - **1, detach.** Without it the gradient of the policy term is exactly zero, whatever the rewards.
# - **2, shift.** Without it the number that is pushed is the score of a token that the model has already read. Making that larger says nothing about what it will write.
# - **4, sampling.** Without it all completions of a group are copies, and their advantages are 0.
# - **6, the response.** Without it the rewards belong to other texts than the tokens that are pushed. Their advantages are noise.
#
# 5 comes next: without groups there is a signal, mixed with how easy each prompt is. 3 adds noise to every ratio, but leaves the signal in.

# %% [markdown]
# **2. What the seed hides.** Set dropout to 0 in the original's config and replay the first log-probs. Do they change? Do they still agree with themselves on a second pass? Which of the printed tensors could the original have printed the same on every run?

# %% tags=["solution", "result-without-dropout"]
torch.manual_seed(1)
quiet = GPT2Config(
    vocab_size=10, n_embd=128, n_inner=256, n_layer=2, n_head=4, bos_token_id=None, eos_token_id=None,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
)  # fmt: skip
quiet_policy, _ = GPT2LMHeadModel(quiet), GPT2LMHeadModel(quiet)
torch.randint(0, 10, (2, 5))
print("same ids   ", torch.equal(torch.randint(0, 10, (2, 10)), response))
first, second = original_scores(quiet_policy), original_scores(quiet_policy)
print("same passes", torch.equal(first, second))
print("first row  ", first[0, :5])

# %% [markdown] tags=["solution"]
# The ids stay the same: building a model draws no dropout masks. The log-probs change, because the printed ones carry a dropout mask, and now a second pass agrees with the first.
#
# The advantages involve no randomness. The ids depend on the seed alone. Every tensor after them depends, with dropout on, on how many passes were made before; run once from top to bottom they would come back too. It was the repeated cells, not the dropout alone, that made the last number hard to find.

# %% [markdown]
# ## What to remember
#
# > **Remember.** A fixed seed and a fixed order of calls bring a notebook back to the digit, on another machine, over years. Printing every tensor is what makes mistakes findable. And most mistakes in reinforcement learning raise no error: the loss is a plausible number, and only a test that knows the answer can tell.
#
# The loss and its parts: [DeepSeekMath (arXiv:2402.03300)](https://arxiv.org/abs/2402.03300). The format and accuracy rewards: [DeepSeek-R1 (arXiv:2501.12948)](https://arxiv.org/abs/2501.12948). The original's reward functions follow the documentation of TRL's GRPO trainer.
#
# **Next:** back to [lesson 01](01_the_map.ipynb), where the map should now have no white spots; or take the original and repair it yourself, without looking.
