"""A tape autograd engine on NumPy arrays: the grown-up version of what lecture 05 builds.

    w = Tensor(rng.normal(size=(64, 10)), requires_grad=True)
    loss = cross_entropy(x @ w, labels)
    loss.backward()                      # w.grad is d loss / d w, with the shape of w
    w.data -= 0.1 * w.grad

Every operation computes its result at once and leaves behind a closure: given the gradient of the result, it
adds to the gradients of the inputs. `backward` calls the closures in the reverse order of their creation,
which visits every result before what it was made from. No recursion: a graph may be as deep as memory allows.

The rules follow PyTorch: `grad` adds up until it is cleared, a graph serves one backward, a value that the
backward needs must not change before it. Baydin, Pearlmutter, Radul & Siskind (2018), Automatic
differentiation in machine learning: a survey, JMLR 18; A. Karpathy's micrograd for the manner.
"""

from contextlib import contextmanager
from itertools import count
from operator import attrgetter

import numpy as np

_ticks = count()  # the tape's clock: an operation has a later tick than everything that it was made from
_recording = True


class Tensor:
    """An array that remembers how it was made.

    `data`: array or number; it is copied, and anything that is not floating point becomes float64.
    `requires_grad`: whether `backward` should leave a gradient here. `grad`: array like `data`, or None.
    """

    __slots__ = (
        "_array", "_backward", "_keeps", "_op", "_owns", "_parents", "_saved", "_tick", "_version",
        "grad", "requires_grad",
    )  # fmt: skip
    __array_ufunc__ = None  # so that `array * tensor` asks the tensor

    def __init__(self, data, requires_grad: bool = False):
        if isinstance(data, Tensor):
            raise TypeError("this is a Tensor already; use tensor.detach() for a copy without its history")
        array = np.array(data)
        if array.dtype.kind in "biu":
            array = array.astype(np.float64)
        elif array.dtype.kind != "f":
            raise TypeError(f"a Tensor holds real numbers, got {array.dtype}")
        _fill(self, array)
        self.requires_grad = requires_grad

    # ------------------------------------------------------------------------------------- looking at it
    @property
    def data(self) -> np.ndarray:
        """The values. `t.data -= step`, `t.data[0] = 1` and `t.data = new` are counted, for `backward`.

        Every other way of writing to them, such as `t.data.sort()`, is a ValueError: read-only.
        """
        view = self._array.view(_Watched)
        view.tensor = self
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, new):
        if not (isinstance(new, _Watched) and new.tensor is self):  # `t.data -= step` has written already
            new = np.asarray(new)
            if new.shape != self._array.shape:
                raise ValueError(f"data of shape {new.shape} cannot replace data of shape {self.shape}")
            self._array = new.astype(self._array.dtype)
            self._version += 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    @property
    def T(self) -> "Tensor":
        return self.transpose()

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        made = f", made by {self._op}" if self._op else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self._array, separator=', ', prefix='Tensor(')}{made})"

    def item(self) -> float:
        """The one number in here. Raises ValueError if there are more."""
        return self._array.item()

    def numpy(self) -> np.ndarray:
        """A copy of the values."""
        return self._array.copy()

    def detach(self) -> "Tensor":
        """A copy of the values as a new tensor without history."""
        return Tensor(self._array)

    def retain_grad(self) -> "Tensor":
        """Keep the gradient of a result too; otherwise only leaves have one after `backward`."""
        self._keeps = True
        return self

    # -------------------------------------------------------------------------------------- going back
    def backward(self, grad=None, *, retain_graph: bool = False) -> None:
        """Add to `grad` of every leaf behind this tensor the derivative of this tensor.

        `grad`: the gradient of whatever follows with respect to this tensor, of its shape; 1 for one number.
        `retain_graph`: keep the graph for another backward; otherwise its memory is free after this one.
        Raises RuntimeError for a tensor without history, a graph that is spent, or a value that was changed;
        ValueError for a `grad` of another shape and for a start that is nan or infinite.
        Nothing has been added to any gradient when one of them is raised.
        """
        if not self.requires_grad:
            raise RuntimeError("nothing behind this tensor requires a gradient; was it made under no_grad()?")
        if grad is None and self.size != 1:
            raise ValueError(
                f"backward() starts at one number, this has shape {self.shape}; "
                "take .sum() or .mean(), or give grad="
            )
        seed = np.ones_like(self._array) if grad is None else np.array(grad, dtype=self.dtype)
        if seed.shape != self.shape:
            raise ValueError(f"grad has shape {seed.shape}; expected {self.shape}, that of the tensor")
        tape = self._tape()
        if not np.isfinite(self._array).all():
            raise ValueError(f"backward() from a value that is not finite: {_first_not_finite(tape)}")

        _give(self, seed, True)
        for node in tape:
            node._backward(node.grad)
            if not node._keeps:
                node.grad = None
            if not retain_graph:
                node._backward, node._parents, node._saved = _spent, (), ()

    def _tape(self) -> list["Tensor"]:
        """The results behind this tensor that need a gradient, latest first, after checking each of them."""
        found, open_ = {self}, [self]
        tape = []
        while open_:
            node = open_.pop()
            if node._backward is None:  # a leaf
                continue
            if node._backward is _spent:
                raise RuntimeError(
                    f"the graph behind the result of {node._op}, shape {node.shape}, is spent: an earlier "
                    "backward() freed it. Compute the result again, or pass retain_graph=True to the first"
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
        tape.sort(key=attrgetter("_tick"), reverse=True)
        return tape

    # ------------------------------------------------------------------------------------- arithmetic
    def __add__(self, other):
        a, b = self, _lift(other, self)

        def backward(g):
            if a.requires_grad:
                _give(a, g)
            if b.requires_grad:
                _give(b, g)

        return _result("+", a._array + b._array, (a, b), backward)

    def __sub__(self, other):
        a, b = self, _lift(other, self)

        def backward(g):
            if a.requires_grad:
                _give(a, g)
            if b.requires_grad:
                _give(b, -g, True)

        return _result("-", a._array - b._array, (a, b), backward)

    def __mul__(self, other):
        a, b = self, _lift(other, self)

        def backward(g):
            if a.requires_grad:
                _give(a, g * b._array, True)
            if b.requires_grad:
                _give(b, g * a._array, True)

        return _result("*", a._array * b._array, (a, b), backward, (a, b))

    def __truediv__(self, other):
        a, b = self, _lift(other, self)

        def backward(g):
            g = g / b._array
            if b.requires_grad:
                _give(b, -g * a._array / b._array, True)
            if a.requires_grad:
                _give(a, g, True)

        return _result("/", a._array / b._array, (a, b), backward, (a, b))

    def __pow__(self, other):
        a, b = self, _lift(other, self)
        power = a._array**b._array

        def backward(g):
            if a.requires_grad:
                # x**0 is flat, at zero too, where the formula would say 0 · infinity
                slope = a._array ** np.where(b._array == 0, 1, b._array - 1)
                _give(a, g * b._array * slope, True)
            if b.requires_grad:
                _give(b, g * power * np.log(np.where(a._array == 0, 1, a._array)), True)

        return _result("**", power, (a, b), backward, (a, b, None))

    def __neg__(self):
        return _result("neg", -self._array, (self,), lambda g, a=self: _give(a, -g, True))

    def __matmul__(self, other):
        a, b = self, _lift(other, self)
        if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
            raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit; the inner sizes must agree")

        def backward(g):
            # A vector is a matrix with one row (left) or one column (right) whose axis is dropped.
            x = a._array if a.ndim > 1 else a._array[None]
            y = b._array if b.ndim > 1 else b._array[:, None]
            g = g if a.ndim > 1 else np.expand_dims(g, -2 if b.ndim > 1 else -1)
            g = g if b.ndim > 1 else (g[..., None] if a.ndim > 1 else g[:, None])
            if a.requires_grad:
                da = g @ y.swapaxes(-1, -2)
                _give(a, da if a.ndim > 1 else da[..., 0, :], True)
            if b.requires_grad:
                db = x.swapaxes(-1, -2) @ g
                _give(b, db if b.ndim > 1 else db[..., 0], True)

        return _result("@", a._array @ b._array, (a, b), backward, (a, b))

    def __radd__(self, other):
        return self + other

    def __rsub__(self, other):
        return _lift(other, self) - self

    def __rmul__(self, other):
        return self * other

    def __rtruediv__(self, other):
        return _lift(other, self) / self

    def __rpow__(self, other):
        return _lift(other, self) ** self

    def __rmatmul__(self, other):
        return _lift(other, self) @ self

    # ------------------------------------------------------------------------- element by element
    def exp(self):
        a, e = self, np.exp(self._array)
        return _result("exp", e, (a,), lambda g: _give(a, g * e, True), (None,))

    def log(self):
        a = self
        return _result("log", np.log(a._array), (a,), lambda g: _give(a, g / a._array, True), (a,))

    def tanh(self):
        a, t = self, np.tanh(self._array)
        return _result("tanh", t, (a,), lambda g: _give(a, g * (1 - t * t), True), (None,))

    def sigmoid(self):
        """1 / (1 + exp(-x)), through tanh, which never overflows."""
        a, s = self, 0.5 * (1 + np.tanh(0.5 * self._array))
        return _result("sigmoid", s, (a,), lambda g: _give(a, g * s * (1 - s), True), (None,))

    def relu(self):
        """max(x, 0); at zero the slope is taken as 0."""
        a, r = self, np.maximum(self._array, 0)
        return _result("relu", r, (a,), lambda g: _give(a, g * (r > 0), True), (None,))

    # ---------------------------------------------------------------------------------- reductions
    def sum(self, axis=None, keepdims: bool = False):
        a = self
        total = np.add.reduce(a._array, axis=axis, keepdims=keepdims)
        return _result("sum", total, (a,), lambda g: _give(a, _spread(g, a.shape, axis, keepdims), True))

    def mean(self, axis=None, keepdims: bool = False):
        a = self
        total = np.add.reduce(a._array, axis=axis, keepdims=keepdims)
        if not a.size:
            raise ValueError(f"mean of nothing: the tensor has shape {a.shape}")
        share = total.size / a.size  # one over the number of entries of each mean

        def backward(g):
            _give(a, _spread(g * share, a.shape, axis, keepdims), True)

        return _result("mean", total * total.dtype.type(share), (a,), backward)

    def max(self, axis=None, keepdims: bool = False):
        """The largest entry; entries that share the maximum share its gradient equally."""
        a = self
        top = a._array.max(axis=axis, keepdims=keepdims)

        def backward(g):
            winners = a._array == _spread(top, a.shape, axis, keepdims)
            shares = winners / winners.sum(axis=axis, keepdims=True)
            _give(a, (_spread(g, a.shape, axis, keepdims) * shares).astype(g.dtype), True)

        return _result("max", top, (a,), backward, (a, None))

    # -------------------------------------------------------------------------- the same numbers, moved
    def reshape(self, *shape):
        a = self
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return _result("reshape", a._array.reshape(shape), (a,), lambda g: _give(a, g.reshape(a.shape)))

    def transpose(self, *axes):
        """Axes in another order; reversed, if none is given."""
        a = self
        axes = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes
        back = tuple(np.argsort(np.arange(a.ndim)[list(axes)])) if axes else None
        moved = a._array.transpose(axes or None)
        return _result("transpose", moved, (a,), lambda g: _give(a, g.transpose(back)), (a,))

    def __getitem__(self, key):
        """Any NumPy index. A row that is taken twice gets both gradients."""
        a = self
        key = tuple(map(_index, key)) if isinstance(key, tuple) else _index(key)
        parts = key if isinstance(key, tuple) else (key,)
        copies = any(isinstance(part, np.ndarray) for part in parts)

        def backward(g):
            if a.grad is None or not a._owns:  # straight into the gradient: no array of zeros a piece
                _give(a, np.zeros_like(a._array), True)
            if copies:
                np.add.at(a.grad, key, g)
            else:
                a.grad[key] += g

        return _result("[]", a._array[key], (a,), backward)

    def __setitem__(self, key, value):
        """Overwrite a part in place. The change has no gradient, and what used the old values is told."""
        if isinstance(value, Tensor):
            raise TypeError("a gradient cannot pass through an assignment; build the value with where()")
        self.data[key] = value


# ---------------------------------------------------------------------------------- functions of tensors
def where(condition, a, b) -> Tensor:
    """a where `condition` (an array of bool) holds, b elsewhere; the three are broadcast together."""
    like = a if isinstance(a, Tensor) else b
    if not isinstance(like, Tensor):
        raise TypeError("where() needs a Tensor; for two arrays use np.where")
    a, b = _lift(a, like), _lift(b, like)
    condition = np.array(condition._array if isinstance(condition, Tensor) else condition, dtype=bool)

    def backward(g):
        if a.requires_grad:
            _give(a, np.where(condition, g, 0).astype(g.dtype), True)
        if b.requires_grad:
            _give(b, np.where(condition, 0, g).astype(g.dtype), True)

    return _result("where", np.where(condition, a._array, b._array), (a, b), backward)


def log_softmax(z: Tensor, axis: int = -1) -> Tensor:
    """z - log(sum(exp(z))) along `axis`, of the same shape. The largest score is taken off first."""
    out = z._array - z._array.max(axis=axis, keepdims=True)
    out -= np.log(np.exp(out).sum(axis=axis, keepdims=True))

    def backward(g):
        _give(z, g - np.exp(out) * g.sum(axis=axis, keepdims=True), True)

    return _result("log_softmax", out, (z,), backward, (None,))


def cross_entropy(z: Tensor, labels) -> Tensor:
    """Mean of -log softmax(z)[label]: one number in nats. z: (n, k) scores, labels: (n,) from 0 to k - 1.

    Raises ValueError for another shape, and for a label that is no class.
    """
    labels = np.asarray(labels)
    if z.ndim != 2 or labels.shape != z.shape[:1] or not len(labels):
        raise ValueError(f"cross_entropy: scores {z.shape}, labels {labels.shape}; expected (n, k) and (n,)")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= z.shape[1]:
        raise ValueError(
            f"cross_entropy: labels are whole numbers from 0 to {z.shape[1] - 1}, "
            f"got {labels.dtype} from {labels.min()} to {labels.max()}"
        )
    rows, labels = np.arange(len(labels)), labels.copy()
    logs = z._array - z._array.max(axis=1, keepdims=True)
    shares = np.exp(logs)
    total = shares.sum(axis=1, keepdims=True)
    shares /= total
    loss = np.mean(np.log(total[:, 0]) - logs[rows, labels])

    def backward(g):
        d = shares * (g / len(rows))
        d[rows, labels] -= g / len(rows)  # shares minus answers
        _give(z, d, True)

    return _result("cross_entropy", loss, (z,), backward)


def linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x @ w + b as one operation, which adds b in place. x: (n, d), w: (d, k), b: (k,) -> (n, k)."""
    x = _lift(x, w)
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0] or b.shape != w.shape[1:]:
        raise ValueError(f"linear: shapes {x.shape}, {w.shape}, {b.shape}; expected (n, d), (d, k), (k,)")
    out = x._array @ w._array
    out += b._array

    def backward(g):
        if x.requires_grad:
            _give(x, g @ w._array.T, True)
        if w.requires_grad:
            _give(w, x._array.T @ g, True)
        if b.requires_grad:
            _give(b, g.sum(axis=0), True)

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
class _Watched(np.ndarray):
    """What `tensor.data` hands out: read-only, but for the ways of writing that can tell the tensor.

    These are assignment to entries, and arithmetic in place or with `out=`. Results of arithmetic are plain.
    """

    tensor = None

    def __array_finalize__(self, source):
        if self.base is not None:  # a view of the tensor's memory, not a copy
            self.tensor = getattr(source, "tensor", None)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if out:
            options["out"] = tuple(map(_opened, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return out[0] if len(out) == 1 else out or result

    def __setitem__(self, key, value):
        _opened(self)[key] = value


def _plain(array):
    return array.view(np.ndarray) if isinstance(array, _Watched) else array


def _opened(array):
    """The same memory, to be written to; its tensor is told."""
    if not isinstance(array, _Watched):
        return array
    array, tensor = _plain(array), array.tensor
    if tensor is not None:
        array.flags.writeable = True
        tensor._version += 1
    return array


def _fill(tensor, array):
    """The slots of a leaf."""
    tensor._array = array
    tensor.grad = None
    tensor._owns = tensor._keeps = False
    tensor._op = tensor._backward = None
    tensor._version = tensor._tick = 0
    tensor._parents = tensor._saved = ()


def _result(op, array, parents, backward, saved=()) -> Tensor:
    """The result of an operation. `saved`: the tensors whose values `backward` needs, None for the result."""
    out = Tensor.__new__(Tensor)
    out._array = array if type(array) is np.ndarray else np.asarray(array)
    out.grad = out._backward = None
    out._owns = out._keeps = out.requires_grad = False
    out._op = op
    out._version = out._tick = 0
    out._parents = out._saved = ()
    if _recording:
        for parent in parents:
            if parent.requires_grad:
                out.requires_grad = True
                out._parents, out._backward, out._tick = parents, backward, next(_ticks)
                out._saved = [(t, t._version) if t is not None else (None, 0) for t in saved]
                break
    return out


def _give(tensor, g, fresh=False):
    """Add g to the tensor's gradient. `fresh`: nobody else holds g, so the tensor may keep and change it."""
    if g.shape != tensor._array.shape:
        g, fresh = _unbroadcast(g, tensor._array.shape), True
    if g.dtype != tensor._array.dtype:
        g, fresh = g.astype(tensor._array.dtype), True
    if tensor.grad is None:
        leaf = tensor._backward is None
        tensor.grad = g if fresh or not leaf else g.copy()  # what a leaf shows must be its own
        tensor._owns = fresh or leaf
    elif tensor._owns:
        tensor.grad += g
    else:
        tensor.grad, tensor._owns = tensor.grad + g, True


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
    full = np.empty(shape, dtype=g.dtype)
    full[...] = g
    return full


def _lift(value, like):
    """A number or an array as a tensor beside `like`; a Python number takes its dtype."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, int | float):
        tensor = Tensor.__new__(Tensor)
        _fill(tensor, np.asarray(value, dtype=like._array.dtype))
        tensor.requires_grad = False
        return tensor
    return Tensor(value)


def _index(part):
    """One part of an index; lists and arrays are copied, so that nobody changes them before the backward."""
    if isinstance(part, Tensor):
        raise TypeError("an index is an array of whole numbers or of bool, not a Tensor; use .numpy()")
    return np.array(part) if isinstance(part, list | np.ndarray) else part


def _first_not_finite(tape) -> str:
    """In words, the first value of the tape that is nan or infinite."""
    for node in reversed(tape):
        for parent in node._parents:
            if parent._op is None and not np.isfinite(parent._array).all():
                return f"an input of {node._op}, of shape {parent.shape}, holds {_which(parent._array)}"
        if not np.isfinite(node._array).all():
            return f"{node._op} is the first to give {_which(node._array)}, in a result of shape {node.shape}"
    return "the tensor itself"


def _which(array) -> str:
    return "nan" if np.isnan(array).any() else "infinity"


def _spent(g):
    raise AssertionError("never called: _tape() refuses a spent graph")
