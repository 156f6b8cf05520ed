"""The tasks of lecture 18."""

import weakref
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(17)


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
    concepts=["theano"],
)


# ---------------------------------------------------------------------------------------------- 18.share
def _by_texts(program):
    """Each line written out in full; the first line with the same text."""
    texts = []
    for i, (name, *args) in enumerate(program):
        if name in ("input", "draw"):
            texts.append(f"{name} {i}")
        elif name == "const":
            texts.append(repr(float(args[0])))
        else:
            parts = [texts[a] for a in args]
            parts = sorted(parts) if name in ("add", "mul") else parts
            texts.append(f"{name}({', '.join(parts)})")
    return np.array([texts.index(text) for text in texts])


def _share_with(own=("input", "draw"), any_order=("add", "mul"), through=True, consts=True):
    """Value numbering. `own`: what says only itself; `through`: arguments count as what they are equal to."""

    def share(program):
        first, known = [], {}
        for i, (name, *args) in enumerate(program):
            if name in own or (name == "const" and not consts):
                key = (i,)
            elif name in ("const", "input", "draw"):
                key = name, *args
            else:
                args = [first[a] if through else a for a in args]
                key = name, *(sorted(args) if name in any_order else args)
            first.append(known.setdefault(key, i))
        return np.array(first)

    return share


_x, _c = ("input",), ("const", 2.0)

share = Function(
    "18.share",
    cases=[
        Case("the same product twice", ([_x, _c, ("mul", 0, 1), ("mul", 0, 1)],)),
        Case(
            "a chain written twice",
            ([_x, _c, ("mul", 0, 1), ("tanh", 2), _c, ("mul", 0, 4), ("tanh", 5), ("add", 3, 6)],),
        ),
        Case(
            "arguments in another order",
            (
                [
                    _x,
                    _x,
                    ("add", 0, 1),
                    ("add", 1, 0),
                    ("mul", 1, 0),
                    ("mul", 0, 1),
                    ("div", 0, 1),
                    ("div", 1, 0),
                ],
            ),
        ),
        Case("two inputs", ([_x, _x, ("tanh", 0), ("tanh", 1), ("tanh", 0)],)),
        Case("two draws", ([("draw",), ("draw",), ("tanh", 0), ("tanh", 1), ("tanh", 1)],)),
        Case("constants", ([("const", 1.0), ("const", 3.0), ("const", 1.0), ("const", 3.5)],)),
        Case(
            "equal ones in another order",
            ([_x, ("tanh", 0), ("tanh", 0), _x, ("add", 3, 2), ("add", 1, 3), ("div", 2, 3), ("div", 1, 3)],),
        ),
        Case("only an input", ([_x],)),
    ],
    oracle=_by_texts,
    mistakes=[
        Mistake("two draws are two numbers: no other line says the same", _share_with(("input",)), 3),
        Mistake("two inputs may get two values: each says only itself", _share_with(("draw",)), 3),
        Mistake("two inputs, or two draws, are not the same number", _share_with(()), 3),
        Mistake("a + b and b + a say the same, and so do the products", _share_with(any_order=()), 2),
        Mistake("a / b and b / a are not the same", _share_with(any_order=("add", "mul", "div")), 2),
        Mistake(
            "lines whose arguments say the same say the same too: compare the first lines of the arguments",
            _share_with(through=False),
            1,
        ),
        Mistake("equal constants can be shared too", _share_with(consts=False), 1),
        Mistake("nothing is shared", lambda program: np.arange(len(program)), 1),
    ],
    concepts=["theano"],
)


# ----------------------------------------------------------------------------------------------- 18.port
def _port_by_loops(conv, dense, height, width):
    k, c, h, w = conv.shape
    kernel = np.empty((h, w, c, k), dtype=conv.dtype)
    for out, into, i, j in np.ndindex(k, c, h, w):
        kernel[i, j, into, out] = conv[out, into, i, j]
    matrix = np.empty(dense.T.shape, dtype=dense.dtype)
    for channel, i, j in np.ndindex(k, height, width):
        matrix[(i * width + j) * k + channel] = dense[:, (channel * height + i) * width + j]
    return kernel, matrix


def _port_with(axes=(2, 3, 1, 0), order=(2, 3, 1, 0)):
    def port(conv, dense, height, width):
        kernel = conv.transpose(axes)
        if order is None:
            return kernel, dense.T
        parts = dense.reshape(len(dense), len(conv), height, width)
        return kernel, parts.transpose(order).reshape(-1, len(dense))

    return port


def _net(k, c, h, w, height, width, classes):
    return rng.normal(size=(k, c, h, w)), rng.normal(size=(classes, k * height * width)), height, width


port = Function(
    "18.port",
    cases=[
        Case("two channels to three", _net(3, 2, 3, 3, 4, 4, 5)),
        Case("a kernel of 1 × 3, a picture of 2 × 5", _net(4, 3, 1, 3, 2, 5, 6)),
        Case("one channel, one class", _net(1, 1, 2, 2, 3, 2, 1)),
        Case("as many channels in as out", _net(3, 3, 3, 3, 2, 3, 3)),
        Case("a picture of one pixel", _net(2, 3, 2, 2, 1, 1, 4)),
    ],
    oracle=_port_by_loops,
    mistakes=[
        Mistake(
            "the kernel is right; the rows of the matrix stand in PyTorch's order: reorder them before .T",
            _port_with(order=None),
            2,
        ),
        Mistake("height and width of the kernel are exchanged", _port_with(axes=(3, 2, 1, 0)), 1),
        Mistake("the kernel's channels in and out are exchanged", _port_with(axes=(2, 3, 0, 1)), 1),
        Mistake("height and width of the picture are exchanged", _port_with(order=(3, 2, 1, 0)), 2),
    ],
    concepts=["keras"],
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


_kept: dict[int, int] = {}  # steps of a case -> the most graphs of its steps that lived at once


class _Watched(Function):
    """Counts the graphs that an answer keeps alive: something small hangs on each and dies with it."""

    def _call(self, answer, case):
        import torch

        hung, most, backward = [], 0, torch.Tensor.backward

        def watched(loss, *args, **options):
            nonlocal most
            if loss.grad_fn is not None:
                hang = _Nothing()
                loss.grad_fn.register_hook(hang)
                hung.append(weakref.ref(hang))
            most = max(most, sum(one() is not None for one in hung))
            return backward(loss, *args, **options)

        torch.Tensor.backward = watched
        try:
            return super()._call(answer, case)
        finally:
            torch.Tensor.backward = backward
            _kept[case.args[-1]] = most


class _Nothing:
    def __call__(self, *gradients):
        return None


losses = _Watched(
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
        ),
        Rule(
            "the graphs of all earlier steps are still in memory: add up loss.item() in each step",
            lambda out, *args: _kept[args[-1]] <= 2,
            3,
        ),
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

TASKS = [fold, share, port, losses, shards, master, breaks]
