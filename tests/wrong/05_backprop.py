"""Wrong answers to lecture 05's tasks, each with its message, and right ones written otherwise."""

import numpy as np
from scipy.special import expit
from scipy.special import softmax as scipy_softmax


# -- 05.jacobian
def table(f, x, h=1e-5, quotient=lambda f, x, step, h: (f(x + step) - f(x - step)) / (2 * h)):
    J = np.zeros(np.shape(f(x)) + x.shape)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        J[(..., *i)] = quotient(f, x, step, h)
    return J


def table_in_place(f, x):
    J = np.zeros(np.shape(f(x)) + x.shape)
    for i in np.ndindex(x.shape):
        x[i] += 1e-5
        up = np.copy(f(x))
        x[i] -= 2e-5
        J[(..., *i)] = (up - f(x)) / 2e-5
    return J


def table_flat(f, x, h=1e-5):
    steps = h * np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([np.ravel(f(x + step) - f(x - step)) / (2 * h) for step in steps]).T  # (outputs, inputs)


def table_stacked(f, x, h=1e-5):
    return table_flat(f, x, h).reshape(np.shape(f(x)) + x.shape)


def table_inputs_first(f, x):
    return table_flat(f, x).T.reshape(x.shape + np.shape(f(x)))


def the_lectures_referee(f, x):
    """Adds the outputs up, as a loss does."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-5
        out[i] = np.sum(f(x + step) - f(x - step)) / 2e-5
    return out


def table_at_once(f, x):
    J = np.zeros(np.shape(f(x)) + x.shape)
    for i in np.ndindex(x.shape):
        J[(..., *i)] = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
    return J


def table_never_reset(f, x):
    """The nudge of each entry is still there when the next one comes."""
    J, step = np.zeros(np.shape(f(x)) + x.shape), np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step[i] = 1e-5
        J[(..., *i)] = (f(x + step) - f(x - step)) / 2e-5
    return J


def one_sided(f, x, step, h):
    return (f(x + step) - f(x)) / h


def with_default(answer):
    """The answer to a task whose last argument has a default, which it ignores."""
    return lambda first, second, third=None: answer(first, second)


def five_points(f, x, step, h):
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * h)


# -- 05.cross_entropy
def targets(z, labels, smooth=0.0):
    one_hot = (np.arange(z.shape[1]) == labels[:, None]).astype(float)
    return (1 - smooth) * one_hot + smooth / z.shape[1]


def rule(z, labels, smooth, shares=scipy_softmax, answers=targets, leave_out=True, count="known"):
    """Shares minus answers; each argument spoils one part of it."""
    known = labels >= 0
    gradient = shares(z, axis=1) - answers(z, labels, smooth)
    gradient = gradient * known[:, None] if leave_out else gradient
    return gradient / {"known": known.sum(), "rows": len(z), "entries": z.size, "one": 1}[count]


def last_class(z, labels, smooth):
    return targets(z, labels % z.shape[1], smooth)


def shared_by_others(z, labels, smooth):
    k = z.shape[1]
    return targets(z, labels) * (1 - smooth) + (1 - targets(z, labels)) * smooth / (k - 1)


def one_and_more(z, labels, smooth):
    return targets(z, labels) + smooth / z.shape[1]


def overflowing(z, axis):
    with np.errstate(all="ignore"):
        e = np.exp(z)
        return e / e.sum(axis=axis, keepdims=True)


def off_the_largest_of_all(z, axis):
    with np.errstate(all="ignore"):
        return overflowing(z - z.max(), axis)


def the_engines(z, labels, smooth):
    """What utils/scratch/autograd.py does for plain labels."""
    rows = np.arange(len(z))
    gradient = scipy_softmax(z, axis=1) / len(z)
    gradient[rows, labels] -= 1 / len(z)
    return gradient


def cross_entropy_in_place(z, labels, smooth):
    z -= z.max(axis=1, keepdims=True)
    return rule(z, labels, smooth)


def row_by_row(z, labels, smooth):
    out = np.zeros_like(z)
    known = [i for i, label in enumerate(labels) if label >= 0]
    for i in known:
        for j in range(z.shape[1]):
            answer = smooth / z.shape[1] + (1 - smooth if j == labels[i] else 0)
            out[i, j] = (1 / np.sum(np.exp(np.clip(z[i] - z[i, j], None, 700))) - answer) / len(known)
    return out


def known_rows_only(z, labels, smooth):
    """Drop the unknown rows, do the usual thing, and put the zeros back."""
    known, out = np.flatnonzero(labels != -1), np.zeros(z.shape)
    out[known] = (scipy_softmax(z[known], axis=1) - targets(z[known], labels[known], smooth)) / known.size
    return out


def through_jacobian(z, labels, smooth):
    p, q = scipy_softmax(z, axis=1), targets(z, labels, smooth)
    slopes = p[:, :, None] * (np.eye(z.shape[1]) - p[:, None, :])  # (n, k, k)
    with np.errstate(all="ignore"):
        return np.einsum("nk,nkj->nj", -q / p * (labels >= 0)[:, None], slopes) / (labels >= 0).sum()


# -- 05.linear
def summed(part, keep):
    return part.sum(axis=tuple(range(part.ndim - keep)))


def linear_with(dw=None, db=None, dx=None):
    def backward(x, w, g):
        right = (
            np.einsum("...k,dk->...d", g, w),
            np.tensordot(x, g, (range(x.ndim - 1), range(x.ndim - 1))),
            summed(g, 1),
        )
        spoiled = [f(x, w, g) if f else part for f, part in zip((dx, dw, db), right, strict=True)]
        return tuple(spoiled)

    return backward


def linear_as_in_lecture(x, w, g):
    """matmul's rules, as they stand: g @ b.T and a.T @ g."""
    return g @ w.T, x.T @ g, g.sum(axis=0)


