"""What `grpo_loss` takes, from settings by the names of TRL 1.16."""

import math

from grpo_lite.token_weights import high_entropy_mask, off_policy_mask, sampler_correction


def trl_weights(
    loss_type,
    logps,
    old_logps,
    advantages,
    mask,
    *,
    entropies=None,
    top_entropy_quantile=1.0,
    off_policy_mask_threshold=None,
    sampling_logps=None,
    vllm_importance_sampling_mode="sequence_mask",
    vllm_importance_sampling_clip_max=3.0,
    vllm_importance_sampling_clip_min=None,
):
    """TRL's settings that weigh tokens, by their names there, as keywords of `grpo_loss`.

    In TRL's loss the weights multiply the objective of each token, but for two loss types: "vespo" puts the sampler
    correction into its own weight, and "gmpo" takes its mean over the high-entropy tokens.
    """
    found, factors = {}, []
    drawn = logps.detach() if old_logps is None else old_logps
    if top_entropy_quantile != 1:
        keep = high_entropy_mask(entropies, mask, top_entropy_quantile=top_entropy_quantile)
        if loss_type == "gmpo":
            found["keep"] = keep
        else:
            factors.append(keep)
    if sampling_logps is not None:
        cap = math.inf if vllm_importance_sampling_clip_max is None else vllm_importance_sampling_clip_max
        floor, mode = vllm_importance_sampling_clip_min, vllm_importance_sampling_mode
        correction = sampler_correction(drawn, sampling_logps, mask, mode=mode, cap=cap, floor=floor)
        if loss_type == "vespo":
            found["correction"] = correction
        else:
            factors.append(correction)
        drawn = sampling_logps
    if off_policy_mask_threshold is not None:
        factors.append(off_policy_mask(logps, drawn, advantages, mask, threshold=off_policy_mask_threshold))
    if factors:
        found["weight"] = math.prod(factors[1:], start=factors[0].to(logps.dtype))
    return found
