"""Calls that must not return a number: shapes that would broadcast, masks of numbers, groups with a hole, settings out
of range. Each raises a ValueError that says what was expected and what came.

A user's mistakes: the shape checker that pytest adds is switched off. The calls of `completion_logps` and
`sample_group` stand with their other tests.
"""

from pathlib import Path

import pytest
import torch

import grpo_lite as gl
from helpers.trl_names import trl_weights

PACKAGE = Path(gl.__file__).parent
NAN, INF = float("nan"), float("inf")
LOGPS, ADVANTAGES = torch.full((2, 3), -1.0), torch.ones(2)
MASK = torch.ones(2, 3, dtype=torch.bool)
RATIO, IDS, LOGITS = torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 3, 5)
COLUMN, NUMBERS = torch.zeros(2, 1), torch.ones(2, 3, dtype=torch.long)


def trl(**settings):
    return trl_weights("grpo", LOGPS, LOGPS, ADVANTAGES, MASK, **settings)


def loss(logps=LOGPS, old=None, advantages=ADVANTAGES, mask=MASK, **settings):
    return gl.grpo_loss(logps, old, advantages, mask, **settings)


def vespo(logps=LOGPS, old=LOGPS, advantages=ADVANTAGES, mask=MASK, correction=None, **settings):
    return gl.vespo_objective(logps, old, advantages, mask, correction, **settings)


def correct(old=LOGPS, sampling=LOGPS, mask=MASK, **settings):
    return gl.sampler_correction(old, sampling, mask, **settings)


def score(*returned, n=1):
    def judge(completions, **columns):
        return returned[0]

    return gl.score_completions(judge, ["q"] * n, ["a"] * n)


class Silent:
    def __call__(self, completions, **columns):
        return []


