"""Gate 6: lecture 10's convolution and pooling give PyTorch's values and gradients, or refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from utils.scratch import autograd, convolution
from utils.scratch.autograd import Tensor
from utils.scratch.convolution import avg_pool2d, conv2d, max_pool2d

POOLS = {
    "max": (max_pool2d, F.max_pool2d),
    "avg": (avg_pool2d, F.avg_pool2d),
}


def both(ours, theirs, arrays, seed=0):
    """Value and gradients of the same function in both engines: two lists of arrays."""
    mine = [Tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    out, expected = ours(*mine), theirs(*other)
    g = np.random.default_rng(seed).normal(size=expected.shape).astype(arrays[0].dtype)
    assert out.shape == tuple(expected.shape)
    (out * Tensor(g)).sum().backward()
    (expected * torch.tensor(g)).sum().backward()
    return [out.data, *(t.grad for t in mine)], [
        expected.detach().numpy(),
        *(t.grad.numpy() for t in other),
    ]


def agree(pair, rtol=1e-9):
    for got, want in zip(*pair, strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * max(1.0, np.abs(want).max(initial=0)))


def picture(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 3), c=st.integers(1, 3), k=st.integers(1, 4),
    window=st.tuples(*[st.integers(1, 5)] * 2), more=st.tuples(*[st.integers(0, 5)] * 2),
    stride=st.integers(1, 4), padding=st.integers(0, 3), bias=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_conv2d_is_pytorchs(n, c, k, window, more, stride, padding, bias, seed):
    sides = [max(1, extent + extra - 2 * padding) for extent, extra in zip(window, more, strict=True)]
    arrays = [picture(n, c, *sides, seed=seed), picture(k, c, *window, seed=seed + 1)]
    arrays += [picture(k, seed=seed + 2)] if bias else []
    agree(
        both(
            lambda *a: conv2d(*a, stride=stride, padding=padding),
            lambda *a: F.conv2d(*a, stride=stride, padding=padding),
            arrays,
        )
    )


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(sorted(POOLS)), shape=st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(4, 9)] * 2),
    size=st.integers(1, 4), stride=st.none() | st.integers(1, 5), half=st.booleans(), ties=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_pooling_is_pytorchs(kind, shape, size, stride, half, ties, seed):
    ours, theirs = POOLS[kind]
    x = picture(*shape, seed=seed)
    x = np.round(x) if ties else x
    padding = size // 2 if half else 0
    agree(
        both(
            lambda a: ours(a, size, stride=stride, padding=padding),
            lambda a: theirs(a, size, stride, padding),
            [x],
        )
    )


@pytest.mark.parametrize("cache", [1, 10_000, 1 << 30])
def test_the_size_of_a_block_changes_nothing(monkeypatch, cache):
    monkeypatch.setattr(convolution, "CACHE", cache)
    arrays = [picture(7, 2, 9, 8), picture(3, 2, 3, 4), picture(3)]
    agree(both(lambda *a: conv2d(*a, padding=2), lambda *a: F.conv2d(*a, padding=2), arrays))
    agree(both(lambda *a: conv2d(*a, stride=2), lambda *a: F.conv2d(*a, stride=2), arrays))


@pytest.mark.parametrize("stride", [1, 2])
def test_single_precision_stays_single(stride):
    arrays = [
        picture(4, 3, 12, 12, dtype=np.float32),
        picture(5, 3, 3, 3, dtype=np.float32),
        picture(5, dtype=np.float32),
    ]
    agree(both(lambda *a: conv2d(*a, stride=stride), lambda *a: F.conv2d(*a, stride=stride), arrays), 1e-5)
    for ours, theirs in POOLS.values():
        agree(both(lambda a, f=ours: f(a, 2), lambda a, f=theirs: f(a, 2), arrays[:1]), 1e-6)


def test_one_pixel_and_one_window():
    agree(both(conv2d, F.conv2d, [picture(2, 1, 1, 1), picture(3, 1, 1, 1), picture(3)]))
    agree(both(conv2d, F.conv2d, [picture(1, 2, 5, 4), picture(3, 2, 5, 4), picture(3)]))


def test_no_picture_gives_no_score():
    assert conv2d(Tensor(np.zeros((0, 2, 5, 5))), Tensor(picture(3, 2, 3, 3))).shape == (0, 3, 3, 3)


def test_gradients_only_where_wanted():
    x, w = Tensor(picture(2, 1, 6, 6)), Tensor(picture(2, 1, 3, 3), requires_grad=True)
    conv2d(x, w).sum().backward()
    assert x.grad is None and w.grad.shape == w.shape
    x, w = Tensor(picture(2, 1, 6, 6), requires_grad=True), Tensor(picture(2, 1, 3, 3))
    conv2d(x, w).sum().backward()
    assert w.grad is None and x.grad.shape == x.shape


def test_a_filter_used_twice_gets_both_gradients():
    agree(
        both(
            lambda x, w: conv2d(conv2d(x, w, padding=1), w, padding=1),
            lambda x, w: F.conv2d(F.conv2d(x, w, padding=1), w, padding=1),
            [picture(2, 2, 6, 5), picture(2, 2, 3, 3)],
        )
    )


def test_inputs_are_not_changed_and_a_change_in_between_is_noticed():
    arrays = [picture(2, 1, 6, 6), picture(2, 1, 3, 3)]
    x, w = (Tensor(a, requires_grad=True) for a in arrays)
    out = conv2d(x, w, padding=1).sum()
    out.backward()
    for tensor, array in zip((x, w), arrays, strict=True):
        np.testing.assert_array_equal(tensor.data, array)
    out = conv2d(x, w).sum()
    w.data = w.data - 0.1
    with pytest.raises(RuntimeError):
        out.backward()


def test_nan_and_infinity_go_through_the_pool():
    x = picture(1, 1, 4, 4)
    x[0, 0, 0, 1], x[0, 0, 2, 3] = np.nan, -np.inf
    np.testing.assert_array_equal(max_pool2d(Tensor(x), 2).data, F.max_pool2d(torch.tensor(x), 2).numpy())


def test_a_whole_network_steps_as_pytorchs_does():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 1, 12, 12)), rng.integers(0, 3, 8)
    start = [0.3 * rng.normal(size=s) for s in [(4, 1, 3, 3), (4,), (5, 4, 3, 3), (5,), (20, 3), (3,)]]
    mine = [Tensor(a, requires_grad=True) for a in start]
    other = [torch.tensor(a, requires_grad=True) for a in start]
    for _ in range(3):
        h = max_pool2d(conv2d(Tensor(x), *mine[:2], padding=1).relu(), 2)
        h = avg_pool2d(conv2d(h, *mine[2:4]).relu(), 2).reshape(8, 20)
        loss = autograd.cross_entropy(autograd.linear(h, *mine[4:]), y)
        autograd.zero_grad(mine)
        loss.backward()
        autograd.descend(mine, 0.1)
        h = F.max_pool2d(F.conv2d(torch.tensor(x), *other[:2], padding=1).relu(), 2)
        h = F.avg_pool2d(F.conv2d(h, *other[2:4]).relu(), 2).reshape(8, 20)
        expected = F.cross_entropy(h @ other[4] + other[5], torch.tensor(y))
        for t, g in zip(other, torch.autograd.grad(expected, other), strict=True):
            t.data -= 0.1 * g
        assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


X, W, B = picture(2, 3, 6, 6), picture(4, 3, 3, 3), picture(4)


@pytest.mark.parametrize(
    "arrays, options, message",
    [
        ((X[0], W), {}, "expected (n, c, h, w)"),
        ((X, W[:, :2]), {}, "w (4, 2, 3, 3)"),
        ((X, W, B[:3]), {}, "b (3,)"),
        ((X.astype(np.float32), W), {}, "float32, float64"),
        ((X, picture(4, 3, 7, 7)), {}, "does not fit into 6×6"),
        ((X, W), {"stride": 0}, "stride is 0"),
        ((X, W), {"stride": 1.5}, "stride is 1.5"),
        ((X, W), {"padding": -1}, "padding is -1"),
        ((X, W), {"padding": True}, "padding is True"),
    ],
)
def test_conv2d_refuses(arrays, options, message):
    with pytest.raises(ValueError) as error:
        conv2d(*map(Tensor, arrays), **options)
    assert message in str(error.value)


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
@pytest.mark.parametrize(
    "x, options, message",
    [
        (X[0], {"size": 2}, "expected (n, c, h, w)"),
        (X, {"size": 0}, "size is 0"),
        (X, {"size": 2, "stride": 0}, "stride is 0"),
        (X, {"size": 7}, "does not fit"),
        (X, {"size": 2, "padding": 2}, "more than half"),
    ],
)
def test_pooling_refuses(pool, x, options, message):
    with pytest.raises(ValueError) as error:
        pool(Tensor(x), **options)
    assert message in str(error.value)
