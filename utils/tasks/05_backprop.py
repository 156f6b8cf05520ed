"""The tasks of lecture 05."""

from functools import cache
from math import hypot

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(5)


# ------------------------------------------------------------------------------------------ 05.jacobian
# Each function works on NumPy arrays and on PyTorch tensors alike, so PyTorch can be the oracle.
def _neighbours(x):
    return x * x[[1, 2, 0]] ** 2


def _columns(x):
    return (x**3).sum(0)


def _pairs(x):
    return x[:, None] * x[None] ** 2


def _rational(x):
    return 2 / (1 + x * x).sum()


def _powers(x):
    return x * (x * 0 + 1) ** 2 + x**4


def _jacobian(f, x, h=None):
    """The derivatives themselves; the quotient of central differences where h is given and large."""
    import torch

    if h is not None:
        return _differences(f, x, h, h, 2 * h)
    return torch.autograd.functional.jacobian(f, torch.tensor(x)).numpy()


def _differences(f, x, up=1e-5, down=1e-5, divide=2e-5, back=False):
    """The quotient of f at x + up and x - down, entry by entry; `back`: the inputs' axes first."""
    columns = []
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1
        columns.append((f(x + up * step) - f(x - down * step)) / divide)
    inputs_first = np.array(columns).reshape(*x.shape, *np.shape(columns[0]))
    return inputs_first if back else np.moveaxis(inputs_first, range(x.ndim), range(-x.ndim, 0))


def _all_at_once(f, x):
    change = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
    return np.broadcast_to(np.reshape(change, (*np.shape(change), *[1] * x.ndim)), np.shape(change) + x.shape)


def _of_the_sum(f, x):
    """What the lecture's referee would say of the sum of all outputs."""
    return _jacobian(lambda x: f(x).sum(), x)


def _diagonal(f, x):
    """The change of each output with the input at its own place."""
    J = _jacobian(f, x)
    return np.diag(J) if J.ndim == 2 else J


jacobian = Function(
    "05.jacobian",
    cases=[
        Case("three numbers in, three out", (_neighbours, rng.normal(size=3))),
        Case("a matrix in, a vector out", (_columns, rng.normal(size=(2, 3)))),
        Case("a vector in, a matrix out", (_pairs, rng.normal(size=4))),
        Case("one number out", (_rational, rng.normal(size=(2, 1, 3)))),
        Case("one number in, one out", (_powers, np.array(1.5))),
        Case("zeros", (_pairs, np.zeros(2))),
        Case("a large h", (_pairs, np.array([1.0, -2.0]), 0.5)),
    ],
    oracle=_jacobian,
    mistakes=[
        Mistake(
            "the outputs are added up: that is the lecture's referee, for a loss; each output has its own",
            _of_the_sum,
            1,
        ),
        Mistake(
            "the outputs' axes come first: J[i, j] is output i by input j",
            lambda f, x: _differences(f, x, back=True),
            2,
        ),
        Mistake(
            "this is the one-sided difference; nudge both up and down",
            lambda f, x: _differences(f, x, 1e-5, 0, 1e-5),
            3,
        ),
        Mistake(
            "divide by 2h: the two points lie two nudges apart",
            lambda f, x: 2 * _jacobian(f, x),
            3,
        ),
        Mistake(
            "the derivative comes out whatever `h` is: nudge by the `h` that is given, up and down once",
            lambda f, x, h=None: _jacobian(f, x),
            3,
        ),
        Mistake("every entry is nudged at once; nudge one at a time", _all_at_once, 1),
        Mistake("the sign is wrong: f(up) minus f(down)", lambda f, x: -_jacobian(f, x), 3),
    ],
    rtol=1e-7,
    atol=2e-9,
    concepts=["backprop"],
)


# ------------------------------------------------------------------------------------- 05.cross_entropy
def _torch_cross_entropy(z, labels, smooth):
    import torch

    z, labels = torch.tensor(z, requires_grad=True), torch.tensor(labels)
    torch.nn.functional.cross_entropy(z, labels, ignore_index=-1, label_smoothing=smooth).backward()
    return z.grad.numpy()


def _smoothed(
    z,
    labels,
    smooth,
    *,
    top=None,
    one=lambda s: 1 - s,
    rest=lambda s, k: s / k,
    mask=True,
    by=None,
    shares=True,
):
    """Shares minus answers with a switch for each usual mistake."""
    n, k = z.shape
    known = labels >= 0
    answers = np.full(z.shape, rest(smooth, k))
    answers[np.arange(n), labels] = one(smooth) + rest(smooth, k)
    e = np.exp(z - (z.max(axis=1, keepdims=True) if top is None else top))
    gradient = e / e.sum(axis=1, keepdims=True) * shares - answers
    return (gradient * known[:, None] if mask else gradient) / (known.sum() if by is None else by(z))


