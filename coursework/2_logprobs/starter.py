"""Assignment 2, token log-probs, masks and KL. Import PyTorch and Python's own modules, nothing else.

Letters: B completions, L tokens of a row (prompt, completion, padding), V tokens of the vocabulary.
"""

import torch
from torch import Tensor


def loss_mask(ids: Tensor, prompt_lens: Tensor, end_ids: list[int]) -> Tensor:
    """Problem 2a. Say which tokens were drawn by the model and count.

    Args:
        ids: [B, L] whole numbers: the tokens of the prompt, then those of the completion, then padding.
        prompt_lens: [B] whole numbers, at least 1: how many tokens of each row are prompt.
        end_ids: the tokens that end a completion, one or several. They may stand in a prompt too, and in the padding.

    Returns:
        {{where.shape}} bools: True on the tokens of the completion up to and including the first end token.
    """
    raise NotImplementedError


def token_logps(logits: Tensor, ids: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """Problem 2b. Say how likely the model found each token that counts.

    Args:
        logits: [B, L, V], what a model gives for `ids`: `logits[:, t]` is about the token after token t.
        ids: [B, L] whole numbers, as above.
        mask: {{where.shape}} bools, as `loss_mask` returns them.
        temperature: the one of the sampling, above 0; the logits are divided by it.

    Returns:
        {{where.shape}} log-probs in nats, at most 0, with gradient to the logits: float64 if these are, else float32.
        Exactly 0, and without gradient, where the mask is False, whatever stands in the logits there.
    """
    raise NotImplementedError


def kl_estimate(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """Problem 2c. Estimate {{kl.words}}.

    Args:
        logps: log-probs in nats of drawn tokens under the policy, of any shape; a gradient flows to them.
        ref_logps: log-probs of the same tokens under the reference; a constant.

    Returns:
        One number a token, in nats, of the same shape: at least 0, and right on average.
    """
    raise NotImplementedError


def penalty_gradient(logits: Tensor, ref_logits: Tensor) -> Tensor:
    """Problem 2d. Return the gradient that `kl_estimate` gives as a loss, on average.

    Args:
        logits: [V], the policy is their softmax.
        ref_logits: [V], the reference is their softmax.

    Returns:
        [V]: the exact mean, over tokens drawn by the {{kl.sampler}}, of the gradient of `kl_estimate` with respect to
        `logits`. The drawing itself has no gradient.
    """
    raise NotImplementedError


# Problem 2d: is this the gradient of the divergence itself, for all policies and references? True or False.
SAME: bool | None = None
