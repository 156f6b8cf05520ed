"""Wrong answers to lecture 00's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch


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


def split_by_own_seed(groups, share, rng):
    return split_by_set(groups, share, np.random.default_rng(0))


def split_by_nobody_knows(groups, share, rng):
    return split_by_set(groups, share, np.random.default_rng())


def split_in_order(groups, share, rng):
    names = np.unique(groups)
    return np.isin(groups, names[: round(share * len(names))])


def split_indices(groups, share, rng):
    return np.flatnonzero(split_by_set(groups, share, rng))


def rates(user, click, *, own=False, later=True):
    """The leak in its variants."""
    result = []
    for row in range(len(user)):
        rows = [
            i
            for i in range(len(user))
            if user[i] == user[row] and (i < row or (own and i == row) or (later and i > row))
        ]
        result.append((sum(click[i] for i in rows) + 0.4) / (len(rows) + 10))
    return np.array(result)


def rate_by_user(user, click):
    """Right: each user's rows at once, by a running sum shifted by one."""
    rate = np.empty(len(user))
    for who in np.unique(user):
        rows = user == who
        before = np.cumsum(click[rows]) - click[rows]
        rate[rows] = (before + 0.4) / (np.arange(rows.sum()) + 10)
    return rate


def rate_of_everybody(user, click):
    before = np.cumsum(click) - click
    return (before + 0.4) / (np.arange(len(click)) + 10)


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
    "00.environment": {
        "whole numbers": (torch.arange(10), "dtype"),
        "double": (torch.arange(10, dtype=torch.float64), "dtype"),
        "numpy": (np.arange(10, dtype=np.float32), "PyTorch tensor"),
        "one to ten": (torch.arange(1, 11, dtype=torch.float32), "0 to 9"),
        "a column": (torch.arange(10, dtype=torch.float32)[:, None], "shape"),
        "eleven": (torch.arange(11, dtype=torch.float32), "shape"),
        "list": (list(range(10)), "PyTorch tensor"),
        "zeros": (torch.zeros(10), "0 to 9"),
        "nan": (torch.full((10,), float("nan")), "contains nan"),
        "nothing": (None, "nothing came back"),
    },
    "00.baseline": {
        "much": ("a", "another amount"),
        "some": ("b", "another amount"),
        "a number": (0.5, "answer with one of"),
    },
    "00.split": {
        "by row": (split_by_row, "both sides"),
        "share of rows": (split_until_share_of_rows, "share of groups"),
        "own seed": (split_by_own_seed, "draw from the argument"),
        "no seed": (split_by_nobody_knows, "draw from the argument only"),
        "in order": (split_in_order, "draw from the argument"),
        "row numbers": (split_indices, "shape"),
        "everything": (lambda groups, share, rng: np.ones(len(groups), bool), "one side is empty"),
        "training side": (lambda groups, share, rng: ~split_by_set(groups, share, rng), "share of groups"),
        "as numbers": (lambda groups, share, rng: split_by_set(groups, share, rng).astype(float), "dtype"),
    },
    "00.leak": {
        "without itself": (lambda user, click: rates(user, click), "after it"),
        "with itself": (lambda user, click: rates(user, click, own=True, later=False), "its own click"),
        "everybody": (rate_of_everybody, "wrong values"),
        "backwards": (lambda user, click: rate_by_user(user[::-1], click[::-1])[::-1], "wrong values"),
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
    "00.environment": {"from a list": torch.tensor([float(i) for i in range(10)])},
    "00.baseline": {"c": "c"},
    "00.split": {"by set": split_by_set},
    "00.leak": {"by user": rate_by_user},
    "00.interval": {"quadratic": wilson},
}
