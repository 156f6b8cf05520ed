"""The tasks of lecture 05."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(5)


# --------------------------------------------------------------------------------------------- 05.nudge
# Each function works on NumPy arrays and on PyTorch tensors alike, so PyTorch can be the oracle.
def _cubes(x):
    return (x**3).sum()


def _pairs(x):
    return (x[0] * x[1] ** 2).sum()


def _rational(x):
    return (1 / (1 + x * x)).sum() * 2


def _one(x):
    return x**4


def _gradient(f, x):
    import torch

    x = torch.tensor(x, requires_grad=True)
    f(x).backward()
    return x.grad.numpy()


def _differences(f, x, up, down, divide):
    """The quotient of f at x + up and x - down, entry by entry."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1
        gradient[i] = (f(x + up * step) - f(x - down * step)) / divide
    return gradient


def _all_at_once(f, x):
    return np.full_like(x, (f(x + 1e-5) - f(x - 1e-5)) / 2e-5)


nudge = Function(
    "05.nudge",
    cases=[
        Case("a vector", (_cubes, rng.normal(size=6))),
        Case("a matrix whose entries interact", (_pairs, rng.normal(size=(2, 3)))),
        Case("three axes", (_rational, rng.normal(size=(2, 1, 3)))),
        Case("one number without axes", (_one, np.array(1.5))),
        Case("zeros", (_cubes, np.zeros(3))),
    ],
    oracle=_gradient,
    mistakes=[
        Mistake(
            "this is the one-sided difference; nudge both up and down",
            lambda f, x: _differences(f, x, 1e-5, 0, 1e-5),
            3,
        ),
        Mistake("divide by 2h: the two points lie two nudges apart", lambda f, x: 2 * _gradient(f, x), 3),
        Mistake("every entry is nudged at once; nudge one at a time", _all_at_once, 1),
        Mistake("the sign is wrong: f(up) minus f(down)", lambda f, x: -_gradient(f, x), 3),
    ],
    rtol=1e-7,
    atol=2e-9,
    concepts=["backprop"],
)


# ------------------------------------------------------------------------------------- 05.cross_entropy
def _torch_cross_entropy(z, labels):
    import torch

    z = torch.tensor(z, requires_grad=True)
    torch.nn.functional.cross_entropy(z, torch.tensor(labels)).backward()
    return z.grad.numpy()


def _shares(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _naive(z, labels):
    e = np.exp(z)
    return (e / e.sum(axis=1, keepdims=True) - np.eye(z.shape[1])[labels]) / len(z)


cross_entropy = Function(
    "05.cross_entropy",
    cases=[
        Case("six rows and four classes", (rng.normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0]))),
        Case("one row", (np.array([[0.5, -1.0, 2.0]]), np.array([1]))),
        Case(
            "scores of 1000, right and wrong",
            (np.array([[1000.0, 0.0], [1000.0, 0.0], [3.0, 1.0]]), np.array([0, 1, 0])),
        ),
        Case("as many rows as classes", (rng.normal(size=(3, 3)), np.array([2, 0, 1]))),
        Case("equal scores", (np.zeros((2, 5)), np.array([4, 0]))),
    ],
    oracle=_torch_cross_entropy,
    mistakes=[
        Mistake(
            "this is the gradient of the sum; the loss is a mean over rows",
            lambda z, y: len(z) * _torch_cross_entropy(z, y),
            2,
        ),
        Mistake(
            "the sign is wrong: shares minus answers, not answers minus shares",
            lambda z, y: -_torch_cross_entropy(z, y),
            2,
        ),
        Mistake("exp overflows for scores of 1000: take each row's largest off first", _naive, 3),
        Mistake("these are the shares; the answers are still missing", lambda z, y: _shares(z) / len(z), 2),
        Mistake(
            "divide by the number of rows, not of all entries",
            lambda z, y: (_torch_cross_entropy(z, y) * len(z)) / z.size,
            2,
        ),
    ],
    concepts=["backprop"],
)