LOSS = [
    # what the numbers of the loss are made of
    (lambda: loss(logps=[[-1.0]]), r"logps must be a torch.Tensor, got list: wrap it in torch.tensor"),
    (lambda: loss(logps=LOGPS[0]), r"logps must have shape \[B, T\], got \[3\]"),
    (
        lambda: loss(logps=NUMBERS),
        r"logps must be a floating-point tensor, got torch.int64: call logps.float\(\) first",
    ),
    (lambda: loss(old=COLUMN), r"old_logps must have the shape of logps, \[2, 3\], got \[2, 1\]"),
    (lambda: loss(old=NUMBERS), r"old_logps must be a floating-point tensor"),
    (lambda: loss(ref_logps=COLUMN, beta=0.1), r"ref_logps must have the shape of logps, \[2, 3\], got \[2, 1\]"),
    (lambda: loss(ref_logps=NUMBERS, beta=0.1), r"ref_logps must be a floating-point tensor"),
    (
        lambda: loss(weight=LOGPS[:1]),
        r"^weight must be one factor a token, \[2, 3\], or one a completion, \[2, 1\], got",
    ),
    (lambda: loss(weight=LOGPS), r"^weight must be finite and at least 0 on the tokens that count, got"),
    (lambda: loss(weight=torch.full((2, 1), NAN)), r"^weight must be finite and at least 0"),
    (lambda: loss(weight=torch.full((2, 1), INF)), r"^weight must be finite and at least 0"),
    (lambda: loss(weight=NUMBERS), r"^weight must be a floating-point tensor, got torch.int64"),
    (lambda: loss(weight=2.0), r"^weight must be a torch.Tensor, got float"),
    (lambda: loss(advantages=torch.ones(3)), r"advantages must hold one number a completion, shape \[2\], got \[3\]"),
    (lambda: loss(advantages=torch.ones(2, 1)), r"advantages must hold one number a completion, .* got \[2, 1\]"),
    (lambda: loss(advantages=torch.ones(2, 3)), r"advantages must hold one number a completion, .* got \[2, 3\]"),
    (lambda: loss(advantages=torch.ones(2).long()), r"advantages must be a floating-point tensor, got torch.int64"),
    (lambda: loss(advantages=[1.0, 1.0]), r"advantages must be a torch.Tensor, got list"),
    (lambda: loss(mask=None), r"mask must be a torch.Tensor, got NoneType"),
    (lambda: loss(mask=MASK.float()), r"mask must be a bool tensor, got torch.float32: call mask.bool\(\) first"),
    (lambda: loss(mask=MASK[:, :1]), r"mask must have the shape of logps, \[2, 3\], got \[2, 1\]"),
    (lambda: loss(mask=MASK[:1]), r"mask must have the shape of logps, \[2, 3\], got \[1, 3\]"),
    (lambda: loss(LOGPS[:0], None, ADVANTAGES[:0], MASK[:0]), r"at least one completion, got shape \[0, 3\]"),
    # settings of every loss type
    (
        lambda: loss(loss_type="ppo"),
        r"loss_type must be one of 'grpo', 'bnpo', 'dr_grpo', .*, 'luspo', 'vespo', 'gmpo', got 'ppo'",
    ),
    (
        lambda: loss(importance_sampling_level="word"),
        r"^importance_sampling_level must be one of 'token', 'sequence', got 'word'",
    ),
    (lambda: loss(beta=0.1), r"beta=0.1 needs ref_logps, got None: pass the reference's log-probs or set beta=0"),
    (lambda: loss(beta=-0.1), r"beta must be at least 0, got -0.1"),
    (lambda: loss(beta=None), r"beta must be at least 0, got None"),
    (lambda: loss(epsilon=-0.1), r"epsilon must be at least 0, got -0.1"),
    (lambda: loss(epsilon=NAN), r"epsilon must be at least 0, got nan"),
    (lambda: loss(epsilon_high=-0.1), r"epsilon_high must be at least 0, got -0.1"),
    (lambda: loss(delta=1.0), r"delta must be above 1, got 1.0: use None for no cap"),
    (lambda: loss(delta="2"), r"delta must be above 1, got '2'"),
    # the same under TRL's names
    (lambda: trl(sampling_logps=COLUMN), r"sampling_logps must have the shape of old_logps, \[2, 3\], got \[2, 1\]"),
    (lambda: trl(top_entropy_quantile=0.2), r"entropies must be a torch.Tensor, got NoneType"),
    (lambda: trl(top_entropy_quantile=20), r"top_entropy_quantile must lie between 0 and 1, got 20"),
    (lambda: trl(off_policy_mask_threshold=-1.0), r"threshold must be at least 0, got -1.0"),
    (
        lambda: trl(sampling_logps=LOGPS, vllm_importance_sampling_mode="mask"),
        r"mode must be one of 'token_truncate', 'token_mask', 'sequence_truncate', 'sequence_mask', got 'mask'",
    ),
    (lambda: trl(sampling_logps=LOGPS, vllm_importance_sampling_clip_max=0.5), r"cap must be at least 1, got 0.5"),
    (lambda: trl(sampling_logps=LOGPS, vllm_importance_sampling_clip_min=2.0), r"floor must lie between 0 and 1, got"),
    # what one loss type needs, or would ignore
    (
        lambda: loss(loss_type="dr_grpo"),
        r"^loss_type='dr_grpo' needs max_completion_length, got None: pass the limit used in sampling$",
    ),
    (
        lambda: loss(loss_type="dr_grpo", max_completion_length=2),
        r"max_completion_length must be a whole number of at least 3, got 2",
    ),
    (
        lambda: loss(loss_type="dr_grpo", max_completion_length=3.5),
        r"max_completion_length must be a whole number of at least 3, got 3.5",
    ),
    (
        lambda: loss(loss_type="dapo", num_items_in_batch=-1),
        r"num_items_in_batch must be one number of tokens, .* got -1",
    ),
    (  # one slice has no more tokens than the batch
        lambda: loss(loss_type="dapo", num_items_in_batch=int(MASK.sum()) - 1),
        r"num_items_in_batch must be one number of tokens, at least the \d of this call, got .*: pass the tokens",
    ),
    (lambda: loss(use_bias_correction_kl="False"), r"use_bias_correction_kl must be one of False, True, got 'False'"),
    (lambda: loss(loss_type="dapo", num_items_in_batch=NAN), r"num_items_in_batch must be one number of tokens"),
    (lambda: loss(loss_type="dapo", num_items_in_batch=INF), r"num_items_in_batch must be one number of tokens"),
    (lambda: loss(loss_type="vespo", num_items_in_batch=torch.ones(1)), r"num_items_in_batch must be one number"),
    (
        lambda: loss(loss_type="cispo"),
        r"^cispo needs epsilon_high, got None: it is the cap of the ratio .* so the 0.2 of a clip range would "
        r"turn every ratio into 0.2; 5.0 is a usual value$",
    ),
    (
        lambda: loss(loss_type="cispo", epsilon_high=0.0),
        r"epsilon_high must be above 0, got 0.0: for cispo it is the cap",
    ),
    (
        lambda: loss(loss_type="sapo", delta=2.0),
        r"'sapo' takes sapo_temperature_pos, sapo_temperature_neg, got delta=2.0",
    ),
    (
        lambda: loss(loss_type="gmpo", delta=2.0),
        r"'gmpo' takes epsilon, epsilon_high, keep, got delta=2.0: leave it out",
    ),
    (
        lambda: loss(loss_type="vespo", epsilon_high=0.3),
        r"'vespo' takes correction, vespo_k_pos, .* got epsilon_high=0.3",
    ),
    (
        lambda: loss(sapo_temperature_neg=1.2),
        r"'grpo' takes epsilon, epsilon_high, delta, got sapo_temperature_neg=1.2",
    ),
    (lambda: loss(epsilon_low=0.2), r"'grpo' takes epsilon, epsilon_high, delta, got epsilon_low=0.2: leave it out"),
    (lambda: loss(temperature=None), r"'grpo' takes epsilon, epsilon_high, delta, got temperature=None"),
    (lambda: loss(loss_type="vespo", correction=COLUMN), r"correction must have the shape of logps, \[2, 3\], got"),
    (lambda: loss(loss_type="vespo", weight=COLUMN, keep=MASK), r"'vespo' takes correction, vespo_k_pos, .* got keep"),
]

