"""Click models over columns of ids, as built in lecture 08: a factorization machine, and wide & deep.

Each value of each column, a user, an ad, an hour, has a weight and a vector of k numbers:

    model = FactorizationMachine({"user": 400, "ad": 50}, k=8)
    fit_clicks(model, log.features, log.click)
    p = model.probability(log.features)      # (n,)
    model.table("ad")                        # (50, 8): a vector for each ad

`features` maps a column's name to its ids, integers from 0; columns that the model does not know are
left out. The sizes are given, so nothing depends on which ids happen to occur in the rows at hand.

Rendle (2010), Factorization Machines; Cheng and others (2016), Wide & Deep Learning for Recommender Systems;
Guo and others (2017), DeepFM, for both in one.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log, prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import training


class FactorizationMachine(nn.Module):
    """logit = bias + sum of the values' weights + sum over pairs of columns of vector · vector.

    `sizes`: column -> number of its values, in the order in which `forward` takes the ids;
    `k`: length of a vector, and with 0 this is logistic regression on one-hot columns;
    `crosses`: tuples of columns; each combination of their values gets a weight of its own, and no vector;
    `base_rate`: the click rate that an untrained model predicts;
    `spread`: standard deviation of the vectors at the start. PyTorch's own start of 1 ruins the products.
    Raises: ValueError for a size or k that is no count, a cross of unknown columns, a rate or a spread that
    is none.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        k: int = 8,
        *,
        crosses: Sequence[tuple[str, ...]] = (),
        base_rate: float = 0.04,
        spread: float = 0.1,
    ):
        super().__init__()
        self.sizes = {name: _count(f"the size of {name!r}", size, 1) for name, size in sizes.items()}
        if not self.sizes:
            raise ValueError("there are no columns; give a dictionary such as {'user': 400, 'ad': 50}")
        self.crosses = [tuple(cross) for cross in crosses]
        for cross in self.crosses:
            if len(cross) < 2 or not set(cross) <= set(self.sizes):
                raise ValueError(f"the cross {cross!r} needs two or more of the columns {list(self.sizes)}")
        if not 0 < base_rate < 1:
            raise ValueError(f"base_rate is {base_rate!r}; expected a share between 0 and 1")
        if not 0 < spread < float("inf"):  # all zeros would stay zeros: no product has a slope there
            raise ValueError(f"spread is {spread!r}; expected a number above 0")
        width = list(self.sizes.values())
        self.register_buffer("limit", torch.tensor(width))
        self.register_buffer("start", torch.tensor(np.cumsum([0, *width[:-1]])))
        cells = [prod(self.sizes[name] for name in cross) for cross in self.crosses]
        self.bias = nn.Parameter(torch.tensor(log(base_rate / (1 - base_rate))))
        self.weights = nn.Embedding(sum(width), 1)
        self.vectors = nn.Embedding(sum(width), _count("k", k, 0))
        self.cells = nn.ModuleList(nn.Embedding(count, 1) for count in cells)
        for table in (self.weights, *self.cells):
            nn.init.zeros_(table.weight)
        nn.init.normal_(self.vectors.weight, std=spread)

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (n, columns), integers, in the order of `sizes` -> logits (n,).

        Raises: ValueError for a wrong shape or dtype, or an id out of range. Without that last check an id
        that is too large would silently read a row of the next column.
        """
        rows = self._rows(x)
        return self._wide(x, rows) + pairs(self.vectors(rows))

    def _rows(self, x: Tensor) -> Tensor:
        """Where in the common table the values of x stand: (n, columns) -> the same shape."""
        columns = list(self.sizes)
        if x.ndim != 2 or x.shape[1] != len(columns):
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {len(columns)}): {columns}")
        if x.dtype.is_floating_point or x.dtype in (torch.bool, torch.complex64, torch.complex128):
            raise ValueError(f"x has dtype {x.dtype}; ids are integers")
        outside = (x < 0) | (x >= self.limit)
        if outside.any():
            row, column = outside.nonzero()[0].tolist()
            name = columns[column]
            raise ValueError(
                f"row {row} has {name} {x[row, column].item()}; its ids run from 0 to {self.sizes[name] - 1}"
            )
        return x + self.start

    def _wide(self, x: Tensor, rows: Tensor) -> Tensor:
        """Bias, weights and crosses: logistic regression. (n,)"""
        logits = self.bias + self.weights(rows).sum((1, 2))
        columns = list(self.sizes)
        for cross, table in zip(self.crosses, self.cells, strict=True):
            cell = torch.zeros_like(x[:, 0])
            for name in cross:  # the number of the combination, the last column running fastest
                cell = cell * self.sizes[name] + x[:, columns.index(name)]
            logits = logits + table(cell)[:, 0]
        return logits

    def ids(self, features: Mapping[str, np.ndarray]) -> Tensor:
        """The columns that `forward` takes, side by side, where the model is: name -> (n,) to (n, columns).

        Raises: ValueError if a column is missing or they differ in length.
        """
        missing = [name for name in self.sizes if name not in features]
        if missing:
            raise ValueError(f"the column {missing[0]!r} is missing; there are {list(features)}")
        columns = [np.asarray(features[name]) for name in self.sizes]
        if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
            raise ValueError(
                f"the columns have shapes {[c.shape for c in columns]}; expected one id a row in each"
            )
        return torch.as_tensor(np.stack(columns, axis=1), device=self.bias.device)

    @torch.no_grad()
    def probability(self, features: Mapping[str, np.ndarray], batch_size: int = 50_000) -> np.ndarray:
        """The click probability of each row: columns of (n,) ids -> (n,) float64."""
        parts = [self(x).cpu().double().sigmoid() for x in self.ids(features).split(batch_size)]
        return torch.cat(parts).numpy()

    def table(self, column: str) -> np.ndarray:
        """A copy of the vectors of a column's values: (size, k) float64. Raises ValueError if unknown."""
        return self._part(self.vectors, column)

    def effects(self, column: str) -> np.ndarray:
        """A copy of the weights of a column's values, in logits: (size,) float64."""
        return self._part(self.weights, column)[:, 0]

    def _part(self, table: nn.Embedding, column: str) -> np.ndarray:
        if column not in self.sizes:
            raise ValueError(f"no column {column!r}; choose one of {list(self.sizes)}")
        start = self.start[list(self.sizes).index(column)]
        return table.weight[start : start + self.sizes[column]].detach().cpu().double().numpy().copy()


