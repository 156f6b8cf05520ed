"""The tasks of lecture 03."""

from functools import cache
from itertools import pairwise
from math import exp
from statistics import fmean, median

import numpy as np
from scipy.special import expit

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
        Rule(
            "each draw depends on the one before; are they sorted? Leave them in the order drawn",
            _unrelated,
            2,
        ),
        Rule("the mask should be True for exactly the rows that were not drawn", _missed, 2),
    ],
    draws=True,
    concepts=["bootstrap", "bagging"],
)


# --------------------------------------------------------------------------------------------- 03.split
def _around(middle, size):
    """The cost of both sides of a cut: the summed size(v - middle) of each side around its own middle."""

    def cost(left, right):
        return sum(sum(size(v - middle(side)) for v in side) for side in (left, right) if side)

    return cost


_sides = _around(median, abs)


def _search(X, y, cost=_sides, halfway=True, ties="first", columns=None, start=None):
    """Every cut of every column, one by one, in plain Python; `start` is the error to beat."""
    rows = [(*map(float, row), float(target)) for row, target in zip(X, y, strict=True)]
    best = -1, 0.0, cost([row[-1] for row in rows], []) if start is None else start
    for j in range(X.shape[1])[:columns]:
        values = sorted({row[j] for row in rows})
        for low, high in pairwise(values):
            left = [row[-1] for row in rows if row[j] <= low]
            right = [row[-1] for row in rows if row[j] > low]
            error = cost(left, right)
            if error < best[2] - 1e-9 or (ties == "last" and best[0] >= 0 and error <= best[2] + 1e-9):
                best = j, (low + high) / 2 if halfway else low, error
    return best


def _at_the_upper(X, y):
    j, t, error = _search(X, y)
    return j, X[X[:, j] > t, j].min() if j >= 0 else t, error


def _mean_of_means(left, right):
    return sum(_sides(side, []) / len(side) for side in (left, right) if side)