PIECES = [
    (lambda: gl.importance_ratio(LOGPS[0], LOGPS[0]), r"logps must have shape \[B, T\], got \[3\]"),
    (lambda: gl.importance_ratio(LOGPS, COLUMN), r"old_logps must have the shape of logps, \[2, 3\], got \[2, 1\]"),
    (lambda: gl.importance_ratio(NUMBERS, LOGPS), r"logps must be a floating-point tensor"),
    (lambda: gl.importance_ratio(LOGPS, NUMBERS), r"old_logps must be a floating-point tensor"),
    (lambda: gl.importance_ratio(None, LOGPS), r"logps must be a torch.Tensor, got NoneType"),
    (lambda: gl.importance_ratio(LOGPS, LOGPS, NUMBERS), r"mask must be a bool tensor, got torch.int64"),
    (lambda: gl.importance_ratio(LOGPS, LOGPS, MASK[:1]), r"mask must have the shape of logps, \[2, 3\], got \[1, 3\]"),
    (lambda: gl.importance_ratio(LOGPS, LOGPS, level="row"), r"level must be one of 'token', 'sequence', got 'row'"),
    (lambda: gl.clipped_surrogate(torch.ones(2), ADVANTAGES), r"ratio must have shape \[B, T\], got \[2\]"),
    (lambda: gl.clipped_surrogate(NUMBERS, ADVANTAGES), r"ratio must be a floating-point tensor"),
    (lambda: gl.clipped_surrogate(RATIO, torch.ones(3)), r"advantages must hold one number a completion"),
    (lambda: gl.clipped_surrogate(RATIO, ADVANTAGES, epsilon=-1), r"epsilon must be at least 0, got -1"),
    (lambda: gl.clipped_surrogate(RATIO, ADVANTAGES, delta=0.5), r"delta must be above 1, got 0.5"),
    (lambda: gl.cispo_objective(RATIO, ADVANTAGES, COLUMN, epsilon_high=5.0), r"logps must have the shape of ratio"),
    (
        lambda: gl.cispo_objective(RATIO[:, :1], ADVANTAGES, ADVANTAGES, epsilon_high=5.0),
        r"logps must have shape \[B, T\]",
    ),
    (
        lambda: gl.cispo_objective(RATIO[:, :1], ADVANTAGES, LOGPS[:1], epsilon_high=5.0),
        r"logps must have the shape of ratio, \[2, 3\], got \[1, 3\]",
    ),
    (
        lambda: gl.cispo_objective(RATIO, ADVANTAGES, NUMBERS, epsilon_high=5.0),
        r"logps must be a floating-point tensor",
    ),
    (lambda: gl.cispo_objective(RATIO, torch.ones(3), LOGPS, epsilon_high=5.0), r"advantages must hold one number"),
    (lambda: gl.cispo_objective(RATIO, ADVANTAGES, LOGPS, epsilon_high=NAN), r"epsilon_high must be above 0, got nan"),
    (lambda: gl.sapo_objective(torch.ones(2), ADVANTAGES), r"ratio must have shape \[B, T\], got \[2\]"),
    (lambda: gl.sapo_objective(RATIO, torch.ones(1)), r"advantages must hold one number a completion"),
    (
        lambda: gl.sapo_objective(RATIO, ADVANTAGES, sapo_temperature_pos=0),
        r"sapo_temperature_pos must be above 0, got 0",
    ),
    (lambda: gl.sapo_objective(RATIO, ADVANTAGES, sapo_temperature_neg=-1), r"sapo_temperature_neg must be above 0"),
    (lambda: vespo(old=COLUMN), r"old_logps must have the shape of logps"),
    (lambda: vespo(advantages=torch.ones(2, 3)), r"advantages must hold one number a completion"),
    (lambda: vespo(correction=COLUMN), r"correction must have the shape of logps, \[2, 3\], got \[2, 1\]"),
    (lambda: vespo(mask=NUMBERS), r"mask must be a bool tensor"),
    (lambda: vespo(vespo_k_pos=-1), r"vespo_k_pos must be at least 0, got -1"),
    (lambda: vespo(vespo_k_neg=-1), r"vespo_k_neg must be at least 0, got -1"),
    (lambda: vespo(vespo_lambda_pos=0), r"vespo_lambda_pos must be at least 0.0001, got 0"),
    (lambda: vespo(vespo_lambda_neg=0), r"vespo_lambda_neg must be at least 0.0001, got 0"),
    (
        lambda: gl.gmpo_objective(LOGPS, COLUMN, ADVANTAGES, MASK, epsilon=0.4),
        r"old_logps must have the shape of logps",
    ),
    (
        lambda: gl.gmpo_objective(LOGPS, LOGPS, torch.ones(3), MASK, epsilon=0.4),
        r"advantages must hold one number a completion",
    ),
    (lambda: gl.gmpo_objective(LOGPS, LOGPS, ADVANTAGES, MASK, epsilon=-1), r"epsilon must be at least 0, got -1"),
    (
        lambda: gl.off_policy_mask(LOGPS, COLUMN, ADVANTAGES, MASK, threshold=1),
        r"sampling_logps must have the shape of",
    ),
    (lambda: gl.off_policy_mask(LOGPS, LOGPS, torch.ones(3), MASK, threshold=1), r"advantages must hold one number"),
    (
        lambda: gl.off_policy_mask(LOGPS, LOGPS, ADVANTAGES, MASK, threshold=NAN),
        r"threshold must be at least 0, got nan",
    ),
    (lambda: gl.high_entropy_mask(COLUMN, MASK, top_entropy_quantile=0.2), r"mask must have the shape of entropies"),
    (lambda: gl.high_entropy_mask(LOGPS, NUMBERS, top_entropy_quantile=0.2), r"mask must be a bool tensor"),
    (
        lambda: gl.high_entropy_mask(LOGPS, MASK, top_entropy_quantile=-0.1),
        r"^top_entropy_quantile must lie between 0 and 1, got -0.1",
    ),
    (lambda: gl.high_entropy_mask(LOGPS, MASK, top_entropy_quantile=NAN), r"must lie between 0 and 1, got nan"),
    (lambda: correct(sampling=COLUMN), r"sampling_logps must have the shape of old_logps, \[2, 3\], got \[2, 1\]"),
    (lambda: correct(mode="sequence"), r"mode must be one of 'token_truncate', .* got 'sequence'"),
    (lambda: correct(cap=NAN), r"cap must be at least 1, got nan"),
    (lambda: correct(floor=-0.1), r"floor must lie between 0 and 1, got -0.1"),
    (lambda: gl.aggregate(LOGPS, MASK[:, :1]), r"mask must have the shape of x, \[2, 3\], got \[2, 1\]"),
    (lambda: gl.aggregate(LOGPS, MASK, loss_type="mean"), r"loss_type must be one of 'grpo', .* got 'mean'"),
    (lambda: gl.aggregate(LOGPS, MASK, loss_type="dr_grpo"), r"needs max_completion_length, got None"),
    (lambda: gl.aggregate(LOGPS[:0], MASK[:0]), r"x must hold at least one completion, got shape \[0, 3\]"),
]

