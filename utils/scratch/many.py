"""Many small networks trained at once, each a row of one table of weights: for fair comparisons.

Lecture 04 writes the loop for one network; this is the same loop for all of them, since a hundred networks of
65 weights cost hardly more than one when PyTorch multiplies them together. Adam is lecture 02's (Kingma & Ba,
2015), with a learning rate for each row.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from utils import runtime
from utils.scratch.regression import sigmoid

Part = tuple[np.ndarray, np.ndarray]  # x (runs, n, d) and y (runs, n): several draws of the same problem


def random_start(nets: int, *sizes: int, device=None) -> Tensor:
    """(nets, weights): layers of `sizes` (ins, units, …, outs), uniform in ±1/√ins as PyTorch's own start."""
    rows = [
        (2 * torch.rand(nets, (ins + 1) * outs, device=device) - 1) / ins**0.5
        for ins, outs in pairwise(sizes)
    ]
    return torch.cat(rows, dim=1)


def layers(theta: Tensor, *sizes: int) -> list[tuple[Tensor, Tensor]]:
    """The rows of `theta` cut into layers: pairs W (nets, ins, outs), b (nets, 1, outs), b first in a row."""
    parts = theta.split([(ins + 1) * outs for ins, outs in pairwise(sizes)], dim=1)
    return [
        (part[:, outs:].unflatten(1, (-1, outs)), part[:, None, :outs])
        for part, outs in zip(parts, sizes[1:], strict=True)
    ]


def train(theta: Tensor, loss: Callable[[Tensor], Tensor], rates: Tensor, steps: int) -> Tensor:
    """Adam on all rows at once: the trained copy of `theta` (nets, weights).

    Parameters: loss(theta) gives each network's own loss (nets,); `rates` (nets, 1) fall to a fiftieth.
    """
    theta = theta.clone().requires_grad_()
    mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
    for t in runtime.track(range(1, steps + 1), "steps"):
        (g,) = torch.autograd.grad(loss(theta).sum(), theta)
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        move = mean / (1 - 0.9**t) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
        theta.data -= rates * (1 - 0.98 * t / steps) * move
    return theta.detach()


def tensor(values, device=None) -> Tensor:
    """Whole numbers as int64, all others as float32."""
    values = np.asarray(values)
    return torch.tensor(
        values, dtype=torch.int64 if values.dtype.kind in "iub" else torch.float32, device=device
    )


def split(pairs: Sequence[Part], *cuts: int) -> list[Part]:
    """Draws (x (n, d), y (n,)) put side by side, then cut by rows: training, validation and test part."""
    x, y = (np.stack(values) for values in zip(*pairs, strict=True))
    return list(zip(np.split(x, cuts, axis=1), np.split(y, cuts, axis=1), strict=True))


def fit(
    parts: Sequence[Part],
    sizes: Sequence[int],
    logits: Callable[[Tensor, Tensor], Tensor],
    *,
    rates: Sequence[float],
    steps: int,
    device=None,
    batch: int = 128,
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Train a network for each rate and each draw of the data, on the first of three parts.

    Parameters: logits(theta, x) gives (nets, n), a logit for class 1, or (nets, n, k), a score a class.
    Returns: `theta` (rates × runs, weights), and the accuracies (rates, runs) on the other two parts.
    """
    runs = len(parts[0][0])
    (x, y), *unseen = [
        [tensor(v, device).repeat(len(rates), *[1] * (v.ndim - 1)) for v in part] for part in parts
    ]

    def loss(theta):
        rows = torch.randint(x.shape[1], (batch,), device=device)
        return price(logits(theta, x[:, rows]), y[:, rows]).mean(1)

    each = tensor(rates, device).repeat_interleave(runs)[:, None]
    theta = train(random_start(len(each), *sizes, device=device), loss, each, steps)
    outs = [(logits(theta, x), y) for x, y in unseen]
    right = [(out > 0 if out.ndim == 2 else out.argmax(-1)) == y for out, y in outs]
    valid, test = (r.float().mean(1).reshape(-1, runs).cpu().numpy() for r in right)
    return theta, valid, test


def price(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy, row by row: of a logit (nets, n) for two classes, or of scores (nets, n, k)."""
    if logits.ndim == y.ndim:
        return F.binary_cross_entropy_with_logits(logits, y.float(), reduction="none")
    return F.cross_entropy(logits.movedim(-1, 1), y, reduction="none")


def chosen(valid, test) -> np.ndarray:
    """(settings, runs) accuracies -> (runs,) on the test part, of the setting that is best on validation."""
    return np.asarray(test)[np.asarray(valid).mean(1).argmax()]


def stacks(parts: Sequence[Part], W=None, b=None, strengths: Sequence[float] = (1, 10, 1000)) -> list:
    """A regression stacked on the opinions σ(xW + b), or on x itself: accuracies of each strength `C`.

    Parameters: `parts` are three pairs x (n, d), y (n,), of one draw; the first is trained on.
    Returns: for each strength [accuracy on the second part, on the third].
    """
    from sklearn.linear_model import LogisticRegression

    (x, y), *unseen = [(x if W is None else sigmoid(x @ W + b), y) for x, y in parts]
    tops = [LogisticRegression(C=C, max_iter=5000).fit(x, y) for C in strengths]
    return [[top.score(x, y) for x, y in unseen] for top in tops]