def linear_turned(x, w, g):
    return g @ w.T, summed(x.T @ g, 2), summed(g, 1)


def linear_by_mean(x, w, g):
    rows = x.reshape(-1, x.shape[-1])
    return g @ w.T, rows.T @ g.reshape(len(rows), -1) / len(rows), g.reshape(len(rows), -1).mean(axis=0)


def linear_mean_of_sentences(x, w, g):
    stack = (x.swapaxes(-1, -2) @ g).reshape(-1, *w.shape)
    return g @ w.T, stack.mean(axis=0), g.reshape(-1, *g.shape[-2:]).sum(axis=1).mean(axis=0)


def linear_first_sentence(x, w, g):
    x0, g0 = x.reshape(-1, *x.shape[-2:])[0], g.reshape(-1, *g.shape[-2:])[0]
    return g @ w.T, x0.T @ g0, g0.sum(axis=0)


def linear_three_axes(x, w, g):
    """One more axis, and no more."""
    dw, db = x.swapaxes(-1, -2) @ g, g.sum(axis=0)
    return g @ w.T, dw.sum(axis=0) if dw.ndim > 2 else dw, db.sum(axis=0) if db.ndim > 1 else db


def linear_wrong_order(x, w, g):
    rows = x.reshape(x.shape[-1], -1)  # reshaped where it should be turned
    return g @ w.T, rows @ g.reshape(-1, g.shape[-1]), summed(g, 1)


def linear_by_loop(x, w, g):
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(w.shape[1])
    for place in np.ndindex(x.shape[:-1]):
        dx[place] = w @ g[place]
        dw += np.outer(x[place], g[place])
        db += g[place]
    return dx, dw, db


# -- 05.layer_norm
def mean(x):
    return x.mean(axis=1, keepdims=True)


def normal(x, ddof=0, eps=1e-5):
    s = np.sqrt(x.var(axis=1, keepdims=True, ddof=ddof) + eps)
    return (x - mean(x)) / s, s


