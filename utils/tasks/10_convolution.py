"""The tasks of lecture 10."""

import zlib
from functools import cache, lru_cache
from itertools import product

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule, Value

rng = np.random.default_rng(10)


# ------------------------------------------------------------------------------------------- 10.dilated
def _torch_dilated(x, w, dilation):
    import torch

    return torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), dilation=dilation).numpy()


def _torch_plain(x, w, dilation, **how):
    import torch

    return torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), **how).numpy()


def _channels_apart(x, w, dilation):
    return _torch_dilated(x[:, :1], w[:, :1], dilation)


dilated = Function(
    "10.dilated",
    cases=[
        Case("3×3, dilation 2", (rng.normal(size=(2, 3, 9, 8)), rng.normal(size=(4, 3, 3, 3)), 2)),
        Case("dilation 1", (rng.normal(size=(1, 2, 5, 6)), rng.normal(size=(2, 2, 3, 3)), 1)),
        Case(
            "a filter that is not square, dilation 3",
            (rng.normal(size=(2, 1, 12, 11)), rng.normal(size=(3, 1, 2, 4)), 3),
        ),
        Case("one weight, dilation 5", (rng.normal(size=(2, 2, 4, 3)), rng.normal(size=(2, 2, 1, 1)), 5)),
        Case("exactly one window", (rng.normal(size=(1, 1, 7, 7)), rng.normal(size=(1, 1, 3, 3)), 3)),
    ],
    oracle=_torch_dilated,
    mistakes=[
        Mistake(
            "the filter is flipped; deep learning slides it as it is",
            lambda x, w, d: _torch_dilated(x, w[:, :, ::-1, ::-1].copy(), d),
            3,
        ),
        Mistake(
            "rows and columns of the filter have changed places",
            lambda x, w, d: _torch_dilated(x, w.swapaxes(2, 3).copy(), d),
            2,
        ),
        Mistake("only the first channel is used; all channels of a filter add up", _channels_apart, 3),
        Mistake(
            "the channels are averaged; they add up",
            lambda x, w, d: _torch_dilated(x, w, d) / x.shape[1],
            3,
        ),
    ],
    rules=[],
    concepts=["convolution"],
)


# ------------------------------------------------------------------------------------------ 10.avg_pool
def _torch_avg(g, shape, size, stride):
    import torch

    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.avg_pool2d(x, size, stride).backward(torch.tensor(g))
    return x.grad.numpy()


def _spread(g, shape, size, stride, share, add=True):
    """One window after the other; `add`: to what is there, or in its place."""
    d = np.zeros(shape)
    for r, c in np.ndindex(g.shape[2:]):
        here = (
            slice(None),
            slice(None),
            slice(r * stride, r * stride + size),
            slice(c * stride, c * stride + size),
        )
        part = share * g[:, :, r, c, None, None]
        d[here] = d[here] + part if add else part
    return d


def _first_wins(g, shape, size, stride):
    """The gradient of a maximum, where all are equal."""
    d = np.zeros(shape)
    for r, c in np.ndindex(g.shape[2:]):
        d[:, :, r * stride, c * stride] += g[:, :, r, c]
    return d


