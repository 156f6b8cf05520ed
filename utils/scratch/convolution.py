"""Convolution and pooling for the tape of `utils/scratch/autograd.py`: the grown-up version of lecture 10's.

    h = max_pool2d(conv2d(x, w, b, padding=2).relu(), 2)     # x: (n, c, height, width)
    h.sum().backward()                                       # w.grad, b.grad, x.grad

As in lecture 10, all windows of a picture become the columns of one matrix, so that a convolution is a matrix
product, and on the way back every column is added to the pixels it was copied from. Two things make it fast.
The matrix is made for a few pictures at a time, so that it stays in the processor's cache. And with stride 1
a picture is one long row, border included: a window's pixel (i, j) is then the whole row shifted by
i * width + j, one copy in place of one for each line. Columns that wrap around the edge are computed and
thrown away.

Arguments, shapes and results are those of `torch.nn.functional`. K. Chellapilla, S. Puri, P. Simard (2006),
High performance convolutional neural networks for document processing, for the matrix product.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from utils.scratch.autograd import Tensor, _give, _result

CACHE = 1 << 19  # bytes of columns at a time: about what a core's own cache holds


def conv2d(x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Slide the filters w over x, and add b.

    x: (n, c, h, w), w: (k, c, i, j), b: (k,) -> (n, k, rows, columns), with
    rows = (h + 2 padding - i) // stride + 1. The filter is not flipped: it is a cross-correlation, as
    in PyTorch. Raises ValueError for shapes, stride or padding that do not fit.
    """
    _check_conv(x, w, b)
    rows, columns = _sizes("conv2d", x.shape, w.shape[2:], stride, padding)
    out, saved = _forward(x._array, w._array, rows, columns, stride, padding)
    if b is not None:
        out += b._array[:, None, None]

    def backward(g):
        dx, dw = _backward(saved, w._array, g, stride, padding, x.requires_grad, w.requires_grad)
        if x.requires_grad:
            _give(x, dx)
        if w.requires_grad:
            _give(w, dw)
        if b is not None and b.requires_grad:
            _give(b, g.sum(axis=(0, 2, 3)))

    return _result("conv2d", out, (x, w) if b is None else (x, w, b), backward, (x, w))


def max_pool2d(x: Tensor, size: int, *, stride: int | None = None, padding: int = 0) -> Tensor:
    """The largest value of each window. x: (n, c, h, w) -> (n, c, rows, columns); stride is size by default.

    Of equal values the first one, row by row, gets the gradient. Padding never wins.
    Raises ValueError for a size, stride or padding that does not fit; padding is at most half of size.
    """
    stride = size if stride is None else stride
    rows, columns = _pool_sizes("max_pool2d", x, size, stride, padding)
    padded = _pad(x._array, padding, -np.inf)
    places = _places(padded, size, stride, rows, columns)
    out, winner = next(places).copy(), np.zeros((*x.shape[:2], rows, columns), np.uint16)
    for place, values in enumerate(places, start=1):
        better = ~(values <= out)  # true for nan too: a maximum with nan in it is nan
        better &= ~np.isnan(out)
        np.copyto(winner, place, where=better)
        np.copyto(out, values, where=better)

    def backward(g):
        d = np.zeros_like(padded)
        for place, target in enumerate(_places(d, size, stride, rows, columns)):
            target += np.where(winner == place, g, 0)
        _give(x, _unpad(d, padding))

    return _result("max_pool2d", out, (x,), backward)


def avg_pool2d(x: Tensor, size: int, *, stride: int | None = None, padding: int = 0) -> Tensor:
    """The mean of each window, zeros of the padding counted. x: (n, c, h, w) -> (n, c, rows, columns).

    Raises ValueError as `max_pool2d` does.
    """
    stride = size if stride is None else stride
    rows, columns = _pool_sizes("avg_pool2d", x, size, stride, padding)
    padded = _pad(x._array, padding)
    out = np.zeros((*x.shape[:2], rows, columns), padded.dtype)
    for values in _places(padded, size, stride, rows, columns):
        out += values
    out /= size * size

    def backward(g):
        d, share = np.zeros_like(padded), g / (size * size)
        for target in _places(d, size, stride, rows, columns):
            target += share
        _give(x, _unpad(d, padding))

    return _result("avg_pool2d", out, (x,), backward)


# ------------------------------------------------------------------------------------------ inside
def _forward(x, w, rows, columns, stride, padding):
    """Returns the scores (n, k, rows, columns), and the padded pictures for the way back."""
    padded = _pad(x, padding)
    n, filters = len(x), w.reshape(len(w), -1)  # (k, c·i·j)
    wide = _wide(columns, padded.shape[3], stride)
    out = np.empty((n, len(w), rows, columns), x.dtype)
    for some, matrix in _blocks(padded, w.shape, rows, columns, stride):
        scores = (filters @ matrix).reshape(-1, len(w), rows, wide)
        out[some] = scores[..., :columns]
    return out, padded


