"""Wrong answers to lecture 03's tasks, each with its message, and right ones written otherwise."""

from itertools import pairwise

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.preprocessing import TargetEncoder
from sklearn.tree import DecisionTreeRegressor


# ------------------------------------------------------------------------------------------- bootstrap
def with_mask(drawn, n):
    return drawn, np.array([np.bincount(rows, minlength=n) == 0 for rows in drawn])


def row_numbers(n, samples, rng):
    drawn = rng.integers(n, size=(samples, n))
    return drawn, [np.setdiff1d(np.arange(n), rows) for rows in drawn]


def mask_of_drawn(n, samples, rng):
    drawn, missed = with_mask(rng.integers(n, size=(samples, n)), n)
    return drawn, ~missed


def one_sample_again(n, samples, rng):
    return with_mask(np.tile(rng.integers(n, size=n), (samples, 1)), n)


def sample_by_sample(n, samples, rng):
    drawn = np.floor(rng.random((samples, n)) * n).astype(np.int64)
    missed = np.ones((samples, n), dtype=bool)
    for s in range(samples):
        missed[s, drawn[s]] = False
    return drawn, missed


def permutations(n, samples, rng):
    return with_mask(np.array([rng.permutation(n) for _ in range(samples)]), n)


# ----------------------------------------------------------------------------------------------- split
def by_library(X, y):
    tree = DecisionTreeRegressor(max_depth=1).fit(X, y)
    if tree.tree_.node_count == 1:
        return -1, 0.0, float(((y - y.mean()) ** 2).sum())
    best = None
    for j in range(X.shape[1]):
        values = np.unique(X[:, j])
        for t in (values[:-1] + values[1:]) / 2:
            sides = y[X[:, j] <= t], y[X[:, j] > t]
            error = sum(len(side) * side.var() for side in sides)
            if best is None or error < best[2] - 1e-9:
                best = j, float(t), float(error)
    return best


def last_wins(X, y):
    best = -1, 0.0, float(((y - y.mean()) ** 2).sum())
    for j in range(X.shape[1]):
        values = np.unique(X[:, j])
        for t in (values[:-1] + values[1:]) / 2:
            yes = X[:, j] <= t
            error = ((y[yes] - y[yes].mean()) ** 2).sum() + ((y[~yes] - y[~yes].mean()) ** 2).sum()
            if error < best[2] - 1e-9 or (best[0] >= 0 and error <= best[2] + 1e-9):
                best = j, t, error
    return best


def split_with(error_of, where=lambda low, high: (low + high) / 2):
    def best_split(X, y):
        best = -1, 0.0, float(((y - y.mean()) ** 2).sum())
        for j in range(X.shape[1]):
            values = np.unique(X[:, j])
            for low, high in pairwise(values):
                yes = X[:, j] <= low
                error = error_of(y[yes]) + error_of(y[~yes])
                if error < best[2] - 1e-9:
                    best = j, where(low, high), error
        return best

    return best_split


def squares(side):
    return ((side - side.mean()) ** 2).sum()


def every_pair_of_rows(X, y):
    """Midpoints of neighbouring rows in sorted order, equal values or not."""
    best = -1, 0.0, squares(y)
    for j in range(X.shape[1]):
        order = X[:, j].argsort()
        for i in range(len(y) - 1):
            error = squares(y[order[: i + 1]]) + squares(y[order[i + 1 :]])
            if error < best[2] - 1e-9:
                best = j, (X[order[i], j] + X[order[i + 1], j]) / 2, error
    return best


def first_column_only(X, y):
    return split_with(squares)(X[:, :1], y)


# --------------------------------------------------------------------------------------------- reweigh
def a_round(w, y, said, error=None, factor=0.5, sign=-1):
    error = w[said != y].sum() if error is None else error
    alpha = factor * np.log((1 - error) / error)
    new = w * np.exp(sign * alpha * y * said)
    return alpha, new / new.sum()


def not_scaled(w, y, said):
    error = w[said != y].sum()
    alpha = np.log((1 - error) / error) / 2
    return alpha, w * np.exp(-alpha * y * said)


