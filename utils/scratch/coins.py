"""A mixture of coins for binary pictures: the strongest simple rival of lecture 13's bound on log p(x).

    model = fit(x, parts=200, rounds=20)          # x: (n, ...) of zeros and ones
    model(test).mean()                            # exact log p(x), in nats a picture

A picture comes about so: draw one of the parts by its share, then toss a coin for each pixel, with that
part's chance of ink. It is a model with a code, like a VAE, but the code is a whole number; so the average
over all codes is a plain sum, and nothing has to be bounded.

EM (Dempster, Laird & Rubin, 1977), as lecture 17 builds it for Gaussians: the parts' posterior for each
picture, then each part's shares and chances anew from the pictures that it answers for.
"""

from collections.abc import Callable

import torch
from torch import Tensor

DOUBT = 1.0  # pictures of the mean kind that each part is taken to have seen: no chance is 0 or 1


def fit(x: Tensor, parts: int, rounds: int = 20) -> Callable[[Tensor], Tensor]:
    """EM from `parts` random pictures. Returns a function: pictures (m, ...) -> their log-likelihoods (m,).

    Raises: ValueError for fewer pictures than parts, or a pixel that is neither 0 nor 1.
    """
    x = x.flatten(1)
    if not 1 <= parts <= len(x):
        raise ValueError(f"parts is {parts!r} with {len(x)} pictures; expected 1 to {len(x)}")
    if not ((x == 0) | (x == 1)).all():
        raise ValueError("a pixel is neither 0 nor 1: a coin has two sides")
    mean = x.mean(0).clamp(0.001, 0.999)
    chances = (x[torch.randperm(len(x), device="cpu")[:parts]] + mean) / 2  # (parts, pixels)
    shares = torch.full((parts,), 1 / parts, device=x.device)
    for _ in range(rounds):
        answers = _joint(x, shares, chances).softmax(1)  # (n, parts), rows add up to 1
        seen = answers.sum(0)  # pictures a part answers for
        chances = (answers.T @ x + DOUBT * mean) / (seen[:, None] + DOUBT)
        shares = (seen + 1e-6) / (seen + 1e-6).sum()
    return lambda pictures: torch.logsumexp(_joint(pictures.flatten(1), shares, chances), 1)


def _joint(x: Tensor, shares: Tensor, chances: Tensor) -> Tensor:
    """log of share × probability of the picture, for each picture and part: (n, parts)."""
    return x @ chances.logit().T + torch.log1p(-chances).sum(1) + shares.log()
