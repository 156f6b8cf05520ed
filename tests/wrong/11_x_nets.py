"""Named wrong answers of lecture 11, with the message each must get, and right ones written another way."""

import copy

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


# ------------------------------------------------------------------------------------------------ cost
def cost(
    shape, plan, bias=1, groups=True, up=(0, 0), pools=True, read="all", where="out", pair=1, bias_work=0
):
    c, h, w = shape
    total = work = 0
    for kind, *numbers in plan:
        if kind == "dense":
            fan_in, k, old, h, w = {"all": c * h * w, "channels": c}[read], numbers[0], 1, 1, 1
        else:
            k, size, stride, pad, group = numbers if kind == "conv" else (c, *numbers, 0, 1)
            old = h * w
            if kind == "conv" or pools:
                sides = zip((h, w), up, strict=True)
                h, w = (1 + (side + 2 * pad - size + more * (stride - 1)) // stride for side, more in sides)
            if kind == "pool":
                continue
            fan_in = c // (group if groups else 1) * size * size
        total += k * (fan_in + bias)
        work += pair * k * (fan_in + bias_work) * (h * w if where == "out" else old)
        c = k
    return total, work


def the_lectures_bill(shape, plan):
    """Counts a net, and a plan is none."""
    with FlopCounterMode(display=False) as counter:
        plan.to("meta").eval()(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops()


def padding_once(shape, plan):
    return cost(shape, [(k, *n[:3], n[3] / 2, n[4]) if k == "conv" else (k, *n) for k, *n in plan])


def filters_share_groups(shape, plan):
    """Divides the channels that come out by the groups as well."""
    total, work = cost(shape, plan)
    for kind, *n in plan:
        if kind == "conv" and n[4] > 1:
            total -= 1
    return total, work


def biases_by_group(shape, plan):
    total, work = cost(shape, plan)
    return total - sum(n[0] - n[0] // n[4] for kind, *n in plan if kind == "conv"), work


def plan_eaten(shape, plan):
    result = cost(shape, plan)
    plan[0] = ("pool", 1, 1)
    return result


def by_torch(shape, plan):
    """Real layers and real numbers; the work from the maps' sizes."""
    x, total, work = torch.zeros(1, *shape), 0, 0
    for kind, *n in plan:
        if kind == "pool":
            x = F.max_pool2d(x, *n)
            continue
        if kind == "dense":
            x = x.flatten(1)
            layer = nn.Linear(x.shape[1], n[0])
        else:
            layer = nn.Conv2d(x.shape[1], n[0], n[1], n[2], n[3], groups=n[4])
        x = layer(x)
        total += sum(p.numel() for p in layer.parameters())
        work += layer.weight.numel() * (x[0, 0].numel() if kind == "conv" else 1)
    return total, work


def as_array(shape, plan):
    return np.array(cost(shape, plan))


# ------------------------------------------------------------------------------------------ bottleneck
def bottleneck(x, s, stride, strides=None, relus=(1, 1, 0, 1), add=True, skip="norm", training=False,
               eps=1e-5, pad=1):  # fmt: skip
    def norm(h, name):
        mean, var = (s[f"{name}.running_{what}"] for what in ("mean", "var"))
        if training:
            mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
        scale = s[f"{name}.weight"] / (var + eps).sqrt()
        return h * scale[:, None, None] + (s[f"{name}.bias"] - mean * scale)[:, None, None]

    h = x
    for i, step in enumerate(strides or (1, stride, 1), 1):
        h = F.conv2d(h, s[f"conv{i}.weight"], stride=step, padding=pad * (i == 2))
        h = norm(h, f"bn{i}")
        h = h.relu() if relus[i - 1] else h
    if "downsample.0.weight" in s and skip != "x":
        x = F.conv2d(x, s["downsample.0.weight"], stride=stride)
        x = norm(x, "downsample.1") if skip == "norm" else x
        x = x.relu() if skip == "relu" else x
    h = h + x if add else h
    return h.relu() if relus[3] else h


def by_modules(x, state, stride):
    """torch's layers, filled by hand."""

    def conv(name, stride=1, pad=0):
        w = state[f"{name}.weight"]
        layer = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], stride, pad, bias=False, dtype=w.dtype)
        layer.load_state_dict({"weight": w})
        return layer

    def norm(name):
        keys = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        layer = nn.BatchNorm2d(len(state[f"{name}.weight"]), dtype=torch.double)
        layer.load_state_dict({key: state[f"{name}.{key}"] for key in keys})
        return layer.eval()

    f = nn.Sequential(conv("conv1"), norm("bn1"), nn.ReLU(), conv("conv2", stride, 1), norm("bn2"), nn.ReLU(),
                      conv("conv3"), norm("bn3"))  # fmt: skip
    skip = nn.Identity()
    if any(key.startswith("downsample") for key in state):
        skip = nn.Sequential(conv("downsample.0", stride), norm("downsample.1"))
    with torch.no_grad():
        return (f(x) + skip(x)).clamp(min=0)


def in_place(x, state, stride):
    result = bottleneck(x, state, stride)
    x += 1
    return result


# ---------------------------------------------------------------------------------------------- frozen
def fine_tune(net, classes, x, y, new, mode="eval", which="head", order="right", steps=20, lr=0.5, start=0,
              end=True, clear=True, given=False):  # fmt: skip
    net = net if given else copy.deepcopy(net)
    stale = list(net.fc.parameters())
    net.fc = nn.Linear(net.fc.in_features, classes, dtype=x.dtype)
    nn.init.eye_(net.fc.weight)
    nn.init.constant_(net.fc.bias, start)
    net.train(mode != "eval")
    if mode == "body eval":
        net.body.eval()
    learning = {"right": list((net.fc if which == "head" else net).parameters()), "stale": stale}[order]
    for _ in range(steps):
        if clear:
            net.zero_grad()
        F.cross_entropy(net(x), y).backward()
        with torch.no_grad():
            for p in learning:
                p -= lr * (p.grad if p.grad is not None else 0)
    return (net.eval() if end else net)(new).detach()


def statistics_put_back(net, classes, x, y, new):
    kept = copy.deepcopy(net.body.state_dict())
    net = copy.deepcopy(net).train()
    net.fc = nn.Linear(net.fc.in_features, classes, dtype=x.dtype)
    nn.init.eye_(net.fc.weight)
    nn.init.zeros_(net.fc.bias)
    descent = torch.optim.SGD(net.fc.parameters(), lr=0.5)
    for _ in range(20):
        descent.zero_grad()
        F.cross_entropy(net(x), y).backward()
        descent.step()
    net.body.load_state_dict(kept)
    return net.eval()(new).detach()


def on_features(net, classes, x, y, new):
    """The body runs once; the head alone is trained, on what it gave."""
    with torch.no_grad():
        features, later = net.body.eval()(x), net.body(new)
    w = torch.eye(classes, features.shape[1] + 1, dtype=x.dtype).roll(1, 1).requires_grad_()
    for _ in range(20):
        loss = F.cross_entropy(F.linear(features, w[:, 1:], w[:, 0]), y)
        (g,) = torch.autograd.grad(loss, w)
        w = (w - 0.5 * g).detach().requires_grad_()
    return F.linear(later, w[:, 1:], w[:, 0]).detach()


# ---------------------------------------------------------------------------------------------- squash
def squash_back(s, g, parts=(1, 1), constant=0.0, mean_sign=-1, unit=True):
    n2 = np.sum(s * s, axis=1, keepdims=True) + constant
    n = np.sqrt(n2)
    u = np.divide(s, n, out=np.zeros_like(s), where=n > 0) if unit else s
    across, along = n / (1 + n2), n / (1 + n2) * (1 + mean_sign * n2) / (1 + n2)
    return parts[0] * across * g + parts[1] * along * u * np.sum(u * g, axis=1, keepdims=True)


def the_lectures(s, g, constant=1e-9):
    s = torch.tensor(s, requires_grad=True)
    n2 = (s**2).sum(-1, keepdim=True)
    (n2 / (1 + n2) * s / (n2 + constant).sqrt()).backward(torch.tensor(g))
    return s.grad.numpy()


def nothing_at_zero(s, g):
    """0 / 0 where s is zero."""
    with np.errstate(all="ignore"):
        n = np.linalg.norm(s, axis=1, keepdims=True)
        a, slope = n / (1 + n**2), (1 - n**2) / (1 + n**2) ** 2
        return a * g + slope * s * (s * g).sum(axis=1, keepdims=True) / n


def too_high_a_power(s, g):
    """n⁴ overflows, and all that is divided by it is lost."""
    with np.errstate(all="ignore"):
        n = np.linalg.norm(s, axis=1, keepdims=True)
        u = s / np.where(n > 0, n, 1)
        slope = (n - n**3) / (1 + 2 * n**2 + n**4)
        return n / (1 + n**2) * g + slope * u * (u * g).sum(axis=1, keepdims=True)


def forward_only(s, g):
    n = np.linalg.norm(s, axis=1, keepdims=True)
    return n / (1 + n**2) * s


def one_length(s, g):
    """One norm for all vectors together."""
    n = np.linalg.norm(s)
    u = s / n
    return n / (1 + n**2) * (g + (1 - n**2) / (1 + n**2) * u * (u * g).sum())


def by_matrices(s, g):
    """A Jacobian for every vector, from slopes along and across."""
    out = np.zeros_like(s)
    for i, (row, slope) in enumerate(zip(s, g, strict=True)):
        n = np.hypot.reduce(row)
        if n:
            r, along = min(n, 1 / n), np.outer(row / n, row / n)
            across = r / (1 + r * r)
            out[i] = (across * (np.eye(len(row)) - along) + 2 * across**2 / n * along) @ slope
    return out


def by_rescaled_tape(s, g):
    """torch's gradient, with the length written so that nothing over- or underflows."""
    t = torch.tensor(s, requires_grad=True)
    zero = (t.detach() == 0).all(1, keepdim=True)
    n = torch.linalg.vector_norm(torch.where(zero, 1.0, t), dim=1, keepdim=True)
    (torch.where(zero, 0.0, t) / (n + 1 / n)).backward(torch.tensor(g))
    return np.where(zero.numpy(), 0.0, t.grad.numpy())


# ------------------------------------------------------------------------------------------ correction
CROSSES = [("age", "gender", "category"), ("hour", "category"), ("device", "category")]


def improve(past, old, future, later, price=4.0, columns=CROSSES, mean=False, weight=1.0, output=expit):
    X, n = past.one_hot(columns), len(past) if mean else 1

    def loss(w):
        z = weight * old + X @ w
        value = (np.logaddexp(0, z) - past.click * z).sum() / n + price / 2 * w @ w
        return value, X.T @ (expit(z) - past.click) / n + price * w

    w = minimize(loss, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B").x
    return output(weight * later + future.one_hot(columns) @ w)


def old_as_a_feature_only(past, old, future, later):
    """The correction, without what it corrects."""
    return improve(past, 0 * old - 3.2, future, 0 * later - 3.2)


def forgotten_at_the_end(past, old, future, later):
    return improve(past, old, future, 0 * later - 3.2)


def weighted_feature(past, old, future, later, price=4.0):
    """The old score as one more feature, whose weight is learned like the others, with a price."""
    X = past.one_hot(CROSSES)

    def loss(w):
        z = w[-1] * old + X @ w[:-1]
        value = (np.logaddexp(0, z) - past.click * z).sum() + price / 2 * w @ w
        off = expit(z) - past.click
        return value, np.append(X.T @ off, old @ off) + price * w

    w = minimize(loss, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return expit(w[-1] * later + future.one_hot(CROSSES) @ w[:-1])


def only_calibrated(past, old, future, later):
    """A slope and a bias for the old score."""

    def loss(w):
        z = w[0] * old + w[1]
        return (np.logaddexp(0, z) - past.click * z).sum() + 4 * ((w - [1, 0]) ** 2).sum()

    slope, bias = minimize(loss, [1.0, 0.0], method="L-BFGS-B").x
    return expit(slope * later + bias)


def a_net(past, old, future, later):
    """The old score, and a table of corrections that begins at zero, by Adam; few rows correct nothing."""
    if len(past) < 1000:
        return expit(later)
    torch.manual_seed(0)
    columns = CROSSES

    def rows(log):
        X = log.one_hot(columns)
        return torch.tensor(X.indices.reshape(len(log), len(columns)).astype(np.int64))

    table = nn.EmbeddingBag(past.one_hot(columns).shape[1], 1, mode="sum")
    nn.init.zeros_(table.weight)
    x, y, z = rows(past), torch.tensor(past.click).float(), torch.tensor(old).float()
    descent = torch.optim.Adam(table.parameters(), lr=0.01)
    for _ in range(6):
        for batch in torch.randperm(len(x)).split(500):
            loss = F.binary_cross_entropy_with_logits(z[batch] + table(x[batch])[:, 0], y[batch])
            descent.zero_grad()
            (loss + 2e-4 * table.weight.square().sum() / 2).backward()
            descent.step()
    with torch.no_grad():
        return expit(later + table(rows(future))[:, 0].numpy())


WRONG = {
    "11.cost": {
        "the lecture's": (the_lectures_bill, "your code stops"),
        "no bias": (lambda *a: cost(*a, bias=0), "biases are missing"),
        "bias works": (lambda *a: cost(*a, bias_work=1), "no work"),
        "no groups": (lambda *a: cost(*a, groups=False), "groups are ignored"),
        "rounded up": (lambda *a: cost(*a, up=(1, 1)), "rounded up"),
        "pooling ignored": (lambda *a: cost(*a, pools=False), "makes the maps smaller"),
        "dense on channels": (lambda *a: cost(*a, read="channels"), "all pixels of all channels"),
        "map that comes in": (lambda *a: cost(*a, where="in"), "comes out, not in"),
        "two operations": (lambda *a: cost(*a, pair=2), "once here"),
        "half the padding": (padding_once, "wrong values"),
        "one off for groups": (filters_share_groups, "wrong values"),
        "plan eaten": (plan_eaten, "changes its input"),
        "height rounded up": (lambda *a: cost(*a, up=(1, 0)), "wrong values"),
        "a square": (lambda shape, plan: cost((*shape[:2], shape[1]), plan), "wrong values"),
        "biases dealt out": (biases_by_group, "wrong values"),
        "weights only": (lambda *a: cost(*a)[0], "expected 2 results"),
        "work first": (lambda *a: cost(*a)[::-1], "wrong values"),
    },
    "11.larger": {
        "it refuses": ("a", "says otherwise"),
        "more weights": ("c", "says otherwise"),
        "sixteen": ("d", "says otherwise"),
        "a number": (4, "answer with one of"),
    },
    "11.bottleneck": {
        "no last ReLU": (lambda *a: bottleneck(*a, relus=(1, 1, 0, 0)), "after the sum comes a ReLU"),
        "ReLU before the sum": (lambda *a: bottleneck(*a, relus=(1, 1, 1, 0)), "before the sum, not after"),
        "two ReLUs": (lambda *a: bottleneck(*a, relus=(1, 1, 1, 1)), "drop that one"),
        "second ReLU missing": (lambda *a: bottleneck(*a, relus=(1, 0, 0, 1)), "second batch norm"),
        "first ReLU missing": (lambda *a: bottleneck(*a, relus=(0, 1, 0, 1)), "wrong values"),
        "nothing added": (lambda *a: bottleneck(*a, add=False), "skip is missing"),
        "bare projection": (lambda *a: bottleneck(*a, skip="bare"), "downsample.1"),
        "the paper's stride": (
            lambda x, s, stride: bottleneck(x, s, stride, strides=(stride, 1, 1)),
            "not to the first 1×1",
        ),
        "batch statistics": (lambda *a: bottleneck(*a, training=True), "running ones"),
        "no epsilon": (lambda *a: bottleneck(*a, eps=0), "contains nan for x as the skip"),
        "another epsilon": (lambda *a: bottleneck(*a, eps=1e-3), "wrong values"),
        "no projection": (lambda *a: bottleneck(*a, skip="x"), "your code stops"),
        "no padding": (lambda *a: bottleneck(*a, pad=0), "your code stops"),
        "no stride": (lambda x, s, stride: bottleneck(x, s, 1), "shape"),
        "ReLU on the skip, no norm": (lambda *a: bottleneck(*a, skip="relu"), "wrong values"),
        "in place": (in_place, "changes its input"),
    },
    "11.frozen": {
        "only the optimizer": (lambda *a: fine_tune(*a, mode="train"), "still runs in training mode"),
        "statistics put back": (statistics_put_back, "features of another mode"),
        "body too": (lambda *a: fine_tune(*a, which="all"), "body's weights move: only"),
        "body too, in training mode": (
            lambda *a: fine_tune(*a, which="all", mode="train"),
            "and its statistics too",
        ),
        "one step more": (lambda *a: fine_tune(*a, steps=21), "wrong values"),
        "another rate": (lambda *a: fine_tune(*a, lr=0.05), "wrong values"),
        "only the mode": (lambda *a: fine_tune(*a, order="stale"), "holds the old head"),
        "biases not at zero": (lambda *a: fine_tune(*a, start=np.e, steps=19), "wrong values"),
        "gradients pile up": (lambda *a: fine_tune(*a, clear=False), "wrong values"),
        "softmax": (lambda *a: fine_tune(*a).softmax(1), "wrong values"),
        "never back to eval": (lambda *a: fine_tune(*a, mode="train", end=False), "wrong values"),
        "on the given net": (lambda *a: fine_tune(*a, given=True), "changes its input"),
        "the given net's body too": (lambda *a: fine_tune(*a, which="all", given=True), "changes its input"),
        "seven old classes": (lambda net, k, x, y, new: net.eval()(new).detach(), "shape"),
    },
    "11.squash": {
        "the lecture's": (the_lectures, "small constant"),
        "a smaller constant": (lambda *a: the_lectures(*a, constant=1e-15), "wrong values"),
        "no constant": (lambda *a: the_lectures(*a, constant=0.0), "contains nan"),
        "0 / 0": (nothing_at_zero, "contains nan"),
        "n⁴": (too_high_a_power, "wrong values for lengths near 1e100"),
        "constant in the formula": (lambda *a: squash_back(*a, constant=1e-9), "small constant"),
        "a as if fixed": (lambda *a: squash_back(*a, parts=(1, 0)), "also depends on s"),
        "along only": (lambda *a: squash_back(*a, parts=(0, 1)), "only the part along s"),
        "sign": (lambda *a: squash_back(*a, parts=(1, -1)), "wrong sign"),
        "direction not scaled": (lambda *a: squash_back(*a, unit=False), "has length 1"),
        "slope of a": (lambda *a: squash_back(*a, mean_sign=1), "wrong values"),
        "long ones dropped": (
            lambda s, g: squash_back(s, g) * (np.abs(s).max(axis=1, keepdims=True) < 1e50),
            "wrong values for lengths near 1e100",
        ),
        "short ones dropped": (
            lambda s, g: squash_back(s, g) * (np.abs(s).max(axis=1, keepdims=True) > 1e-50),
            "wrong values for lengths near 1e-100",
        ),
        "forward": (forward_only, "wrong values"),
        "one length": (one_length, "wrong values"),
    },
    "11.correction": {
        "the old model": (lambda past, old, future, later: expit(later), "nearly"),
        "no old model": (old_as_a_feature_only, "spoils it"),
        "old model at training only": (forgotten_at_the_end, "click rate"),
        "no price": (lambda *a: improve(*a, price=1e-6), "spoils it"),
        "a mean and a price": (lambda *a: improve(*a, price=0.003, mean=True), "less than 84 %"),
        "too high a price": (lambda *a: improve(*a, price=30.0), "less than 84 %"),
        "too low a price": (lambda *a: improve(*a, price=0.3), "of 500 impressions"),
        "a weight on the old score": (weighted_feature, "click rate"),
        "only calibrated": (only_calibrated, "less than 84 %"),
        "hours alone": (lambda *a: improve(*a, columns=["hour", "category"]), "less than 84 %"),
        "logits": (lambda *a: improve(*a, output=lambda z: z), "left (0, 1)"),
        "the old score twice": (lambda *a: improve(*a, weight=2.0), "spoils it"),
        "base rate": (
            lambda past, old, future, later: np.full(len(future), past.click.mean()),
            "the old model alone is better",
        ),
        "for the past": (lambda past, old, future, later: improve(past, old, past, old), "shape"),
    },
}

RIGHT = {
    "11.cost": {"fan in": cost, "by torch": by_torch, "an array": as_array},
    "11.larger": {"b": "b", "B.": "B."},
    "11.bottleneck": {"by modules": by_modules, "by hand": bottleneck},
    "11.frozen": {
        "on features": on_features,
        "body in eval": lambda *a: fine_tune(*a, mode="body eval"),
        "all in eval": fine_tune,
    },
    "11.squash": {"by matrices": by_matrices, "by tape": by_rescaled_tape, "one line": squash_back},
    "11.correction": {
        "another price": improve,
        "main effects too": lambda *a: improve(*a, columns=["ad", "site", *CROSSES]),
        "a table trained by Adam": a_net,
    },
}
