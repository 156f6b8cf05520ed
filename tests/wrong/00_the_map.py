"""Wrong answers to lecture 00's tasks, each with its message, and right ones written otherwise."""

import numpy as np


def split_by_set(groups, share, rng):
    names = sorted(set(groups.tolist()))
    tested = set(rng.choice(names, size=round(share * len(names)), replace=False).tolist())
    return np.array([group in tested for group in groups.tolist()])


def split_by_row(groups, share, rng):
    return rng.random(len(groups)) < share


def split_until_share_of_rows(groups, share, rng):
    """About this share of the rows, not of the groups: one large group is enough."""
    mask = np.zeros(len(groups), dtype=bool)
    for group in sorted(np.unique(groups), key=lambda group: -(groups == group).sum()):
        if mask.mean() >= share:
            break
        mask |= groups == group
    return mask


def split_with_replacement(groups, share, rng):
    names = np.unique(groups)
    return np.isin(groups, rng.choice(names, size=round(share * len(names))))


def split_all_but_one_fixed(groups, share, rng):
    names, size = np.unique(groups), round(share * len(np.unique(groups)))
    return np.isin(groups, np.append(names[: size - 1], rng.choice(names[size:])))


def split_by_first_met(groups, share, rng):
    """Users with many rows are met first."""
    met = list(dict.fromkeys(rng.permutation(groups).tolist()))
    return np.isin(groups, met[: round(share * len(met))])


def split_too_few(groups, share, rng):
    names = rng.permutation(np.unique(groups))
    return np.isin(groups, names[: int(0.87 * share * len(names))])


def split_by_own_seed(groups, share, rng):
    return split_by_set(groups, share, np.random.default_rng(0))


def split_by_nobody_knows(groups, share, rng):
    return split_by_set(groups, share, np.random.default_rng())


def split_in_order(groups, share, rng):
    names = np.unique(groups)
    return np.isin(groups, names[: round(share * len(names))])


def split_indices(groups, share, rng):
    return np.flatnonzero(split_by_set(groups, share, rng))


def rounds(learn, answer):
    """In each round the rows of `learn(fold, name)` learn, and those of `answer(fold, name)` are answered."""

    def code(fit, x, y, fold):
        answers = np.zeros(len(y))
        for name in np.unique(fold):
            seen, asked = learn(fold, name), answer(fold, name)
            if seen.any():
                answers[asked] = fit(x[seen], y[seen])(x[asked])
        return answers

    return code


def folds_numbered(fit, x, y, fold):
    """Folds are thought to be 0, 1, 2 …: other names are never answered."""
    answers = np.zeros(len(y))
    for name in range(len(np.unique(fold))):
        out = fold == name
        if out.any():
            answers[out] = fit(x[~out], y[~out])(x[out])
    return answers


def folds_joined(fit, x, y, fold):
    parts = [fit(x[fold != name], y[fold != name])(x[fold == name]) for name in np.unique(fold)]
    return np.concatenate(parts)


def folds_averaged(fit, x, y, fold):
    return sum(fit(x[fold != name], y[fold != name])(x) for name in np.unique(fold)) / len(np.unique(fold))


def folds_as_score(fit, x, y, fold):
    answers = rounds(lambda fold, name: fold != name, lambda fold, name: fold == name)(fit, x, y, fold)
    return np.mean((answers - y) ** 2)


def folds_in_a_dict(fit, x, y, fold):
    """Right: the models first, then each row asks that of its own fold."""
    models = {}
    for name in set(fold.tolist()):
        others = [i for i in range(len(y)) if fold[i] != name]
        models[name] = fit(x[others], y[others])
    return np.array([models[name](row[None])[0] for name, row in zip(fold.tolist(), x, strict=True)])


def folds_joined_and_sorted(fit, x, y, fold):
    """Right: one fold after the other, then back in the order of the rows."""
    places = np.concatenate([np.flatnonzero(fold == name) for name in np.unique(fold)])
    return folds_joined(fit, x, y, fold)[np.argsort(places)]


def rates(may_look, clicks=0.4, rows=10):
    """The rate over the rows of the same user that a row may look at."""

    def code(user, day, click):
        result = []
        for row in range(len(user)):
            seen = [click[i] for i in range(len(user)) if user[i] == user[row] and may_look(i, row, day)]
            result.append((sum(seen) + clicks) / (len(seen) + rows) if len(seen) + rows else 0.0)
        return np.array(result)

    return code


def rate_by_user(user, day, click):
    """Right: each user by itself, with searchsorted for the start of the row's day."""
    rate = np.empty(len(user))
    for who in np.unique(user):
        rows = np.flatnonzero(user == who)
        total = np.concatenate([[0], np.cumsum(click[rows])])
        before = np.searchsorted(day[rows], day[rows])
        rate[rows] = (total[before] + 0.4) / (before + 10)
    return rate


def rate_of_everybody(user, day, click):
    return rate_by_user(np.zeros_like(user), day, click)


