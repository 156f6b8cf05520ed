"""Wrong answers to lecture 05's tasks, each with its message, and right ones written otherwise."""

import numpy as np
from scipy.special import expit
from scipy.special import softmax as scipy_softmax


def nudged(f, x, h=1e-5, quotient=lambda f, x, step, h: (f(x + step) - f(x - step)) / (2 * h)):
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        out[i] = quotient(f, x, step, h)
    return out


def nudge_in_place(f, x):
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        x[i] += 1e-5
        up = f(x)
        x[i] -= 2e-5
        out[i] = (up - f(x)) / 2e-5
    return out


def nudge_flat(f, x):
    out = []
    for step in 1e-5 * np.eye(x.size):
        step = step.reshape(x.shape)
        out.append((f(x + step) - f(x - step)) / 2e-5)
    return np.array(out)


def nudge_at_once(f, x):
    return np.full_like(x, (f(x + 1e-5) - f(x - 1e-5)) / 2e-5)


def one_sided(f, x, step, h):
    return (f(x + step) - f(x)) / h


def five_points(f, x, step, h):
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * h)


def answers(z, labels):
    return (np.arange(z.shape[1]) == labels[:, None]).astype(float)


def overflowing(z, labels):
    with np.errstate(all="ignore"):
        e = np.exp(z)
        return (e / e.sum(axis=1, keepdims=True) - answers(z, labels)) / len(z)


def one_hot(z, labels):
    return (scipy_softmax(z, axis=1) - answers(z, labels)) / len(labels)


def by_row(z, labels):
    rows = []
    for row, label in zip(z, labels, strict=True):
        share = scipy_softmax(row)
        share[label] -= 1
        rows.append(share / len(z))
    return np.array(rows)


def through_jacobian(z, labels):
    p = scipy_softmax(z, axis=1)
    jacobian = p[:, :, None] * (np.eye(z.shape[1]) - p[:, None, :])  # (n, k, k)
    dp = np.zeros_like(z)
    rows = np.arange(len(z))
    with np.errstate(all="ignore"):
        dp[rows, labels] = -1 / p[rows, labels] / len(z)
        return np.einsum("nk,nkj->nj", dp, jacobian)


def fold_stretched_only(g, shape):
    return g.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True)


