"""The tasks of lecture 18."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(17)


# ----------------------------------------------------------------------------------------------- 18.rule
def _rule_by_torch(g, a):
    import torch

    a = torch.tensor(a, requires_grad=True)
    return torch.autograd.grad(torch.logsumexp(a, 1), a, torch.tensor(g))[0].numpy()


def _softmax(a, axis=1):
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _overflowing(g, a):
    with np.errstate(all="ignore"):
        return g[:, None] * np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)


rule = Function(
    "18.rule",
    cases=[
        Case("four rows of three", (rng.normal(size=4), rng.normal(size=(4, 3)))),
        Case("three rows of three", (rng.normal(size=3), rng.normal(size=(3, 3)))),
        Case("one row, one entry", (np.array([2.0]), np.array([[-3.0]]))),
        Case("a tie", (np.array([-1.0]), np.zeros((1, 5)))),
        Case(
            "entries of ±1000", (np.array([1.0, 0.0]), np.array([[1000.0, -1000, 999], [-1000, -1000, -999]]))
        ),
    ],
    oracle=_rule_by_torch,
    mistakes=[
        Mistake("that overflows for entries of 1000: take the largest off first", _overflowing, 3),
        Mistake("the gradient g of what follows is missing", lambda g, a: _softmax(a), 2),
        Mistake("g belongs to the rows, not to the columns: g[:, None]", lambda g, a: g * _softmax(a), 2),
        Mistake(
            "the softmax is over each row, not over each column", lambda g, a: g[:, None] * _softmax(a, 0), 1
        ),
        Mistake("the exponentials are not divided by their sum", lambda g, a: g[:, None] * np.exp(a), 1),
    ],
    overflow_hint=3,
    concepts=["theano"],
)


# ----------------------------------------------------------------------------------------------- 18.fold
def _by_two_runs(program):
    """The lines that are reached from no input and no draw, found from those forward."""
    changes = {i for i, line in enumerate(program) if line[0] in ("input", "draw")}
    grown = True
    while grown:
        more = {i for i, line in enumerate(program) if changes & set(line[1:]) and line[0] != "const"}
        grown = not more <= changes
        changes |= more
    return np.array([i not in changes for i in range(len(program))], dtype=bool)


def _fold_with(leaves, decide=all):
    def fold(program):
        constant = []
        for name, *args in program:
            known = (
                name in leaves if name in ("input", "draw", "const") else decide(constant[i] for i in args)
            )
            constant.append(known)
        return np.array(constant, dtype=bool)

    return fold


def _one_level(program):
    return np.array(
        [
            line[0] == "const" or (len(line) > 1 and all(program[i][0] == "const" for i in line[1:]))
            for line in program
        ]
    )


fold = Function(
    "18.fold",
    cases=[
        Case(
            "constants and an input",
            (
                [
                    ("const", 2.0),
                    ("const", 0.0),
                    ("mul", 0, 1),
                    ("tanh", 2),
                    ("input",),
                    ("add", 3, 4),
                    ("mul", 3, 3),
                ],
            ),
        ),
        Case("a random draw", ([("draw",), ("const", 1.0), ("mul", 0, 1), ("tanh", 1), ("tanh", 2)],)),
        Case("an input times a constant", ([("input",), ("const", 0.0), ("mul", 0, 1), ("add", 1, 2)],)),
        Case("only an input", ([("input",)],)),
        Case("only a constant", ([("const", 1.0)],)),
    ],
    oracle=_by_two_runs,
    mistakes=[
        Mistake(
            "an input has been folded: it has no arguments, and yet it changes",
            _fold_with({"const", "input", "draw"}),
            3,
        ),
        Mistake(
            "a draw has been folded: it is another number at every run", _fold_with({"const", "draw"}), 3
        ),
        Mistake("one constant argument is not enough: all must be", _fold_with({"const"}, any), 2),
        Mistake("an operation on a folded line can be folded too", _one_level, 1),
        Mistake(
            "only the constants themselves are marked; what is made of them is constant too",
            lambda program: np.array([line[0] == "const" for line in program]),
            2,
        ),
    ],
    concepts=["theano", "tensorflow"],
)


# --------------------------------------------------------------------------------------------- 18.losses
def _descend_with(keep=0.0, after=False, mean=True, factor=2.0):
    """Gradient descent in NumPy. `keep`: the share of the old gradient that stays in."""

    def descend(w0, x, y, lr, steps):
        w, grad, total = w0.copy(), np.zeros_like(w0), 0.0
        for _ in range(steps):
            error = x @ w - y
            total += np.mean(error**2)
            grad = keep * grad + factor * x.T @ error / len(x)
            w = w - lr * grad
            total += (np.mean((x @ w - y) ** 2) - np.mean(error**2)) * after
        return w, float(total / (steps if mean else 1))

    return descend


def _regression(n, d, steps, lr=0.1):
    return rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=n), lr, steps


losses = Function(
    "18.losses",
    cases=[
        Case("five steps", _regression(10, 3, 5)),
        Case("one step", _regression(6, 2, 1)),
        Case("one row", _regression(1, 2, 4)),
        Case("forty steps", _regression(20, 4, 40, 0.05)),
    ],
    oracle=_descend_with(),
    rules=[
        Rule(
            "the mean loss is still a tensor, and holds the graphs of all steps; add up loss.item()",
            lambda out, *_: isinstance(out[1], float),
            3,
        )
    ],
    bug=_descend_with(keep=1.0),
    mistakes=[
        Mistake("the loss is taken after its step; take it before", _descend_with(after=True)),
        Mistake("that is the sum of the losses; divide by the number of steps", _descend_with(mean=False), 3),
        Mistake("the gradient is half of what it should be", _descend_with(factor=1.0)),
    ],
    concepts=["torch"],
)


# --------------------------------------------------------------------------------------------- 18.shards
def _by_rows(grads, counts):
    """Every row of every process stands for itself."""
    rows = [grads[i] for i in range(len(grads)) for _ in range(int(counts[i]))]
    return np.mean(rows, axis=0) if rows else np.zeros(grads.shape[1])


NAN = np.nan

shards = Function(
    "18.shards",
    cases=[
        Case("shares of 3 and 1", (np.array([[1.0, 2], [5, -2]]), np.array([3, 1]))),
        Case("three shares", (rng.normal(size=(3, 4)), np.array([31, 30, 1]))),
        Case("a process without rows", (np.array([[1.0, 2], [NAN, NAN], [3, 4]]), np.array([2, 0, 4]))),
        Case("one process", (np.array([[7.0]]), np.array([5]))),
        Case("no rows at all", (np.full((2, 3), NAN), np.array([0, 0]))),
        Case("one row in all", (np.array([[2.0, -1.0], [NAN, NAN]]), np.array([1, 0]))),
    ],
    oracle=_by_rows,
    mistakes=[
        Mistake("that is the mean of the means: weight each by its rows", lambda g, c: g.mean(axis=0), 1),
        Mistake(
            "the empty processes are left out, but the others are not weighted by their rows",
            lambda g, c: g[c > 0].mean(axis=0) if c.any() else np.zeros(g.shape[1]),
            1,
        ),
        Mistake(
            "0 · nan is nan: leave the empty processes out first",
            lambda g, c: (g * c[:, None]).sum(axis=0) / max(c.sum(), 1),
            2,
        ),
        Mistake(
            "weighted, but divided by the number of processes",
            lambda g, c: (g[c > 0] * c[c > 0, None]).sum(axis=0) / len(c),
            1,
        ),
        Mistake(
            "that is the sum over the rows; divide by their number",
            lambda g, c: (g[c > 0] * c[c > 0, None]).sum(axis=0),
            1,
        ),
    ],
    overflow_hint=2,
    concepts=["torch"],
)


# --------------------------------------------------------------------------------------------- 18.master
def _exact(w, grads, lr):
    """In 64 bits, all at once."""
    return (w.astype(float) - lr * grads.astype(float).sum(axis=0)).astype(np.float16)


def _half(w, grads, lr):
    for grad in grads:
        w = w - np.float16(lr) * grad
    return w


def _product_in_half(w, grads, lr):
    master = w.astype(np.float32)
    for grad in grads:
        master = master - (np.float16(lr) * grad).astype(np.float32)
    return master.astype(np.float16)


def _rounded(w, grads, lr):
    """Products in single precision, the sum in half."""
    for grad in grads:
        w = (w.astype(np.float32) - np.float32(lr) * grad.astype(np.float32)).astype(np.float16)
    return w


def _halves(*shape):
    return rng.uniform(0.5, 1.5, size=shape).astype(np.float16)


master = Function(
    "18.master",
    cases=[
        Case("updates too small for float16", (_halves(4), _halves(2000, 4), 1e-4)),
        Case(
            "updates that underflow",
            (np.zeros(3, np.float16), (1e-4 * _halves(1000, 3)).astype(np.float16), 1e-4),
        ),
        Case("one large step", (_halves(2), _halves(1, 2), 0.5)),
        Case("three large steps", (_halves(2), _halves(3, 2), 0.25)),
        Case("no step", (_halves(3), _halves(0, 3), 0.1)),
        Case(
            "a learning rate of 1e-7",
            (np.zeros(3, np.float16), (1000 * _halves(100, 3)).astype(np.float16), 1e-7),
        ),
    ],
    oracle=_exact,
    mistakes=[
        Mistake("the sum is kept in float16: the small updates are lost", _half, 1),
        Mistake("the sum is kept in float16: the small updates are lost", _rounded, 1),
        Mistake(
            "lr is rounded to float16 on its way; as it comes it is exact",
            lambda w, grads, lr: _exact(w, grads, float(np.float16(lr))),
            3,
        ),
        Mistake("the product underflows: convert the gradient before it is multiplied", _product_in_half, 3),
        Mistake("the step goes down the gradient: w - lr * grad", lambda w, g, lr: _exact(w, -g, lr)),
    ],
    rtol=2e-3,
    atol=2e-7,
    concepts=["torch"],
)


# --------------------------------------------------------------------------------------------- 18.breaks
def _loop(x):
    for i in range(3):
        x = x * i + 1
    return x + 1


def _by_shape(x):
    if x.shape[0] > 3:
        x = x * 2
    return x + 1


def _where(x):
    import torch

    return torch.where(x > 0, x, -x) + 1


def _by_value(x):
    x = x / 2 if x.max() > 1 else x + 1
    return x + 1


@cache
def _broken():
    """The one that torch.compile cuts into several graphs."""
    import torch

    found = []
    for letter, function in zip("abcd", (_loop, _by_shape, _where, _by_value), strict=True):
        graphs = []
        torch.compiler.reset()
        torch.compile(function, backend=lambda graph, _, kept=graphs: kept.append(graph) or graph.forward)(
            torch.ones(4)
        )
        found += [letter] * (len(graphs) > 1)
    (letter,) = found
    return letter


breaks = Choice(
    "18.breaks",
    options=["a", "b", "c", "d"],
    truth=_broken,
    wrong="that one is captured whole: nothing in it asks Python to decide by a value in a tensor",
    right="only d makes Python decide by a value",
    concepts=["torch"],
)

TASKS = [rule, fold, losses, shards, master, breaks]
