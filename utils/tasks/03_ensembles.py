"""The tasks of lecture 03."""

from functools import cache
from itertools import pairwise

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import hidden_ad_logs

rng = np.random.default_rng(3)


# ----------------------------------------------------------------------------------------- 03.bootstrap
def _like_bootstrap(n, samples, generator):
    return np.zeros((samples, n), dtype=np.int64), np.zeros((samples, n), dtype=bool)


def _missed(out, n, samples, _):
    """Exactly the rows that were not drawn, by a plain loop."""
    return out[1].tolist() == [[row not in set(drawn) for row in range(n)] for drawn in out[0].tolist()]


def _with_replacement(out, n, samples, _):
    """A sample holds 1 - (1 - 1/n)^n of the rows on average."""
    distinct = np.mean([len(set(drawn)) / n for drawn in out[0].tolist()])
    return samples < 100 or abs(distinct - (1 - (1 - 1 / n) ** n)) < 0.03


def _even(out, n, samples, _):
    """Each row is drawn `samples` times, give or take six standard deviations."""
    drawn = np.bincount(out[0].ravel(), minlength=n)
    return samples < 100 or np.abs(drawn - samples).max() < 6 * np.sqrt(samples)


def _all_come(out, n, samples, _):
    return samples < 100 or len(np.unique(out[0])) == n


def _new_each_time(out, n, samples, _):
    return samples < 100 or len(np.unique(out[0], axis=0)) == samples


def _unrelated(out, n, samples, _):
    """A draw says nothing about the next one: sorted draws do."""
    flat = out[0].ravel()
    return samples < 100 or abs(np.corrcoef(flat[:-1], flat[1:])[0, 1]) < 0.1


bootstrap = Function(
    "03.bootstrap",
    cases=[
        Case("500 samples of 12 rows", (12, 500, np.random.default_rng(1))),
        Case("100 samples of 100 rows", (100, 100, np.random.default_rng(2))),
        Case("one sample", (12, 1, np.random.default_rng(3))),
        Case("a single row", (1, 3, np.random.default_rng(4))),
    ],
    like=_like_bootstrap,
    rules=[
        Rule("a row number is not from 0 to n - 1", lambda out, n, *_: set(out[0].flat) <= set(range(n)), 2),
        Rule("the same sample comes again and again", _new_each_time, 1),
        Rule("some row is never drawn, not even in hundreds of samples", _all_come, 2),
        Rule("this is not what draws with replacement look like", _with_replacement, 1),
        Rule("some rows are drawn more often than others", _even, 1),
        Rule("each draw depends on the one before", _unrelated, 2),
        Rule("the mask should be True for exactly the rows that were not drawn", _missed, 2),
    ],
    draws=True,
    concepts=["bootstrap", "bagging"],
)


# --------------------------------------------------------------------------------------------- 03.split
def _sides(left, right):
    """The summed squared error of two sides, each around its own mean."""
    return sum(sum((v - sum(side) / len(side)) ** 2 for v in side) for side in (left, right))


def _search(X, y, cost=_sides, halfway=True, ties="first"):
    """Every cut of every column, one by one, in plain Python."""
    rows = [(*map(float, row), float(target)) for row, target in zip(X, y, strict=True)]
    targets = [row[-1] for row in rows]
    best = -1, 0.0, _sides(targets, targets[:0] or [0.0])
    for j in range(X.shape[1]):
        values = sorted({row[j] for row in rows})
        for low, high in pairwise(values):
            left = [row[-1] for row in rows if row[j] <= low]
            right = [row[-1] for row in rows if row[j] > low]
            error = cost(left, right)
            if error < best[2] - 1e-9 or (ties == "last" and best[0] >= 0 and error <= best[2] + 1e-9):
                best = j, (low + high) / 2 if halfway else low, error
    return best


def _mean_of_means(left, right):
    return sum(sum((v - sum(side) / len(side)) ** 2 for v in side) / len(side) for side in (left, right))


