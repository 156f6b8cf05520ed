"""Decision trees with a histogram split, as built in lecture 03.

Every column is cut into at most 255 bins, once. A tree then grows level by level: a sparse product adds up
the rows of every (node, column, bin), and a cumulative sum over the bins tries every question of every node
at once. Trees for classes, numbers and gradients differ only in what is added up, so one `grow` serves all.

Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees; Ke and others (2017), LightGBM:
A Highly Efficient Gradient Boosting Decision Tree, for the histograms. The estimators follow scikit-learn.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, issparse

ROOM = 2**20  # numbers in the histograms that are kept at once: 8 MB
BLOCK = 2**14  # rows that are added up at once: their indices stay in the processor's cache
TINY = 1e-300  # what nothing weighs


@dataclass(frozen=True)
class Tree:
    """A grown tree as arrays over its nodes; node 0 is the root.

    feature: (nodes,) the column asked about, -1 in a leaf; threshold: (nodes,) a bin, and a row whose bin is
    at most that goes left; left: (nodes,) the left child, the right one follows it; value: (nodes, k) the
    answer; depth: the number of questions on the longest way.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    value: np.ndarray
    depth: int

    def apply(self, bins: np.ndarray) -> np.ndarray:
        """The leaf that each row ends in. bins: (n, d) uint8 -> (n,)."""
        node, rows = np.zeros(len(bins), dtype=np.intp), np.arange(len(bins))
        for _ in range(self.depth):
            rows = rows[self.feature[node[rows]] >= 0]  # the others have arrived
            here = node[rows]
            node[rows] = self.left[here] + (bins[rows, self.feature[here]] > self.threshold[here])
        return node

    def predict(self, bins: np.ndarray) -> np.ndarray:
        """The answer of each row's leaf. bins: (n, d) uint8 -> (n, k)."""
        return self.value[self.apply(bins)]


def bin_edges(X: np.ndarray, max_bins: int = 255) -> list[np.ndarray]:
    """Where each column of X (n, d) is cut: between neighbouring values, or at quantiles if they are many."""
    if not 2 <= max_bins <= 256:
        raise ValueError(f"max_bins is {max_bins}; expected 2 to 256, since a bin is stored in one byte")
    edges = []
    for column in X.T:
        values = np.unique(column)
        if len(values) > max_bins:
            inner = np.linspace(0, 1, max_bins + 1)[1:-1]
            edges.append(np.unique(np.quantile(column, inner, method="midpoint")))
        else:
            edges.append(values[:-1] + np.diff(values) / 2)
    return edges


