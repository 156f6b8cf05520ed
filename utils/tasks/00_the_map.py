"""The tasks of lecture 00."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule


# ------------------------------------------------------------------------------------------ 00.baseline
@cache
def _measured_gain() -> str:
    """Train the model that the task talks about, and measure its gain in accuracy."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from utils import data

    log = data.load("ads", rows=60_000, seed=81)
    x = np.column_stack(list(log.features.values()))
    past = log.features["day"] < 10
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(x[past], log.click[past])
    gain = 100 * (model.score(x[~past], log.click[~past]) - np.mean(log.click[~past] == 0))
    return "a" if gain > 5 else "b" if gain > 1 else "c"


baseline = Choice(
    "00.baseline",
    options=("a", "b", "c"),
    truth=_measured_gain,
    wrong="the model, trained just now on the ad log, gains another amount",
    right="measured just now on the ad log",
    concepts=["data-practice"],
)


# --------------------------------------------------------------------------------------------- 00.split
def _groups_stay_together(mask, groups, share, rng):
    return all(mask[groups == group].all() or not mask[groups == group].any() for group in np.unique(groups))


def _share_of_groups(mask, groups, share, rng):
    return abs(len(np.unique(groups[mask])) - share * len(np.unique(groups))) < 1


def _each_group_equally_often(masks, groups, share, rng):
    often = [np.mean([mask[groups == group].any() for mask in masks]) for group in np.unique(groups)]
    return np.abs(np.array(often) - share).max() < 0.13  # 5 standard deviations of 400 draws


def _both_sides(mask, groups, share, rng):
    return mask.any() and not mask.all()


draw = np.random.default_rng(3)

split = Function(
    "00.split",
    cases=[
        Case(
            "one user with half of the rows",
            (np.r_[np.zeros(500, int), draw.integers(1, 40, 500)], 0.5, np.random.default_rng(3)),
        ),
        Case("2,000 rows of 100 users", (draw.integers(0, 100, 2000), 0.3, np.random.default_rng(1))),
        Case("user numbers with gaps", (draw.integers(0, 50, 500) * 1000 + 7, 0.2, np.random.default_rng(2))),
        Case("users in blocks", (np.repeat(np.arange(30), 10), 0.5, np.random.default_rng(4))),
    ],
    like=lambda groups, share, rng: np.zeros(len(groups), dtype=bool),
    rules=[
        Rule("some group has rows on both sides", _groups_stay_together, 1),
        Rule("one side is empty", _both_sides, 2),
        Rule("the number of groups that are tested is not the share asked for", _share_of_groups, 2),
    ],
    draws=True,
    trials=Rule(
        "some groups are tested more often than others; each should have the same chance",
        _each_group_equally_often,
        2,
    ),
    concepts=["data-practice"],
)


# --------------------------------------------------------------------------------------------- 00.folds
def _twin(x, y):
    """Answers with the nearest row's answer: a row that it has seen it knows by heart."""

    def predict(new):
        return y[((new[:, None] - x) ** 2).sum(axis=2).argmin(axis=1)]

    return predict


def _mean(x, y):
    return lambda new: np.full(len(new), y.mean())


def _line(x, y):
    weights = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y)[0]
    return lambda new: np.column_stack([new, np.ones(len(new))]) @ weights


def _row_by_row(fit, x, y, fold):
    """The definition: for each row a model of its own, from the rows of other folds."""
    return np.array([fit(x[fold != fold[i]], y[fold != fold[i]])(x[i : i + 1])[0] for i in range(len(y))])


def _rounds(learns, answered, order=False):
    """Round by round, with the rows that learn and that are answered; `order`: one fold after the other."""

    def code(fit, x, y, fold):
        answers, parts = np.full(len(y), y.mean()), []
        for name in np.unique(fold):
            rows = answered(fold, name)
            parts.append(fit(x[learns(fold, name)], y[learns(fold, name)])(x[rows]))
            answers[rows] = parts[-1]
        return np.concatenate(parts) if order else answers

    return code


def _mean_of_rounds(fit, x, y, fold):
    return np.mean([fit(x[fold != name], y[fold != name])(x) for name in np.unique(fold)], axis=0)


few = np.random.default_rng(5)

folds = Function(
    "00.folds",
    cases=[
        Case(
            "four rows in two folds, answered by the mean",
            (_mean, np.arange(4.0)[:, None], np.array([0.0, 0.0, 1.0, 3.0]), np.array([0, 1, 0, 1])),
        ),
        Case(
            "60 rows in five folds, answered by a line",
            (_line, few.normal(size=(60, 3)), few.normal(size=60), few.permutation(60) % 5),
        ),
        Case(
            "40 rows in folds 3, 7 and 20, answered by the nearest row",
            (_twin, few.normal(size=(40, 2)), few.normal(size=40), few.choice([3, 7, 20], 40)),
        ),
        Case(
            "a fold of each row alone",
            (_twin, few.normal(size=(9, 1)), few.normal(size=9), few.permutation(9) - 4),
        ),
        Case(
            "folds of unequal size",
            (
                _line,
                few.normal(size=(30, 2)),
                few.normal(size=30),
                np.sort(few.choice(3, 30, p=[0.7, 0.2, 0.1])),
            ),
        ),
    ],
    oracle=_row_by_row,
    mistakes=[
        Mistake(
            "every model has learned from all rows, so from the row that it answers as well",
            _rounds(lambda fold, name: fold == fold, lambda fold, name: fold == name),
            1,
        ),
        Mistake(
            "a model answers the very rows that it has learned from; it learns from the other folds",
            _rounds(lambda fold, name: fold == name, lambda fold, name: fold == name),
            2,
        ),
        Mistake(
            "the roles are swapped: one fold learns and all others are answered",
            _rounds(lambda fold, name: fold == name, lambda fold, name: fold != name),
            2,
        ),
        Mistake(
            "only the folds before a fold have learned; here all other folds do",
            _rounds(lambda fold, name: fold < name, lambda fold, name: fold == name),
            2,
        ),
        Mistake(
            "the answers stand in the order of the folds; put each back at its row",
            _rounds(lambda fold, name: fold != name, lambda fold, name: fold == name, order=True),
            3,
        ),
        Mistake(
            "each row gets the mean of all models, and most of them have seen it",
            _mean_of_rounds,
            1,
        ),
    ],
    concepts=["data-practice"],
)


