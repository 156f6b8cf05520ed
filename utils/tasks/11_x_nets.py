"""The tasks of lecture 11."""

from dataclasses import replace
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import without_clicks, without_truth

rng = np.random.default_rng(11)


# ---------------------------------------------------------------------------------------------- 11.cost
def _measured(shape, plan):
    """Build the net in torch, on the device without content, and let torch count."""
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    layers = []
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        for kind, *numbers in plan:
            if kind == "conv":
                k, size, stride, padding, groups = numbers
                layers.append(nn.LazyConv2d(k, size, stride, padding, groups=groups))
            else:
                layers += (
                    [nn.MaxPool2d(*numbers)] if kind == "pool" else [nn.Flatten(), nn.LazyLinear(*numbers)]
                )
        net = nn.Sequential(*layers)
        net(torch.empty(1, *shape))  # the lazy layers take their sizes from it
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2


def _cost_with(bias=1, work_of_bias=0, grouped=True, up=False, map_in=False, flat=True, pools=True, pair=1):
    """The arithmetic with one thing changed."""

    def cost(shape, plan):
        (c, h, w), weights, work = shape, 0, 0

        def after(side, size, stride, padding=0):
            return (side + 2 * padding - size + (stride - 1 if up else 0)) // stride + 1

        for kind, *numbers in plan:
            if kind == "pool":
                if pools:
                    h, w = after(h, *numbers), after(w, *numbers)
                continue
            if kind == "dense":
                inputs, places, k = (c * h * w if flat else c), 1, numbers[0]
            else:
                k, size, stride, padding, groups = numbers
                inputs, places = c // (groups if grouped else 1) * size**2, h * w
            if kind == "dense":
                h = w = 1
            else:
                h, w = after(h, size, stride, padding), after(w, size, stride, padding)
            places = places if map_in else h * w
            weights += inputs * k + bias * k
            work += pair * (inputs * k * places + work_of_bias * k * places)
            c = k
        return weights, work

    return cost


_ALEXNET = [("conv", 96, 11, 4, 0, 1), ("pool", 3, 2), ("conv", 256, 5, 1, 2, 2), ("pool", 3, 2),
            ("conv", 384, 3, 1, 1, 1), ("dense", 1000)]  # fmt: skip