def layer_norm(x, g, ddof=0):
    y, s = normal(x, ddof)
    return (g - mean(g) - y * mean(g * y)) / s


def layer_norm_without_mean(x, g):
    y, s = normal(x)
    return (g - y * mean(g * y)) / s


def layer_norm_by_column(x, g):
    return layer_norm(x.T, g.T).T


def layer_norm_by_jacobian(x, g, eps=1e-5):
    out = []
    for row, back in zip(x, g, strict=True):
        d, y, s = len(row), *(part[0] for part in normal(row[None], eps=eps))
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


def clip_the_same(gradients, limit):
    """Below the limit the arrays that came in."""
    return gradients if norm(gradients) <= limit else [scaled(g, limit, norm(gradients)) for g in gradients]


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
    "05.jacobian": {
        "the lecture's": (with_default(the_lectures_referee), "outputs are added up"),
        "inputs first": (with_default(table_inputs_first), "outputs' axes come first"),
        "one-sided": (lambda f, x, h=1e-5: table(f, x, h, one_sided), "one-sided"),
        "divided by h": (lambda f, x, h=1e-5: 2 * table(f, x, h), "2h"),
        "at once": (with_default(table_at_once), "one at a time"),
        "never reset": (with_default(table_never_reset), "wrong values"),
        "sign": (lambda f, x, h=1e-5: -table(f, x, h), "sign"),
        "in place": (with_default(table_in_place), "changes its input"),
        "flat": (with_default(table_flat), "shape"),
        "too small a step": (with_default(lambda f, x: table(f, x, h=1e-12)), "wrong values"),
        "too large a step": (with_default(lambda f, x: table(f, x, h=1e-2)), "wrong values"),
        "the outputs": (with_default(lambda f, x: f(x)), "shape"),
        "own h": (with_default(table), "whatever `h` is"),
        "five points": (
            lambda f, x, h=1e-5: table(f, x, h, five_points),
            "whatever `h` is",
        ),
    },
    "05.cross_entropy": {
        "the engine's": (the_engines, "smooth is not used yet, nor"),
        "no smoothing": (lambda z, y, s: rule(z, y, 0.0), "smooth is not used"),
        "last class": (
            lambda *a: rule(*a, answers=last_class, leave_out=False, count="rows"),
            "last class",
        ),
        "last class, known counted": (
            lambda *a: rule(*a, answers=last_class, leave_out=False),
            "last class",
        ),
        "unknown rows without answer": (lambda *a: rule(*a, leave_out=False), "wrong values"),
        "all rows counted": (lambda *a: rule(*a, count="rows"), "still count"),
        "sum": (lambda *a: rule(*a, count="one"), "mean over the known rows"),
        "all entries": (lambda *a: rule(*a, count="entries"), "not of all entries"),
        "shared by the others": (lambda *a: rule(*a, answers=shared_by_others), "s / (k − 1)"),
        "more than one": (lambda *a: rule(*a, answers=one_and_more), "sum to 1 + s"),
        "sign": (lambda *a: -rule(*a), "sign"),
        "overflow": (lambda *a: rule(*a, shares=overflowing), "overflows"),
        "cut off": (lambda z, y, s: rule(np.clip(z, -700, 700), y, s), "cut off here"),
        "cut off early": (lambda z, y, s: rule(np.clip(z, -30, 30), y, s), "cut off here"),
        "largest of all": (lambda *a: rule(*a, shares=off_the_largest_of_all), "underflows"),
        "shares only": (
            lambda *a: rule(*a, answers=lambda z, y, s: 0),
            "answers are still missing",
        ),
        "over columns": (
            lambda *a: rule(*a, shares=lambda z, axis: scipy_softmax(z, axis=0)),
            "wrong values",
        ),
        "through the Jacobian": (through_jacobian, "contains"),
        "in place": (cross_entropy_in_place, "changes its input"),
        "the loss": (
            lambda z, y, s: float(np.mean(z.max(axis=1) - z[np.arange(len(z)), y])),
            "NumPy array",
        ),
    },
    "05.linear": {
        "the lecture's rules": (linear_as_in_lecture, "your code stops"),
        "db mended only": (linear_with(dw=lambda x, w, g: x.swapaxes(-1, -2) @ g), "dw is still a stack"),
        "dw mended only": (linear_with(db=lambda x, w, g: g.sum(axis=0)), "row for each word"),
        "turned": (linear_turned, "your code stops"),
        "mean": (linear_by_mean, "means over the rows"),
        "mean of sentences": (linear_mean_of_sentences, "means over the sentences"),
        "first sentence": (linear_first_sentence, "first sentence"),
        "three axes at most": (linear_three_axes, "shape"),
        "reshaped, not turned": (linear_wrong_order, "wrong values"),
        "dx by w": (linear_with(dx=lambda x, w, g: g @ w.reshape(w.shape[::-1])), "its transpose"),
        "db as a column": (linear_with(db=lambda x, w, g: summed(g, 1)[:, None]), "shape"),
        "two results": (lambda x, w, g: linear_by_loop(x, w, g)[:2], "expected 3 results"),
    },
    "05.layer_norm": {
        "constants": (lambda x, g, eps=1e-5: g / normal(x)[1], "both as constants"),
        "s constant": (lambda x, g, eps=1e-5: (g - mean(g)) / normal(x)[1], "treats it as a constant"),
        "no mean": (
            lambda x, g, eps=1e-5: (g - normal(x)[0] * mean(g * normal(x)[0])) / normal(x)[1],
            "term of the mean",
        ),
        "batch norm": (with_default(layer_norm_by_column), "batch norm"),
        "plus": (
            lambda x, g, eps=1e-5: (g - mean(g) + normal(x)[0] * mean(g * normal(x)[0])) / normal(x)[1],
            "taken away",
        ),
        "sum for mean": (
            lambda x, g, eps=1e-5: (
                (g - mean(g) - normal(x)[0] * x.shape[1] * mean(g * normal(x)[0])) / normal(x)[1]
            ),
            "not its sum",
        ),
        "x for y": (lambda x, g, eps=1e-5: (g - mean(g) - x * mean(g * x)) / normal(x)[1], "not x"),
        "not divided": (lambda x, g, eps=1e-5: layer_norm(x, g) * normal(x)[1], "once too seldom"),
        "no eps": (with_default(without_eps), "wrong values"),
        "own ε": (with_default(layer_norm), "`eps` is not used"),
        "variance by d - 1": (lambda x, g, eps=1e-5: layer_norm(x, g, ddof=1), "wrong values"),
        "forward": (lambda x, g, eps=1e-5: normal(x)[0], "wrong values"),
    },
    "05.clip": {
        "the arrays that came in": (clip_the_same, "the input itself"),
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
        "a factor in single precision": (
            lambda gs, c: [g * np.float32(min(1, c / max(norm(gs), 1e-12))) for g in gs],
            "to six digits only",
        ),
        "a norm in single precision": (
            lambda gs, c: [g * min(1, c / max(float(np.float32(norm(gs))), 1e-12)) for g in gs],
            "to six digits only",
        ),
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
    "05.jacobian": {
        "stacked": table_stacked,
    },
    "05.cross_entropy": {"row by row": row_by_row, "known rows only": known_rows_only, "softmax": rule},
    "05.linear": {"by loop": linear_by_loop, "tensordot": linear_with()},
    "05.layer_norm": {"by the Jacobian": layer_norm_by_jacobian},
    "05.clip": {"as one vector": clip_flat, "a tuple": lambda gs, c: tuple(clip_flat(gs, c))},
    "05.learns": {"c": "c"},
    "05.tables": {"one-hot": tables_one_hot, "loop": tables_by_loop},
}