def _backward(padded, w, g, stride, padding, want_x, want_w):
    """Gradients of the pictures and of the filters, None where not wanted."""
    k, c, high, across = w.shape
    rows, columns = g.shape[2:]
    wide = _wide(columns, padded.shape[3], stride)
    filters = np.ascontiguousarray(w.reshape(k, -1).T)  # (c·i·j, k)
    dx = np.zeros(padded.shape, g.dtype) if want_x else None
    dw = np.zeros((k, c * high * across), g.dtype) if want_w else None
    for some, matrix in _blocks(padded, w.shape, rows, columns, stride, fill=want_w):
        arrived = g[some]
        if wide > columns:  # columns that were thrown away get zero
            arrived = np.zeros((len(matrix), k, rows, wide), g.dtype)
            arrived[..., :columns] = g[some]
        arrived = np.ascontiguousarray(arrived).reshape(len(matrix), k, rows * wide)
        if want_w:
            for one, windows in zip(arrived, matrix, strict=True):
                dw += one @ windows.T
        if want_x:
            np.matmul(filters, arrived, out=matrix)  # the columns' room is free now
            parts = matrix.reshape(-1, c, high, across, rows * wide)
            _scatter(dx[some], parts, rows, columns, stride)
    return (_unpad(dx, padding) if want_x else None), (dw.reshape(w.shape) if want_w else None)


def _wide(columns, width, stride):
    """How many columns are computed for a row: with stride 1 those that wrap around the edge as well."""
    return width if stride == 1 else columns


def _blocks(padded, shape, rows, columns, stride, fill=True):
    """For a few pictures at a time: their slice, and their windows as (pictures, c·i·j, places)."""
    _, c, high, across = shape
    n, _, _, width = padded.shape
    places = rows * _wide(columns, width, stride)
    few = max(1, min(n, CACHE // max(1, c * high * across * places * padded.itemsize)))
    room = np.zeros((few, c, high, across, places), padded.dtype)
    for first in range(0, n, few):
        some = slice(first, min(first + few, n))
        windows = room[: some.stop - first]
        if fill and stride == 1:
            # The last row has no edge to wrap around: its missing columns stay what they are, and unused.
            length = places - (across - 1)
            a, b, down, right = padded.strides
            steps = (a, b, down, right, right)
            shifted = as_strided(padded[some], (*windows.shape[:4], length), steps, writeable=False)
            np.copyto(windows[..., :length], shifted)
        elif fill:
            a, b, down, right = padded.strides
            steps = (a, b, down, right, down * stride, right * stride)
            view = as_strided(padded[some], (*windows.shape[:4], rows, columns), steps, writeable=False)
            np.copyto(windows.reshape(*windows.shape[:4], rows, columns), view)
        yield some, windows.reshape(len(windows), -1, places)


def _scatter(dx, parts, rows, columns, stride):
    """Add every window's gradient to the pixels it was copied from. parts: (n, c, i, j, places)."""
    n, c, high, across, places = parts.shape
    if stride == 1:
        flat, width, length = dx.reshape(n, c, -1), dx.shape[3], places - (across - 1)
        for i in range(high):
            for j in range(across):
                start = i * width + j
                flat[..., start : start + length] += parts[:, :, i, j, :length]
        return
    parts = parts.reshape(n, c, high, across, rows, columns)
    for i in range(high):
        for j in range(across):
            dx[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride] += parts[:, :, i, j]


def _places(padded, size, stride, rows, columns):
    """For each place in the window, row by row, the values that all windows have there: a view."""
    for i in range(size):
        for j in range(size):
            yield padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride][
                :, :, :rows, :columns
            ]


def _pad(x, padding, value=0.0):
    """A border of `padding` pixels; a contiguous array, which may be x itself."""
    if not padding:
        return np.ascontiguousarray(x)
    n, c, h, w = x.shape
    out = np.full((n, c, h + 2 * padding, w + 2 * padding), value, x.dtype)
    out[:, :, padding:-padding, padding:-padding] = x
    return out


def _unpad(d, padding):
    return d[:, :, padding:-padding, padding:-padding] if padding else d


def _check_conv(x, w, b):
    shapes = f"x {x.shape}, w {w.shape}" + (f", b {b.shape}" if b is not None else "")
    sides = {len(x.shape), len(w.shape)}
    if sides != {4} or x.shape[1] != w.shape[1] or (b is not None and b.shape != w.shape[:1]):
        raise ValueError(f"conv2d: {shapes}; expected (n, c, h, w), (k, c, i, j) and (k,)")
    kinds = {t.dtype for t in (x, w, b) if t is not None}
    if len(kinds) > 1:
        raise ValueError(f"conv2d: dtypes {', '.join(sorted(map(str, kinds)))}; expected one for all")


def _pool_sizes(name, x, size, stride, padding):
    _whole(name, "size", size, 1)
    if len(x.shape) != 4:
        raise ValueError(f"{name}: shape {x.shape}; expected (n, c, h, w)")
    sizes = _sizes(name, x.shape, (size, size), stride, padding)
    if 2 * padding > size:
        raise ValueError(
            f"{name}: padding {padding} is more than half of size {size}; a window could be empty"
        )
    return sizes


def _sizes(name, shape, window, stride, padding):
    """Rows and columns of the result."""
    _whole(name, "stride", stride, 1)
    _whole(name, "padding", padding, 0)
    sizes = [
        (side + 2 * padding - extent) // stride + 1 for side, extent in zip(shape[2:], window, strict=True)
    ]
    if min(window) < 1 or min(sizes) < 1:
        raise ValueError(
            f"{name}: a window of {window[0]}×{window[1]} does not fit into "
            f"{shape[2]}×{shape[3]} with padding {padding}"
        )
    return sizes


def _whole(name, what, value, least):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: {what} is {value!r}; expected a whole number, at least {least}")