cross_entropy = Function(
    "05.cross_entropy",
    cases=[
        Case("six rows, four classes", (rng.normal(size=(6, 4)), np.array([0, 3, 1, -1, 2, 0]), 0.1)),
        Case("no smoothing, all known", (rng.normal(size=(5, 3)), np.array([2, 0, 1, 1, 0]), 0.0)),
        Case("one row", (np.array([[0.5, -1.0, 2.0]]), np.array([1]), 0.2)),
        Case(
            "scores of 1000, right, wrong and unknown",
            (
                np.array([[1000.0, 0.0], [1000.0, 0.0], [999.0, 1000.0], [3.0, 1.0], [-1000.0, 1000.0]]),
                np.array([0, 1, 1, 0, -1]),
                0.1,
            ),
        ),
        Case("as many rows as classes", (rng.normal(size=(3, 3)), np.array([2, 0, 1]), 0.3)),
        Case("one known row among many", (rng.normal(size=(7, 5)), np.array([-1] * 6 + [4]), 0.0)),
        Case("equal scores", (np.zeros((2, 5)), np.array([4, 0]), 0.5)),
    ],
    oracle=_torch_cross_entropy,
    mistakes=[
        Mistake(
            "smooth is not used yet, nor are the unknown rows left out",
            lambda *a: _smoothed(*a, one=lambda s: 1, rest=lambda s, k: 0, mask=False, by=len),
            2,
        ),
        Mistake("smooth is not used yet", lambda *a: _smoothed(*a, one=lambda s: 1, rest=lambda s, k: 0), 2),
        Mistake(
            "a label of −1 was taken for the last class; such a row takes no part",
            lambda *a: _smoothed(*a, mask=False, by=len),
            3,
        ),
        Mistake(
            "a label of −1 was taken for the last class; such a row takes no part",
            lambda *a: _smoothed(*a, mask=False),
            3,
        ),
        Mistake(
            "the unknown rows are zero, but they still count: the mean is over the known ones",
            lambda *a: _smoothed(*a, by=len),
            2,
        ),
        Mistake(
            "this is the gradient of the sum; the loss is a mean over the known rows",
            lambda *a: _smoothed(*a, by=lambda z: 1),
            2,
        ),
        Mistake(
            "s is shared by all k classes, the right one too: s / k, not s / (k − 1)",
            lambda *a: _smoothed(
                *a, one=lambda s: 1 - s - s / (a[0].shape[1] - 1), rest=lambda s, k: s / (k - 1)
            ),
            2,
        ),
        Mistake(
            "the answers sum to 1 + s: the right class gives up s before all get s / k",
            lambda *a: _smoothed(*a, one=lambda s: 1),
            2,
        ),
        Mistake(
            "the right class lacks its own s / k",
            lambda *a: _smoothed(*a, one=lambda s: 1 - s - s / a[0].shape[1]),
            2,
        ),
        Mistake(
            "the sign is wrong: shares minus answers, not answers minus shares",
            lambda *a: -_smoothed(*a),
            2,
        ),
        Mistake(
            "exp overflows for scores of 1000: take each row's largest off first",
            lambda *a: _smoothed(*a, top=0),
            3,
        ),
        Mistake(
            "scores are cut off here, so 1000 and 999 become equal: take each row's largest off instead",
            lambda z, *a: _smoothed(np.clip(z, -500, 500), *a),
            3,
        ),
        Mistake(
            "exp underflows: take each row's own largest off, not the largest of all",
            lambda *a: _smoothed(*a, top=a[0].max()),
            3,
        ),
        Mistake(
            "these are the shares; the answers are still missing",
            lambda *a: _smoothed(*a, one=lambda s: 0, rest=lambda s, k: 0),
            2,
        ),
        Mistake(
            "divide by the number of known rows, not of all entries",
            lambda *a: _smoothed(*a, by=np.size),
            2,
        ),
    ],
    overflow_hint=3,
    concepts=["backprop"],
)


# -------------------------------------------------------------------------------------------- 05.linear
def _torch_linear(x, w, g):
    import torch

    b = np.zeros(w.shape[1])
    x, w, b = (torch.tensor(part, requires_grad=True) for part in (x, w, b))
    (x @ w + b).backward(torch.tensor(g))
    return x.grad.numpy(), w.grad.numpy(), b.grad.numpy()


def _two_axes_only(x, w, g):
    """The backward as the exercise hands it out."""
    return g @ w.swapaxes(-1, -2), x.swapaxes(-1, -2) @ g, g.sum(axis=0)


def _linear(axes=None, many=lambda x: 1):
    """The backward with dw and db from a stack of sentences; `axes`: how the stack is folded."""

    def code(x, w, g):
        stack = x.swapaxes(-1, -2) @ g
        fold = axes or (lambda part, keep: part.sum(axis=tuple(range(part.ndim - keep))))
        return g @ w.T, fold(stack, 2) / many(x), fold(g, 1) / many(x)

    return code


