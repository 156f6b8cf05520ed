"""Wrong answers to lecture 03's tasks, each with its message, and right ones written otherwise."""

from itertools import pairwise

import numpy as np
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
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
def absolute(side):
    return np.abs(side - np.median(side)).sum()


def absolute_around_mean(side):
    return np.abs(side - side.mean()).sum()


def squares(side):
    return ((side - side.mean()) ** 2).sum()


def by_library(X, y):
    """The library finds the error; among the cuts that have it, the first one wins."""
    tree = DecisionTreeRegressor(max_depth=1, criterion="absolute_error").fit(X, y)
    lowest = np.abs(y - tree.predict(X)).sum()
    if lowest > absolute(y) - 1e-9:
        return -1, 0.0, absolute(y)
    for j, column in enumerate(X.T):
        for low, high in pairwise(np.unique(column)):
            if absolute(y[column <= low]) + absolute(y[column > low]) < lowest + 1e-9:
                return j, (low + high) / 2, lowest


def by_quantiles(X, y):
    """The median as scikit-learn's pinball loss at one half, the cuts as a list, the best by its key."""

    def error(side):
        middle = np.quantile(side, 0.5, method="lower")
        return 2 * np.maximum(0.5 * (side - middle), 0.5 * (middle - side)).sum()

    cuts = [(j, (a + b) / 2) for j in range(X.shape[1]) for a, b in pairwise(np.unique(X[:, j]))]
    cuts = [(round(error(y[X[:, j] <= t]) + error(y[X[:, j] > t]), 9), j, t) for j, t in cuts]
    whole = round(error(y), 9)
    best = min(cuts, default=(whole, -1, 0.0))
    return (best[1], best[2], best[0]) if best[0] < whole else (-1, 0.0, whole)


def split_with(error_of, where=lambda low, high: (low + high) / 2, last=False, close=1e-9):
    def best_split(X, y):
        best = -1, 0.0, float(error_of(y))
        for j in range(X.shape[1]):
            values = np.unique(X[:, j])
            for low, high in pairwise(values):
                yes = X[:, j] <= low
                error = error_of(y[yes]) + error_of(y[~yes])
                if error < best[2] - close or (last and best[0] >= 0 and error <= best[2] + 1e-9):
                    best = j, where(low, high), error
        return best

    return best_split


def every_pair_of_rows(X, y):
    """Midpoints of neighbouring rows in sorted order, equal values or not."""
    best = -1, 0.0, absolute(y)
    for j in range(X.shape[1]):
        order = X[:, j].argsort()
        for i in range(len(y) - 1):
            error = absolute(y[order[: i + 1]]) + absolute(y[order[i + 1 :]])
            if error < best[2] - 1e-9:
                best = j, (X[order[i], j] + X[order[i + 1], j]) / 2, error
    return best


def the_lectures(X, y):
    """Running sums for the squared error, as lecture 03 shows them; the error added."""
    order = X.argsort(axis=0)
    values, n = np.take_along_axis(X, order, axis=0), np.arange(1, len(y))[:, None]
    left = y[order].cumsum(axis=0)[:-1]
    score = left**2 / n + (y.sum() - left) ** 2 / (len(y) - n)
    score[values[:-1] == values[1:]] = -np.inf
    i, j = np.unravel_index(score.argmax(), score.shape)
    return j, (values[i, j] + values[i + 1, j]) / 2, y @ y - score[i, j]


def always_a_cut(X, y):
    cuts = [(j, (a + b) / 2) for j in range(X.shape[1]) for a, b in pairwise(np.unique(X[:, j]))]
    errors = [absolute(y[X[:, j] <= t]) + absolute(y[X[:, j] > t]) for j, t in cuts]
    if not cuts:
        return -1, 0.0, np.inf
    best = int(np.argmin(np.round(errors, 9)))
    return *cuts[best], errors[best]


def sorted_in_place(X, y):
    for j in range(X.shape[1]):
        X[:, j].sort()
    return split_with(absolute)(X, y)


# --------------------------------------------------------------------------------------------- reweigh
def a_round(w, y, said, k, error=None, chance=-1, factor=1, right=0, wrong=1):
    error = w[said != y].sum() if error is None else error
    alpha = factor * np.log((1 - error) / error * (k + chance))
    new = w * np.exp(alpha * np.where(said != y, wrong, right))
    return alpha, new / new.sum()