def _pool(n, c, height, width, size, stride):
    shape = n, c, height, width
    rows, columns = ((side - size) // stride + 1 for side in (height, width))
    return rng.normal(size=(n, c, rows, columns)), shape, size, stride


avg_pool = Function(
    "10.avg_pool",
    cases=[
        Case("windows of 2 side by side", _pool(2, 3, 6, 8, 2, 2)),
        Case("overlapping windows of 3, stride 2", _pool(2, 2, 7, 9, 3, 2)),
        Case("stride 1", _pool(1, 1, 5, 4, 2, 1)),
        Case("a row and a column that no window reaches", _pool(1, 2, 7, 8, 3, 3)),
        Case("gaps between the windows", _pool(1, 1, 8, 8, 2, 3)),
        Case("windows of one pixel", _pool(2, 1, 3, 3, 1, 1)),
    ],
    oracle=_torch_avg,
    mistakes=[
        Mistake(
            "every pixel gets its window's whole gradient; a mean gives each its share",
            lambda g, shape, size, stride: _spread(g, shape, size, stride, 1.0),
            1,
        ),
        Mistake(
            "divide by the number of pixels of the window, size²",
            lambda g, shape, size, stride: _spread(g, shape, size, stride, 1 / size),
            1,
        ),
        Mistake(
            "where windows overlap only the last one is kept; they add up",
            lambda g, shape, size, stride: _spread(g, shape, size, stride, 1 / size**2, add=False),
            2,
        ),
        Mistake("one pixel of the window gets all; that is a maximum, and here nobody wins", _first_wins, 1),
    ],
    concepts=["pooling"],
)


# ---------------------------------------------------------------------------------------------- 10.sees
def _sees_by_sets(layers, i):
    """Every pixel that the unit sees, layer by layer."""
    places = {i}
    for size, stride, padding in reversed(layers):
        places = {u * stride - padding + k for u in places for k in range(size)}
    return min(places), max(places)


def _no_padding(layers, i):
    return _sees_by_sets([(size, stride, 0) for size, stride, _ in layers], i)


def _once(layers, i):
    """The padding of all layers taken off at the picture."""
    first, last = _no_padding(layers, i)
    total = sum(padding for *_, padding in layers)
    return first - total, last - total


def _one_end(layers, i):
    return _sees_by_sets(layers, i)[0], _no_padding(layers, i)[1]


def _wrong_sign(layers, i):
    return _sees_by_sets([(size, stride, -padding) for size, stride, padding in layers], i)


sees = Function(
    "10.sees",
    cases=[
        Case("LeNet's four stages, unit 2", ([(5, 1, 2), (2, 2, 0), (5, 1, 0), (2, 2, 0)], 2)),
        Case("one layer of size 3 with padding 1, unit 0", ([(3, 1, 1)], 0)),
        Case("no layer at all", ([], 7)),
        Case("without padding", ([(3, 1, 0), (3, 2, 0)], 3)),
        Case("strides and padding in every layer", ([(3, 2, 1), (5, 3, 2), (4, 2, 1)], 4)),
        Case("1×1 with stride", ([(1, 2, 0), (3, 1, 1)], 5)),
    ],
    oracle=_sees_by_sets,
    bug=_no_padding,
    mistakes=[
        Mistake("padding counts in steps of its own layer; take it off inside the loop", _once, 3),
        Mistake("the padding moves both ends, not the first one only", _one_end, 3),
        Mistake("the sign is wrong: padding lies to the left, at negative places", _wrong_sign, 2),
        Mistake(
            "the layers are walked from the picture upward; start at the last one",
            lambda layers, i: _sees_by_sets(layers[::-1], i),
            3,
        ),
        Mistake(
            "a unit of size k sees k pixels: the last one is k − 1 after the first",
            lambda layers, i: _sees_by_sets([(size + 1, *rest) for size, *rest in layers], i),
            1,
        ),
    ],
    concepts=["cnn"],
)


# --------------------------------------------------------------------------------------------- 10.shift
@cache
def _measured_shift() -> str:
    """Send a picture and its shifted copy through the five stacks, with random weights."""
    import torch
    from torch.nn import functional as F

    drawn = np.random.default_rng(0)
    x, w, v = (torch.tensor(drawn.normal(size=s)) for s in [(1, 1, 12, 12), (4, 1, 3, 3), (4 * 12 * 12, 10)])

    def maps(x, stride=1):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w, stride=stride).relu()

    stacks = [
        lambda x: maps(x).mean(dim=(2, 3)),
        lambda x: maps(x, stride=2).amax(dim=(2, 3)),
        lambda x: F.max_pool2d(maps(x), 2).amax(dim=(2, 3)),
        lambda x: F.avg_pool2d(maps(x), 2).mean(dim=(2, 3)),
        lambda x: maps(x).flatten(1) @ v,
    ]
    return str(sum(torch.allclose(stack(x), stack(x.roll(1, dims=3)), atol=1e-9) for stack in stacks))


shift = Choice(
    "10.shift",
    options=("0", "1", "2", "3", "4", "5"),
    truth=_measured_shift,
    wrong="measured just now, with random weights: another number of the five stay the same",
    right="measured just now: three of the five",
    concepts=["pooling", "convolution"],
)


# --------------------------------------------------------------------------------------------- 10.hours
def _by_sums(hour, click, kernel, ring=True, flip=False, centre=None):
    """Hour by hour and weight by weight."""
    half = len(kernel) // 2 if centre is None else centre
    rates = np.zeros(24)
    for h in range(24):
        shown = clicked = 0.0
        for j, weight in enumerate(kernel[::-1] if flip else kernel):
            there = h + j - half
            if ring or 0 <= there < 24:
                rows = hour == there % 24
                shown += weight * rows.sum()
                clicked += weight * click[rows].sum()
        rates[h] = clicked / shown if shown > 0 else 0.0
    return rates


def _mean_of_rates(hour, click, kernel):
    alone = _by_sums(hour, click, np.ones(1))
    half = len(kernel) // 2
    around = sum(weight * np.roll(alone, half - j) for j, weight in enumerate(kernel))
    return around / np.sum(kernel)


def _clicks_only(hour, click, kernel):
    around = [_by_sums(hour, click, np.ones(1)) * np.bincount(hour, minlength=24)]
    half = len(kernel) // 2
    return sum(weight * np.roll(around[0], half - j) for j, weight in enumerate(kernel))