for _kl in (gl.kl_k1, gl.kl_k2, gl.kl_k3):
    PIECES += [
        (lambda kl=_kl: kl(LOGPS, COLUMN), r"ref_logps must have the shape of logps, \[2, 3\], got \[2, 1\]"),
        (lambda kl=_kl: kl(NUMBERS, LOGPS), r"logps must be a floating-point tensor, got torch.int64"),
        (lambda kl=_kl: kl(LOGPS, MASK), r"ref_logps must be a floating-point tensor, got torch.bool"),
    ]

ADVANTAGES_AND_REWARDS = []
for _advantages in (gl.group_advantages, gl.leave_one_out_advantages):
    ADVANTAGES_AND_REWARDS += [
        (lambda f=_advantages: f(torch.ones(6), 4), r"whole groups of num_generations=4, got 6 rewards: pass the G"),
        (lambda f=_advantages: f(torch.ones(0), 4), r"whole groups of num_generations=4, got 0 rewards"),
        (lambda f=_advantages: f(torch.ones(6), 1), r"num_generations must be a whole number of at least 2, got 1"),
        (lambda f=_advantages: f(torch.ones(6), 2.0), r"num_generations must be a whole number of at least 2, got 2.0"),
        (
            lambda f=_advantages: f(torch.ones(6), True),
            r"num_generations must be a whole number of at least 2, got True",
        ),
        (lambda f=_advantages: f(torch.tensor([1, 0]), 2), r"rewards must be a floating-point tensor, got torch.int64"),
        (lambda f=_advantages: f([1.0, 0.0], 2), r"rewards must be a torch.Tensor, got list: wrap it in torch.tensor"),
        (lambda f=_advantages: f(torch.ones(2, 2), 2), r"rewards must have shape \[B\], got \[2, 2\]"),
        (
            lambda f=_advantages: f(torch.tensor([1.0, INF]), 2),
            r"rewards must be finite \(or nan .*\), got \[1.0, inf\]",
        ),
    ]

