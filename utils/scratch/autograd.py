"""A tape autograd engine on NumPy arrays: the grown-up version of what lecture 05 builds.

    w = Tensor(rng.normal(size=(64, 10)), requires_grad=True)
    loss = cross_entropy(x @ w, labels)
    loss.backward()                      # w.grad is d loss / d w, with the shape of w
    descend([w], lr=0.1)                 # or w.data = w.data - 0.1 * w.grad

Every operation computes its result at once and leaves behind a closure: given the gradient of the result, it
adds to the gradients of the inputs. `backward` calls the closures in the reverse order of their creation,
which visits every result before what it was made from. No recursion: a graph may be as deep as memory allows.

The rules follow PyTorch: `grad` adds up until it is cleared, a graph serves one backward, a value that the
backward needs must not change before it. Baydin, Pearlmutter, Radul & Siskind (2018), Automatic
differentiation in machine learning: a survey, JMLR 18; A. Karpathy's micrograd for the manner.
"""

from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from operator import attrgetter

import numpy as np

_ticks = count()  # the tape's clock: an operation has a later tick than everything that it was made from
_recording = True
_SPENT = object()  # in place of a closure that was called and freed


class Tensor:
    """An array that remembers how it was made.

    `data`: array or number; it is copied, and anything that is not floating point becomes float64.
    `requires_grad`: whether `backward` should leave a gradient here. `grad`: array like `data`, or None.
    """

    __slots__ = ("_array", "_backward", "_op", "_parents", "_saved", "_tick", "_version",
                 "grad", "requires_grad")  # fmt: skip
    __array_ufunc__ = None  # so that `array * tensor` asks the tensor

    def __init__(self, data, requires_grad: bool = False):
        if isinstance(data, Tensor):
            raise TypeError("this is a Tensor already; Tensor(tensor.data) is a copy without its history")
        array = np.array(data)
        if array.dtype.kind in "biu":
            array = array.astype(np.float64)
        elif array.dtype.kind != "f":
            raise TypeError(f"a Tensor holds real numbers, got {array.dtype}")
        self._array, self.grad, self.requires_grad = array, None, requires_grad
        self._op = self._backward = None
        self._parents = self._saved = ()
        self._version = self._tick = 0

    @property
    def data(self) -> np.ndarray:
        """The values, read-only. `t.data = new` replaces them, and `backward` refuses what used the old."""
        view = self._array.view()
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, new):
        new = np.array(new, dtype=self.dtype)
        if new.shape != self.shape:
            raise ValueError(f"data of shape {new.shape} cannot replace data of shape {self.shape}")
        self._array, self._version = new, self._version + 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    def __repr__(self) -> str:
        made = f", made by {self._op}" if self._op else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self._array, separator=', ', prefix='Tensor(')}{made})"

    def item(self) -> float:
        """The one number in here. Raises ValueError if there are more."""
        return self._array.item()

    def backward(self) -> None:
        """Add to `grad` of every leaf behind this one number its derivative by that leaf, and free the graph.

        Raises RuntimeError for a tensor without history, a graph that is spent, or a value that was changed;
        ValueError for more than one number, and for one that is nan or infinite.
        Nothing has been added to any gradient when one of them is raised.
        """
        if not self.requires_grad:
            raise RuntimeError("nothing behind this tensor requires a gradient; was it made under no_grad()?")
        if self._array.size != 1:
            raise ValueError(f"backward() starts at one number, not {self.shape}; take .sum() or .mean()")
        tape = self._tape()
        if not np.isfinite(self._array).all():
            raise ValueError(f"backward() from a value that is not finite: {_first_not_finite(tape)}")
        _give(self, np.ones_like(self._array))
        for node in tape:
            node._backward(node.grad)
            node.grad, node._backward, node._parents, node._saved = None, _SPENT, (), ()

    def _tape(self) -> list["Tensor"]:
        """The results behind this tensor that need a gradient, latest first, after checking each of them."""
        found, open_, tape = {self}, [self], []
        while open_:
            node = open_.pop()
            if node._backward is None:  # a leaf
                continue
            if node._backward is _SPENT:
                raise RuntimeError(
                    f"the graph behind the result of {node._op}, shape {node.shape}, is spent: an earlier "
                    "backward() freed it. Compute the result again"
                )
            for tensor, version in node._saved:
                used = node if tensor is None else tensor
                if used._version != version:
                    raise RuntimeError(
                        f"the backward of {node._op} needs a value of shape {used.shape} that was "
                        "changed in place after it was used; change it after backward(), or use a copy"
                    )
            tape.append(node)
            for parent in node._parents:
                if parent.requires_grad and parent not in found:
                    found.add(parent)
                    open_.append(parent)
        return sorted(tape, key=attrgetter("_tick"), reverse=True)

    # ------------------------------------------------------------------------------------- arithmetic
    def __add__(self, other):
        a, b = self, _lift(other, self)
        return _both("+", a._array + b._array, a, b, np.positive, np.positive)

    def __sub__(self, other):
        a, b = self, _lift(other, self)
        return _both("-", a._array - b._array, a, b, np.positive, np.negative)

    def __mul__(self, other):
        a, b = self, _lift(other, self)
        out = a._array * b._array
        return _both("*", out, a, b, lambda g: g * b._array, lambda g: g * a._array, (a, b))

    def __truediv__(self, other):
        a, b = self, _lift(other, self)
        out = a._array / b._array
        return _both("/", out, a, b, lambda g: g / b._array, lambda g: -g / b._array * out, (a, b, None))

    def __pow__(self, power: float):
        """Each entry to the power of a number; x**0 is flat, at zero too."""
        if not isinstance(power, int | float):
            raise TypeError(f"the power of a Tensor is a number, got {type(power).__name__}")
        x, n = self._array, float(power)
        return _one("**", x**n, self, lambda g: g * (n * x ** (n - 1 if n else 1)), (self,))

    def __neg__(self):
        return self * -1

    def __matmul__(self, other):
        a, b = self, _lift(other, self)
        x, y = a._array, b._array
        if min(x.ndim, y.ndim) < 2 or x.shape[-1] != y.shape[-2]:
            raise ValueError(f"matmul: shapes {x.shape} and {y.shape}; expected (..., n, d) and (..., d, k)")
        back = (lambda g: g @ y.swapaxes(-1, -2)), (lambda g: x.swapaxes(-1, -2) @ g)
        return _both("@", x @ y, a, b, *back, (a, b))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other):
        return _lift(other, self) - self

    def __rtruediv__(self, other):
        return _lift(other, self) / self

    def __rmatmul__(self, other):
        return _lift(other, self) @ self

    def exp(self):
        e = np.exp(self._array)
        return _one("exp", e, self, lambda g: g * e, (None,))

    def log(self):
        x = self._array
        return _one("log", np.log(x), self, lambda g: g / x, (self,))

    def tanh(self):
        t = np.tanh(self._array)
        return _one("tanh", t, self, lambda g: g * (1 - t * t), (None,))

    def relu(self):
        """max(x, 0); at zero the slope is taken as 0."""
        r = np.maximum(self._array, 0)
        return _one("relu", r, self, lambda g: g * (r > 0), (None,))

    def sum(self, axis=None, keepdims: bool = False):
        total = np.add.reduce(self._array, axis=axis, keepdims=keepdims)
        return _one("sum", total, self, lambda g: _spread(g, self.shape, axis, keepdims))

    def mean(self, axis=None, keepdims: bool = False):
        total = np.add.reduce(self._array, axis=axis, keepdims=keepdims)
        if not self._array.size:
            raise ValueError(f"mean of nothing: the tensor has shape {self.shape}")
        part = total.size / self._array.size  # one over the number of entries of each mean
        return _one("mean", total * part, self, lambda g: _spread(g * part, self.shape, axis, keepdims))

    def max(self, axis=None, keepdims: bool = False):
        """The largest entry; entries that share the maximum share its gradient equally."""
        top = self._array.max(axis=axis, keepdims=keepdims)
        won = self._array == _spread(top, self.shape, axis, keepdims)
        share = won / won.sum(axis=axis, keepdims=True)
        return _one("max", top, self, lambda g: _spread(g, self.shape, axis, keepdims) * share)

    # ------------------------------------------------------------------------------- the same numbers, moved
    # Each is a copy: of two tensors that shared memory, one could change without the other's being told.
    def reshape(self, *shape):
        moved = self._array.reshape(*shape).copy()
        return _one("reshape", moved, self, lambda g: g.reshape(self.shape).copy())

    @property
    def T(self) -> "Tensor":
        """The axes in reverse order."""
        return _one("T", np.array(self._array.T), self, lambda g: np.array(g.T))

    def __getitem__(self, key):
        """Any NumPy index. A row that is taken twice gets both gradients."""
        a, key = self, deepcopy(key)
        part = a._array[key]
        once = np.may_share_memory(part, a._array)  # a slice, which takes no entry twice

        def backward(g):
            if a.grad is None:
                a.grad = np.zeros_like(a._array)
            if once:
                a.grad[key] += g  # straight into the gradient: no array of zeros a piece
            else:
                np.add.at(a.grad, key, g)

        return _result("[]", np.array(part), (a,), backward)