def rate_counted_once_a_day(user, day, click):
    """`clicks[user] += click` with repeated users adds only once."""
    clicks, shown, rate = np.zeros(user.max() + 1), np.zeros(user.max() + 1), np.empty(len(user))
    for today in np.unique(day):
        rows = day == today
        rate[rows] = (clicks[user[rows]] + 0.4) / (shown[user[rows]] + 10)
        clicks[user[rows]] += click[rows]
        shown[user[rows]] += 1
    return rate


def simple_interval(clicks, shown):
    p = clicks / shown
    half = 1.96 * (p * (1 - p) / shown) ** 0.5
    return p - half, p + half


def wilson_low_only(clicks, shown):
    return wilson(clicks, shown)[0]


def wilson(clicks, shown, z=1.96):
    a, b = shown + z**2, -(2 * clicks + z**2)
    c = clicks**2 / shown
    root = max(b * b - 4 * a * c, 0) ** 0.5
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


WRONG = {
    "00.baseline": {
        "much": ("a", "another amount"),
        "some": ("b", "another amount"),
        "an array": (np.array(["c", "c"]), "answer with one of"),
        "a number": (0.5, "answer with one of"),
    },
    "00.split": {
        "by row": (split_by_row, "both sides"),
        "share of rows": (split_until_share_of_rows, "number of groups"),
        "with replacement": (split_with_replacement, "number of groups"),
        "all but one fixed": (split_all_but_one_fixed, "chance"),
        "first met": (split_by_first_met, "chance"),
        "too few": (split_too_few, "number of groups"),
        "own seed": (split_by_own_seed, "draw from the argument"),
        "no seed": (split_by_nobody_knows, "draw from the argument only"),
        "in order": (split_in_order, "draw from the argument"),
        "row numbers": (split_indices, "shape"),
        "everything": (lambda groups, share, rng: np.ones(len(groups), bool), "one side is empty"),
        "one group too many": (
            lambda groups, share, rng: split_by_set(groups, share + 1 / len(set(groups.tolist())), rng),
            "number of groups",
        ),
        "one group too few": (
            lambda groups, share, rng: split_by_set(groups, share - 1 / len(set(groups.tolist())), rng),
            "number of groups",
        ),
        "training side": (lambda groups, share, rng: ~split_by_set(groups, share, rng), "number of groups"),
        "as numbers": (lambda groups, share, rng: split_by_set(groups, share, rng).astype(float), "dtype"),
    },
    "00.folds": {
        "all rows learn": (rounds(lambda f, n: f == f, lambda f, n: f == n), "all rows"),
        "its own fold learns": (rounds(lambda f, n: f == n, lambda f, n: f == n), "very rows"),
        "roles swapped": (rounds(lambda f, n: f == n, lambda f, n: f != n), "swapped"),
        "later folds": (rounds(lambda f, n: f > n, lambda f, n: f == n), "wrong values"),
        "numbered from 0": (folds_numbered, "wrong values"),
        "joined": (folds_joined, "order of the folds"),
        "averaged": (folds_averaged, "mean of all models"),
        "the score": (folds_as_score, "NumPy array"),
    },
    "00.leak": {
        "without itself": (rates(lambda i, row, day: i != row), "after it"),
        "with itself": (rates(lambda i, row, day: i <= row), "its own click"),
        "rows before": (rates(lambda i, row, day: i < row), "same day"),
        "own day": (rates(lambda i, row, day: day[i] <= day[row]), "own day"),
        "yesterday": (rates(lambda i, row, day: day[i] == day[row] - 1), "only the day before"),
        "not smoothed": (rates(lambda i, row, day: day[i] < day[row], 0, 0), "smoothing"),
        "other smoothing": (rates(lambda i, row, day: day[i] < day[row], 1, 25), "wrong values"),
        "everybody": (rate_of_everybody, "wrong values"),
        "once a day": (rate_counted_once_a_day, "wrong values"),
    },
    "00.interval": {
        "simple": (simple_interval, "simple interval"),
        "99 per cent": (lambda k, n: wilson(k, n, 2.576), "wrong values"),
        "90 per cent": (lambda k, n: wilson(k, n, 1.645), "wrong values"),
        "swapped": (lambda k, n: wilson(k, n)[::-1], "wrong order"),
        "only one end": (wilson_low_only, "expected 2 results"),
        "percent": (lambda k, n: tuple(100 * end for end in wilson(k, n)), "wrong values"),
    },
}

RIGHT = {
    "00.baseline": {"c": "c", "capital": " C."},
    "00.split": {
        "by set": split_by_set,
        "shuffled": lambda groups, share, rng: np.isin(
            groups, rng.choice(np.unique(groups), int(share * len(set(groups.tolist()))), replace=False)
        ),
    },
    "00.folds": {"a dict": folds_in_a_dict, "joined and sorted": folds_joined_and_sorted},
    "00.leak": {"by user": rate_by_user},
    "00.interval": {
        "quadratic": wilson,
        "array": lambda k, n: np.array(wilson(k, n)),
        "exact quantile": lambda k, n: wilson(k, n, 1.959964),
    },
}