_step = np.linspace(0, 1, 12)
split = Function(
    "03.split",
    cases=[
        Case("40 rows, 3 columns", (rng.normal(size=(40, 3)), rng.normal(size=40))),
        Case("a clean step in the second column", (np.c_[rng.random(12), _step], np.round(_step))),
        Case("one odd row beside many", (np.arange(9.0)[:, None], np.array([5.0, *[0.0] * 4, *[2.0] * 4]))),
        Case("repeated values", (np.array([[1.0], [1.0], [2.0], [2.0], [4.0]]), np.array([0.0, 1, 1, 1, 5]))),
        Case("two equal columns", (np.c_[np.arange(6.0), np.arange(6.0)], np.array([0.0, 0, 0, 1, 1, 1]))),
        Case("two equal cuts", (np.arange(1.0, 5.0)[:, None], np.array([0.0, 1.0, 1.0, 0.0]))),
        Case("no cut that helps", (np.array([[1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 0.0]))),
        Case("an outlier of 1,000", (np.arange(8.0)[:, None], np.array([0, 0, 0, 5, 5, 5, 5, 1000.0]))),
        Case("targets near 1e-7", (np.arange(4.0)[:, None], np.array([0.0, 0.0, 2e-7, 2e-7]))),
        Case("a constant column", (np.ones((4, 1)), np.array([0.0, 1.0, 2.0, 3.0]))),
        Case("one row", (np.array([[1.0, 2.0]]), np.array([3.0]))),
    ],
    oracle=_search,
    mistakes=[
        Mistake(
            "these are the lecture's squares around the mean; take absolute errors around the median",
            lambda X, y: _search(X, y, _around(fmean, lambda v: v * v)),
            2,
        ),
        Mistake(
            "these are absolute errors around the mean; each side answers with its median",
            lambda X, y: _search(X, y, _around(fmean, abs)),
            2,
        ),
        Mistake(
            "these are squared errors; take absolute ones",
            lambda X, y: _search(X, y, _around(median, lambda v: v * v)),
            2,
        ),
        Mistake("only the first column is tried", lambda X, y: _search(X, y, columns=1), 1),
        Mistake(
            "the cut stands on a value; it should lie halfway between two",
            lambda X, y: _search(X, y, halfway=False),
            1,
        ),
        Mistake(
            "the cut stands on a value; it should lie halfway between two",
            _at_the_upper,
            1,
        ),
        Mistake(
            "where no cut makes the error smaller there is no question: return -1, 0.0 and the error",
            lambda X, y: _search(X, y, start=float("inf")),
            3,
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
def _closed_form(w, y, said, k):
    """After the round the mistakes hold 1 - 1/k of the weight, the rest 1/k, each in proportion."""
    from scipy.special import logit

    wrong = [a != b for a, b in zip(y, said, strict=True)]
    error = sum(weight for weight, bad in zip(w, wrong, strict=True) if bad)
    new = [
        weight * ((k - 1) / error if bad else 1 / (1 - error)) / k
        for weight, bad in zip(w, wrong, strict=True)
    ]
    return logit(1 - error) - logit(1 / k), np.array(new)


def _round(w, y, said, k, *, error=None, chance=lambda k: k - 1, factor=1, right=0, wrong=1, norm=True):
    """A round with a switch for each usual mistake; right and wrong rows are multiplied by exp(α × that)."""
    error = w[said != y].sum() if error is None else error
    alpha = factor * (np.log((1 - error) / error) + np.log(chance(k)))
    new = w * np.exp(alpha * np.where(said != y, wrong, right))
    return alpha, new / new.sum() if norm else new


def _labels_multiplied(w, y, said, k):
    alpha = _round(w, y, said, k)[0]
    new = w * np.exp(-alpha * y * said)
    return alpha, new / new.sum()


def _upside_down(w, y, said, k):
    error = w[said != y].sum()
    return _round(w, y, said, k, error=1 - error)


def _never_negative(w, y, said, k):
    alpha, new = _round(w, y, said, k)
    return (alpha, new) if alpha > 0 else (0.0, w)


def _classes(n, k):
    return rng.integers(k, size=n)


_uneven = rng.random(50) ** 3
reweigh = Function(
    "03.reweigh",
    cases=[
        Case(
            "50 rows of uneven weight, 5 classes",
            (_uneven / _uneven.sum(), _classes(50, 5), _classes(50, 5), 5),
        ),
        Case(
            "one mistake in ten, 10 classes",
            (np.full(10, 0.1), np.arange(10), np.array([5, *range(1, 10)]), 10),
        ),
        Case("two classes", (np.array([0.2, 0.3, 0.5]), np.array([0, 1, 1]), np.array([1, 1, 1]), 2)),
        Case("one light mistake", (np.array([0.01, 0.29, 0.7]), np.array([2, 1, 0]), np.array([0, 1, 0]), 3)),
        Case("worse than chance", (np.array([0.8, 0.2]), np.array([0, 1]), np.array([2, 1]), 3)),
    ],
    oracle=_closed_form,
    rules=[Rule("the new weights do not sum to one", lambda out, *_: np.isclose(out[1].sum(), 1), 3)],
    mistakes=[
        Mistake(
            "this is the lecture's form, for two classes: here α has no half, and log(k − 1) is added",
            lambda *a: _round(*a, factor=0.5, chance=lambda k: 1, right=-1),
            2,
        ),
        Mistake(
            "y · said tells right from wrong for labels of −1 and 1 only; compare the two",
            _labels_multiplied,
            2,
        ),
        Mistake(
            "ε is the share of mistakes here; it should be their weight",
            lambda w, y, said, k: _round(w, y, said, k, error=np.mean(said != y)),
            1,
        ),
        Mistake(
            "α is upside down: a machine with few mistakes has much to say",
            _upside_down,
            2,
        ),
        Mistake(
            "a machine worse than a guess has a negative say; do not cut α off at zero",
            _never_negative,
            2,
        ),
        Mistake(
            "log(k − 1) is missing: with k classes a guess is right once in k times",
            lambda *a: _round(*a, chance=lambda k: 1),
            2,
        ),
        Mistake("chance enters as k − 1, not as k", lambda *a: _round(*a, chance=lambda k: k), 2),
        Mistake("α has a half too many: that is the lecture's form", lambda *a: _round(*a, factor=0.5), 2),
        Mistake(
            "α is right, but the right rows are made lighter as well: that is the lecture's form",
            lambda *a: _round(*a, right=-1),
            2,
        ),
        Mistake(
            "the right rows gain on the mistakes: a sign is wrong, or the two are swapped",
            lambda *a: _round(*a, wrong=-1),
            2,
        ),
        Mistake("the new weights are right but for their sum", lambda *a: _round(*a, norm=False), 3),
    ],
    concepts=["boosting"],
)


# ---------------------------------------------------------------------------------------------- 03.leaf
def _row_after_row(y, z, price):
    """Both sums in plain Python, with the sigmoid that suits the sign."""
    left = slopes = 0.0
    for answer, logit in zip(y.tolist(), z.tolist(), strict=True):
        small = exp(-abs(logit))
        p = (1 if logit >= 0 else small) / (1 + small)
        left, slopes = left + answer - p, slopes + small / (1 + small) ** 2
    return left / (slopes + price), left**2 / (slopes + price)


def _leaf(y, z, price, *, slope=lambda p: p * (1 - p), add=np.sum, sign=1, once=1.0, squash=expit):
    """The answer and its score, with a switch for each usual mistake."""
    p = squash(z)
    left, below = sign * add(y - p), add(slope(p)) + once * price
    return left / below, left**2 / below


def _half(y, z, price):
    answer, score = _leaf(y, z, price)
    return answer, score / 2


def _unsquared(y, z, price):
    answer, _ = _leaf(y, z, price)
    return answer, answer


_logits = rng.normal(size=30)
leaf = Function(
    "03.leaf",
    cases=[
        Case("30 rows", (rng.integers(2, size=30), _logits, 1.0)),
        Case("30 rows, a small price", (rng.integers(2, size=30), 3 * _logits, 0.1)),
        Case("the lecture's ten rows", (np.arange(10) // 7, np.full(10, np.log(0.25)), 1e-6)),
        Case("one row", (np.array([1]), np.array([-2.0]), 0.5)),
        Case("more noes than the logits say", (np.zeros(5, dtype=int), np.linspace(-1, 1, 5), 2.0)),
        Case("logits of a thousand", (np.array([0, 1, 1, 0]), np.array([1e3, -1e3, 1e3, 0.5]), 1.0)),
    ],
    oracle=_row_after_row,
    mistakes=[
        Mistake(
            "the answer has the wrong sign: it goes uphill. What is left is y − p",
            lambda *a: _leaf(*a, sign=-1),
            2,
        ),
        Mistake(
            "this divides by the number of rows; Newton divides by the sum of p(1 − p)",
            lambda *a: _leaf(*a, slope=lambda p: 0 * p + 1),
            2,
        ),
        Mistake("the price λ is missing below the line", lambda *a: _leaf(*a, once=0.0), 2),
        Mistake(
            "these are means; then the price counts once for each row. Use sums",
            lambda *a: _leaf(*a, add=np.mean),
            2,
        ),
        Mistake(
            "the price counts once, not twice: half of λv² has the slope λv",
            lambda *a: _leaf(*a, once=2.0),
            2,
        ),
        Mistake("the price counts whole: half of λv² has the slope λv", lambda *a: _leaf(*a, once=0.5), 2),
        Mistake("z is a logit; make a probability of it first", lambda *a: _leaf(*a, squash=lambda z: z), 1),
        Mistake("the answer is right; its score has a half too many", _half, 3),
        Mistake("the answer is right; its score is the answer times what is left", _unsquared, 3),
        Mistake("the slope of p is p(1 − p), not p", lambda *a: _leaf(*a, slope=lambda p: p), 2),
        Mistake(
            "p(1 − p) is the slope of the sigmoid; √ of it is a standard deviation",
            lambda *a: _leaf(*a, slope=lambda p: np.sqrt(p * (1 - p))),
            2,
        ),
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


def _row_by_row(make, X, y, day, start):
    """Each row on its own: fit on all rows of earlier days, and answer it."""
    answers = []
    for row in range(len(y)):
        before = [i for i in range(len(y)) if day[i] < day[row]]
        machine = make().fit(X[before], y[before]) if before else None
        answers.append(float(machine.predict(X[[row]])[0]) if machine else float(start))
    return np.array(answers)


def _days(make, X, y, day, start, rows=lambda day, d: day != d, numbers=np.unique):
    """A machine a day, fitted on rows(day, d); days without such rows get `start`."""
    answers = np.full(len(y), float(start))
    for d in numbers(day):
        fitted = rows(day, d)
        if fitted.any():
            answers[day == d] = make().fit(X[fitted], y[fitted]).predict(X[day == d])
    return answers


def _rows_above(make, X, y, day, start):
    answers = np.full(len(y), float(start))
    for d in np.unique(day)[1:]:
        first = np.flatnonzero(day == d)[0]
        if first:
            answers[day == d] = make().fit(X[:first], y[:first]).predict(X[day == d])
    return answers


leak = Function(
    "03.leak",
    cases=[
        Case(
            "a machine that learns by heart, 5 days",
            (_by_heart, rng.normal(size=(40, 2)), rng.normal(size=40), rng.permutation(40) % 5, 0.0),
        ),
        Case(
            "a line, days 3, 7 and 9",
            (_line, rng.normal(size=(21, 2)), rng.normal(size=21), np.array([9, 3, 7] * 7), 0.5),
        ),
        Case(
            "a day for each row", (_by_heart, rng.normal(size=(6, 1)), rng.normal(size=6), np.arange(6), -1.0)
        ),
        Case(
            "two uneven days",
            (_line, rng.normal(size=(12, 1)), rng.normal(size=12), np.array([1] * 9 + [0] * 3), 0.1),
        ),
        Case("a single day", (_line, rng.normal(size=(4, 1)), rng.normal(size=4), np.full(4, 5), 0.25)),
    ],
    oracle=_row_by_row,
    mistakes=[
        Mistake(
            "each machine has seen the very day that it answers; only the days before are known by then",
            lambda *a: _days(*a, rows=lambda day, d: day <= d),
            2,
        ),
        Mistake(
            "each machine is fitted on the very day that it answers",
            lambda *a: _days(*a, rows=lambda day, d: day == d),
            2,
        ),
        Mistake(
            "these machines know the later days, and only those",
            lambda *a: _days(*a, rows=lambda day, d: day > d),
            2,
        ),
        Mistake(
            "only the day before is used; use all earlier days",
            lambda *a: _days(
                *a, rows=lambda day, d: day == day[day < d].max() if (day < d).any() else day < d
            ),
            2,
        ),
        Mistake(
            "only the day before is used; use all earlier days",
            lambda *a: _days(*a, rows=lambda day, d: day == d - 1),
            2,
        ),
        Mistake(
            "some day is never answered: the numbers of the days can be any",
            lambda *a: _days(
                *a,
                rows=lambda day, d: day < d,
                numbers=lambda day: [d for d in range(len(np.unique(day))) if d in day],
            ),
            2,
        ),
        Mistake(
            "the rows need not stand in the order of time: choose them by day, not by place",
            _rows_above,
            2,
        ),
        Mistake(
            "the first day is answered by a machine that knows it; its rows get `start`",
            lambda *a: _days(*a, rows=lambda day, d: day < d if (day < d).any() else day == d),
            2,
        ),
        Mistake(
            "the first day is answered by machines from the future; its rows get `start`",
            lambda *a: _days(*a, rows=lambda day, d: day < d if (day < d).any() else day != d),
            2,
        ),
    ],
    bug=_days,
    seconds=60,
    concepts=["stacking"],
)


# ----------------------------------------------------------------------------------------------- 03.ctr
def _mean_is_right(p, past, hidden, future):
    return 0.85 < p.mean() / future.click.mean() < 1.15


ctr = Function(
    "03.ctr",
    cases=hidden_ad_logs,
    like=lambda past, hidden: np.full(len(hidden), 0.5),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 2),
        Rule("the mean prediction is not the click rate, so no bid could use it", _mean_is_right, 3),
        Rule(
            "this is less than a third of the gap", lambda p, a, b, future: future.share_of_gap(p) > 1 / 3, 1
        ),
        Rule("this is less than 43 % of the gap", lambda p, a, b, future: future.share_of_gap(p) >= 0.43, 3),
    ],
    seconds=60,
    concepts=["boosting"],
)

TASKS = [bootstrap, split, correlation, reweigh, leaf, leak, ctr]