cost = Function(
    "11.cost",
    cases=[
        Case("two convolutions and a dense layer",
             ((3, 12, 10), [("conv", 8, 3, 1, 1, 1), ("pool", 2, 2), ("conv", 6, 3, 1, 0, 1), ("dense", 5)])),
        Case("AlexNet's first layers, two groups", ((3, 227, 227), _ALEXNET)),
        Case("strides that do not fit the sides",
             ((1, 16, 13), [("conv", 4, 5, 3, 1, 1), ("pool", 3, 2), ("dense", 2)])),
        Case("a depthwise convolution and a 1×1",
             ((6, 9, 9), [("conv", 6, 3, 2, 1, 6), ("conv", 12, 1, 1, 0, 1), ("dense", 3), ("dense", 2)])),
        Case("dense layers only", ((1, 28, 28), [("dense", 30), ("dense", 10)])),
        Case("pooling only", ((4, 8, 8), [("pool", 2, 2)])),
        Case("a pool that does not fit a square", ((1, 4, 4), [("pool", 3, 2), ("dense", 2)])),
        Case("a wide picture, two groups",
             ((2, 5, 7), [("pool", 3, 2), ("conv", 4, 1, 1, 0, 2), ("dense", 3)])),
    ],
    oracle=_measured,
    mistakes=[
        Mistake("the biases are missing: one for each channel that comes out", _cost_with(bias=0), 2),
        Mistake("biases count as no work", _cost_with(work_of_bias=1)),
        Mistake("the groups are ignored: a filter sees c / groups channels", _cost_with(grouped=False), 2),
        Mistake("the sides are rounded up; what does not fit is dropped", _cost_with(up=True), 1),
        Mistake(
            "a filter works once for each pixel of the map that comes out, not in", _cost_with(map_in=True), 2
        ),
        Mistake("a dense layer reads all pixels of all channels: c · h · w", _cost_with(flat=False), 3),
        Mistake("pooling makes the maps smaller, so what follows costs less", _cost_with(pools=False), 1),
        Mistake("a multiplication with its addition counts once here, not twice", _cost_with(pair=2)),
    ],
    rtol=0,
    concepts=["alexnet", "vgg"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 11.larger
@cache
def _larger() -> str:
    """Run torchvision's VGG-16 at both sizes, shapes only."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from utils import runtime

    runtime.torchvision_ready()
    from torchvision import models

    flops = {}
    with torch.device("meta"):
        net = models.vgg16()
        before = sum(p.numel() for p in net.parameters())
        for side in (224, 448):
            try:
                with FlopCounterMode(display=False) as counter:
                    net(torch.empty(1, 3, side, side))
            except RuntimeError:
                return "a"
            flops[side] = counter.get_total_flops()
    if sum(p.numel() for p in net.parameters()) != before:
        return "c"
    return "b" if flops[448] < 8 * flops[224] else "d"


larger = Choice(
    "11.larger",
    options=("a", "b", "c", "d"),
    truth=_larger,
    wrong="torchvision's VGG-16, run at both sizes, says otherwise",
    right="torchvision's VGG-16, run at both sizes, says so too",
    concepts=["vgg"],
)


# ---------------------------------------------------------------------------------------- 11.bottleneck
def _block(c, thin, k, stride, project):
    """torchvision's own block, its batch norms far from the identity."""
    import torch
    from torch import nn

    from utils import runtime

    runtime.torchvision_ready()
    from torchvision.models.resnet import Bottleneck

    down = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k)) if project else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(c + stride)
        block = Bottleneck(c, k // 4, stride, down).double()
        block.conv1 = nn.Conv2d(c, thin, 1, bias=False).double()
        block.conv2 = nn.Conv2d(thin, thin, 3, stride, 1, bias=False).double()
        block.conv3 = nn.Conv2d(thin, k, 1, bias=False).double()
        block.bn1, block.bn2 = nn.BatchNorm2d(thin).double(), nn.BatchNorm2d(thin).double()
        for norm in block.modules():
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.uniform_(norm.weight, 0.5, 2)
                nn.init.uniform_(norm.bias, -1, 1)
                nn.init.uniform_(norm.running_mean, -1, 1)
                nn.init.uniform_(norm.running_var, 0.01, 2)
    return block.eval()


def _block_case(label, c, thin, k, stride=1, project=False, n=2, side=(7, 6), still=False):
    import torch

    state = {name: t.clone() for name, t in _block(c, thin, k, stride, project).state_dict().items()}
    if still:  # variances of zero: epsilon alone is left
        state["bn2.running_var"][:] = 0
    return Case(label, (torch.tensor(rng.normal(size=(n, c, *side))), state, stride))


@cache
def _block_cases():
    return [
        _block_case("the same size, x itself as the skip", 8, 3, 8),
        _block_case("more channels, stride 2", 8, 4, 12, stride=2, project=True),
        _block_case("more channels, stride 1", 4, 2, 8, project=True, n=1),
        _block_case("x as the skip, a variance of zero", 8, 3, 8, still=True),
        _block_case("one pixel", 4, 2, 8, stride=2, project=True, side=(1, 1)),
        _block_case("stride 3 and odd sides", 4, 2, 8, stride=3, project=True, side=(8, 5)),
    ]


def _theirs(x, state, stride, change=lambda block: None):
    """torchvision's block, with these weights."""
    import torch

    thin, c = state["conv1.weight"].shape[:2]
    block = _block(c, thin, len(state["conv3.weight"]), stride, "downsample.0.weight" in state)
    block.load_state_dict(state)
    change(block)
    with torch.no_grad():
        return block(x)


def _block_with(last=True, inner=False, skip=True, norm_skip=True, first_stride=False, middle=True, eps=1e-5):
    def bottleneck(x, state, stride):
        import torch.nn.functional as F

        def layer(h, conv, norm, stride=1, normed=True):
            h = F.conv2d(h, state[f"{conv}.weight"], stride=stride, padding=int(conv == "conv2"))
            parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
            return F.batch_norm(h, *parts, eps=eps) if normed else h

        h = F.relu(layer(x, "conv1", "bn1", stride if first_stride else 1))
        h = layer(h, "conv2", "bn2", 1 if first_stride else stride)
        h = layer(F.relu(h) if middle else h, "conv3", "bn3")
        h = F.relu(h) if inner else h
        if "downsample.0.weight" in state:
            x = layer(x, "downsample.0", "downsample.1", stride, norm_skip)
        h = h + x if skip else h
        return F.relu(h) if last else h

    return bottleneck


bottleneck = Function(
    "11.bottleneck",
    cases=_block_cases,
    oracle=_theirs,
    mistakes=[
        Mistake("after the sum comes a ReLU", _block_with(last=False), 3),
        Mistake("the last ReLU stands before the sum, not after it", _block_with(last=False, inner=True), 3),
        Mistake("there is a ReLU before the sum as well; drop that one", _block_with(inner=True), 3),
        Mistake("nothing is added: the skip is missing", _block_with(skip=False), 3),
        Mistake("the skip's convolution has a batch norm too, downsample.1", _block_with(norm_skip=False), 2),
        Mistake("the stride belongs to the 3×3, not to the first 1×1", _block_with(first_stride=True), 1),
        Mistake("a ReLU follows the second batch norm as well", _block_with(middle=False)),
        Mistake(
            "batch norm uses the batch's statistics; in evaluation it uses the running ones",
            lambda *a: _theirs(*a, change=lambda block: block.train()),
            2,
        ),
    ],
    concepts=["resnet", "googlenet"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 11.frozen
def _net(pictures, width, spread=1.0):
    """A body with batch norm whose statistics are not those of the new data, and an old head."""
    from collections import OrderedDict

    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(width)
        body = ([nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten()]
                if pictures else [nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU()])  # fmt: skip
        nn.init.normal_(body[1].running_mean, 0, spread)
        nn.init.uniform_(body[1].running_var, 0.2, 3)
        net = nn.Sequential(OrderedDict(body=nn.Sequential(*body), fc=nn.Linear(width, 7)))
    return net.double().train()


def _tune_case(label, classes, n, m, pictures=False, width=6, spread=1.0):
    import torch

    shape = (1, 6, 6) if pictures else (4,)
    x, new = (torch.tensor(rng.normal(1, 1, size=(rows, *shape))) for rows in (n, m))
    return Case(label, (_net(pictures, width, spread), classes, x, torch.arange(n) % classes, new))


@cache
def _tune_cases():
    return [
        _tune_case("three classes", 3, 12, 5),
        _tune_case("pictures", 2, 8, 4, pictures=True),
        _tune_case("one training picture, one new one", 2, 1, 1, pictures=True, width=3),
        _tune_case("statistics far from the new data", 4, 9, 6, spread=2.0, width=8),
    ]


def _by_regression(net, classes, x, y, new):
    """Features of the body as it was, then softmax regression by steepest descent, in NumPy."""
    import torch

    with torch.no_grad():
        features, later = (net.eval().body(u).numpy() for u in (x, new))
    w, b, truth = np.eye(features.shape[1], classes), np.zeros(classes), np.eye(classes)[y]
    for _ in range(20):
        p = np.exp(features @ w + b)
        off = (p / p.sum(axis=1, keepdims=True) - truth) / len(y)
        w, b = w - 0.5 * features.T @ off, b - 0.5 * off.sum(axis=0)
    return torch.tensor(later @ w + b)


def _tune_with(train_mode=False, old_head=False, body=False, back=False, eval_at_end=True, steps=20):
    """Fine-tuning with the bugs that are named; `back`: the statistics are put back at the end."""

    def fine_tune(net, classes, x, y, new):
        import copy

        import torch
        from torch import nn

        net = copy.deepcopy(net).train(train_mode)
        kept = copy.deepcopy(net.body.state_dict())
        descent = torch.optim.SGD(net.fc.parameters(), lr=0.5)
        net.body.requires_grad_(body)
        net.fc = nn.Linear(net.fc.in_features, classes, dtype=x.dtype)
        nn.init.eye_(net.fc.weight)
        nn.init.zeros_(net.fc.bias)
        if not old_head:
            descent = torch.optim.SGD((net if body else net.fc).parameters(), lr=0.5)
        for _ in range(steps):
            descent.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            descent.step()
        if back:
            net.body.load_state_dict(kept)
        return (net.eval() if eval_at_end else net)(new).detach()

    return fine_tune


frozen = Function(
    "11.frozen",
    cases=_tune_cases,
    oracle=_by_regression,
    bug=_tune_with(train_mode=True, old_head=True),
    mistakes=[
        Mistake("the modes are right now, but the optimizer holds the old head: the new one never learns",
                _tune_with(old_head=True), 1),
        Mistake("the head learns now, but batch norm in the body still runs in training mode",
                _tune_with(train_mode=True), 2),
        Mistake("the statistics are put back, but the head was trained on features of another mode",
                _tune_with(train_mode=True, back=True), 2),
        Mistake("the body's weights move: only the head is trained", _tune_with(body=True)),
        Mistake("the body's weights move, and its statistics too", _tune_with(body=True, train_mode=True)),
    ],
    concepts=["resnet"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 11.squash
def _by_decimals(s, g):
    """Central differences of g · squash(s), with 400 digits."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 400

        def value(row, weight):
            square = sum(x * x for x in row)
            return sum(x * w for x, w in zip(row, weight, strict=True)) * square.sqrt() / (1 + square)

        out = np.zeros(s.shape)
        for i, (row, weight) in enumerate(zip(s, g, strict=True)):
            row, weight = ([Decimal(float(x)) for x in values] for values in (row, weight))
            h = max([abs(x) for x in row] + [Decimal("1e-150")]) * Decimal("1e-50")
            for j in range(len(row)):
                moved = [value([*row[:j], row[j] + step, *row[j + 1 :]], weight) for step in (h, -h)]
                out[i, j] = float((moved[0] - moved[1]) / (2 * h))
    return out


def _squash_with(eps=0.0, across=True, radial=True, unit=True, guard=True, sign=1):
    def squash_back(s, g):
        with np.errstate(all="ignore"):
            n = np.sqrt((s**2).sum(axis=1, keepdims=True) + eps)
            u = s / (np.where(n > 0, n, 1) if guard else n) if unit else s
            a = n / (1 + n**2)
            along = a * (1 - n**2) / (1 + n**2) * u * (u * g).sum(axis=1, keepdims=True)
            return (a * g if across else 0) + (sign * along if radial else 0)

    return squash_back


def _by_lecture(s, g, eps=1e-9):
    """torch's gradient of the lecture's squash."""
    import torch

    s = torch.tensor(s, requires_grad=True)
    n2 = (s**2).sum(-1, keepdim=True)
    (n2 / (1 + n2) * s / (n2 + eps).sqrt()).backward(torch.tensor(g))
    return s.grad.numpy()


def _vectors(m, d, size=1.0, slope=1.0):
    return size * rng.normal(size=(m, d)), slope * rng.normal(size=(m, d))


squash = Function(
    "11.squash",
    cases=[
        Case("five vectors", _vectors(5, 4)),
        Case("vectors of one number", _vectors(4, 1)),
        Case("lengths near 1e-6", _vectors(3, 3, size=1e-6)),
        Case("a vector of zeros among others", (np.array([[0.0, 0, 0], [3, 0, -4], [0.6, 0, 0.8]]),
                                                rng.normal(size=(3, 3)))),
        Case("lengths near 1e100", _vectors(3, 2, size=1e100, slope=1e100)),
        Case("lengths near 1e-100", _vectors(3, 2, size=1e-100, slope=1e100)),
    ],
    oracle=_by_decimals,
    mistakes=[
        Mistake("n also depends on s: the term with a'(n) is missing", _squash_with(radial=False), 1),
        Mistake("only the part along s is there: a · g is missing", _squash_with(across=False), 1),
        Mistake("the term with a'(n) has the wrong sign", _squash_with(sign=-1), 2),
        Mistake("the direction u has length 1: divide s by n", _squash_with(unit=False), 2),
        Mistake("a small constant under the root spoils short vectors", _by_lecture, 3),
        Mistake("a small constant under the root spoils short vectors", _squash_with(eps=1e-9), 3),
    ],
    atol=1e-20,
    concepts=["capsnet"],
)  # fmt: skip


# ---------------------------------------------------------------------------------------- 11.correction
def _without_users(log):
    return replace(log, features=log.features | {"user": np.zeros_like(log.features["user"])})


@cache
def _logs():
    """Three pasts and their future, with the score of a model that knows main effects and tastes."""
    from utils import data
    from utils.data.ads import ad_world

    def old(log):
        parts = ad_world().parts(log.features)
        return ad_world().intercept + parts["main"] + parts["latent"]

    cases = []
    for rows, seed in ((30_000, 111), (500, 112), (500, 113)):
        past, future = (data.load("ads", rows=n, seed=s) for n, s in ((rows, seed), (60_000, seed + 50)))
        known_past, hidden = without_truth(_without_users(past)), without_clicks(_without_users(future))
        args = known_past, old(past), hidden, old(future)
        cases.append(Case(f"a log of {rows} impressions, {seed}", args, known=(future,)))
    known_past, scores, hidden, later = cases[-1].args
    cases.append(Case("no impressions yet", (known_past[:0], scores[:0], hidden, later), cases[-1].known))
    return cases


def _old_share(old_future, future):
    return future.share_of_gap(1 / (1 + np.exp(-old_future)))


correction = Function(
    "11.correction",
    cases=_logs,
    like=lambda past, old, hidden, old_future: np.full(len(hidden), 0.5),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all()),
        Rule(
            "the mean prediction is not the click rate",
            lambda p, a, b, c, d, future: 0.6 < p.mean() / future.click.mean() < 1.25,
            1,
        ),
        Rule(
            "the old model alone is better, by more than 3 % of the gap: the correction spoils it",
            lambda p, a, b, c, d, future: future.share_of_gap(p) >= _old_share(d, future) - 0.03,
            3,
        ),
        Rule(
            "these are the old model's probabilities, or nearly: 30,000 rows teach more than that",
            lambda p, past, b, c, d, future: (
                len(past) < 1000 or future.share_of_gap(p) >= _old_share(d, future) + 0.01
            ),
            2,
        ),
        Rule(
            "this is less than 84 % of the gap",
            lambda p, past, b, c, d, future: len(past) < 1000 or future.share_of_gap(p) >= 0.84,
            2,
        ),
    ],
    concepts=["resnet"],
)

TASKS = [cost, larger, bottleneck, frozen, squash, correction]