def _turned(x, w, g):
    """NumPy's .T turns all axes."""
    stack = x.T @ g
    return g @ w.T, stack.sum(axis=tuple(range(x.ndim - 2))), g.sum(axis=tuple(range(g.ndim - 1)))


def _three(*shape, k):
    return rng.normal(size=shape), rng.normal(size=(shape[-1], k)), rng.normal(size=(*shape[:-1], k))


linear = Function(
    "05.linear",
    cases=[
        Case("rows, x (4, 3)", _three(4, 3, k=2)),
        Case("sentences, x (2, 4, 3)", _three(2, 4, 3, k=5)),
        Case("three sentences of three words, all sizes equal", _three(3, 3, 3, k=3)),
        Case("four axes, x (2, 3, 4, 5)", _three(2, 3, 4, 5, k=2)),
        Case("one sentence of one word", _three(1, 1, 3, k=2)),
        Case("one output", _three(3, 2, 4, k=1)),
    ],
    oracle=_torch_linear,
    mistakes=[
        Mistake(
            "dw and db are means over the rows; what is used many times gets the sum",
            _linear(many=lambda x: x.size // x.shape[-1]),
            2,
        ),
        Mistake(
            "dw and db are means over the sentences; what is used many times gets the sum",
            _linear(many=lambda x: x.size // x.shape[-1] // x.shape[-2]),
            2,
        ),
        Mistake(
            "only the first sentence counts; add up over all of them",
            lambda x, w, g: (
                g @ w.T,
                x.reshape(-1, *x.shape[-2:])[0].T @ g.reshape(-1, *g.shape[-2:])[0],
                g.reshape(-1, *g.shape[-2:])[0].sum(axis=0),
            ),
            2,
        ),
        Mistake(
            "dx goes back through w as it is; the way back is through its transpose",
            lambda x, w, g: (g @ w, *_torch_linear(x, w, g)[1:]),
            1,
        ),
        Mistake("x.T turns all axes, the sentences too; turn the last two, or reshape", _turned, 3),
        Mistake(
            "db is right, but dw is still a stack: one matrix a sentence",
            lambda x, w, g: (g @ w.T, x.swapaxes(-1, -2) @ g, g.sum(axis=tuple(range(g.ndim - 1)))),
            2,
        ),
        Mistake(
            "dw is right, but db still has a row for each word",
            lambda x, w, g: (*_torch_linear(x, w, g)[:2], g.sum(axis=0)),
            2,
        ),
    ],
    bug=_two_axes_only,
    concepts=["backprop"],
)


# ---------------------------------------------------------------------------------------- 05.layer_norm
def _torch_layer_norm(x, g, eps=1e-5):
    import torch

    x = torch.tensor(x, requires_grad=True)
    torch.nn.functional.layer_norm(x, x.shape[1:], eps=eps).backward(torch.tensor(g))
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
        Case("a large ε", (np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -2.0, 0.5]]), 0.5)),
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
        Mistake(
            "the sign of the last term is wrong: what points along y is taken away",
            lambda x, g: (g - _mean(g) + _normal(x)[0] * _mean(g * _normal(x)[0])) / _normal(x)[1],
            3,
        ),
        Mistake(
            "the last term holds the mean of g · y over the row, not its sum",
            lambda x, g: (
                (g - _mean(g) - _normal(x)[0] * (g * _normal(x)[0]).sum(1, keepdims=True)) / _normal(x)[1]
            ),
            3,
        ),
        Mistake(
            "the last term holds y, shifted and scaled, not x",
            lambda x, g: (g - _mean(g) - x * _mean(g * x)) / _normal(x)[1],
            3,
        ),
        Mistake("the argument `eps` is not used", lambda x, g, eps=1e-5: _torch_layer_norm(x, g)),
        Mistake("divided by s once too seldom", lambda x, g: _torch_layer_norm(x, g) * _normal(x)[1], 3),
    ],
    rtol=1e-6,
    atol=1e-10,
    concepts=["backprop"],
)


# ---------------------------------------------------------------------------------------------- 05.clip
def _by_hypot(gradients, limit):
    """By the standard library, of one long list. (PyTorch's own divides by the norm + 1e-6.)"""
    norm = hypot(*(float(number) for g in gradients for number in g.flat))
    return tuple(g * (limit / norm if norm > limit else 1.0) for g in gradients)


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


def _to_all_digits(out, gradients, limit):
    """Whether the norm of double arrays is not merely near the limit: a factor in single precision is off."""
    double = all(g.dtype == np.float64 for g in gradients)
    norm = np.sqrt(sum(np.sum(g * g) for g in out)) if double else limit
    return not 1e-10 < abs(norm / limit - 1) < 1e-4


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
    oracle=_by_hypot,
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
    rules=[
        Rule(
            "the norm of double arrays is the limit to six digits only; did the factor become float32?",
            _to_all_digits,
            3,
        )
    ],
    fresh=True,
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

TASKS = [jacobian, cross_entropy, linear, layer_norm, clip, learns, tables]