ADVANTAGES_AND_REWARDS += [
    (lambda: gl.math_reward(["a"], [7, 8]), r"ground_truth must be a list with one entry a completion \(1\), got 2"),
    (
        lambda: gl.code_reward(["a"], [None], "f"),
        r"entry_point must be a list with one entry a completion \(1\), got a",
    ),
    (lambda: gl.code_reward("abc", [None], [None]), r"completions must be a list .* got a str"),
    (lambda: gl.boxed_reward("abc", ["7"]), r"completions must be a list .* got a str"),
    (lambda: gl.code_reward(["a"], [None], [None], seconds=0), r"seconds must be above 0, got 0"),
    (lambda: gl.code_reward(["a"], [None], rel_tol=-1), r"rel_tol must lie between 0 and 1, got -1"),
    (lambda: gl.code_reward(["a"], [None], seconds=float("inf")), r"seconds must lie between 0 and 3600, got inf"),
    (lambda: gl.repetition_penalty_reward(0), r"ngram_size must be a whole number of at least 1, got 0"),
    (lambda: gl.tag_count_reward("abc"), r"completions must be a list .* got a str"),
    (lambda: gl.language_consistency_reward("English"), r"script must be the first word of .* got 'English'"),
    (
        lambda: gl.group_advantages(torch.ones(2), 2, scale_rewards="std"),
        r"scale_rewards must be one of 'group', 'batch', 'none', got 'std'",
    ),
    (lambda: gl.group_advantages(torch.ones(2), 2, eps=-1), r"eps must be at least 0, got -1"),
    (lambda: gl.normalize_then_sum(torch.ones(4), 2), r"rewards must have shape \[B, K\], got \[4\]"),
    (lambda: gl.normalize_then_sum(torch.ones(4, 2).long(), 2), r"rewards must be a floating-point tensor"),
    (lambda: gl.normalize_then_sum(torch.ones(5, 2), 2), r"whole groups of num_generations=2, got 5 rewards"),
    (
        lambda: gl.normalize_then_sum(torch.ones(4, 2), 1),
        r"num_generations must be a whole number of at least 2, got 1",
    ),
    (lambda: gl.normalize_then_sum(torch.full((4, 2), INF), 2), r"rewards must be finite"),
    (
        lambda: gl.normalize_then_sum(torch.ones(4, 2), 2, [1.0]),
        r"one finite number for each of the 2 reward functions",
    ),
    (lambda: gl.normalize_then_sum(torch.ones(4, 0), 2), r"at least one completion and one reward function, got shape"),
    (lambda: gl.combine_rewards(torch.ones(3)), r"rewards must have shape \[B, K\], got \[3\]"),
    (lambda: gl.combine_rewards(torch.ones(3, 0)), r"one completion and one reward function, got shape \[3, 0\]"),
    (lambda: gl.combine_rewards(torch.tensor([[INF]])), r"rewards must be finite \(or nan for None\), got inf"),
    (lambda: gl.combine_rewards(torch.ones(3, 1).long()), r"rewards must be a floating-point tensor"),
    (lambda: gl.combine_rewards([[1.0]]), r"rewards must be a torch.Tensor, got list: wrap it"),
    (lambda: gl.combine_rewards(torch.ones(3, 2), [1.0]), r"for each of the 2 reward functions, got \[1.0\]"),
    (lambda: gl.combine_rewards(torch.ones(3, 1), [NAN]), r"for each of the 1 reward functions, got \[nan\]"),
    (lambda: gl.combine_rewards(torch.ones(3, 1), [None]), r"for each of the 1 reward functions, got \[None\]"),
    (lambda: gl.combine_rewards(torch.ones(3, 1), ["a"]), r"for each of the 1 reward functions, got \['a'\]"),
    (lambda: score([1.0], n=2), r"judge must return a list with one value a completion \(2\), got 1"),
    (
        lambda: gl.score_completions(lambda completions, answers, **columns: [1.0], ["q"], ["a"], answer=["a"]),
        r"<lambda> must take the keywords prompts, completions, answer, got .*: missing a required argument: 'answers'",
    ),
    (
        lambda: gl.score_completions(lambda completions: [1.0], ["q"], ["a"]),
        r"<lambda> must take the keywords prompts, completions, got <lambda>\(completions\): got an unex.*; write",
    ),
    (lambda: score(3.0), r"judge must return a list .* got float"),
    (lambda: gl.score_completions(Silent(), ["q"], ["a"]), r"^Silent must return a list .* got 0"),
    (lambda: gl.score_completions([], ["q"], ["a"]), r"one reward function and one completion, got 0 and 1"),
    (lambda: gl.score_completions([gl.length_reward], [], []), r"one reward function and one completion, got 1 and 0"),
    (
        lambda: gl.score_completions(gl.length_reward, ["q"], ["a", "b"]),
        r"prompts must be a list with one entry a completion \(2\), got 1 entries",
    ),
    (
        lambda: gl.score_completions(gl.length_reward, ["q"] * 2, ["a", "b"], ground_truth=["2"]),
        r"ground_truth must be a list with one entry a completion \(2\), got 1",
    ),
    (lambda: gl.score_completions(gl.length_reward, ["q"], ["a"], ground_truth=5), r"ground_truth must .* got a int"),
    (lambda: gl.score_completions(gl.length_reward, ["q"] * 3, "abc"), r"completions must be a list .* got a str"),
    (lambda: gl.length_reward("abc"), r"completions must be a list .* got a str: put it into a list"),
    (lambda: gl.format_reward("abc"), r"completions must be a list .* got a str: put it into a list"),
    (lambda: gl.boxed_reward(["a", "b"], ground_truth="22"), r"ground_truth must be a list .* got a str"),
    (
        lambda: gl.boxed_reward([r"\boxed{2}"], torch.tensor([2.0])),
        r"ground_truth must hold texts, finite numbers or None",
    ),
    (
        lambda: gl.boxed_reward([r"\boxed{2}"], [10**5000]),
        r"finite numbers or None, got a number of more than 4,300 digits",
    ),
    (lambda: gl.boxed_reward([r"\boxed{2}"], [NAN]), r"ground_truth must hold texts, finite numbers or None"),
    (lambda: gl.boxed_reward([r"\boxed{2}"], [["2"]]), r"ground_truth must hold texts, finite numbers or None"),
    (lambda: gl.soft_overlong_reward(0, 1), r"max_completion_length must be a whole number of at least 1, got 0"),
    (lambda: gl.soft_overlong_reward(10, 0), r"soft_punish_cache must be a whole number of at least 1, got 0"),
    (lambda: gl.soft_overlong_reward(10, 2.5), r"soft_punish_cache must be a whole number of at least 1, got 2.5"),
    (lambda: gl.soft_overlong_reward(10, 11), r"soft_punish_cache must be at most max_completion_length=10, got 11"),
    (
        lambda: gl.soft_overlong_reward(10, 5)(["a", "b"], completion_ids=[[1]]),
        r"completion_ids must be a list with one entry a completion \(2\), got 1 entries",
    ),
]
for _value in (NAN, INF, 1e39, 10**400, "1", [1.0]):
    ADVANTAGES_AND_REWARDS.append((lambda v=_value: score([v]), r"judge must return finite numbers, or None where it"))