# ---------------------------------------------------------------------------------- functions of tensors
def where(condition, a, b) -> Tensor:
    """a where `condition` (an array of bool) holds, b elsewhere; the three are broadcast together."""
    like, yes = a if isinstance(a, Tensor) else b, np.array(condition, dtype=bool)
    a, b = _lift(a, like), _lift(b, like)
    back = (lambda g: np.where(yes, g, 0)), (lambda g: np.where(yes, 0, g))
    return _both("where", np.where(yes, a._array, b._array), a, b, *back)


def cross_entropy(z: Tensor, labels) -> Tensor:
    """Mean of -log softmax(z)[label]: one number in nats. z: (n, k) scores, labels: (n,) from 0 to k - 1.

    Raises ValueError for another shape or a label that is no class.
    """
    labels = np.asarray(labels)
    good = len(z.shape) == 2 and labels.shape == z.shape[:1] and len(labels) and labels.dtype.kind in "iu"
    if not good or labels.min() < 0 or labels.max() >= z.shape[1]:
        raise ValueError(
            f"cross_entropy: scores {z.shape}, labels {labels.dtype} {labels.shape}; "
            "expected (n, k) scores and (n,) whole numbers from 0 to k - 1"
        )
    n, rows, labels = len(labels), np.arange(len(labels)), labels.copy()
    logs = z._array - z._array.max(axis=1, keepdims=True)
    shares = np.exp(logs)
    total = shares.sum(axis=1, keepdims=True)
    shares /= total
    loss = np.mean(np.log(total[:, 0]) - logs[rows, labels])

    def gradient(g):
        d = shares * (g / n)
        d[rows, labels] -= g / n  # shares minus answers
        return d

    return _one("cross_entropy", loss, z, gradient)


def linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x @ w + b as one operation, which adds b in place. x: (n, d), w: (d, k), b: (k,) -> (n, k)."""
    x = _lift(x, w)
    if len(x.shape) != 2 or len(w.shape) != 2 or x.shape[1] != w.shape[0] or b.shape != w.shape[1:]:
        raise ValueError(f"linear: shapes {x.shape}, {w.shape}, {b.shape}; expected (n, d), (d, k), (k,)")
    out = x._array @ w._array
    out += b._array

    def backward(g):
        if x.requires_grad:
            _give(x, g @ w._array.T)
        if w.requires_grad:
            _give(w, x._array.T @ g)
        if b.requires_grad:
            _give(b, g.sum(axis=0))

    return _result("linear", out, (x, w, b), backward, (x, w))


@contextmanager
def no_grad():
    """Compute without recording: for evaluation, and for changing weights."""
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


def zero_grad(tensors) -> None:
    """Forget the gradients: they would add up otherwise."""
    for tensor in tensors:
        tensor.grad = None


def descend(tensors, lr: float) -> None:
    """One step of gradient descent, in place: data -= lr * grad. Raises ValueError where there is no grad."""
    for tensor in tensors:
        if tensor.grad is None:
            raise ValueError(f"a tensor of shape {tensor.shape} has no gradient; call backward() first")
        tensor._array -= lr * tensor.grad
        tensor._version += 1


# --------------------------------------------------------------------------------------------- inside
def _result(op, array, parents, backward, saved=()) -> Tensor:
    """The result of an operation. `saved`: the tensors whose values `backward` needs, None for the result."""
    out = Tensor.__new__(Tensor)
    out._array = array if type(array) is np.ndarray else np.asarray(array)
    out.grad, out._backward, out.requires_grad = None, None, False
    out._op, out._version, out._tick = op, 0, 0
    out._parents = out._saved = ()
    if _recording:
        for parent in parents:
            if parent.requires_grad:
                out.requires_grad = True
                out._parents, out._backward, out._tick = parents, backward, next(_ticks)
                out._saved = [(t, t._version) if t is not None else (None, 0) for t in saved]
                break
    return out


def _one(op, array, a, to_a, saved=()) -> Tensor:
    """The result of an operation on one tensor. `to_a`: the result's gradient -> that of a, a new array."""
    return _result(op, array, (a,), lambda g: _give(a, to_a(g)), saved)


def _both(op, array, a, b, to_a, to_b, saved=()) -> Tensor:
    """The result of an operation on two, as in `_one`."""

    def backward(g):
        if a.requires_grad:
            _give(a, to_a(g))
        if b.requires_grad:
            _give(b, to_b(g))

    return _result(op, array, (a, b), backward, saved)


def _give(tensor, g):
    """Add g to the tensor's gradient. Nobody else may hold g: the tensor keeps it, and adds to it."""
    if g.shape != tensor._array.shape:
        g = _unbroadcast(g, tensor._array.shape)
    if g.dtype != tensor._array.dtype:
        g = g.astype(tensor._array.dtype)
    if tensor.grad is None:
        tensor.grad = g
    else:
        tensor.grad += g


def _unbroadcast(g, shape):
    """Sum g over the axes that broadcasting added or stretched: what was copied adds up on the way back."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g


def _spread(g, shape, axis, keepdims):
    """A reduced array, copied into the shape that it was reduced from."""
    if axis is not None and not keepdims:
        axes = axis if isinstance(axis, tuple) else (axis,)
        g = np.expand_dims(g, tuple(i % len(shape) for i in axes))
    return np.zeros(shape, g.dtype) + g


def _lift(value, like):
    """A number or an array as a tensor beside `like`; a Python number takes its dtype."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, int | float):
        return _result(None, np.asarray(value, dtype=like.dtype), (), None)
    return Tensor(value)


def _first_not_finite(tape) -> str:
    """In words, the first value of the tape that is nan or infinite."""
    for node in reversed(tape):
        for tensor in (*node._parents, node):
            if not np.isfinite(tensor._array).all():
                what = "nan" if np.isnan(tensor._array).any() else "infinity"
                if tensor is node:
                    return f"{node._op} is the first to give {what}, in a result of shape {node.shape}"
                return f"an input of {node._op}, of shape {tensor.shape}, holds {what}"
