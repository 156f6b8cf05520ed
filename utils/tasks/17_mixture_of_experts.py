"""The tasks of lecture 17."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import without_clicks, without_truth

rng = np.random.default_rng(16)


def _softmax(z):
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


# --------------------------------------------------------------------------------------------- 17.start
def _start_by_loop(X, centres):
    far = np.array([min(float(((x - c) ** 2).sum()) for c in centres) for x in X])
    return np.full(len(X), 1 / len(X)) if far.sum() == 0 else far / far.sum()


def _start_with(power=2, over=np.min, centres_used=slice(None), scale=np.sum):
    def odds(X, centres):
        far = np.sqrt(((X[:, None] - centres[centres_used]) ** 2).sum(axis=2)) ** power
        far = over(far, axis=1)
        if not far.any():
            raise ZeroDivisionError  # how the answer treats this case is not what the mistake is about
        return far / scale(far)

    return odds


def _farthest(X, centres):
    return np.eye(len(X))[_start_by_loop(X, centres).argmax()]


_points, _few = rng.normal(size=(7, 2)), rng.normal(size=(5, 3))
start = Function(
    "17.start",
    cases=[
        Case("three centres", (_points, rng.normal(size=(3, 2)))),
        Case("one centre", (_few, _few[2:3])),
        Case("points that are centres", (_points, _points[[0, 4]])),
        Case("points that all lie on a centre", (_few[[1, 1, 3]], _few[[1, 3]])),
        Case("points close together, ten million from the origin", (1e7 + _points, 1e7 + _points[:2])),
        Case("an outlier", (np.array([[0.0], [1.0], [1000.0]]), np.array([[0.0]]))),
        Case("a single point", (_few[:1], _few[1:2])),
        Case("points within a tenth or two", (np.array([[0.0], [0.1], [0.3]]), np.zeros((1, 1)))),
    ],
    oracle=_start_by_loop,
    mistakes=[
        Mistake("the distances are squared before they become shares", _start_with(power=1), 1),
        Mistake("it is the nearest of all centres, not the last one", _start_with(centres_used=[-1]), 1),
        Mistake("it is the nearest of all centres, not the first one", _start_with(centres_used=[0]), 1),
        Mistake("it is the distance to the nearest centre, not to all of them", _start_with(over=np.sum), 1),
        Mistake("it is the nearest centre, not the farthest", _start_with(over=np.max), 1),
        Mistake(
            "these are distances, not probabilities: divide by their sum", _start_with(scale=lambda _: 1), 1
        ),
        Mistake("the farthest point is not certain; it is only the likeliest", _farthest, 1),
    ],
    concepts=["clustering"],
)


# --------------------------------------------------------------------------------------------- 17.blame
def _blame_by_torch(X, share, mean, var):
    import torch

    X, share, mean, var = (torch.tensor(a) for a in (X, share, mean, var))
    normal = torch.distributions.Independent(torch.distributions.Normal(mean, var.sqrt()), 1)
    return torch.softmax(share.log() + normal.log_prob(X[:, None]), dim=1).numpy()


def _blame_with(share_counts=True, size=1.0, half=0.5, spread=lambda v: v, axis=1):
    def blame(X, share, mean, var):
        var = spread(var)
        z = -half * ((X[:, None] - mean) ** 2 / var).sum(2) - size * 0.5 * np.log(var).sum(1)
        z = z + share_counts * np.log(share)
        return _softmax(z) if axis == 1 else _softmax(z.T).T

    return blame


def _mixture(n, d, k, at=0.0):
    share = rng.dirichlet(np.ones(k))
    return at + rng.normal(size=(n, d)), share, rng.normal(size=(k, d)), rng.uniform(0.2, 3, (k, d))


blame = Function(
    "17.blame",
    cases=[
        Case("five points, three groups", _mixture(5, 2, 3)),
        Case("a distance of 1000", _mixture(4, 3, 2, at=1000.0)),
        Case("a single group", _mixture(4, 2, 1)),
        Case("a single point", _mixture(1, 1, 4)),
        Case(
            "a very narrow group",
            (
                np.array([[0.0], [1e-3], [2.0]]),
                np.array([0.5, 0.5]),
                np.zeros((2, 1)),
                np.array([[1e-8], [1.0]]),
            ),
        ),
        Case(
            "two equal groups far away",
            (np.array([[1000.0]]), np.array([0.25, 0.75]), np.zeros((2, 1)), np.ones((2, 1))),
        ),
    ],
    oracle=_blame_by_torch,
    mistakes=[
        Mistake("the shares are missing: log share + log density", _blame_with(share_counts=False), 1),
        Mistake("the −log(var) / 2 of the density is missing", _blame_with(size=0), 2),
        Mistake(
            "the size of a Gaussian brings −log(var) / 2 for each coordinate, not −log(var)",
            _blame_with(size=2),
            2,
        ),
        Mistake("the ½ before the squared distance is missing", _blame_with(half=1.0), 2),
        Mistake("var holds variances; do not square them", _blame_with(spread=np.square), 2),
        Mistake("the blame for a point is shared among the groups: rows sum to one", _blame_with(axis=0), 3),
    ],
    concepts=["clustering"],
)


# -------------------------------------------------------------------------------------------- 17.m_step
FLOOR = 1e-3


def _m_by_loop(X, r, old, floor=max, around="new", empty="old", count=None):
    share, mean, var = np.zeros(len(old)), old.copy(), np.full(old.shape, floor(0.0, FLOOR))
    for k in range(len(old)):
        n = float(sum(r[:, k]))
        share[k] = n / len(X)
        if n == 0:
            if empty != "old":
                mean[k] = 0.0
            continue
        for j in range(X.shape[1]):
            mean[k, j] = sum(w * x for w, x in zip(r[:, k], X[:, j], strict=True)) / n
            centre = mean[k, j] if around == "new" else old[k, j]
            spread = sum(w * (x - centre) ** 2 for w, x in zip(r[:, k], X[:, j], strict=True))
            var[k, j] = floor(spread / (count or (lambda n, _: n))(n, len(X)), FLOOR)
    return share, mean, var


def _m_bug(X, r, old):
    n = r.sum(axis=0)[:, None] + 1e-300
    mean = r.T @ X / n
    var = r.T @ X**2 / n - old**2
    return n[:, 0] / len(X), mean, np.maximum(var, FLOOR)


def _m_case(n, d, k, at=0.0, hard=False):
    r = rng.dirichlet(np.full(k, 0.5), n)
    if hard:
        r = np.eye(k)[rng.integers(0, k - 1, n)]  # nobody in the last group
    return at + rng.normal(size=(n, d)), r, at + rng.normal(size=(k, d))


m_step = Function(
    "17.m_step",
    cases=[
        Case("twelve points, three groups", _m_case(12, 2, 3)),
        Case("an empty group", _m_case(9, 2, 3, hard=True)),
        Case("points that are all the same", (np.full((4, 2), 3.0), np.full((4, 2), 0.5), np.zeros((2, 2)))),
        Case("points a million from the origin", _m_case(8, 1, 2, at=1e6)),
        Case("a single point", (np.array([[2.0]]), np.array([[0.3, 0.7]]), np.array([[0.0], [1.0]]))),
        Case(
            "hardly any responsibility",
            (rng.normal(size=(3, 1)), np.array([[1, 1e-9]] * 3), np.zeros((2, 1))),
        ),
    ],
    oracle=_m_by_loop,
    mistakes=[
        Mistake(
            "the variances are around the new means", lambda X, r, old: _m_by_loop(X, r, old, around="old"), 1
        ),
        Mistake(
            "the floor is a maximum: variances above it stay as they are",
            lambda X, r, old: _m_by_loop(X, r, old, floor=lambda v, f: v + f),
            2,
        ),
        Mistake("there is no floor yet", lambda X, r, old: _m_by_loop(X, r, old, floor=lambda v, f: v), 2),
        Mistake(
            "an empty group keeps its old mean", lambda X, r, old: _m_by_loop(X, r, old, empty="zero"), 3
        ),
        Mistake(
            "a variance is divided by its own group's responsibility, not by n",
            lambda X, r, old: _m_by_loop(X, r, old, count=lambda n, rows: rows),
            1,
        ),
    ],
    bug=_m_bug,
    concepts=["clustering"],
)


# ----------------------------------------------------------------------------------------------- 17.bic
def _bic_by_loop(log_p, d, counted=lambda K, d: K - 1 + K * d + K * (d * (d + 1) // 2), total=sum, sign=-2):
    """Point by point, and parameter by parameter."""
    each = []
    for row in log_p:
        top = max(row)
        each.append(top + math.log(sum(math.exp(z - top) for z in row)))
    return sign * total(each) + counted(log_p.shape[1], d) * math.log(len(log_p))


def _bic_counting(counted):
    return lambda log_p, d: _bic_by_loop(log_p, d, counted=counted)


def _free(K, d):
    return K - 1 + K * d + K * d * (d + 1) // 2


def _log_joint(n, d, K, far=0.0):
    share, mean, var = rng.dirichlet(np.ones(K)), rng.normal(size=(K, d)), rng.uniform(0.5, 2, (K, d))
    away = far + rng.normal(size=(n, 1, d)) - mean
    return np.log(share) - 0.5 * (away**2 / var + np.log(2 * np.pi * var)).sum(2)


bic = Function(
    "17.bic",
    cases=[
        Case("twelve points in the plane, three groups", (_log_joint(12, 2, 3), 2)),
        Case("one group", (_log_joint(9, 2, 1), 2)),
        Case("points on a line", (_log_joint(20, 1, 2), 1)),
        Case("five coordinates", (_log_joint(7, 5, 4), 5)),
        Case("points a thousand away", (_log_joint(5, 2, 2, far=1000.0), 2)),
        Case("a single point", (_log_joint(1, 3, 2), 3)),
    ],
    oracle=_bic_by_loop,
    mistakes=[
        Mistake(
            "the log-likelihood is added up over the points, not averaged",
            lambda z, d: _bic_by_loop(z, d, total=lambda each: sum(each) / len(each)),
            1,
        ),
        Mistake(
            "the sign: the smallest BIC wins, so the likelihood counts as −2 L",
            lambda z, d: _bic_by_loop(z, d, sign=2),
            1,
        ),
        Mistake("the likelihood counts twice: −2 L", lambda z, d: _bic_by_loop(z, d, sign=-1), 1),
        Mistake(
            "the shares sum to one: K − 1 of them are free", _bic_counting(lambda K, d: _free(K, d) + 1), 2
        ),
        Mistake(
            "the shares are parameters too: K − 1 are free",
            _bic_counting(lambda K, d: _free(K, d) - K + 1),
            2,
        ),
        Mistake(
            "a covariance is symmetric: d (d + 1) / 2 numbers are free, not d²",
            _bic_counting(lambda K, d: K - 1 + K * d + K * d * d),
            2,
        ),
        Mistake(
            "that counts variances only; each covariance has d (d + 1) / 2 numbers",
            _bic_counting(lambda K, d: K - 1 + 2 * K * d),
            2,
        ),
        Mistake("each group has a mean of d numbers too", _bic_counting(lambda K, d: _free(K, d) - K * d), 2),
        Mistake(
            "a parameter costs log n, with n the number of points",
            lambda z, d: _bic_by_loop(z, d) + _free(z.shape[1], d) * (1 - math.log(len(z))),
            2,
        ),
        Mistake(
            "a parameter costs log n; with a cost of 2 this is Akaike's criterion",
            lambda z, d: _bic_by_loop(z, d) + _free(z.shape[1], d) * (2 - math.log(len(z))),
            2,
        ),
        Mistake(
            "a point's density is the sum over the groups, not the largest part",
            lambda z, d: _bic_by_loop(z.max(1, keepdims=True), d, counted=lambda _, d: _free(z.shape[1], d)),
            3,
        ),
        Mistake(
            "inside the logarithm densities are added: logsumexp over the groups, not a sum of logarithms",
            lambda z, d: _bic_by_loop(z.sum(1, keepdims=True), d, counted=lambda _, d: _free(z.shape[1], d)),
            3,
        ),
    ],
    concepts=["clustering"],
)


# --------------------------------------------------------------------------------------------- 17.twins
@cache
def _who_moves() -> str:
    import torch

    generator = torch.Generator().manual_seed(0)
    x, y, logits = (torch.randn(*shape, generator=generator).double() for shape in ((50,), (50,), (50, 2)))
    lines = torch.tensor([[0.7, 0.7], [-0.2, -0.2]], dtype=torch.float64)
    for part in (lines, logits):
        part.requires_grad_()
    f = torch.stack([x, torch.ones_like(x)], 1) @ lines
    (-(logits.log_softmax(1) - 0.5 * (y[:, None] - f) ** 2).logsumexp(1).mean()).backward()
    experts, gate = (bool(part.grad.abs().max() > 1e-12) for part in (lines, logits))
    return {(False, False): "a", (True, False): "b", (False, True): "c", (True, True): "d"}[experts, gate]


twins = Choice(
    "17.twins",
    options=("a", "b", "c", "d"),
    truth=_who_moves,
    wrong="write down r for two equal densities, then g − r, then an expert's gradient",
    right="r = g, so the gate waits, and the experts part",
    concepts=["moe"],
)


# --------------------------------------------------------------------------------------------- 17.seats
def _seats_by_loop(logits, k, capacity, late="zero", scale="chosen", larger=False):
    """One point after the other."""
    out, taken = np.zeros(logits.shape), [0] * logits.shape[1]
    for i, row in enumerate(logits):
        chosen = sorted(range(len(row)), key=lambda e: (-row[e], -e if larger else e))[:k]
        p = _softmax(row[chosen]) if scale == "chosen" else _softmax(row)[chosen]
        for e, weight in zip(chosen, p, strict=True):
            if taken[e] < capacity or late == "kept":
                out[i, e] = weight
                taken[e] += 1
    if late == "rescaled":
        total = out.sum(axis=1, keepdims=True)
        out = out / np.where(total > 0, total, 1)
    return out


def _all_that_tie(logits, k, capacity):
    kth = np.sort(logits, axis=1)[:, -k][:, None]
    asked = logits >= kth
    p = _softmax(np.where(asked, logits, -np.inf))
    return np.where(np.cumsum(asked, axis=0) <= capacity, p, 0)


def _best_first(logits, k, capacity):
    """Seats go to the largest weights, not to who comes first."""
    p = _seats_by_loop(logits, k, len(logits))
    for e in range(p.shape[1]):
        order = np.argsort(-p[:, e], kind="stable")
        p[order[capacity:], e] = 0
    return p


seats = Function(
    "17.seats",
    cases=[
        Case("room for all", (rng.normal(size=(5, 4)), 2, 5)),
        Case("two seats an expert", (rng.normal(size=(8, 4)), 2, 2)),
        Case("logits that tie", (np.array([[1.0, 3, 3, 3], [2, 2, 2, 2], [0, 1, 0, 1]]), 2, 2)),
        Case("logits of ±1000", (np.array([[1000.0, -1000, 999], [-1000, -1000, -1001]]), 2, 1)),
        Case("one expert a point", (rng.normal((2, 0, 0), 1, (6, 3)), 1, 3)),
        Case("all experts", (rng.normal(size=(3, 3)), 3, 2)),
        Case("no seats at all", (rng.normal(size=(2, 3)), 1, 0)),
        Case("sixty experts with logits of three kinds", (np.tile([0.0, 1.0, 2.0], (3, 20)), 25, 2)),
    ],
    oracle=_seats_by_loop,
    mistakes=[
        Mistake(
            "the weights are the softmax of the k chosen logits, not of all",
            lambda *a: _seats_by_loop(*a, scale="all"),
            3,
        ),
        Mistake("nobody is turned away", lambda *a: _seats_by_loop(*a, late="kept"), 2),
        Mistake(
            "who loses an expert keeps the other weights as they are: no rescaling",
            lambda *a: _seats_by_loop(*a, late="rescaled"),
            3,
        ),
        Mistake("on a tie more than k experts are asked", _all_that_tie, 1),
        Mistake("on a tie the smaller number goes first", lambda *a: _seats_by_loop(*a, larger=True), 1),
        Mistake("seats go by the order of the rows, not by weight", _best_first, 2),
    ],
    concepts=["moe"],
)


# ------------------------------------------------------------------------------------------- 17.devices
ONE, APART = 33.3, 30.4  # shares of the gap, in per cent: one machine without devices, an expert each


@cache
def _impressions():
    from utils import data

    log = data.load("ads", rows=90_000, seed=2)
    past, new = without_truth(_allowed(log[:60_000])), _with_twins(log[60_000:])
    seen, hidden = past[past.features["device"] != 2], without_clicks(_allowed(new))
    return [
        Case("a log with all devices", (past, hidden), (new,)),
        Case("a log without the third device", (seen, hidden), (new,)),
        Case("a single new impression", (past[:5000], hidden[:1]), (new[:1],)),
    ]


TWINS = 2_000  # impressions that come once more, at the end, on another device


def _with_twins(log):
    from utils import data

    first = log[:TWINS]
    other = {**first.features, "device": (first.features["device"] + 1) % 3}
    both = {name: np.concatenate([column, other[name]]) for name, column in log.features.items()}
    truth = np.concatenate([log.truth, data.ad_world().probability(other)])
    return replace(log, features=both, click=np.concatenate([log.click, first.click]), truth=truth)


def _allowed(log):
    """The log without the columns that the task does not allow."""
    allowed = ("category", "position", "ad", "user", "context", "hour", "device")
    return replace(log, features={name: log.features[name] for name in allowed})


def _knows_devices(p, past, new, log):
    """Whether p changes as the truth does where nothing but the device changes."""
    if not _all_there(past) or len(log) == 1:
        return True
    change, true_change = (np.log(q[-TWINS:] / q[:TWINS]) for q in (np.maximum(p, 1e-9), log.truth))
    return change.std() > 0 and np.corrcoef(change, true_change)[0, 1] > 0.5


def _percent(p, log, device=None):
    """The share of the gap on the impressions that happened, or on those of one device."""
    if len(log) == 1:
        return 100.0
    rows = np.arange(len(log)) < len(log) - TWINS
    if device is not None:
        rows &= log.features["device"] == device
    return 100 * log[rows].share_of_gap(p[rows])


def _all_there(past):
    return len(np.unique(past.features["device"])) == 3


devices = Function(
    "17.devices",
    cases=_impressions,
    like=lambda past, new: np.full(len(new), 0.5),
    rules=[
        Rule(
            "these are not probabilities: between 0 and 1, please",
            lambda p, *_: 0 <= p.min() <= p.max() <= 1,
            1,
        ),
        Rule(
            "the probabilities are far too high or too low on average",
            lambda p, past, new, log: len(log) == 1 or 0.7 < p.mean() / log.truth.mean() < 1.4,
            1,
        ),
        Rule(
            "experts apart lose to one machine; share what devices have in common",
            lambda p, past, new, log: not _all_there(past) or _percent(p, log) > ONE - 1.5,
            1,
        ),
        Rule(
            "no better than one machine that ignores the device",
            lambda p, past, new, log: not _all_there(past) or _percent(p, log) > ONE + 1.2,
            2,
        ),
        Rule("the device makes no difference to these probabilities", _knows_devices, 2),
        Rule(
            "a device that was never seen gets a poor answer; let the common part answer for it",
            lambda p, past, new, log: _all_there(past) or _percent(p, log, device=2) > 30,
            3,
        ),
    ],
    concepts=["moe"],
)

TASKS = [start, blame, m_step, bic, twins, seats, devices]