def reweigh_in_place(w, y, said):
    error = w[said != y].sum()
    alpha = np.log((1 - error) / error) / 2
    w *= np.exp(-alpha * y * said)
    w /= w.sum()
    return alpha, w


def only_mistakes(w, y, said):
    """The multi-class form: right rows keep their weight, wrong ones gain twice; scaled, it is the same."""
    error = w @ (said != y)
    alpha = np.log((1 - error) / error) / 2
    new = np.where(said != y, w * np.exp(2 * alpha), w)
    return alpha, new / new.sum()


# ------------------------------------------------------------------------------------------------ leak
def folds(rows, numbers=np.unique):
    def out_of_fold(make, X, y, fold):
        answers = np.zeros(len(y))
        for f in numbers(fold):
            fitted = rows(fold, f)
            machine = make()
            machine.fit(X[fitted], y[fitted])
            answers[fold == f] = machine.predict(X[fold == f])
        return answers

    return out_of_fold


def range_of(fold):
    """As if the folds were 0, 1, 2, … and the last number were their count."""
    return [f for f in range(fold.max()) if f in fold]


def answers_the_others(make, X, y, fold):
    answers = np.zeros(len(y))
    for f in np.unique(fold):
        machine = make()
        machine.fit(X[fold == f], y[fold == f])
        answers[fold != f] = machine.predict(X[fold != f])
    return answers


def always_a_line(make, X, y, fold):
    return folds(lambda fold, f: fold != f)(LinearRegression, X, y, fold)


def by_cross_val_predict(make, X, y, fold):
    return cross_val_predict(make(), X, y, cv=PredefinedSplit(fold))


# ------------------------------------------------------------------------------------------------- ctr
ATTRIBUTES = ["age", "gender", "category", "site", "position", "hour", "device"]
IDS = ["user", "ad", "advertiser", "context"]


def columns(log, names):
    return np.column_stack([log.features[name] for name in names])


def boosted(names=IDS, **options):
    def predict(past, future):
        x, x_new = columns(past, ATTRIBUTES), columns(future, ATTRIBUTES)
        if names:
            encoder = TargetEncoder()
            x = np.hstack([x, encoder.fit_transform(columns(past, names), past.click)])
            x_new = np.hstack([x_new, encoder.transform(columns(future, names))])
        model = HistGradientBoostingClassifier(min_samples_leaf=200, early_stopping=False, **options)
        return model.fit(x, past.click).predict_proba(x_new)[:, 1]

    return predict


def classes(past, future):
    model = HistGradientBoostingClassifier(max_iter=20).fit(columns(past, IDS), past.click)
    return model.predict(columns(future, IDS))


def plain_regression(past, future):
    model = LogisticRegression(max_iter=300).fit(past.one_hot(ATTRIBUTES + IDS), past.click)
    return model.predict_proba(future.one_hot(ATTRIBUTES + IDS))[:, 1]


def rates_by_hand(past, future):
    """Boosting on click rates that were counted in the other half of the past."""
    rates = {name: np.zeros(len(past)) for name in IDS}
    rates_new = {}
    half = np.arange(len(past)) % 2
    for name in IDS:
        size, value = past.sizes[name], past.features[name]

        def rate(rows, size=size, value=value):
            shown, clicked = np.bincount(value[rows], minlength=size), past.click[rows]
            return (np.bincount(value[rows], clicked, size) + 0.8) / (shown + 20)

        for h in (0, 1):
            rates[name][half == h] = rate(half != h)[value[half == h]]
        rates_new[name] = rate(half >= 0)[future.features[name]]
    x = np.column_stack([columns(past, ATTRIBUTES), *rates.values()])
    x_new = np.column_stack([columns(future, ATTRIBUTES), *rates_new.values()])
    model = HistGradientBoostingClassifier(min_samples_leaf=200, early_stopping=False)
    return model.fit(x, past.click).predict_proba(x_new)[:, 1]


