"""Networks that go on from layers trained before, many at once: the plumbing of lecture 07's comparisons.

A layer is a pair W (ins, units), c (units,). What is trained before, and the controls that it is judged by,
the lecture builds itself.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from utils.scratch import many

Layers = Sequence[tuple[Tensor, Tensor]]


def waves(side: int = 8) -> Tensor:
    """Eight fixed pictures (8, side²): products of cosines of 0, 1 or 2 half waves down and across."""
    place = torch.pi * (torch.arange(side) + 0.5) / side
    line = [torch.cos(halves * place) for halves in range(3)]
    return torch.stack([torch.outer(down, across).flatten() for down in line for across in line][1:])


def scores(theta: Tensor, x: Tensor, sizes: Sequence[int], bend: Callable) -> Tensor:
    """(nets, weights) and x (nets, n, d) or (n, d) -> (nets, n, classes); `bend` is the activation."""
    *hidden, (W, c) = many.layers(theta, *sizes)
    for V, b in hidden:
        x = bend(x @ V + b)
    return x @ W + c


def first_of_each(rows: Tensor, y: Tensor, count: int) -> Tensor:
    """The first `count` of each class, class by class: rows (runs, m) -> (runs, classes · count)."""
    return torch.stack([torch.cat([r[y[r] == k][:count] for k in y.unique()]) for r in rows])


def fine_tune(
    starts: Sequence[Sequence[Layers]],
    x: Tensor,
    y: Tensor,
    parts: Sequence[Tensor],
    *,
    steps: int,
    seed: int,
    rate: float = 0.1,
    batch: int = 25,
) -> list[np.ndarray]:
    """Put new scores on sigmoid layers, train all of it by gradient descent with momentum 0.9.

    Parameters: `starts`: for each setting, for each run, the hidden layers, all of the same sizes; `parts`:
    three tables of rows of x (n, d) and y (n,), each (runs, rows): to train on, for validation, for the test.
    The new scores and the batches are the same for every start with that `seed`.
    Returns: accuracies in per cent, (settings, runs), on the validation part and on the test part.
    """
    settings, runs, classes = len(starts), len(parts[0]), int(y.max()) + 1
    torch.manual_seed(seed)
    units = len(starts[0][0][-1][1])
    tops = [(0.1 * torch.randn(units, classes), torch.zeros(classes)) for _ in range(runs)]
    nets = [[*layers, top] for setting in starts for layers, top in zip(setting, tops, strict=True)]
    # all nets side by side: for each layer W (nets, ins, units) and c (nets, units)
    stacked = [
        [torch.stack(part).to(x.device).requires_grad_() for part in zip(*layer, strict=True)]
        for layer in zip(*nets, strict=True)
    ]
    *hidden, (top, bias) = stacked

    def scores(x):
        for W, c in hidden:
            x = torch.sigmoid(torch.baddbmm(c[:, None], x, W))
        return torch.baddbmm(bias[:, None], x, top)

    few, *unseen = (rows.repeat(settings, 1) for rows in parts)
    descent = torch.optim.SGD([w for layer in stacked for w in layer], lr=rate, momentum=0.9)
    for _ in range(steps):
        rows = few[:, torch.randint(few.shape[1], (batch,), device=x.device)]
        descent.zero_grad()
        many.price(scores(x[rows]), y[rows]).mean(1).sum().backward()
        descent.step()
    with torch.no_grad():
        return [_per_cent(scores(x[rows]), y[rows]).reshape(settings, runs) for rows in unseen]


def regression(x: Tensor, y: Tensor, parts: Sequence[Tensor]) -> np.ndarray:
    """Softmax regression on the same `parts`, its price chosen on validation: test accuracies (runs,)."""
    x, y = x.cpu().numpy(), y.cpu().numpy()
    runs = [
        [(x[rows], y[rows]) for rows in run] for run in zip(*(p.cpu().numpy() for p in parts), strict=True)
    ]
    valid, test = np.array([many.stacks(run) for run in runs]).transpose(2, 1, 0)  # (prices, runs) each
    return 100 * many.chosen(valid, test)


def adapt(
    theta: Tensor,
    halves: Sequence[tuple[float, float]],
    few: Tensor,
    parts: Sequence[tuple[Tensor, Tensor]],
    sizes: Sequence[int],
    rates: Sequence[float],
    *,
    steps: int,
    seed: int,
    batch: int = 50,
) -> list[np.ndarray]:
    """Train ReLU networks on a few rows, twice `steps` steps of Adam, for each of several rates.

    Parameters: `theta` (runs, weights); `halves`: for both halves of the steps the factor on the rate of the
    hidden layers, and of the scores: 0 freezes; `few` (runs, rows) are rows of the first of `parts`, pairs
    x (n, d), y (n,); the other parts are judged on. The same batches for the same `seed`.
    Returns: accuracies in per cent, (rates, runs), for each other part.
    """
    (x, y), *unseen = parts
    runs, hidden = len(theta), theta.shape[1] - (sizes[-2] + 1) * sizes[-1]
    theta, few = theta.repeat(len(rates), 1), few.repeat(len(rates), 1)
    each = torch.tensor(rates, device=x.device).repeat_interleave(runs)[:, None]
    is_hidden = torch.arange(theta.shape[1], device=x.device) < hidden

    def loss(theta):
        rows = few[:, torch.randint(few.shape[1], (batch,), device=x.device)]
        return many.price(scores(theta, x[rows], sizes, torch.relu), y[rows]).mean(1)

    torch.manual_seed(seed)
    for of_hidden, of_scores in halves:
        theta = many.train(theta, loss, each * torch.where(is_hidden, of_hidden, of_scores), steps)
    return [_per_cent(scores(theta, a, sizes, torch.relu), b).reshape(-1, runs) for a, b in unseen]


def _per_cent(out: Tensor, y: Tensor) -> np.ndarray:
    """Scores (nets, n, classes) and labels (n,) or (nets, n) -> (nets,)."""
    return 100 * (out.argmax(-1) == y).float().mean(-1).cpu().numpy()