def fold_dropping(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for i in reversed(range(len(shape))):
        g = g.sum(axis=i) if shape[i] == 1 else g
    return g


def fold_first(g, shape):
    while g.ndim > len(shape):
        g = g[0]
    for i, size in enumerate(shape):
        g = g.take([0], axis=i) if size == 1 else g
    return g


def fold_stepwise(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for i, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=i, keepdims=True)
    return g


def fold_by_mean(g, shape):
    while g.ndim > len(shape):
        g = g.mean(axis=0)
    for i, size in enumerate(shape):
        if size == 1:
            g = g.mean(axis=i, keepdims=True)
    return g


def mean(x):
    return x.mean(axis=1, keepdims=True)


def normal(x, ddof=0):
    s = np.sqrt(x.var(axis=1, keepdims=True, ddof=ddof) + 1e-5)
    return (x - mean(x)) / s, s


def layer_norm(x, g, ddof=0):
    y, s = normal(x, ddof)
    return (g - mean(g) - y * mean(g * y)) / s


def layer_norm_without_mean(x, g):
    y, s = normal(x)
    return (g - y * mean(g * y)) / s


def layer_norm_by_column(x, g):
    return layer_norm(x.T, g.T).T


def layer_norm_by_jacobian(x, g):
    out = []
    for row, back in zip(x, g, strict=True):
        d, y, s = len(row), *(part[0] for part in normal(row[None]))
        jacobian = (np.eye(d) - 1 / d - np.outer(y, y) / d) / s
        out.append(back @ jacobian)
    return np.array(out)


def without_eps(x, g):
    s = x.std(axis=1, keepdims=True)
    y = (x - mean(x)) / s
    return (g - mean(g) - y * mean(g * y)) / s


def norm(gradients):
    return np.sqrt(sum(float((g * g).sum()) for g in gradients))


def scaled(g, limit, norm):
    return g * float(min(1, limit / max(norm, 1e-12)))


def clip_in_place(gradients, limit):
    factor = min(1, limit / max(norm(gradients), 1e-12))
    for g in gradients:
        g *= factor
    return gradients


def clip_flat(gradients, limit):
    flat = np.concatenate([g.ravel() for g in gradients])
    flat = flat / max(1, np.linalg.norm(flat) / limit)
    cuts = np.cumsum([g.size for g in gradients])[:-1]
    return [part.reshape(g.shape) for part, g in zip(np.split(flat, cuts), gradients, strict=True)]


def clip_wide(gradients, limit):
    factor = min(1, limit / max(norm(gradients), 1e-12))
    return [np.asarray(g, dtype=np.float64) * factor for g in gradients]


def clip_dividing(gradients, limit):
    with np.errstate(all="ignore"):
        return [g / norm(gradients) * min(limit, float(norm(gradients))) for g in gradients]


def logits(U, A, b, user, ad):
    return b + (U[user] * A[ad]).sum(axis=1)


def tables(U, A, b, user, ad, click, sign=1, mean=True, swap=True):
    dz = sign * (expit(logits(U, A, b, user, ad)) - click) / (len(click) if mean else 1)
    to_user, to_ad = (A[ad], U[user]) if swap else (U[user], A[ad])
    dU, dA = np.zeros_like(U), np.zeros_like(A)
    np.add.at(dU, user, dz[:, None] * to_user)
    np.add.at(dA, ad, dz[:, None] * to_ad)
    return dU, dA, dz.sum()


def tables_last(U, A, b, user, ad, click):
    dz = (expit(logits(U, A, b, user, ad)) - click) / len(click)
    dU, dA = np.zeros_like(U), np.zeros_like(A)
    dU[user] += dz[:, None] * A[ad]
    dA[ad] += dz[:, None] * U[user]
    return dU, dA, dz.sum()


def tables_one_hot(U, A, b, user, ad, click):
    users, ads = np.eye(len(U))[user], np.eye(len(A))[ad]
    dz = (expit(logits(U, A, b, user, ad)) - click) / len(click)
    return users.T @ (dz[:, None] * A[ad]), ads.T @ (dz[:, None] * U[user]), float(dz.sum())


def tables_by_loop(U, A, b, user, ad, click):
    dU, dA, db = np.zeros_like(U), np.zeros_like(A), 0.0
    for i, j, c in zip(user, ad, click, strict=True):
        d = (expit(b + U[i] @ A[j]) - c) / len(click)
        dU[i] += d * A[j]
        dA[j] += d * U[i]
        db += d
    return dU, dA, db


def tables_by_row(U, A, b, user, ad, click):
    dz = (expit(logits(U, A, b, user, ad)) - click) / len(click)
    return dz[:, None] * A[ad], dz[:, None] * U[user], dz.sum()


def tables_gradient_of_squares(U, A, b, user, ad, click):
    p = expit(logits(U, A, b, user, ad))
    dU, dA, _ = tables(U, A, b, user, ad, click)
    return dU, dA, np.mean(2 * (p - click) * p * (1 - p))


WRONG = {
    "05.nudge": {
        "one-sided": (
            lambda f, x: nudged(f, x, quotient=lambda f, x, s, h: (f(x + s) - f(x)) / h),
            "one-sided",
        ),
        "divided by h": (lambda f, x: 2 * nudged(f, x), "2h"),
        "at once": (nudge_at_once, "one at a time"),
        "sign": (lambda f, x: -nudged(f, x), "sign"),
        "in place": (nudge_in_place, "changes its input"),
        "flat": (nudge_flat, "shape"),
        "too small a step": (lambda f, x: nudged(f, x, h=1e-12), "wrong values"),
        "too large a step": (lambda f, x: nudged(f, x, h=1e-2), "wrong values"),
    },
    "05.cross_entropy": {
        "sum": (lambda z, y: scipy_softmax(z, axis=1) - answers(z, y), "mean over rows"),
        "sign": (lambda z, y: (answers(z, y) - scipy_softmax(z, axis=1)) / len(z), "sign"),
        "overflow": (overflowing, "overflows"),
        "shares only": (lambda z, y: scipy_softmax(z, axis=1) / len(z), "answers are still missing"),
        "over columns": (lambda z, y: (scipy_softmax(z, axis=0) - answers(z, y)) / len(z), "wrong values"),
        "all entries": (
            lambda z, y: (scipy_softmax(z, axis=1) - answers(z, y)) / z.size,
            "not of all entries",
        ),
        "through the Jacobian": (through_jacobian, "contains nan"),
        "the loss": (
            lambda z, y: float(np.mean(z.max(axis=1) - z[np.arange(len(z)), y])),
            "NumPy array",
        ),
    },
    "05.fold": {
        "stretched only": (fold_stretched_only, "shape"),
        "axis dropped": (fold_dropping, "shape"),
        "mean": (fold_by_mean, "not their mean"),
        "first copy": (fold_first, "first copy"),
        "reshaped": (lambda g, shape: np.resize(g, shape), "wrong values"),
        "everything": (lambda g, shape: np.full(shape, g.sum()), "wrong values"),
    },
    "05.layer_norm": {
        "constants": (lambda x, g: g / normal(x)[1], "both as constants"),
        "s constant": (lambda x, g: (g - mean(g)) / normal(x)[1], "treats it as a constant"),
        "no mean": (
            lambda x, g: (g - normal(x)[0] * mean(g * normal(x)[0])) / normal(x)[1],
            "term of the mean",
        ),
        "batch norm": (layer_norm_by_column, "batch norm"),
        "not divided": (lambda x, g: layer_norm(x, g) * normal(x)[1], "once too seldom"),
        "no eps": (without_eps, "wrong values"),
        "variance by d - 1": (lambda x, g: layer_norm(x, g, ddof=1), "wrong values"),
        "forward": (lambda x, g: normal(x)[0], "wrong values"),
    },
    "05.clip": {
        "each array": (
            lambda gs, c: [g * min(1, c / max(np.linalg.norm(g), 1e-12)) for g in gs],
            "on its own",
        ),
        "each entry": (lambda gs, c: [np.clip(g, -c, c) for g in gs], "entry"),
        "always": (lambda gs, c: [g * (c / max(norm(gs), 1e-12)) for g in gs], "never more than 1"),
        "squared": (lambda gs, c: [g * min(1, c / max(norm(gs) ** 2, 1e-12)) for g in gs], "root"),
        "longest": (
            lambda gs, c: [g * min(1, c / max(*map(np.linalg.norm, gs), 1e-12)) for g in gs],
            "longest",
        ),
        "in place": (clip_in_place, "changes its input"),
        "divides by zero": (clip_dividing, "contains nan"),
        "double precision": (clip_wide, "dtype"),
        "the norm": (lambda gs, c: norm(gs), "expected 3 results"),
        "one vector": (lambda gs, c: np.concatenate([g.ravel() for g in gs]), "expected 3 results"),
    },
    "05.learns": {
        "sigmoid": ("a", "trained just now"),
        "large tanh": ("b", "trained just now"),
        "small relu": ("d", "trained just now"),
        "no letter": ("all", "answer with one of"),
    },
    "05.tables": {
        "last row wins": (tables_last, "add up"),
        "sum": (lambda *args: tables(*args, mean=False), "mean over rows"),
        "sign": (lambda *args: tables(*args, sign=-1), "sign"),
        "own vector": (lambda *args: tables(*args, swap=False), "not u times it"),
        "a row each": (tables_by_row, "shape"),
        "no bias": (lambda *args: (*tables(*args)[:2], 0.0), "result 3 has wrong values"),
        "squared error": (tables_gradient_of_squares, "result 3 has wrong values"),
        "two results": (lambda *args: tables(*args)[:2], "expected 3 results"),
    },
}

RIGHT = {
    "05.nudge": {"five points": lambda f, x: nudged(f, x, h=1e-3, quotient=five_points)},
    "05.cross_entropy": {
        "row by row": by_row,
        "one-hot": lambda z, y: (scipy_softmax(z, axis=1) - answers(z, y)) / len(y),
    },
    "05.fold": {"stepwise": fold_stepwise},
    "05.layer_norm": {"by the Jacobian": layer_norm_by_jacobian},
    "05.clip": {"as one vector": clip_flat, "a tuple": lambda gs, c: tuple(clip_flat(gs, c))},
    "05.learns": {"c": "c"},
    "05.tables": {"one-hot": tables_one_hot, "loop": tables_by_loop},
}
