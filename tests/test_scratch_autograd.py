"""Gate 6: lecture 05's engine gives PyTorch's gradients, survives depth, and refuses what would be wrong."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, mutually_broadcastable_shapes
from sklearn.datasets import load_digits

from utils.scratch import autograd
from utils.scratch.autograd import Tensor, cross_entropy, linear, no_grad, where

rng = np.random.default_rng(3)
A, B = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
POSITIVE = rng.uniform(0.5, 2, size=(4, 3))
ROW, COLUMN, CUBE = rng.normal(size=3), rng.uniform(0.5, 2, size=(4, 1)), rng.normal(size=(2, 4, 3))
TIES = np.array([[1.0, 2.0, 2.0], [0.0, -1.0, 0.0], [3.0, 3.0, 3.0], [5.0, 4.0, 3.0]])
MASK = A > 0
ROWS = np.array([0, 2, 2, 1])

# name: (ours, PyTorch's where it is written otherwise, inputs)
OPS = {
    "add": (lambda a, b: a + b, None, (A, B)),
    "add a row": (lambda a, b: a + b, None, (A, ROW)),
    "add a column to a cube": (lambda a, b: b + a, None, (CUBE, COLUMN)),
    "add a number": (lambda a: 2 + a + 1, None, (A,)),
    "sub": (lambda a, b: a - b, None, (ROW, A)),
    "sub from a number": (lambda a: 1 - a, None, (A,)),
    "mul": (lambda a, b: a * b, None, (A, COLUMN)),
    "mul by a number": (lambda a: 3 * a * -2.5, None, (A,)),
    "div": (lambda a, b: a / b, None, (ROW, POSITIVE)),
    "div a number": (lambda a: 2 / a, None, (POSITIVE,)),
    "neg": (lambda a: -a, None, (A,)),
    "power 3": (lambda a: a**3, None, (A,)),
    "power 0": (lambda a: a**0, None, (np.array([0.0, 1.0, -2.0]),)),
    "power 1 at zero": (lambda a: a**1, None, (np.zeros(2),)),
    "power -0.5": (lambda a: a**-0.5, None, (POSITIVE,)),
    "matmul": (lambda a, b: a @ b.T, None, (A, B)),
    "matmul, batch and matrix": (lambda a, b: a @ b.T, None, (CUBE, A)),
    "matmul, two batches": (lambda a, b: a @ b, None, (CUBE, rng.normal(size=(2, 3, 5)))),
    "exp": (lambda a: a.exp(), None, (A,)),
    "log": (lambda a: a.log(), None, (POSITIVE,)),
    "tanh": (lambda a: a.tanh(), None, (A,)),
    "relu": (lambda a: a.relu(), None, (A,)),
    "relu at zero": (lambda a: a.relu(), None, (np.array([-1.0, 0.0, 1.0]),)),
    "sum": (lambda a: a.sum(), None, (A,)),
    "sum of an axis": (lambda a: a.sum(axis=1), None, (CUBE,)),
    "sum of two axes, kept": (lambda a: a.sum(axis=(0, -1), keepdims=True), None, (CUBE,)),
    "mean": (lambda a: a.mean(), None, (A,)),
    "mean of an axis": (lambda a: a.mean(axis=-1), None, (CUBE,)),
    "mean of two axes, kept": (lambda a: a.mean(axis=(0, 1), keepdims=True), None, (CUBE,)),
    "max": (lambda a: a.max(), lambda a: a.amax(), (A,)),
    "max of an axis": (lambda a: a.max(axis=1), lambda a: a.amax(1), (CUBE,)),
    "max with ties": (lambda a: a.max(axis=1, keepdims=True), lambda a: a.amax(1, keepdim=True), (TIES,)),
    "max with ties, of all": (lambda a: a.max(), lambda a: a.amax(), (TIES[:3],)),
    "reshape": (lambda a: a.reshape(2, -1), None, (A,)),
    "reshape by a tuple": (lambda a: a.reshape((3, 4)), None, (A,)),
    "transpose": (lambda a: a.T, None, (A,)),
    "transpose three axes": (lambda a: a.T, lambda a: a.permute(2, 1, 0), (CUBE,)),
    "one row": (lambda a: a[1], None, (A,)),
    "a slice": (lambda a: a[1:3, ::2], None, (A,)),
    "a new axis": (lambda a: a[:, None, 0], None, (A,)),
    "rows, one twice": (lambda a: a[ROWS], None, (A,)),
    "one entry a row": (lambda a: a[np.arange(4), [0, 2, 1, 1]], None, (A,)),
    "a mask": (lambda a: a[MASK], None, (A,)),
    "where": (lambda a, b: where(MASK, a, b), lambda a, b: torch.where(torch.tensor(MASK), a, b), (A, ROW)),
    "where, a number": (lambda a: where(MASK, a, 0.5), lambda a: a.where(torch.tensor(MASK), 0.5), (A,)),
    "cross_entropy": (
        lambda a: cross_entropy(a, ROWS),
        lambda a: torch.nn.functional.cross_entropy(a, torch.tensor(ROWS)),
        (400 * A,),
    ),
    "linear": (linear, lambda x, w, b: x @ w + b, (A, rng.normal(size=(3, 5)), rng.normal(size=5))),
    "one tensor in many places": (lambda a: a * a.exp() - (a + a).tanh() * a.sum(axis=0) + a, None, (A,)),
}  # fmt: skip


def weigh(out):
    """One number in which each entry of a result has a weight of its own, so that no two can be confused."""
    weights = np.cos(np.arange(np.prod(out.shape, dtype=int))).reshape(tuple(out.shape))
    return (out * (torch.tensor(weights) if isinstance(out, torch.Tensor) else weights)).sum()


def ours(f, inputs):
    leaves = [Tensor(array, requires_grad=True) for array in inputs]
    out = f(*leaves)
    weigh(out).backward()
    return out.data, [leaf.grad for leaf in leaves]


def theirs(f, inputs):
    leaves = [torch.tensor(array, requires_grad=True) for array in inputs]
    out = f(*leaves)
    weigh(out).backward()
    return out.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


@pytest.mark.parametrize("name", OPS)
def test_every_operation_is_pytorchs(name):
    f, in_torch, inputs = OPS[name]
    out, gradients = ours(f, inputs)
    expected, expected_gradients = theirs(in_torch or f, inputs)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    for gradient, expected_gradient, array in zip(gradients, expected_gradients, inputs, strict=True):
        assert gradient.shape == array.shape
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


KINKED = {"relu at zero", "max with ties", "max with ties, of all", "power 0", "power 1 at zero"}


@pytest.mark.parametrize("name", [name for name in OPS if name not in KINKED])
def test_every_operation_agrees_with_finite_differences(name):
    f, _, inputs = OPS[name]
    _, gradients = ours(f, inputs)
    for place, gradient in enumerate(gradients):
        for i in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [np.array(array) for array in inputs]
                moved[place][i] += step
                ends.append(weigh(f(*map(Tensor, moved))).item())
            np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, gradient[i], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPS)
def test_single_precision_stays_single(name):
    f, _, inputs = OPS[name]
    leaves = [Tensor(array.astype(np.float32), requires_grad=True) for array in inputs]
    out = f(*leaves)
    assert out.dtype == np.float32
    (out.sum() * 1.0).backward()
    assert all(leaf.grad.dtype == np.float32 for leaf in leaves)


# --------------------------------------------------------------------------------- shapes by hypothesis
pairs = mutually_broadcastable_shapes(num_shapes=2, min_side=1, max_side=4, max_dims=4)
numbers = st.floats(-3, 3).map(lambda x: round(x, 3))


@given(pairs, st.data())
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("symbol", [*"+-*/", "where"])
def test_broadcasting_is_pytorchs(symbol, shapes, data):
    left, right = shapes.input_shapes
    a = data.draw(arrays(float, left, elements=numbers))
    b = data.draw(arrays(float, right, elements=numbers))
    if symbol == "/":
        b = np.abs(b) + 0.5
    if symbol == "where":
        mask = data.draw(arrays(bool, shapes.result_shape))
        f, g = (lambda x, y: where(mask, x, y)), (lambda x, y: torch.where(torch.tensor(mask), x, y))
    else:
        f = g = eval(f"lambda x, y: x {symbol} y")
    out, gradients = ours(f, (a, b))
    expected, expected_gradients = theirs(g, (a, b))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-9, atol=1e-12)


@given(st.data())
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("op", ["sum", "mean", "max"])
def test_reductions_are_pytorchs(op, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    axes = tuple(data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1)))
    axes = tuple(i - len(shape) * data.draw(st.booleans()) for i in axes)  # negative ones too
    keep = data.draw(st.booleans())
    a = data.draw(arrays(float, shape, elements=numbers))
    in_torch = {"max": "amax"}.get(op, op)
    out, (gradient,) = ours(lambda x: getattr(x, op)(axis=axes, keepdims=keep), (a,))
    expected, (expected_gradient,) = theirs(lambda x: getattr(x, in_torch)(axes, keepdim=keep), (a,))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12, atol=1e-12)


@given(
    mutually_broadcastable_shapes(signature="(n,d),(d,k)->(n,k)", min_side=1, max_side=3, max_dims=4),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=60)
def test_matmul_of_any_batch_is_pytorchs(shapes, random):
    draw = np.random.default_rng(random.randrange(10**6))
    inputs = tuple(draw.normal(size=shape) for shape in shapes.input_shapes)
    out, gradients = ours(lambda a, b: a @ b, inputs)
    expected, expected_gradients = theirs(lambda a, b: a @ b, inputs)
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------- as a whole
@pytest.mark.parametrize("dtype, close", [(np.float64, 1e-9), (np.float32, 1e-3)])
def test_a_trained_network_is_pytorchs(dtype, close):
    x, y = load_digits(return_X_y=True)
    x = ((x - x.mean()) / x.std()).astype(dtype)
    draw = np.random.default_rng(0)
    start = [draw.normal(0, 0.15, shape).astype(dtype) for shape in [(64, 32), 32, (32, 10), 10]]
    ours = [Tensor(w, requires_grad=True) for w in start]
    theirs = [torch.tensor(w, requires_grad=True) for w in start]
    descent = torch.optim.SGD(theirs, lr=0.1)
    losses = []
    for _ in range(60):
        rows = draw.integers(0, len(x), 64)
        loss = cross_entropy(linear(linear(x[rows], *ours[:2]).relu(), *ours[2:]), y[rows])
        autograd.zero_grad(ours)
        loss.backward()
        autograd.descend(ours, 0.1)

        w1, b1, w2, b2 = theirs
        scores = (torch.tensor(x[rows]) @ w1 + b1).relu() @ w2 + b2
        in_torch = torch.nn.functional.cross_entropy(scores, torch.tensor(y[rows]))
        descent.zero_grad()
        in_torch.backward()
        descent.step()
        losses.append((loss.item(), in_torch.item()))
    np.testing.assert_allclose(*zip(*losses, strict=True), rtol=close)
    assert losses[-1][0] < losses[0][0] / 2


@pytest.mark.parametrize("depth", [10_000, 200_000])
def test_a_deep_graph_needs_no_recursion(depth):
    x = Tensor([1.0, 2.0], requires_grad=True)
    out = x
    for _ in range(depth):
        out = out + 1.0
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, 1)


def test_a_deep_graph_that_is_never_read_is_freed_without_recursion():
    out = Tensor(1.0, requires_grad=True)
    for _ in range(200_000):
        out = out * 1.0
    del out


def test_a_wide_diamond_is_walked_once():
    """2 to the power of 60 paths, 60 steps."""
    x = Tensor(1.0, requires_grad=True)
    out = x
    for _ in range(60):
        out = (out + out) * 0.5
    out.backward()
    assert x.grad == 1


def test_gradients_add_up_until_they_are_cleared():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        np.testing.assert_allclose(x.grad, times * np.array([2.0, 4.0]))
    one = Tensor(3.0, requires_grad=True)  # a leaf may be its own end
    one.backward()
    one.backward()
    assert one.grad == 2
    autograd.zero_grad([x])
    assert x.grad is None


def test_no_two_gradients_share_memory():
    x, y = (Tensor(1.0, requires_grad=True) for _ in range(2))
    (x + y).backward()
    x.grad += 5
    assert y.grad == 1
    a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    s = a + b  # both get the very same array
    (s.reshape(3) + a * 2 + s[0:2].sum()).sum().backward()
    np.testing.assert_array_equal(a.grad, [6, 6, 3])
    np.testing.assert_array_equal(b.grad, [4, 4, 1])


def test_arrays_and_numbers_on_either_side():
    x = Tensor(A, requires_grad=True)
    for out in (B + x, B - x, B * x, B / (x * x + 1), B.T @ x, 2 - x, 2 / (x * x + 1)):
        assert isinstance(out, Tensor)
        out.sum().backward()
    assert not (Tensor(A) * 2).requires_grad


def test_a_mixed_dtype_gradient_has_the_leafs_dtype():
    x = Tensor(A.astype(np.float32), requires_grad=True)
    (x * B).sum().backward()
    assert x.grad.dtype == np.float32


def test_integers_and_bools_become_real_numbers():
    assert Tensor([1, 2]).dtype == np.float64
    assert Tensor([True]).dtype == np.float64


def test_the_data_is_a_copy():
    array = np.ones(3)
    x = Tensor(array, requires_grad=True)
    loss = (x * x).sum()
    array[:] = 100
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2)


def test_no_grad_records_nothing_and_ends_with_an_error_too():
    x = Tensor(A, requires_grad=True)
    with no_grad():
        out = (x * 2).exp()
        with no_grad():
            pass
        assert not (x * 2).requires_grad
    assert not out.requires_grad
    assert out._parents == ()
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert (x * 2).requires_grad


def test_backward_frees_the_graph():
    x = Tensor(np.ones(10_000), requires_grad=True)
    tracemalloc.start()
    loss = x
    for _ in range(50):
        loss = loss.tanh()
    loss = loss.sum()
    held = tracemalloc.get_traced_memory()[0]
    loss.backward()
    assert tracemalloc.get_traced_memory()[0] < held / 10
    tracemalloc.stop()


# ----------------------------------------------------------------------------------- what it refuses
def leaf(values=(1.0, 2.0, 3.0)):
    return Tensor(np.array(values), requires_grad=True)


def test_a_second_backward_is_refused_and_adds_nothing():
    x = leaf()
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"\bsum\b.*is spent.*Compute the result again"):
        loss.backward()
    np.testing.assert_allclose(x.grad, [2, 4, 6])


def test_use_after_free_is_refused_and_adds_nothing():
    x = leaf()
    hidden = x * x
    hidden.sum().backward()
    fresh = leaf()
    with pytest.raises(RuntimeError, match=r"result of \*, shape \(3,\), is spent"):
        (hidden * fresh).sum().backward()
    assert fresh.grad is None
    np.testing.assert_allclose(hidden.data, [1, 4, 9])  # its values may be used


CHANGES = {
    "replaced": lambda t: setattr(t, "data", t.data - 0.5),
    "descend": lambda t: (setattr(t, "grad", np.ones(3)), autograd.descend([t], 0.1)),
}
SNEAKED = {
    "-=": lambda t: exec("t.data -= 0.5", {"t": t}),
    "entry": lambda t: t.data.__setitem__(0, 7.0),
    "sort": lambda t: t.data.sort(),
    "out=": lambda t: np.add(t.data, 1, out=t.data),
    "a view's view": lambda t: t.data.reshape(1, 3)[0].__setitem__(0, 7.0),
    "copyto": lambda t: np.copyto(t.data, 7.0),
}
NEEDS = {"*": lambda t: t * 2.0 * t, "/": lambda t: 1 / t, "**": lambda t: t**3, "log": Tensor.log}
NEEDS_RESULT = {"exp": Tensor.exp, "tanh": Tensor.tanh, "relu": Tensor.relu, "1 /": lambda t: 1 / t}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("op", [*NEEDS, *NEEDS_RESULT])
def test_a_value_changed_before_backward_is_refused(op, change):
    x = leaf()
    result = (NEEDS | NEEDS_RESULT)[op](x)
    CHANGES[change](result if op in NEEDS_RESULT else x)
    with pytest.raises(RuntimeError, match=r"changed in place"):
        result.sum().backward()


@pytest.mark.parametrize("change", SNEAKED)
def test_no_change_slips_past_the_tape(change):
    x = leaf()
    with pytest.raises(ValueError, match="read-only"):
        SNEAKED[change](x)
    np.testing.assert_array_equal(x.data, [1, 2, 3])


@pytest.mark.parametrize("view", [lambda t: t.reshape(3, 1), lambda t: t.T, lambda t: t[:]])
def test_a_piece_is_a_copy_that_no_change_of_the_whole_reaches(view):
    x = leaf()
    piece = view(x)
    loss = (piece * piece).sum()
    CHANGES["descend"](x)
    autograd.zero_grad([x])
    loss.backward()
    np.testing.assert_array_equal(x.grad, [2, 4, 6])


def test_a_value_that_backward_does_not_need_may_change():
    x = leaf()
    out = (x + 1).sum()
    x.data = x.data - 0.5
    out.backward()
    np.testing.assert_array_equal(x.grad, 1)


def test_a_copy_of_the_data_is_free():
    x = leaf()
    out = (x * x).sum()
    for copy in (x.data.copy(), x.data + 1, np.array(x.data)):
        copy[0] = 100
        copy *= 2
    out.backward()
    np.testing.assert_allclose(x.grad, [2, 4, 6])


@pytest.mark.parametrize(
    "code, error, message",
    [
        ("leaf().backward()", ValueError, "starts at one number"),
        ("(leaf() * 2).backward()", ValueError, r"not \(3,\); take .sum"),
        ("Tensor(1.0).backward()", RuntimeError, "nothing behind this tensor requires"),
        ("leaf() + Tensor(np.ones(4))", ValueError, r"together with shapes \(3,\) \(4,\)"),
        ("Tensor(A) @ np.ones((4, 2))", ValueError, r"shapes \(4, 3\) and \(4, 2\); expected \(..., n, d\)"),
        ("where([True] * 4, leaf(), 0.0)", ValueError, r"together with shapes \(4,\) \(3,\) \(\)"),
        ("leaf() @ np.ones(3)", ValueError, r"shapes \(3,\) and \(3,\); expected"),
        ("leaf() @ 2", ValueError, "expected"),
        ("leaf() ** leaf()", TypeError, "is a number, got Tensor"),
        ("leaf().reshape(2, 2)", ValueError, "reshape"),
        ("leaf().mean(axis=2)", ValueError, "axis"),
        ("Tensor(np.ones((0, 2))).mean()", ValueError, "mean of nothing"),
        ("leaf()[5]", IndexError, "out of bounds"),
        ("leaf()[leaf()]", IndexError, "integer"),
        ("Tensor('text')", TypeError, "real numbers"),
        ("Tensor([1j])", TypeError, "real numbers"),
        ("Tensor(leaf())", TypeError, "already"),
        ("setattr(leaf(), 'data', np.ones(2))", ValueError, r"shape \(2,\) cannot replace"),
        ("cross_entropy(leaf(), [0])", ValueError, r"expected \(n, k\) scores and \(n,\)"),
        ("cross_entropy(Tensor(A), [0, 1])", ValueError, r"expected \(n, k\) scores and \(n,\)"),
        ("cross_entropy(Tensor(A), [0, 1, 2, 3])", ValueError, "from 0 to k - 1"),
        ("cross_entropy(Tensor(A), [0, 1, -1, 2])", ValueError, "from 0 to k - 1"),
        ("cross_entropy(Tensor(A), [0.0, 1, 1, 2])", ValueError, "whole numbers"),
        ("linear(Tensor(A), Tensor(B), Tensor(ROW))", ValueError, r"\(4, 3\), \(4, 3\), \(3,\)"),
        ("autograd.descend([leaf()], 0.1)", ValueError, "call backward"),
    ],
)
def test_errors_say_what_is_wrong(code, error, message):
    with pytest.raises(error, match=message):
        eval(code)


def test_nan_is_traced_to_its_source():
    x = leaf((1.0, 0.0, -1.0))
    with np.errstate(all="ignore"):
        loss = (x.log() * 2).exp().sum()
    with pytest.raises(ValueError, match=r"log is the first to give nan, in a result of shape \(3,\)"):
        loss.backward()
    assert x.grad is None
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"an input of \*.* holds nan"):
        (leaf() * np.array([1.0, np.nan, 1.0])).sum().backward()
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="exp is the first to give infinity"):
        leaf((1000.0,)).exp().sum().backward()


def test_it_shows_what_it_is():
    assert repr(leaf()) == "Tensor([1., 2., 3.], requires_grad=True)"
    assert "made by exp" in repr(leaf().exp())