_step = np.linspace(0, 1, 12)
split = Function(
    "03.split",
    cases=[
        Case("40 rows, 3 columns", (rng.normal(size=(40, 3)), rng.normal(size=40))),
        Case("a clean step in the second column", (np.c_[rng.random(12), _step], np.round(_step))),
        Case("one odd row beside many", (np.arange(9.0)[:, None], np.array([5.0, *[0.0] * 4, *[2.0] * 4]))),
        Case("repeated values", (np.array([[1.0], [1.0], [2.0], [2.0], [4.0]]), np.array([0.0, 1, 1, 1, 5]))),
        Case("two equal columns", (np.c_[np.arange(6.0), np.arange(6.0)], np.array([0.0, 0, 0, 1, 1, 1]))),
        Case("two equal cuts", (np.array([[1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 0.0]))),
        Case("a constant column", (np.ones((4, 1)), np.array([0.0, 1.0, 2.0, 3.0]))),
        Case("one row", (np.array([[1.0, 2.0]]), np.array([3.0]))),
    ],
    oracle=_search,
    mistakes=[
        Mistake(
            "the cut stands on a value; it should lie halfway between two",
            lambda X, y: _search(X, y, halfway=False),
            1,
        ),
        Mistake(
            "each side's mean error was added; a side with one row then weighs as much as the rest. Use sums",
            lambda X, y: _search(X, y, cost=_mean_of_means),
            2,
        ),
        Mistake("on a tie the first cut should win", lambda X, y: _search(X, y, ties="last"), 3),
    ],
    concepts=["weak-machine"],
)


# --------------------------------------------------------------------------------------- 03.correlation
@cache
def _simulated() -> str:
    """Draw errors with the stated correlations, average them, and look at the variance."""
    draw = np.random.default_rng(5)

    def variance(machines, rho, repeats=40_000):
        shared = np.sqrt(rho) * draw.normal(size=repeats)
        own = np.sqrt(1 - rho) * draw.normal(size=(repeats, machines))
        return np.var(shared + own.mean(axis=1))

    more, different = variance(100, 0.5), variance(10, 0.3)
    if more < different:
        return "a" if more < 0.2 else "b"
    return "c" if different > 0.2 else "d"


correlation = Choice(
    "03.correlation",
    options=("a", "b", "c", "d"),
    truth=_simulated,
    wrong="forty thousand teams, drawn just now, say otherwise",
    right="forty thousand teams, drawn just now, say so too",
    concepts=["ensemble"],
)


# ------------------------------------------------------------------------------------------- 03.reweigh
def _closed_form(w, y, said):
    """After the round the mistakes hold half of the weight and the rest the other half, in proportion."""
    wrong = [a != b for a, b in zip(y, said, strict=True)]
    error = sum(weight for weight, bad in zip(w, wrong, strict=True) if bad)
    halves = [weight / (2 * (error if bad else 1 - error)) for weight, bad in zip(w, wrong, strict=True)]
    return np.arctanh(1 - 2 * error), np.array(halves)


def _round(w, y, said, error=None, factor=0.5, sign=-1, norm=True):
    error = w[said != y].sum() if error is None else error
    alpha = factor * np.log((1 - error) / error)
    new = w * np.exp(sign * alpha * y * said)
    return alpha, new / new.sum() if norm else new


def _signs(n):
    return rng.choice([-1.0, 1.0], n)


_uneven = rng.random(50) ** 3
reweigh = Function(
    "03.reweigh",
    cases=[
        Case("50 rows of uneven weight", (_uneven / _uneven.sum(), _signs(50), _signs(50))),
        Case("one mistake in ten", (np.full(10, 0.1), np.ones(10), np.array([-1.0] + [1.0] * 9))),
        Case("one light mistake", (np.array([0.01, 0.29, 0.7]), np.ones(3), np.array([-1.0, 1.0, 1.0]))),
        Case("worse than a coin", (np.array([0.6, 0.4]), np.array([1.0, -1.0]), np.array([-1.0, -1.0]))),
    ],
    oracle=_closed_form,
    rules=[Rule("the new weights do not sum to one", lambda out, *_: np.isclose(out[1].sum(), 1), 3)],
    mistakes=[
        Mistake(
            "ε is the share of mistakes here; it should be their weight",
            lambda w, y, said: _round(w, y, said, error=np.mean(said != y)),
            1,
        ),
        Mistake("the half before the logarithm is missing", lambda w, y, s: _round(w, y, s, factor=1), 2),
        Mistake("the rows that are right grow heavier: a sign is wrong", lambda *a: _round(*a, sign=1), 2),
        Mistake("the new weights are right but for their sum", lambda *a: _round(*a, norm=False), 3),
    ],
    concepts=["boosting"],
)


# ---------------------------------------------------------------------------------------------- 03.leak
def _by_heart():
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(1)


def _line():
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


def _row_by_row(make, X, y, fold):
    """Each row on its own: fit on all rows of other folds, and answer it."""
    answers = []
    for row in range(len(y)):
        others = [i for i in range(len(y)) if fold[i] != fold[row]]
        answers.append(float(make().fit(X[others], y[others]).predict(X[[row]])[0]))
    return np.array(answers)


def _folds(make, X, y, fold, rows=lambda fold, f: fold == fold, numbers=np.unique):
    answers = np.zeros(len(y))
    for f in numbers(fold):
        fitted = rows(fold, f)
        answers[fold == f] = make().fit(X[fitted], y[fitted]).predict(X[fold == f])
    return answers


leak = Function(
    "03.leak",
    cases=[
        Case(
            "a machine that learns by heart, 5 folds",
            (_by_heart, rng.normal(size=(40, 2)), rng.normal(size=40), rng.permutation(40) % 5),
        ),
        Case(
            "a line, folds 3, 7 and 9",
            (_line, rng.normal(size=(21, 2)), rng.normal(size=21), np.array([3, 7, 9] * 7)),
        ),
        Case("a fold for each row", (_by_heart, rng.normal(size=(6, 1)), rng.normal(size=6), np.arange(6))),
        Case(
            "two uneven folds",
            (_line, rng.normal(size=(12, 1)), rng.normal(size=12), np.array([1] * 9 + [0] * 3)),
        ),
    ],
    oracle=_row_by_row,
    mistakes=[
        Mistake(
            "each machine is fitted on the very fold that it answers; the other way round",
            lambda *a: _folds(*a, rows=lambda fold, f: fold == f),
            2,
        ),
        Mistake(
            "some fold is never answered: the numbers of the folds can be any",
            lambda *a: _folds(
                *a,
                rows=lambda fold, f: fold != f,
                numbers=lambda fold: [f for f in range(fold.max()) if f in fold],
            ),
            2,
        ),
        Mistake(
            "only the folds before are used, as if they were in order of time; use all other folds",
            lambda *a: _folds(*a, rows=lambda fold, f: fold < f if (fold < f).any() else fold != f),
            2,
        ),
    ],
    bug=_folds,
    concepts=["stacking"],
)


# ----------------------------------------------------------------------------------------------- 03.ctr
def _mean_is_right(p, past, hidden, future):
    return 0.85 < p.mean() / future.click.mean() < 1.15


ctr = Function(
    "03.ctr",
    cases=hidden_ad_logs,
    like=lambda past, hidden: np.zeros(len(hidden)),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 2),
        Rule("the mean prediction is not the click rate, so no bid could use it", _mean_is_right, 3),
        Rule(
            "this is less than a third of the gap", lambda p, a, b, future: future.share_of_gap(p) > 1 / 3, 1
        ),
        Rule("this is less than 40 % of the gap", lambda p, a, b, future: future.share_of_gap(p) >= 0.4, 3),
    ],
    concepts=["boosting"],
)

TASKS = [bootstrap, split, correlation, reweigh, leak, ctr]