for _completion in (None, 7, [], ["text"], [{"role": "assistant"}], [{"content": ["part"]}]):
    ADVANTAGES_AND_REWARDS.append(
        (lambda c=_completion: gl.length_reward([c]), r"a completion must be a str or a chat list .* got ")
    )

TOKENS = [
    (lambda: gl.completion_mask(torch.ones(1, 2), 0), r"completion_ids must hold integer token ids, got torch.float32"),
    (lambda: gl.completion_mask(torch.tensor([1, 2]), 0), r"completion_ids must have shape \[B, T\], got \[2\]"),
    (
        lambda: gl.completion_mask(torch.tensor([[1, 2]], dtype=torch.uint8), 258),
        r"completion_ids must hold integer token ids, got torch.uint8: call",
    ),
    (lambda: gl.masked_mean(torch.ones(2), torch.tensor([1, 0])), r"mask must be a bool tensor, got torch.int64: call"),
    (lambda: gl.masked_mean(NUMBERS, MASK), r"x must be a floating-point tensor, got torch.int64"),
    (lambda: gl.masked_mean(LOGPS, MASK[:, :1]), r"mask must have the shape of x, \[2, 3\], got \[2, 1\]"),
    (lambda: gl.mask_truncated(NUMBERS, IDS, 0), r"mask must be a bool tensor, got torch.int64"),
    (
        lambda: gl.mask_truncated(MASK[:1], IDS, 0),
        r"mask must have the shape of completion_ids, \[2, 3\], got \[1, 3\]",
    ),
    (lambda: gl.mask_truncated(MASK, LOGPS, 0), r"completion_ids must hold integer token ids, got torch.float32"),
    (lambda: gl.mask_truncated(MASK, IDS, None), r"eos_token_id must be a token id or a list of token ids, got None"),
    (lambda: gl.token_entropies(LOGPS), r"logits must have shape \[B, T, V\], got \[2, 3\]"),
    (lambda: gl.token_entropies(LOGITS.long()), r"logits must be a floating-point tensor"),
    (lambda: gl.token_entropies(LOGITS, temperature=0.0), r"temperature must be a positive finite number, got 0.0"),
    (lambda: gl.token_logps(LOGITS, IDS, temperature="1"), r"temperature must be a positive finite number, got '1'"),
    (lambda: gl.token_logps(LOGITS, IDS + 5), r"ids must lie in 0..4 \(the vocabulary\), got 5: use the tokenizer"),
    (lambda: gl.token_logps(LOGITS, IDS[:1]), r"ids must have the shape of logits\[:, :, 0\], \[2, 3\], got \[1, 3\]"),
]
for _eos in (None, [], 2.5, [2, None], True):
    TOKENS.append(
        (lambda eos=_eos: gl.completion_mask(IDS, eos), r"eos_token_id must be a token id or a list .* can pad")
    )

