"""Wrong answers to lecture 10's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import convolve1d
from scipy.signal import correlate
from torch import nn
from torch.nn import functional as F

from utils import data


# --------------------------------------------------------------------------------------------- dilated
def conv(x, w, **how):
    return F.conv2d(torch.tensor(x), torch.tensor(w.copy()), **how).numpy()


def the_lectures_conv(x, w, dilation):
    """Windows in rows, as lecture 10 shows it, with the stride where the dilation should be."""
    view = sliding_window_view(x, w.shape[2:], axis=(2, 3))
    n, _, rows, columns = view.shape[:4]
    windows = view.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
    return (windows @ w.reshape(len(w), -1).T).reshape(n, rows, columns, -1).transpose(0, 3, 1, 2)


def by_windows(x, w, dilation):
    """Windows of the full span, every dilation-th pixel of them, one einsum."""
    span = [(side - 1) * dilation + 1 for side in w.shape[2:]]
    view = sliding_window_view(x, span, axis=(2, 3))[..., ::dilation, ::dilation]
    return np.einsum("ncrsij,kcij->nkrs", view, w, optimize=True)


def with_holes(x, w, dilation):
    """A larger filter, with zeros in its holes, and SciPy's correlation."""
    k, c, high, wide = w.shape
    holes = np.zeros((k, c, (high - 1) * dilation + 1, (wide - 1) * dilation + 1))
    holes[:, :, ::dilation, ::dilation] = w
    return np.array([[sum(map(one, picture, f)) for f in holes] for picture in x])


def one(channel, f):
    return correlate(channel, f, mode="valid", method="direct")