class WideAndDeep(FactorizationMachine):
    """logit = bias + weights + crosses (wide) + a ReLU network over the vectors, laid end to end (deep).

    `hidden`: widths of the network's layers. `pairs`: add the factorization machine's products too (DeepFM);
    then a `spread` of 0.1 is better. All else as in FactorizationMachine.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        k: int = 8,
        *,
        crosses: Sequence[tuple[str, ...]] = (),
        hidden: Sequence[int] = (128, 64),
        pairs: bool = False,
        base_rate: float = 0.04,
        spread: float = 0.3,
    ):
        super().__init__(sizes, k, crosses=crosses, base_rate=base_rate, spread=spread)
        _count("k", k, 1)
        self.pairs = pairs
        widths = [k * len(self.sizes), *(_count("a width in hidden", width, 1) for width in hidden)]
        layers = [part for ins, outs in pairwise(widths) for part in (nn.Linear(ins, outs), nn.ReLU())]
        self.deep = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (n, columns), integers -> logits (n,). Raises ValueError as FactorizationMachine does."""
        rows = self._rows(x)
        v = self.vectors(rows)  # (n, columns, k)
        logits = self._wide(x, rows) + self.deep(v.flatten(1))[:, 0]
        return logits + pairs(v) if self.pairs else logits


def pairs(v: Tensor) -> Tensor:
    """The sum of v_i · v_j over all pairs i < j, without the double loop: (n, columns, k) -> (n,).

    The square of a sum holds each pair twice and each square once: Rendle (2010), lemma 3.1.
    """
    return 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(1)


def fit_clicks(
    model: FactorizationMachine,
    features: Mapping[str, np.ndarray],
    click: np.ndarray,
    *,
    epochs: int = 5,
    lr: float = 0.02,
    batch_size: int = 2000,
    l2: float = 2e-3,
) -> training.History:
    """Train a click model with Adam; the last two epochs run at a half and an eighth of the learning rate.

    Parameters: `features`: column -> (n,) ids; `click`: (n,) 0 or 1; `l2` is the price of a vector's squared
    length, averaged over the rows, so that a value that is seen often pays more than one that is seen seldom.
    Returns: the history of all epochs; its loss holds the price as well. Needs `torch.manual_seed` before
    the model is made, to be the same each time.
    Raises: ValueError for fewer than three epochs, clicks other than 0 and 1, or a loss that is not finite.
    The loop is `utils.training.fit`, of lectures 02 and 05.
    """
    if epochs < 3:
        raise ValueError(f"epochs is {epochs}; expected 3 or more, since the last two slow down")
    click = np.asarray(click)
    if not np.isin(click, (0, 1)).all():
        raise ValueError("click holds something other than 0 and 1")
    x = model.ids(features)
    if len(x) != len(click):
        raise ValueError(f"there are {len(x)} rows of features but {len(click)} clicks")
    y = torch.as_tensor(click, dtype=torch.float32, device=x.device)
    seen = torch.bincount(model._rows(x).flatten(), minlength=len(model.vectors.weight)) / max(len(x), 1)

    def loss(logits, y):
        size = seen @ model.vectors.weight.square().sum(1)
        return F.binary_cross_entropy_with_logits(logits, y) + l2 * size

    history = training.History()
    for count, rate in ((epochs - 2, lr), (1, lr / 2), (1, lr / 8)):
        phase = training.fit(model, (x, y), epochs=count, loss=loss, lr=rate, batch_size=batch_size)
        history.loss += phase.loss
        history.seconds += phase.seconds
    return history


def _count(name: str, value: int, least: int) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number, at least {least}")
    return int(value)