# ---------------------------------------------------------------------------------------------- 05.fold
def _fold_by_loop(g, shape):
    """Every entry of g goes to the place that it was copied from."""
    out = np.zeros(shape)
    for place in np.ndindex(g.shape):
        own = place[g.ndim - len(shape) :]
        out[tuple(0 if size == 1 else i for i, size in zip(own, shape, strict=True))] += g[place]
    return out


def _left_only(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


def _mean_fold(g, shape):
    return _fold_by_loop(g, shape) / (g.size / max(np.prod(shape), 1))


def _first_slice(g, shape):
    while g.ndim > len(shape):
        g = g[0]
    for i, size in enumerate(shape):
        g = g.take([0], axis=i) if size == 1 else g
    return g


fold = Function(
    "05.fold",
    cases=[
        Case("a bias (3,) beside (4, 3)", (rng.normal(size=(4, 3)), (3,))),
        Case("a number a row, (4, 1) beside (4, 3)", (rng.normal(size=(4, 3)), (4, 1))),
        Case("a row (1, 3) beside (4, 3)", (rng.normal(size=(4, 3)), (1, 3))),
        Case("a single number () beside (2, 3)", (rng.normal(size=(2, 3)), ())),
        Case("(1,) beside (2, 3)", (rng.normal(size=(2, 3)), (1,))),
        Case("both at once, (3, 1) beside (2, 3, 4)", (rng.normal(size=(2, 3, 4)), (3, 1))),
        Case("nothing broadcast", (rng.normal(size=(2, 3)), (2, 3))),
    ],
    oracle=_fold_by_loop,
    mistakes=[
        Mistake("a copy used n times gets the sum of n gradients, not their mean", _mean_fold, 2),
        Mistake("only the first copy's gradient is kept; add them all", _first_slice, 2),
    ],
    bug=_left_only,
    concepts=["backprop"],
)


# ---------------------------------------------------------------------------------------- 05.layer_norm
def _torch_layer_norm(x, g):
    import torch

    x = torch.tensor(x, requires_grad=True)
    torch.nn.functional.layer_norm(x, x.shape[1:], eps=1e-5).backward(torch.tensor(g))
    return x.grad.numpy()


def _normal(x, ddof=0):
    s = np.sqrt(x.var(axis=1, keepdims=True, ddof=ddof) + 1e-5)
    return (x - x.mean(axis=1, keepdims=True)) / s, s


def _mean(x):
    return x.mean(axis=1, keepdims=True)


def _batch_axis(x, g):
    s = np.sqrt(x.var(axis=0) + 1e-5)
    y = (x - x.mean(axis=0)) / s
    return (g - g.mean(axis=0) - y * (g * y).mean(axis=0)) / s


layer_norm = Function(
    "05.layer_norm",
    cases=[
        Case("five rows of four", (rng.normal(2, 3, size=(5, 4)), rng.normal(size=(5, 4)))),
        Case("one row", (rng.normal(size=(1, 6)), rng.normal(size=(1, 6)))),
        Case("as many rows as columns", (rng.normal(size=(3, 3)), rng.normal(size=(3, 3)))),
        Case("a row that hardly varies", (np.array([[1.0, 1.001, 0.999]]), np.array([[1.0, -2.0, 0.5]]))),
        Case("a gradient of ones", (rng.normal(size=(2, 5)), np.ones((2, 5)))),
    ],
    oracle=_torch_layer_norm,
    mistakes=[
        Mistake(
            "x also acts through μ and s; this treats both as constants", lambda x, g: g / _normal(x)[1], 1
        ),
        Mistake(
            "x also acts through s; this treats it as a constant",
            lambda x, g: (g - _mean(g)) / _normal(x)[1],
            3,
        ),
        Mistake(
            "the term of the mean is missing: y = x − μ gives g − mean(g)",
            lambda x, g: (g - _normal(x)[0] * _mean(g * _normal(x)[0])) / _normal(x)[1],
            2,
        ),
        Mistake("this is batch norm: the mean runs over each row, not over each column", _batch_axis, 2),
        Mistake("divided by s once too seldom", lambda x, g: _torch_layer_norm(x, g) * _normal(x)[1], 3),
    ],
    rtol=1e-6,
    atol=1e-10,
    concepts=["backprop"],
)


# ---------------------------------------------------------------------------------------------- 05.clip
def _torch_clip(gradients, limit):
    import torch

    holders = [torch.nn.Parameter(torch.zeros(np.shape(g), dtype=torch.tensor(g).dtype)) for g in gradients]
    for holder, g in zip(holders, gradients, strict=True):
        holder.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_(holders, limit)
    return tuple(holder.grad.numpy() for holder in holders)


def _each(gradients, limit):
    return tuple(g * min(1, limit / max(np.linalg.norm(g), 1e-12)) for g in gradients)


def _always(gradients, limit):
    norm = np.sqrt(sum(np.sum(g * g) for g in gradients))
    return tuple(g * (limit / max(norm, 1e-12)) for g in gradients)


def _squared(gradients, limit):
    norm = sum(np.sum(g * g) for g in gradients)
    return tuple(g * min(1, limit / norm) for g in gradients)


def _longest(gradients, limit):
    norm = max(np.linalg.norm(g) for g in gradients)
    return tuple(g * min(1, limit / norm) for g in gradients)


clip = Function(
    "05.clip",
    cases=[
        Case(
            "three arrays, far above the limit",
            ([10 * rng.normal(size=(3, 4)), rng.normal(size=4), np.array([2.0])], 1.0),
        ),
        Case("far below the limit", ([rng.normal(size=(2, 2)), rng.normal(size=2)], 100.0)),
        Case("each below the limit, together above", ([np.array([0.8, 0.0]), np.array([0.0, 0.9])], 1.0)),
        Case("only zeros", ([np.zeros((2, 2)), np.zeros(3)], 1.0)),
        Case("single precision", ([np.array([3.0, 4.0], dtype=np.float32)], 0.5)),
    ],
    oracle=_torch_clip,
    mistakes=[
        Mistake("each array is clipped on its own, which turns the step; use one norm for all", _each, 1),
        Mistake("gradients below the limit are stretched; the factor is never more than 1", _always, 2),
        Mistake("this is the squared norm; take the root", _squared, 1),
        Mistake("this is the norm of the longest array; add up the squares of all of them", _longest, 1),
        Mistake(
            "each entry is clipped on its own, which turns the step",
            lambda gradients, limit: tuple(np.clip(g, -limit, limit) for g in gradients),
            1,
        ),
    ],
    rtol=1e-5,  # PyTorch divides by norm + 1e-6
    atol=1e-9,
    concepts=["exploding"],
)


# -------------------------------------------------------------------------------------------- 05.learns
@cache
def _measured_learns() -> str:
    """Train the four nets and name the one that reads digits."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = torch.tensor(((x - x.mean()) / x.std())[order], dtype=torch.float32)
    y = torch.tensor(y[order])
    nets = {"a": (nn.Sigmoid, 1 / 8), "b": (nn.Tanh, 1.0), "c": (nn.Tanh, 1 / 8), "d": (nn.ReLU, 0.01)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    accuracy = {}
    for letter, (activation, spread) in nets.items():
        torch.manual_seed(0)
        net = nn.Sequential(
            *(m for _ in range(20) for m in (nn.Linear(64, 64), activation())), nn.Linear(64, 10)
        )
        for layer in net[:-1:2]:
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)
        descent = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
        for _ in range(200):
            rows = torch.randint(1300, (64,))
            descent.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            descent.step()
        with torch.no_grad():
            accuracy[letter] = (net(x[1300:]).argmax(1) == y[1300:]).float().mean().item()
    torch.set_num_threads(threads)
    above = [letter for letter, share in accuracy.items() if share > 0.8]
    if len(above) != 1:
        raise RuntimeError(f"expected one net above 0.8, got {accuracy}")
    return above[0]


learns = Choice(
    "05.learns",
    options=("a", "b", "c", "d"),
    truth=_measured_learns,
    wrong="trained just now: that net does not get above 80 %",
    right="trained just now: the only one above 80 %",
    concepts=["vanishing", "exploding"],
)


# -------------------------------------------------------------------------------------------- 05.tables
def _torch_tables(U, A, b, user, ad, click):
    import torch

    U, A, b = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (U, A, b))
    z = b + (U[torch.tensor(user)] * A[torch.tensor(ad)]).sum(1)
    target = torch.tensor(click, dtype=torch.float64)
    torch.nn.functional.binary_cross_entropy_with_logits(z, target).backward()
    return U.grad.numpy(), A.grad.numpy(), b.grad.item()


def _last_row_wins(U, A, b, user, ad, click):
    z = b + (U[user] * A[ad]).sum(axis=1)
    dz = (1 / (1 + np.exp(-z)) - click) / len(click)
    dU, dA = np.zeros_like(U), np.zeros_like(A)
    dU[user] += dz[:, None] * A[ad]
    dA[ad] += dz[:, None] * U[user]
    return dU, dA, dz.sum()


def _times(factor):
    def scaled(*args):
        n = len(args[-1])
        return tuple(part * (n if factor is None else factor) for part in _torch_tables(*args))

    return scaled


def _own_vector(U, A, b, user, ad, click):
    z = b + (U[user] * A[ad]).sum(axis=1)
    dz = (1 / (1 + np.exp(-z)) - click) / len(click)
    dU, dA = np.zeros_like(U), np.zeros_like(A)
    np.add.at(dU, user, dz[:, None] * U[user])
    np.add.at(dA, ad, dz[:, None] * A[ad])
    return dU, dA, dz.sum()


def _vectors(users, ads, size):
    return rng.normal(size=(users, size)), rng.normal(size=(ads, size))


_LABELS = np.array([0, 1])

tables = Function(
    "05.tables",
    cases=[
        Case(
            "users and ads that come again",
            (
                *_vectors(5, 4, 3),
                -0.5,
                np.array([0, 1, 1, 1, 4, 0, 2]),
                np.array([3, 3, 0, 0, 1, 3, 2]),
                np.array([0, 1, 0, 1, 0, 0, 1]),
            ),
        ),
        Case(
            "one row",
            (
                rng.normal(size=(2, 2)),
                rng.normal(size=(3, 2)),
                0.3,
                np.array([1]),
                np.array([2]),
                np.array([1]),
            ),
        ),
        Case(
            "the same user in every row",
            (
                rng.normal(size=(3, 2)),
                rng.normal(size=(2, 2)),
                0.0,
                np.full(6, 2),
                np.arange(6) % 2,
                np.arange(6) % 3 // 2,
            ),
        ),
        Case(
            "logits of 1000",
            (
                np.full((1, 1), 40.0),
                np.array([[25.0], [-25.0]]),
                0.0,
                np.zeros(2, int),
                np.arange(2),
                np.array([0, 1]),
            ),
        ),
        Case(
            "vectors of zeros",
            (np.zeros((2, 3)), np.zeros((2, 3)), -3.0, np.array([0, 1]), np.array([1, 1]), np.array([0, 0])),
        ),
    ],
    oracle=_torch_tables,
    mistakes=[
        Mistake("who appears several times gets one gradient only; they add up", _last_row_wins, 3),
        Mistake("this is the gradient of the sum; the loss is a mean over rows", _times(None), 1),
        Mistake("the sign is wrong: the gradient with respect to the logit is p − click", _times(-1), 1),
        Mistake("the gradient of u is a times what arrives, not u times it", _own_vector, 2),
    ],
    rules=[
        Rule(
            "a user who is not in the batch has a gradient",
            lambda out, U, A, b, user, ad, click: not np.delete(out[0], np.unique(user), axis=0).any(),
            2,
        )
    ],
    concepts=["backprop"],
)

TASKS = [nudge, cross_entropy, fold, layer_norm, clip, learns, tables]