def to_bins(X: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """The bin of every value: bin b holds edges[b - 1] < x <= edges[b]. X: (n, d) -> (n, d) uint8."""
    bins = np.empty(X.shape, dtype=np.uint8)
    for j, cuts in enumerate(edges):
        bins[:, j] = np.searchsorted(cuts, X[:, j])
    return bins


def grow(
    bins: np.ndarray,
    pull: np.ndarray,
    weight: np.ndarray,
    *,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    max_features: int | None = None,
    penalty: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Tree, np.ndarray]:
    """Grow one tree, greedily, level by level.

    Parameters: bins: (n, d) uint8; pull: (n, k); weight: (n,), not negative.
    A node answers sum(pull) / (sum(weight) + penalty), and a split maximizes the sum over both sides of
    sum(pull)² / (sum(weight) + penalty). So pull = weight × target is least squares; with one-hot targets
    that is the Gini index; pull = -gradient and weight = second derivative is a Newton step on any loss.
    `max_features` columns, drawn with `rng` in each node, compete for its split.
    Returns: the tree, and the leaf that each row of `bins` is in, (n,).
    """
    n, d = bins.shape
    size = int(bins.max()) + 1
    columns = bins + size * np.arange(d, dtype=np.int32)  # (n, d) number of the (column, bin) pair
    sums = np.column_stack([pull, weight, np.ones(n)])  # (n, k + 2) what is added up
    at_once = max(1, ROOM // (d * size * sums.shape[1]))  # nodes whose histograms have room
    node = np.zeros(n, dtype=np.int32)  # where each row is
    levels, start, m = [], 0, 1  # the nodes of a level are start, ..., start + m - 1
    cube, split = None, None  # the last level's histograms, and which of its nodes were split
    rules = (min_samples_leaf, max_features, penalty, rng)

    while True:
        rows = np.flatnonzero(node >= start)
        here = node[rows] - start
        if len(levels) == max_depth:
            found = np.zeros(m, dtype=np.intp), np.zeros(m, dtype=np.intp), np.full(m, -np.inf)
        elif m <= at_once:
            if cube is None:
                cube = _histograms(columns, sums, rows, here, m, size)
            else:
                cube = _children(cube[split], columns, sums, rows, here)
            found = _best_splits(cube, *rules)
        else:  # a few nodes after the other
            cube, parts = None, []
            order = np.argsort(here, kind="stable")
            rows, here = rows[order], here[order]
            for first in range(0, m, at_once):
                count = min(at_once, m - first)
                part = slice(*np.searchsorted(here, [first, first + count]))
                some = _histograms(columns, sums, rows[part], here[part] - first, count, size)
                parts.append(_best_splits(some, *rules))
            found = [np.concatenate(part) for part in zip(*parts, strict=True)]
        column, cut, gain = found
        split = gain > 1e-12
        left = np.where(split, start + m + 2 * (np.cumsum(split) - 1), 0)
        levels.append((np.where(split, column, -1), cut, left))
        if not split.any():
            break
        moves = split[here]
        rows, here = rows[moves], here[moves]
        node[rows] = left[here] + (bins[rows, column[here]] > cut[here])
        start, m = start + m, 2 * int(split.sum())

    feature, threshold, left = (np.concatenate(part) for part in zip(*levels, strict=True))
    total = np.stack([np.bincount(node, column, len(feature)) for column in sums.T], axis=1)
    value = _ratio(total[:, :-2], total[:, -2:-1] + penalty)
    return Tree(feature, threshold, left, value, len(levels) - 1), node


def _histograms(columns, sums, rows, here, m, size):
    """The sums of every (node, column, bin) over some rows: (m, d, size, k + 2).

    `here` (rows,) numbers each row's node from 0 to m - 1. A row has a one for the (node, column, bin) of
    each of its d values, which is lecture 01's one-hot coding; the transpose of that sparse matrix times
    `sums` adds everything up. Blocks of rows keep it in the processor's cache.
    """
    d = columns.shape[1]
    width = m * d * size
    total = np.zeros((width, sums.shape[1]))
    most = min(BLOCK, len(rows))
    ones, ends = np.ones(most * d), np.arange(0, most * d + 1, d, dtype=np.int32)
    offset = (d * size) * here
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        indices = columns.take(block, axis=0)
        indices += offset[first : first + BLOCK, None]
        k = len(block)
        one_hot = csr_array((ones[: k * d], indices.ravel(), ends[: k + 1]), shape=(k, width))
        total += one_hot.T @ sums.take(block, axis=0)
    return total.reshape(m, d, size, -1)


def _children(parents, columns, sums, rows, here):
    """The histograms of both children of each parent: add up the smaller one, subtract for the larger one."""
    m, _, size, _ = parents.shape
    small = np.bincount(here, minlength=2 * m).reshape(m, 2).argmin(axis=1)
    mine = small[here >> 1] == (here & 1)
    part = _histograms(columns, sums, rows[mine], here[mine] >> 1, m, size)
    both = np.empty((m, 2, *parents.shape[1:]))
    both[np.arange(m), small] = part
    both[np.arange(m), 1 - small] = parents - part
    return both.reshape(2 * m, *parents.shape[1:])


def _best_splits(cube, min_samples_leaf, max_features, penalty, rng):
    """The best question of each node: its column, its bin and its gain, each (m,)."""
    m, d, size, _ = cube.shape
    if size == 1:  # every column is constant
        return np.zeros(m, dtype=np.intp), np.zeros(m, dtype=np.intp), np.full(m, -np.inf)
    left = np.moveaxis(cube, -1, 0).copy().cumsum(axis=-1)  # (k + 2, m, d, size): all rows up to each bin
    left, total = left[..., :-1], left[:, :, :1, -1:]
    right = total - left

    def score(side):
        return _ratio(np.einsum("k...,k...->...", side[:-2], side[:-2]), side[-2] + penalty)

    gain = score(left) + score(right) - score(total)  # (m, d, size - 1)
    gain[(left[-1] < min_samples_leaf) | (right[-1] < min_samples_leaf)] = -np.inf
    if max_features is not None and max_features < d:
        # Draw among the columns that can be split at all, as scikit-learn does.
        luck = np.where(np.isfinite(gain).any(axis=2), rng.random((m, d)), -1)
        lowest = np.partition(luck, d - max_features, axis=1)[:, d - max_features]
        gain[luck < lowest[:, None]] = -np.inf
    gain = gain.reshape(m, -1)
    best = gain.argmax(axis=1)
    return best // (size - 1), best % (size - 1), gain[np.arange(m), best]


def _ratio(top, bottom):
    """top / bottom, and 0 where nothing weighs anything."""
    return top / np.maximum(bottom, TINY)


# ------------------------------------------------------------------------------------------ estimators


class _DecisionTree:
    """What both trees share: their options, and how they learn `edges_` and `tree_`."""

    def __init__(
        self,
        *,
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        max_features: int | None = None,
        max_bins: int = 255,
        random_state: int = 0,
    ):
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.max_bins = max_bins
        self.random_state = random_state

    def _grow(self, X, pull, weight):
        options = {name: getattr(self, name) for name in ("max_depth", "min_samples_leaf", "max_features")}
        for name, value in options.items():
            if value is not None and (int(value) != value or value < 1):
                raise ValueError(f"{name} is {value!r}; expected a whole number from 1")
        if self.max_features is not None and self.max_features > X.shape[1]:
            raise ValueError(f"max_features is {self.max_features}, but X has {X.shape[1]} columns")
        self.edges_ = bin_edges(X, self.max_bins)
        bins = to_bins(X, self.edges_)
        self.tree_, _ = grow(bins, pull, weight, rng=np.random.default_rng(self.random_state), **options)
        self.n_features_in_ = X.shape[1]
        return self


class DecisionTreeClassifier(_DecisionTree):
    """A tree whose leaves answer with the shares of the classes in them; splits by the Gini index.

    Without `max_depth` it grows until every leaf is pure. `max_features` columns compete for each split.
    Learned: `classes_` (k,), `edges_` a list of (bins - 1,) arrays, `tree_`.
    """

    def fit(self, X, y, sample_weight=None):
        """X: (n, d), y: (n,) class labels, sample_weight: (n,) or None. Raises ValueError on bad input."""
        X, y = checked(X, y)
        weight = checked_weight(sample_weight, len(y))
        self.classes_, index = np.unique(y, return_inverse=True)
        pull = weight[:, None] * np.eye(len(self.classes_))[index]
        return self._grow(X, pull, weight)

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k) shares, in the order of `classes_`."""
        X = seen(X, self)
        return self.tree_.predict(to_bins(X, self.edges_))

    def predict(self, X) -> np.ndarray:
        """X: (n, d) -> (n,) the commonest class of each row's leaf."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]

    def score(self, X, y) -> float:
        """The share of rows predicted right. Raises ValueError for a label that was never seen."""
        return accuracy(self, X, y)


class DecisionTreeRegressor(_DecisionTree):
    """A tree whose leaves answer with the mean of the targets in them; splits by squared error.

    The options are those of `DecisionTreeClassifier`. Learned: `edges_`, `tree_`.
    """

    def fit(self, X, y, sample_weight=None):
        """X: (n, d), y: (n,), sample_weight: (n,) or None. Raises ValueError on bad input."""
        X, y = checked(X, y)
        weight = checked_weight(sample_weight, len(y))
        # Least squares does not mind a shift, and rounding is kinder around zero.
        shift = np.average(y, weights=weight)
        self._grow(X, (weight * (y - shift))[:, None], weight)
        self.tree_.value[:] += shift
        return self

    def predict(self, X) -> np.ndarray:
        """X: (n, d) -> (n,)."""
        X = seen(X, self)
        return self.tree_.predict(to_bins(X, self.edges_))[:, 0]

    def score(self, X, y) -> float:
        """The share of the variance of y that is explained (R²)."""
        X, y = checked(X, y)
        return float(1 - np.mean((y - self.predict(X)) ** 2) / np.var(y))


def checked(X, y) -> tuple[np.ndarray, np.ndarray]:
    """X: (n, d) floats and y: (n,), as arrays that go together. Raises ValueError that says what is wrong."""
    X, y = _table(X), np.asarray(y)
    if y.shape != (len(X),):
        raise ValueError(f"y has shape {y.shape}; expected one target for each of the {len(X)} rows of X")
    if not len(X) or not X.shape[1]:
        raise ValueError(f"X has shape {X.shape}; expected at least one row and one column")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("y holds nan or infinity; drop these rows first")
    return X, y


def checked_weight(weight, n: int) -> np.ndarray:
    """The weight of each row, (n,), ones by default. Raises ValueError if they cannot be weights."""
    weight = np.ones(n) if weight is None else np.asarray(weight, dtype=float)
    if weight.shape != (n,) or not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
        raise ValueError(f"sample_weight should be {n} numbers, none negative or nan, and not all zero")
    return weight


def seen(X, model) -> np.ndarray:
    """X for a fitted model. Raises ValueError before `fit`, or if the number of columns is another one."""
    if not hasattr(model, "n_features_in_"):
        raise ValueError(f"this {type(model).__name__} is not fitted yet; call fit(X, y) first")
    X = _table(X)
    if X.shape[1] != model.n_features_in_:
        raise ValueError(f"X has shape {X.shape}; this model was fitted on (rows, {model.n_features_in_})")
    return X


def accuracy(model, X, y) -> float:
    """The share of rows that a classifier gets right. Raises ValueError for a label it has never seen."""
    X, y = checked(X, y)
    unknown = np.setdiff1d(y, model.classes_) if hasattr(model, "classes_") else []
    if len(unknown):
        raise ValueError(
            f"y holds {unknown[0].item()!r}, which was never seen in fit; known: {model.classes_.tolist()}"
        )
    return float(np.mean(model.predict(X) == y))


def _table(X):
    if issparse(X):
        raise ValueError(
            "X is sparse; a tree needs a dense array: pass X.toarray(), or number the categories"
        )
    X = np.asarray(X, dtype=float)
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}; expected (rows, columns): use X[:, None] for one column")
    if not np.isfinite(X).all():
        raise ValueError("X holds nan or infinity; fill or drop these rows first")
    return X
