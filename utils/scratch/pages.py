"""Letters on pages, and a layer that does not share its weights: what lecture 10's experiments stand on."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pages(letters, low: int, high: int, rng: np.random.Generator, device=None) -> tuple[Tensor, Tensor]:
    """One letter a page, half as large: x (n, 1, 36, 36) from 0 to 1, labels (n,).

    `letters` is `data.load("glyphs", ...)`; the corner of each stands at a random row and column from low to
    high, at most 22.
    """
    x = torch.zeros(len(letters), 1, 36, 36)
    corners = rng.integers(low, high + 1, (len(letters), 2))
    for page, letter, (top, left) in zip(x, _small(letters), corners, strict=True):
        page[0, top : top + 14, left : left + 14] = letter
    return x.to(device), torch.tensor(letters.labels, device=device)


def scenes(letters, rng: np.random.Generator, device=None) -> tuple[Tensor, Tensor]:
    """Two letters a page, side by side, half as large: x (n, 1, 16, 32), a label for each pixel (n, 16, 32).

    The label is 0 for paper, and 1 + its class for the ink of a letter; an odd letter is left out.
    """
    n = len(letters) // 2
    x, y = torch.zeros(n, 1, 16, 32), torch.zeros(n, 16, 32, dtype=torch.long)
    corners = rng.integers(0, 3, (2 * n, 2))
    for i, (letter, label, (top, left)) in enumerate(
        zip(_small(letters)[: 2 * n], letters.labels[: 2 * n], corners, strict=True)
    ):
        left += 16 * (i % 2)
        place = slice(top, top + 14), slice(left, left + 14)
        x[i // 2, 0][place] = letter
        y[i // 2][place] = torch.where(letter > 0.35, int(label) + 1, 0)
    return x.to(device), y.to(device)


def _small(letters) -> Tensor:
    """(n, 14, 14): each number the mean of 2×2 pixels."""
    return F.avg_pool2d(torch.tensor(letters.x)[:, None], 2)[:, 0]


class Local(nn.Module):
    """A convolution that does not share: each window has filters of its own, which start as nn.Conv2d's do.

    (n, c, side, side) -> (n, k, out, out) with out = (side - size) // stride + 1.
    """

    def __init__(self, c: int, k: int, size: int, *, side: int, stride: int):
        super().__init__()
        self.size, self.stride, self.out = size, stride, (side - size) // stride + 1
        places, bound = self.out**2, (c * size**2) ** -0.5
        self.w = nn.Parameter(torch.empty(places, c * size**2, k).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(places, 1, k).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        windows = F.unfold(x, self.size, stride=self.stride)  # im2col: (n, c·size², places)
        y = torch.baddbmm(self.b, windows.permute(2, 0, 1), self.w)  # (places, n, k)
        return y.permute(1, 2, 0).unflatten(2, (self.out, self.out))