def the_lectures_round(w, y, said, k):
    error = w @ (said != y)
    alpha = np.log((1 - error) / error) / 2
    w = w * np.exp(-alpha * np.where(said == y, 1, -1))
    return alpha, w / w.sum()


def times_of_labels(w, y, said, k):
    """The lecture's line as it stands: y * said, though the labels are no longer -1 and 1."""
    alpha = a_round(w, y, said, k)[0]
    new = w * np.exp(-alpha * y * said)
    return alpha, new / new.sum()


def not_scaled(w, y, said, k):
    alpha = a_round(w, y, said, k)[0]
    return alpha, np.where(said != y, w * np.exp(alpha), w)


def reweigh_in_place(w, y, said, k):
    alpha = a_round(w, y, said, k)[0]
    w[said != y] *= np.exp(alpha)
    w /= w.sum()
    return alpha, w


def by_odds(w, y, said, k):
    """No exponential at all: the factor of a mistake is the odds of being right, times k - 1."""
    right = w @ (said == y)
    odds = right / (1 - right) * (k - 1)
    new = [weight * (odds if a != b else 1) for weight, a, b in zip(w, y, said, strict=True)]
    return float(np.log(odds)), np.array(new) / sum(new)


def shifted(w, y, said, k):
    """Right rows lose by exp(-α): the same after scaling."""
    alpha, _ = a_round(w, y, said, k)
    return alpha, a_round(w, y, said, k, right=-1, wrong=0)[1]


# ------------------------------------------------------------------------------------------------ leaf
def leaf_with(slope=lambda p: p * (1 - p), add=np.sum, price_times=1.0, squash=expit):
    def leaf(y, z, price):
        p = squash(z)
        left, below = add(y - p), add(slope(p)) + price_times * price
        return left / below, left**2 / below

    return leaf


def uphill(y, z, price):
    answer, score = leaf_with()(y, z, price)
    return -answer, score


def leaf_only(y, z, price):
    return leaf_with()(y, z, price)[0]


def score_is_the_answer(y, z, price):
    answer = leaf_with()(y, z, price)[0]
    return answer, answer


def half_a_score(y, z, price):
    answer, score = leaf_with()(y, z, price)
    return answer, score / 2


def overflowing(y, z, price):
    """exp(z) / (1 + exp(z)): inf / inf where the logit is large."""
    with np.errstate(over="ignore", invalid="ignore"):
        return leaf_with(squash=lambda z: np.exp(z) / (1 + np.exp(z)))(y, z, price)


def by_weighted_mean(y, z, price):
    """The lecture's remark: a weighted mean of (y - p) / w, beside one row of weight λ that is content."""
    p = np.clip(0.5 * (1 + np.tanh(np.asarray(z, dtype=float) / 2)), 1e-300, 1 - 1e-16)
    w = p * (1 - p)
    answer = np.average([*((y - p) / w), 0.0], weights=[*w, price])
    return answer, answer * np.sum(y - p)


def loss_by_hand(y, z, price):
    """Two sums in one loop; the two classes apart: 1 - p for a yes, -p for a no."""
    p = expit(z)
    left = (1 - p[y == 1]).sum() - p[y == 0].sum()
    below = price + p @ expit(-z)
    return left / below, left * left / below


# ------------------------------------------------------------------------------------------------ leak
def days(rows, numbers=np.unique):
    def answers_in_time(make, X, y, day, start):
        answers = np.full(len(y), float(start))
        for d in numbers(day):
            fitted = rows(day, d)
            if fitted.any():
                machine = make()
                machine.fit(X[fitted], y[fitted])
                answers[day == d] = machine.predict(X[day == d])
        return answers

    return answers_in_time


def before(day, d):
    return day < d


def yesterday(day, d):
    return day == max([other for other in day if other < d], default=None)


def first_days_only(day):
    return [d for d in range(len(set(day))) if d in day]


def rows_above(make, X, y, day, start):
    """As if the rows stood in the order of time."""
    answers = np.full(len(y), float(start))
    for d in np.unique(day)[1:]:
        first = np.flatnonzero(day == d)[0]
        if first:
            answers[day == d] = make().fit(X[:first], y[:first]).predict(X[day == d])
    return answers