WRONG = {
    "03.bootstrap": {
        "permutation": (permutations, "replacement"),
        "never the last": (
            lambda n, m, rng: with_mask(rng.integers(max(n - 1, 1), size=(m, n)), n),
            "never drawn",
        ),
        "ladder": (lambda n, m, rng: with_mask((rng.random((m, n)) ** 1.2 * n).astype(int), n), "more often"),
        "rounded": (
            lambda n, m, rng: with_mask(np.rint(rng.random((m, n)) * (n - 1)).astype(int), n),
            "more often",
        ),
        "sorted": (lambda n, m, rng: with_mask(np.sort(rng.integers(n, size=(m, n))), n), "the one before"),
        "one sample again": (one_sample_again, "again and again"),
        "from one": (lambda n, m, rng: (rng.integers(1, n + 1, (m, n)), np.ones((m, n), bool)), "0 to n - 1"),
        "row numbers": (row_numbers, "should be a NumPy array"),
        "mask of the drawn": (mask_of_drawn, "not drawn"),
        "other way round": (lambda n, m, rng: with_mask(rng.integers(n, size=(n, m)), n), "shape"),
        "own generator": (lambda n, m, rng: sample_by_sample(n, m, np.random.default_rng()), "each time"),
        "fixed generator": (lambda n, m, rng: sample_by_sample(n, m, np.random.default_rng(0)), "whatever"),
    },
    "03.split": {
        "on a value": (split_with(squares, lambda low, high: low), "halfway"),
        "mean of means": (split_with(lambda side: side.var()), "Use sums"),
        "absolute error": (split_with(lambda side: np.abs(side - side.mean()).sum()), "wrong values"),
        "equal values cut": (every_pair_of_rows, "wrong values"),
        "first column": (first_column_only, "wrong values"),
        "ties to the last": (last_wins, "tie"),
        "only two results": (lambda X, y: by_library(X, y)[:2], "expected 3 results"),
    },
    "03.correlation": {
        "divided by all": ("a", "say otherwise"),
        "more": ("b", "say otherwise"),
        "forgets what is shared": ("d", "say otherwise"),
        "no letter": (0.37, "answer with one of"),
    },
    "03.reweigh": {
        "share of mistakes": (lambda w, y, s: a_round(w, y, s, error=np.mean(s != y)), "their weight"),
        "no half": (lambda w, y, s: a_round(w, y, s, factor=1), "half"),
        "sign": (lambda w, y, s: a_round(w, y, s, sign=1), "sign"),
        "not scaled": (not_scaled, "sum"),
        "in place": (reweigh_in_place, "changes its input"),
        "base two": (lambda w, y, s: a_round(w, y, s, factor=0.5 / np.log(2)), "wrong values"),
        "weights only": (lambda w, y, s: a_round(w, y, s)[1], "expected 2 results"),
    },
    "03.leak": {
        "own fold": (folds(lambda fold, f: fold == f), "other way round"),
        "folds from zero": (
            folds(lambda fold, f: fold != f, range_of),
            "never answered",
        ),
        "order of time": (
            folds(lambda fold, f: fold < f if (fold < f).any() else fold != f),
            "all other folds",
        ),
        "answers the others": (answers_the_others, "wrong values"),
        "another machine": (always_a_line, "wrong values"),
        "the answers": (lambda make, X, y, fold: y.copy(), "wrong values"),
    },
    "03.ctr": {
        "attributes only": (boosted(names=[], max_iter=100), "a third"),
        "plain regression": (plain_regression, "40 %"),
        "balanced": (boosted(max_iter=50, class_weight="balanced"), "mean prediction"),
        "classes": (classes, "dtype"),
        "base rate": (lambda past, future: np.full(len(future), past.click.mean()), "a third"),
        "reads the answer": (lambda past, future: future.click.astype(float), "left (0, 1)"),
        "reads the truth": (lambda past, future: future.truth, "contains nan"),
    },
}

RIGHT = {
    "03.bootstrap": {
        "floor": sample_by_sample,
        "choice": lambda n, m, rng: with_mask(rng.choice(n, size=(m, n)), n),
    },
    "03.split": {"by the library": by_library, "loop": split_with(squares)},
    "03.correlation": {"c": "c"},
    "03.reweigh": {"mistakes only": only_mistakes, "the formula": a_round},
    "03.leak": {"cross_val_predict": by_cross_val_predict, "other folds": folds(lambda fold, f: fold != f)},
    "03.ctr": {"rates by hand": rates_by_hand},
}