SETTINGS = [
    (lambda: gl.GRPOConfig(num_generations=1), "num_generations"),
    (lambda: gl.GRPOConfig(per_device_train_batch_size=6, num_generations=4), "multiple of num_generations"),
    (lambda: gl.GRPOConfig(loss_type="ppo"), "loss_type"),
    (lambda: gl.GRPOConfig(temperature=0.0), "temperature"),
]
WRONG_CALLS = LOSS + PIECES + ADVANTAGES_AND_REWARDS + TOKENS + SETTINGS
# Their wrong calls need a model, and stand in test_logprobs.py, test_sampling.py and test_episodes.py.
WITH_A_MODEL = {"completion_logps", "greedy_decode", "sample_episodes", "sample_group", "GRPOTrainer"}
RECORDS = {"Completions", "Episodes", "LossOutput", "RewardFunc"}


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(("call", "message"), WRONG_CALLS, ids=range(len(WRONG_CALLS)))
def test_a_wrong_call_says_what_was_expected_and_what_came(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    text = str(caught.value)
    assert any(word in text for word in ("must", "need", "takes"))
    assert "got" in text


def refusing(call):
    """The function of the package, or the class, that a wrong call reaches first."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (its words are compared above)
        call()
    first = next(entry for entry in caught.traceback if Path(entry.path).is_relative_to(PACKAGE))
    return type(first.locals["self"]).__name__ if "self" in first.locals else first.name


@pytest.mark.usefixtures("as_user")
def test_each_public_function_is_called_wrongly():
    refused = {refusing(call) for call, _ in WRONG_CALLS}
    assert set(gl.__all__) - WITH_A_MODEL - RECORDS <= refused