def padded_to_size(x, w, dilation):
    both = [(side - 1) * dilation for side in w.shape[2:]]
    x = np.pad(x, [(0, 0), (0, 0), *((b // 2, b - b // 2) for b in both)])
    return by_windows(x, w, dilation)


# -------------------------------------------------------------------------------------------- avg_pool
def share(g, size):
    return g / size**2


def the_lectures_pool(g, shape, size, stride):
    """Everything to one winner: max pooling's gradient, where the first pixel wins."""
    d, winner = np.zeros(shape), np.zeros(g.shape, int)
    i, channel, r, c = np.indices(winner.shape)
    np.add.at(d, (i, channel, r * stride + winner // size, c * stride + winner % size), g)
    return d


def side_by_side(g, shape, size, stride):
    """Right for windows that neither overlap nor leave gaps."""
    d = np.zeros(shape)
    big = share(g, size).repeat(size, axis=2).repeat(size, axis=3)[:, :, : shape[2], : shape[3]]
    d[:, :, : big.shape[2], : big.shape[3]] = big
    return d


def window_by_window(g, shape, size, stride):
    d = np.zeros(shape)
    for i, c, row, column in np.ndindex(g.shape):
        top, left = row * stride, column * stride
        d[i, c, top : top + size, left : left + size] += g[i, c, row, column] / (size * size)
    return d


def as_transposed(g, shape, size, stride):
    """The backward of a convolution with equal weights: each channel on its own."""
    n, c, height, width = shape
    flat = torch.tensor(g).reshape(n * c, 1, *g.shape[2:])
    d = F.conv_transpose2d(flat, torch.full((1, 1, size, size), size**-2, dtype=flat.dtype), stride=stride)
    d = d.reshape(n, c, *d.shape[2:])
    return F.pad(d, (0, width - d.shape[3], 0, height - d.shape[2])).numpy()


def in_place(g, shape, size, stride):
    g /= size**2
    return window_by_window(g * size**2, shape, size, stride)


# ------------------------------------------------------------------------------------------------ sees
def going_up(layers, i):
    """Steps and starts from the picture upward: no loop downward."""
    step, start, extent = 1, 0, 1
    for size, stride, padding in layers:
        start -= padding * step
        extent += (size - 1) * step
        step *= stride
    return i * step + start, i * step + start + extent - 1


def the_lectures_field(layers, i):
    """The size of the field, as the lecture computes it, from the first place on."""
    r, step = 1, 1
    for size, stride, _ in layers:
        r, step = r + (size - 1) * step, step * stride
    return i * step, i * step + r - 1


def clipped(layers, i):
    first, last = going_up(layers, i)
    return max(first, 0), last


def padding_after_size(layers, i):
    first = last = i
    for size, stride, padding in reversed(layers):
        first = (first - padding) * stride
        last = (last - padding) * stride + size - 1
    return first, last


def one_more(layers, i):
    first = last = i
    for size, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + size
    return first, last


# ----------------------------------------------------------------------------------------------- hours
def counts(hour, click):
    return np.bincount(hour, minlength=24), np.bincount(hour[click == 1], minlength=24)


def by_scipy(hour, click, kernel):
    """SciPy's convolution flips the kernel, so it is flipped before."""
    shown, clicked = (convolve1d(c.astype(float), kernel[::-1], mode="wrap") for c in counts(hour, click))
    rate = np.zeros(24)
    rate[shown > 0] = clicked[shown > 0] / shown[shown > 0]
    return rate


def by_matrix(hour, click, kernel):
    """The convolution as a 24 × 24 matrix with shared weights."""
    weight = np.zeros((24, 24))
    for h in range(24):
        for j, k in enumerate(kernel):
            weight[h, (h + j - len(kernel) // 2) % 24] += k
    shown, clicked = (weight @ c for c in counts(hour, click))
    return np.where(shown > 0, clicked / np.where(shown > 0, shown, 1), 0.0)


def rates_first(hour, click, kernel):
    shown, clicked = counts(hour, click)
    alone = np.where(shown > 0, clicked / np.maximum(shown, 1), 0.0)
    around = np.pad(alone, len(kernel) // 2, mode="wrap")
    return sliding_window_view(around, len(kernel)) @ kernel / kernel.sum()


def smoothed(hour, click, kernel, mode="wrap", shift=0):
    half = len(kernel) // 2
    sums = [
        sliding_window_view(np.pad(c.astype(float), half, mode=mode), len(kernel)) @ kernel
        for c in counts(hour, click)
    ]
    shown, clicked = (np.roll(s, shift) for s in sums)
    return shown, clicked, np.divide(clicked, shown, out=np.zeros(24), where=shown > 0)


def unset_where_empty(hour, click, kernel):
    """No `out`: where nothing is divided, NumPy leaves what its memory held."""
    half = len(kernel) // 2
    shown, clicked = (
        sliding_window_view(np.pad(c.astype(float), half, mode="wrap"), len(kernel)) @ kernel
        for c in counts(hour, click)
    )
    return np.divide(clicked, shown, where=shown > 0)


def divided_by_zero(hour, click, kernel):
    with np.errstate(all="ignore"):
        shown, clicked, _ = smoothed(hour, click, kernel)
        return clicked / shown


def weighted_by_all(hour, click, kernel):
    _, clicked, _ = smoothed(hour, click, kernel)
    return clicked / max(len(hour), 1)


# -------------------------------------------------------------------------------------------- anywhere
def maps(border=2):
    return [
        nn.Conv2d(1, 8, 5, padding=border), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(8, 24, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
    ]  # fmt: skip


class Trained(nn.Module):
    """A net that is trained when it is first asked, so that collecting the tests trains nothing."""

    def __init__(self, *parts, move=0, epochs=3, n=4000, scale=1.0):
        super().__init__()
        self.net, self.how, self.done = nn.Sequential(*parts), (move, epochs, n, scale), False

    def forward(self, x):
        if not self.done:
            self.done = True
            training = self.net.training
            with torch.enable_grad():
                self.learn(*self.how)
            self.net.train(training)
        return self.net(x)

    def learn(self, move, epochs, n, scale):
        letters = data.load("glyphs", n=n, seed=3)
        x, y = scale * torch.tensor(letters.x)[:, None], torch.tensor(letters.labels)
        torch.manual_seed(0)
        for part in self.net:
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
        descent = torch.optim.Adam(self.net.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(descent, 6e-3, total_steps=epochs * -(-n // 64))
        for _ in range(epochs):
            for rows in torch.randperm(n).split(64):
                batch = x[rows]
                if move:
                    batch = batch.roll(torch.randint(-move, move + 1, (2,)).tolist(), (2, 3))
                descent.zero_grad()
                F.cross_entropy(self.net(batch), y[rows]).backward()
                descent.step()
                schedule.step()


def lenet():
    """The lecture's, its dense layers made smaller to keep to the limit; trained as there."""
    return Trained(*maps(), nn.Flatten(), nn.Linear(24 * 49, 40), nn.ReLU(), nn.Linear(40, 10))


WRONG = {
    "10.dilated": {
        "the lecture's": (the_lectures_conv, "should have shape"),
        "a stride": (lambda x, w, d: conv(x, w, stride=d), "should have shape"),
        "flipped": (lambda x, w, d: conv(x, w[:, :, ::-1, ::-1], dilation=d), "flipped"),
        "turned": (lambda x, w, d: conv(x, w.swapaxes(2, 3), dilation=d), "changed places"),
        "first channel": (lambda x, w, d: conv(x[:, :1], w[:, :1], dilation=d), "only the first channel"),
        "mean of channels": (lambda x, w, d: conv(x, w, dilation=d) / x.shape[1], "averaged"),
        "padded": (padded_to_size, "should have shape"),
        "one hole too many": (lambda x, w, d: by_windows(x, w, d + 1), "your code stops"),
        "single precision": (lambda x, w, d: by_windows(x, w, d).astype("f"), "dtype float64"),
    },
    "10.avg_pool": {
        "the lecture's": (the_lectures_pool, "that is a maximum"),
        "whole gradient": (
            lambda g, shape, size, stride: window_by_window(g * size**2, shape, size, stride),
            "each its share",
        ),
        "divided by size": (
            lambda g, shape, size, stride: window_by_window(g * size, shape, size, stride),
            "size²",
        ),
        "no overlap": (side_by_side, "wrong values"),
        "windows side by side only": (
            lambda g, shape, size, stride: window_by_window(g, shape, size, size),
            "wrong values",
        ),
        "too small": (
            lambda g, shape, size, stride: side_by_side(
                g, (*shape[:2], *(size * s for s in g.shape[2:])), size, stride
            ),
            "should have shape",
        ),
        "input overwritten": (in_place, "changes its input"),
    },
    "10.sees": {
        "the lecture's": (lambda layers, i: the_lectures_field(layers, 0)[1] + 1, "expected 2 results"),
        "at the picture only": (
            lambda layers, i: tuple(
                end - sum(p for *_, p in layers) for end in the_lectures_field(layers, i)
            ),
            "in steps of its own layer",
        ),
        "one end": (
            lambda layers, i: (going_up(layers, i)[0], the_lectures_field(layers, i)[1]),
            "both ends",
        ),
        "sign": (lambda layers, i: going_up([(k, s, -p) for k, s, p in layers], i), "the sign is wrong"),
        "upward": (lambda layers, i: going_up(layers[::-1], i), "start at the last one"),
        "one too many": (one_more, "k − 1 after the first"),
        "cut at the border": (clipped, "wrong values"),
        "padding times stride": (padding_after_size, "wrong values"),
        "size only": (lambda layers, i: 1 + going_up(layers, i)[1] - going_up(layers, i)[0], "2 results"),
    },
    "10.shift": {
        "none": ("0", "another number"),
        "only the first": ("1", "another number"),
        "not the pooled maximum": ("2", "another number"),
        "all with a mean or a maximum": ("4", "another number"),
        "a number": (3, "answer with one of"),
    },
    "10.hours": {
        "rates first": (rates_first, "smooth the counts"),
        "no ring": (lambda *a: smoothed(*a, mode="constant")[2], "the day is a ring"),
        "mirror": (lambda *a: smoothed(*a, mode="reflect")[2], "wrong values"),
        "flipped": (lambda hour, click, k: smoothed(hour, click, k[::-1])[2], "flipped"),
        "late": (lambda hour, click, k: smoothed(hour, click, k, shift=len(k) // 2)[2], "late"),
        "clicks only": (lambda *a: smoothed(*a)[1], "these are clicks"),
        "divided by zero": (divided_by_zero, "contains nan"),
        "share of all rows": (weighted_by_all, "wrong values"),
        "clipped": (lambda *a: smoothed(*a)[2].clip(0, 0.2), "wrong values"),
        "what memory held": (unset_where_empty, "fill the array"),
    },
    "10.anywhere": {
        "the lecture's": (lenet(), "moved by 4 pixels"),
        "untrained": (nn.Sequential(*maps(), nn.Flatten(), nn.Linear(24 * 49, 10)), "in the middle"),
        "too many weights": (nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.Linear(256, 10)), "60,000"),
        "no classes": (nn.Sequential(*maps(), nn.Flatten(), nn.Linear(24 * 49, 1)), "finite scores"),
        "a function": (lambda x: x.flatten(1)[:, :10], "no torch.nn.Module"),
        "bytes": (
            Trained(*maps(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(24, 10), scale=255.0, epochs=1),
            "in the middle",
        ),
    },
}

RIGHT = {
    "10.dilated": {
        "windows": by_windows,
        "holes": with_holes,
        "torch": lambda x, w, d: conv(x, w, dilation=d),
    },
    "10.avg_pool": {"window by window": window_by_window, "transposed convolution": as_transposed},
    "10.sees": {"going up": going_up, "a list": lambda layers, i: list(going_up(layers, i))},
    "10.shift": {"three": "3", "with a bracket": " 3) "},
    "10.hours": {"scipy": by_scipy, "a matrix": by_matrix},
    "10.anywhere": {
        "moved while it trained": Trained(
            *maps(), nn.Flatten(), nn.Linear(24 * 49, 40), nn.ReLU(), nn.Linear(40, 10), move=4, epochs=6
        )
    },
}