def _hours_of(n, hours, share=0.2):
    return rng.choice(hours, n), (rng.random(n) < share).astype(np.int64)


hours = Function(
    "10.hours",
    cases=[
        Case("three hours, equal weights", (*_hours_of(600, 24), np.ones(3))),
        Case("weights that are not symmetric", (*_hours_of(400, 24), np.array([0.5, 1.0, 0.25, 2.0, 0.0]))),
        Case("nobody awake from 1 to 5", (*_hours_of(300, np.r_[0, 6:24]), np.array([1.0, 2.0, 1.0]))),
        Case("one impression, at 23 o'clock", (np.array([23]), np.array([1]), np.ones(3))),
        Case("each hour alone", (*_hours_of(200, 24), np.ones(1))),
        Case("no clicks at all", (np.arange(24), np.zeros(24, int), np.ones(5))),
        Case("a log without rows", (np.zeros(0, int), np.zeros(0, int), np.ones(3))),
        Case("a weight of zero", (np.arange(24), np.ones(24, int), np.zeros(1))),
    ],
    oracle=_by_sums,
    rules=[
        Rule(
            "where there is no impression with any weight, the rate is 0: fill the array before you divide",
            lambda out, hour, click, kernel: not np.any(out) or (len(hour) and kernel.any()),
            2,
        )
    ],
    mistakes=[
        Mistake(
            "this averages the rates of hours; smooth the counts, and divide at the end", _mean_of_rates, 2
        ),
        Mistake(
            "23 and 0 o'clock are neighbours; the day is a ring",
            lambda hour, click, kernel: _by_sums(hour, click, kernel, ring=False),
            3,
        ),
        Mistake(
            "the kernel is flipped: its left entries weigh the hours before",
            lambda hour, click, kernel: _by_sums(hour, click, kernel, flip=True),
            3,
        ),
        Mistake(
            "the result is late: the kernel's middle weighs the hour itself",
            lambda hour, click, kernel: _by_sums(hour, click, kernel, centre=len(kernel) - 1),
            1,
        ),
        Mistake("these are clicks; divide by the weighted impressions", _clicks_only, 1),
    ],
    concepts=["convolution"],
)


# ------------------------------------------------------------------------------------------ 10.anywhere
@lru_cache(maxsize=1)
def _letters(seed):
    import torch

    from utils.data import glyphs

    drawn = glyphs._draw("test", 1000, seed, "ABCDEFGHIJ")  # `data.load` would keep it on the disk
    return torch.tensor(drawn["images"])[:, None] / 255, torch.tensor(drawn["labels"])


def _seed(net):
    """Of the test letters: chosen by the net's weights, so that none can be trained on its own test."""
    return zlib.crc32(b"".join(p.detach().cpu().numpy().tobytes() for p in net.parameters()))


def _scores(net, down=0, right=0):
    """The net's scores for the test letters, moved; white comes in. In evaluation mode, which is put back."""
    import torch

    x, _ = _letters(_seed(net))
    moved = torch.zeros_like(x)
    into, out_of = (
        (slice(None), slice(None), *(slice(max(sign * d, 0), 28 + min(sign * d, 0)) for d in (down, right)))
        for sign in (1, -1)
    )
    moved[into] = x[out_of]
    training = net.training
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    try:
        net.eval()
        with torch.no_grad():
            return torch.cat([net(part) for part in moved.to(device).split(250)]).cpu()
    finally:
        net.train(training)


def _accuracy(net, down=0, right=0):
    return (_scores(net, down, right).argmax(1) == _letters(_seed(net))[1]).float().mean().item()


def _is_net(net):
    import torch

    return isinstance(net, torch.nn.Module)


def _has_form(net):
    scores = _scores(net)
    return tuple(scores.shape) == (1000, 10) and bool(scores.isfinite().all())


anywhere = Value(
    "10.anywhere",
    rules=[
        Rule("this is no torch.nn.Module; return the trained net itself", _is_net, 1),
        Rule("the net does not turn (n, 1, 28, 28) into finite scores (n, 10)", _has_form, 2),
        Rule(
            "the net has more than 60,000 weights",
            lambda net: sum(p.numel() for p in net.parameters()) <= 60_000,
            3,
        ),
        Rule("fewer than 85 % of the letters in the middle are read", lambda net: _accuracy(net) >= 0.85, 1),
        Rule(
            "the middle is read, but in some direction fewer than 70 % of the letters moved by 4 pixels",
            lambda net: all(
                _accuracy(net, *step) >= 0.7 for step in product((-4, 0, 4), repeat=2) if any(step)
            ),
            2,
        ),
    ],
    concepts=["cnn", "pooling"],
)

TASKS = [dilated, avg_pool, sees, shift, hours, anywhere]