# ---------------------------------------------------------------------------------------------- 00.leak
def _rates(user, day, click, counts, clicks=0.4, rows=10):
    """The definition, row by row: look at the rows of the same user for which `counts(row, other)` holds."""
    result = []
    for row in range(len(user)):
        others = [click[i] for i in range(len(user)) if user[i] == user[row] and counts(row, i, day)]
        result.append((sum(others) + clicks) / (len(others) + rows) if len(others) + rows else 0.0)
    return np.array(result)


def _earlier_days(user, day, click):
    return _rates(user, day, click, lambda row, i, day: day[i] < day[row])


def _whole_log(user, day, click):
    return ((np.bincount(user, click) + 0.4) / (np.bincount(user) + 10))[user]


leak = Function(
    "00.leak",
    cases=[
        Case(
            "one user: no click, and a click on the next day",
            (np.array([0, 0]), np.array([0, 1]), np.array([0, 1])),
        ),
        Case("two rows of one day", (np.array([4, 4]), np.array([2, 2]), np.array([1, 0]))),
        Case(
            "two users in turn",
            (np.array([0, 1, 0, 1, 0]), np.array([0, 0, 1, 2, 2]), np.array([1, 0, 1, 0, 0])),
        ),
        Case(
            "300 rows of 20 users",
            (draw.integers(0, 20, 300), np.sort(draw.integers(0, 9, 300)), draw.integers(0, 2, 300)),
        ),
        Case("one row", (np.array([3]), np.array([5]), np.array([1]))),
    ],
    oracle=_earlier_days,
    mistakes=[
        Mistake(
            "the row's own click is gone, but the clicks after it are still counted",
            lambda *log: _rates(*log, lambda row, i, day: i != row),
            2,
        ),
        Mistake(
            "the row still counts its own click", lambda *log: _rates(*log, lambda row, i, day: i <= row), 2
        ),
        Mistake(
            "earlier rows of the same day are counted; they are not known before the night",
            lambda *log: _rates(*log, lambda row, i, day: i < row),
            3,
        ),
        Mistake(
            "the row's own day is counted",
            lambda *log: _rates(*log, lambda row, i, day: day[i] <= day[row]),
            3,
        ),
        Mistake(
            "only the day before is counted; all earlier days are wanted",
            lambda *log: _rates(*log, lambda row, i, day: day[i] == day[row] - 1),
            2,
        ),
        Mistake(
            "the smoothing is missing: add 0.4 clicks and 10 rows",
            lambda *log: _rates(*log, lambda row, i, day: day[i] < day[row], 0, 0),
            1,
        ),
    ],
    bug=_whole_log,
    concepts=["data-practice"],
)


# ------------------------------------------------------------------------------------------ 00.interval
def _scipy_wilson(clicks, shown):
    from scipy.stats import binomtest, norm

    level = 2 * norm.cdf(1.96) - 1
    return tuple(binomtest(clicks, shown).proportion_ci(level, method="wilson"))


def _simple(clicks, shown):
    p = clicks / shown
    half = 1.96 * np.sqrt(p * (1 - p) / shown)
    return p - half, p + half


def _n_not_squared(clicks, shown):
    z, p = 1.96, clicks / shown
    half = z * np.sqrt(p * (1 - p) / shown + z**2 / (4 * shown))
    return (p + z**2 / (2 * shown) - half) / (1 + z**2 / shown), (p + z**2 / (2 * shown) + half) / (
        1 + z**2 / shown
    )


def _not_divided(clicks, shown):
    z, p = 1.96, clicks / shown
    half = z * np.sqrt(p * (1 - p) / shown + z**2 / (4 * shown**2))
    return p + z**2 / (2 * shown) - half, p + z**2 / (2 * shown) + half


interval = Function(
    "00.interval",
    cases=[
        Case("40 clicks in 1,000", (40, 1000)),
        Case("no click in 20", (0, 20)),
        Case("20 clicks in 20", (20, 20)),
        Case("1 click in 1", (1, 1)),
        Case("300,000 clicks in a million", (300_000, 1_000_000)),
    ],
    oracle=_scipy_wilson,
    rtol=2e-4,  # 1.96 or 1.95996: both are right
    mistakes=[
        Mistake("this is the simple interval, which knows too much where nobody clicked", _simple, 1),
        Mistake("under the root, n has to be squared: z² / (4 n²)", _n_not_squared, 2),
        Mistake("the division by 1 + z²/n is missing", _not_divided, 1),
        Mistake("the ends are in the wrong order: low first", lambda *a: _scipy_wilson(*a)[::-1], 1),
    ],
    concepts=["data-practice"],
)

TASKS = [baseline, split, folds, leak, interval]