def always_a_line(make, X, y, day, start):
    return days(before)(LinearRegression, X, y, day, start)


def nothing_for_the_first(make, X, y, day, start):
    return days(before)(make, X, y, day, np.nan)


def in_order_of_time(make, X, y, day, start):
    """Sort by day once; the rows before a day are then a slice."""
    order = np.argsort(day, kind="stable")
    edges = np.searchsorted(day[order], np.unique(day))
    answers = np.full(len(y), start, dtype=float)
    for low, high in pairwise([*edges[1:], len(y)]):
        answers[order[low:high]] = make().fit(X[order[:low]], y[order[:low]]).predict(X[order[low:high]])
    return answers


def row_after_row(make, X, y, day, start):
    return np.array(
        [
            make().fit(X[day < d], y[day < d]).predict(x[None])[0] if (day < d).any() else start
            for x, d in zip(X, day, strict=True)
        ]
    )


# ------------------------------------------------------------------------------------------------- ctr
ATTRIBUTES = ["age", "gender", "category", "site", "position", "hour", "device"]
IDS = ["user", "ad", "advertiser", "context"]


def columns(log, names):
    return np.column_stack([log.features[name] for name in names])


def boosted(names=IDS, encode=True, **options):
    def predict(past, future):
        x, x_new = columns(past, ATTRIBUTES), columns(future, ATTRIBUTES)
        if names and not encode:
            x, x_new = np.hstack([x, columns(past, names)]), np.hstack([x_new, columns(future, names)])
        elif names:
            encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0))
            x = np.hstack([x, encoder.fit_transform(columns(past, names), past.click)])
            x_new = np.hstack([x_new, encoder.transform(columns(future, names))])
        size = {"min_samples_leaf": 200, **options}
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **size)
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
    model = HistGradientBoostingClassifier(
        max_iter=120, min_samples_leaf=400, l2_regularization=5, early_stopping=False, random_state=0
    )
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
        "the lecture's": (the_lectures, "your code stops"),
        "squares": (split_with(squares), "the lecture's squares"),
        "around the mean": (split_with(absolute_around_mean), "around the mean"),
        "squares around the median": (
            split_with(lambda side: ((side - np.median(side)) ** 2).sum()),
            "these are squared errors",
        ),
        "on a value": (split_with(absolute, lambda low, high: low), "halfway"),
        "on the next value": (split_with(absolute, lambda low, high: high), "halfway"),
        "always a cut": (always_a_cut, "there is no question"),
        "mean of means": (split_with(lambda side: absolute(side) / len(side)), "Use sums"),
        "equal values cut": (every_pair_of_rows, "wrong values"),
        "first column": (lambda X, y: split_with(absolute)(X[:, :1], y), "only the first column"),
        "ties to the last": (split_with(absolute, last=True), "tie"),
        "small gains are none": (split_with(absolute, close=1e-6), "near 1e-7"),
        "only two results": (lambda X, y: by_library(X, y)[:2], "expected 3 results"),
        "columns sorted in place": (sorted_in_place, "changes its input"),
    },
    "03.correlation": {
        "divided by all": ("a", "say otherwise"),
        "more": ("b", "say otherwise"),
        "forgets what is shared": ("d", "say otherwise"),
        "no letter": (0.37, "answer with one of"),
    },
    "03.reweigh": {
        "share of mistakes": (lambda w, y, s, k: a_round(w, y, s, k, error=np.mean(s != y)), "their weight"),
        "the lecture's": (the_lectures_round, "the lecture's form, for two classes"),
        "y times said": (times_of_labels, "compare the two"),
        "no log(k − 1)": (lambda *a: a_round(*a[:3], 2), "is missing"),
        "upside down": (
            lambda w, y, s, k: a_round(w, y, s, k, error=w[s == y].sum()),
            "upside down",
        ),
        "never negative": (
            lambda *a: a_round(*a) if a_round(*a)[0] > 0 else (0.0, a[0]),
            "do not cut α off",
        ),
        "log k": (lambda *a: a_round(*a, chance=0), "not as k"),
        "a half": (lambda *a: a_round(*a, factor=0.5), "half too many"),
        "right rows lighter too": (lambda *a: a_round(*a, right=-1), "lighter as well"),
        "right rows grow": (lambda *a: a_round(*a, right=1, wrong=0), "gain on the mistakes"),
        "sign": (lambda *a: a_round(*a, wrong=-1), "a sign is wrong"),
        "not scaled": (not_scaled, "sum"),
        "in place": (reweigh_in_place, "changes its input"),
        "base two": (lambda *a: a_round(*a, factor=1 / np.log(2)), "wrong values"),
        "weights only": (lambda *a: a_round(*a)[1], "expected 2 results"),
    },
    "03.leaf": {
        "uphill": (uphill, "wrong"),
        "mean of what is left": (leaf_with(slope=lambda p: 0 * p + 1), "the number of rows"),
        "no price": (leaf_with(price_times=0.0), "price λ is missing"),
        "means": (leaf_with(add=np.mean), "Use sums"),
        "price twice": (leaf_with(price_times=2.0), "not twice"),
        "half a price": (leaf_with(price_times=0.5), "counts whole"),
        "logits for probabilities": (leaf_with(squash=lambda z: z), "make a probability"),
        "slope p": (leaf_with(slope=lambda p: p), "not p"),
        "root": (leaf_with(slope=lambda p: np.sqrt(p * (1 - p))), "standard deviation"),
        "score is the answer": (score_is_the_answer, "times what is left"),
        "half a score": (half_a_score, "half too many"),
        "overflow": (overflowing, "nan"),
        "answer only": (leaf_only, "expected 2 results"),
    },
    "03.leak": {
        "own day too": (days(lambda day, d: day <= d), "the very day that it answers; only"),
        "own day only": (days(lambda day, d: day == d), "fitted on the very day"),
        "the future": (days(lambda day, d: day > d), "later days"),
        "yesterday only": (days(yesterday), "only the day before"),
        "the day with the number before": (days(lambda day, d: day == d - 1), "only the day before"),
        "days from zero": (days(before, first_days_only), "never answered"),
        "first day by itself": (
            days(lambda day, d: day < d if (day < d).any() else day == d),
            "the first day is answered",
        ),
        "rows above": (rows_above, "by day, not by place"),
        "no start": (nothing_for_the_first, "contains nan"),
        "first day too": (
            lambda make, X, y, day, start: np.concatenate(
                [make().fit(X[day < d], y[day < d]).predict(X[day == d]) for d in np.unique(day)]
            ),
            "your code stops",
        ),
        "another machine": (always_a_line, "wrong values"),
        "the answers": (lambda make, X, y, day, start: y.copy(), "wrong values"),
    },
    "03.ctr": {
        "attributes only": (boosted(names=[], max_iter=100), "a third"),
        "the lecture's model": (
            boosted(
                ["user", "ad", "context"],
                max_iter=60,
                max_leaf_nodes=32,
                min_samples_leaf=20,
                learning_rate=0.2,
                max_depth=5,
            ),
            "43 %",
        ),
        "bare id numbers": (boosted(encode=False), "43 %"),
        "the other class": (lambda past, future: 1 - boosted()(past, future), "mean prediction"),
        "plain regression": (plain_regression, "43 %"),
        "balanced": (boosted(max_iter=50, class_weight="balanced"), "mean prediction"),
        "classes": (classes, "a probability is asked"),
        "base rate": (lambda past, future: np.full(len(future), past.click.mean()), "a third"),
        "reads the answer": (lambda past, future: future.click.astype(float), "left (0, 1)"),
        "reads the truth": (lambda past, future: future.truth, "contains nan"),
    },
}

RIGHT = {
    "03.bootstrap": {
        "floor": sample_by_sample,
        "choice": lambda n, m, rng: with_mask(rng.choice(n, size=(m, n)), n),
        "column by column": lambda n, m, rng: with_mask(
            np.column_stack([rng.integers(n, size=m, dtype=np.int32) for _ in range(n)]), n
        ),
    },
    "03.split": {"by the library": by_library, "by quantiles": by_quantiles, "loop": split_with(absolute)},
    "03.correlation": {"c": "c"},
    "03.reweigh": {"odds": by_odds, "right rows lighter": shifted},
    "03.leaf": {"weighted mean": by_weighted_mean, "classes apart": loss_by_hand},
    "03.leak": {"in order of time": in_order_of_time, "row after row": row_after_row},
    "03.ctr": {"rates by hand": rates_by_hand},
}
