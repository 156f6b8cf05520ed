"""The tasks of lecture 14."""

import math
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import without_clicks, without_truth

rng = np.random.default_rng(14)
INF = np.inf


# --------------------------------------------------------------------------------------------- 14.ratio
def _by_bayes(log_p, log_q, share):
    """A point at a time, the larger of the two densities as the unit."""
    answers = []
    for p, q in zip(log_p.tolist(), log_q.tolist(), strict=True):
        top = max(p, q)
        real, fake = (1.0, 1.0) if top == -INF else (math.exp(p - top), math.exp(q - top))
        answers.append(share * real / (share * real + (1 - share) * fake))
    return np.array(answers)


def _ratio(log_p, log_q, share, *, sign=1, both=0.0):
    from scipy.special import expit, logit

    with np.errstate(all="ignore"):
        d = sign * (log_p - log_q)
    return expit(np.where(np.isnan(d), both, d) + logit(share))


ratio = Function(
    "14.ratio",
    cases=[
        Case("an even batch", (rng.normal(size=6), rng.normal(size=6), 0.5)),
        Case("nine real ones in ten", (rng.normal(size=5), rng.normal(size=5), 0.9)),
        Case("one point", (np.array([-2.0]), np.array([-3.0]), 0.2)),
        Case("log-densities near −5000", (np.array([-5000.0, -5003]), np.array([-5001.0, -5000]), 0.3)),
        Case("log-densities far apart", (np.array([-5000.0, 0, -40]), np.array([0.0, -5000, 0]), 0.5)),
        Case("a density of zero", (np.array([-INF, -1.0]), np.array([-1.0, -INF]), 0.4)),
        Case("both densities zero", (np.array([-INF, -1.0]), np.array([-INF, -1.0]), 0.25)),
        Case("large densities", (np.array([900.0]), np.array([901.0]), 0.5)),
    ],
    oracle=_by_bayes,
    mistakes=[
        Mistake("share is not used: this is right for an even batch", lambda p, q, s: _ratio(p, q, 0.5), 2),
        Mistake(
            "share belongs to the real ones, 1 − share to the fakes", lambda p, q, s: _ratio(p, q, 1 - s), 1
        ),
        Mistake("D is the chance of being real; this is that of being fake", lambda *a: 1 - _by_bayes(*a), 1),
        Mistake("p and q are swapped", lambda p, q, s: _ratio(p, q, s, sign=-1), 1),
        Mistake(
            "this is the logit of D; a sigmoid is missing", lambda p, q, s: p - q + math.log(s / (1 - s)), 2
        ),
    ],
    rtol=1e-9,
    atol=1e-22,
    overflow_hint=3,
    concepts=["gan"],
)


# -------------------------------------------------------------------------------------------- 14.smooth
def _by_torch(real, fake, target):
    import torch

    loss = torch.nn.functional.binary_cross_entropy_with_logits
    real, fake = torch.tensor(real), torch.tensor(fake)
    return (loss(real, torch.full_like(real, target)) + loss(fake, torch.zeros_like(fake))).item()


def _smooth(real, fake, target, *, on_fake=0.0, mean=lambda a, b: a.mean() + b.mean()):
    def loss(logit, t):
        return t * np.logaddexp(0, -logit) + (1 - t) * np.logaddexp(0, logit)

    return mean(loss(real, target), loss(fake, on_fake))


smooth = Function(
    "14.smooth",
    cases=[
        Case("four real ones and four fakes", (rng.normal(size=4), rng.normal(size=4), 0.9)),
        Case("seven and three", (2 * rng.normal(size=7), 2 * rng.normal(size=3), 0.8)),
        Case("one of each", (np.array([0.5]), np.array([-1.5]), 0.9)),
        Case("a target of 1", (rng.normal(size=5), rng.normal(size=2), 1.0)),
        Case("logits of ±1000", (np.array([1000.0, -1000, 0]), np.array([-1000.0, 1000]), 0.9)),
        Case("a sure and right judge", (np.array([30.0]), np.array([-40.0]), 0.9)),
    ],
    oracle=_by_torch,
    mistakes=[
        Mistake(
            "the fakes are smoothed too: their target is 0",
            lambda r, f, t: _smooth(r, f, t, on_fake=1 - t),
            1,
        ),
        Mistake("nothing is smoothed: the target is not used", lambda r, f, t: _smooth(r, f, 1.0), 1),
        Mistake(
            "all logits are averaged together: average the real ones, average the fakes, and add",
            lambda *a: _smooth(*a, mean=lambda x, y: np.concatenate([x, y]).mean()),
            1,
        ),
        Mistake(
            "these are sums; average each side",
            lambda *a: _smooth(*a, mean=lambda x, y: x.sum() + y.sum()),
            1,
        ),
        Mistake("both averages are added, not halved", lambda *a: _smooth(*a) / 2, 1),
        Mistake("target and 1 − target are swapped", lambda r, f, t: _smooth(r, f, 1 - t), 1),
        Mistake(
            "the real ones lack the part (1 − target): it is what keeps the judge from certainty",
            lambda r, f, t: t * np.logaddexp(0, -r).mean() + np.logaddexp(0, f).mean(),
            1,
        ),
        Mistake("the sign is wrong: a loss is to be made small", lambda *a: -_smooth(*a), 1),
    ],
    rtol=1e-9,
    atol=1e-12,
    overflow_hint=2,
    concepts=["gan"],
)


# --------------------------------------------------------------------------------------------- 14.turns
@cache
def _turn_cases():
    import torch
    from torch import nn

    def case(label, turns, batch=6, d=2, lr=0.3, sure=1.0):
        torch.manual_seed(len(label))
        G = nn.Linear(2, d).double()
        D = nn.Sequential(nn.Linear(d, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        with torch.no_grad():
            D[2].weight *= sure
        return Case(label, (G, D, torch.randn(5, d).double() + 1, torch.randn(turns, batch, 2).double(), lr))

    return [
        case("three turns", 3),
        case("one turn", 1),
        case("two turns, one fake", 2, batch=1),
        case("five turns in one dimension", 5, d=1),
        case("a rate of 2", 3, lr=2.0),
        case("no turn", 0),
        case("logits of thousands", 2, sure=1e4),
    ]


def _by_functions(
    G, D, real, noise, lr, *, helps=False, keeps=False, old=False, saturates=False, only_d=False
):
    """No `.grad` anywhere: the gradients that are wanted, by the weights that they belong to."""
    import torch
    from torch.func import functional_call
    from torch.nn.functional import softplus

    g, d = ({k: v.detach().clone().requires_grad_() for k, v in net.named_parameters()} for net in (G, D))
    left = [0.0] * len(d)
    for z in noise:
        before = d
        loss = softplus(-functional_call(D, d, real)).mean()
        loss = loss + softplus(functional_call(D, d, functional_call(G, g, z))).mean()
        grads = torch.autograd.grad(loss, [*d.values(), *g.values()])
        steps = [a + b for a, b in zip(grads[: len(d)], left, strict=True)]
        astray = grads[len(d) :] if helps else [0.0] * len(g)
        d = {k: (v - lr * s).detach().requires_grad_() for (k, v), s in zip(d.items(), steps, strict=True)}
        logit = functional_call(D, before if old else d, functional_call(G, g, z))
        loss = (-softplus(logit) if saturates else softplus(-logit)).mean()
        judge = before if old else d
        grads = torch.autograd.grad(loss, [*judge.values(), *g.values()])
        left = grads[: len(d)] if keeps else [0.0] * len(d)
        steps = [a + b for a, b in zip(grads[len(d) :], astray, strict=True)]
        if not only_d:
            g = {
                k: (v - lr * s).detach().requires_grad_() for (k, v), s in zip(g.items(), steps, strict=True)
            }
    return tuple(torch.cat([v.detach().flatten() for v in net.values()]) for net in (g, d))


turns = Function(
    "14.turns",
    cases=_turn_cases,
    oracle=_by_functions,
    bug=lambda *a: _by_functions(*a, helps=True, keeps=True),
    mistakes=[
        Mistake(
            "D still takes along what G's turn left in its gradients: clear them before D's backward()",
            lambda *a: _by_functions(*a, keeps=True),
            3,
        ),
        Mistake(
            "G still descends D's loss as well: cut the fakes off in D's turn",
            lambda *a: _by_functions(*a, helps=True),
            3,
        ),
        Mistake(
            "G plays against the old discriminator: it is to meet the one that has just moved",
            lambda *a: _by_functions(*a, old=True),
            2,
        ),
        Mistake(
            "G descends the game's own loss, which saturates; it should descend softplus(−logit)",
            lambda *a: _by_functions(*a, saturates=True),
            2,
        ),
        Mistake(
            "G does not move: in its own turn the fakes must stay attached",
            lambda *a: _by_functions(*a, only_d=True),
            2,
        ),
    ],
    rtol=1e-8,
    trains=True,
    concepts=["gan"],
)


# ------------------------------------------------------------------------------------------------ 14.r1
@cache
def _r1_cases():
    import torch
    from torch import nn

    def case(label, D, *shape, gamma=10.0):
        return Case(label, (D.double(), torch.randn(*shape).double(), gamma, 0.1))

    torch.manual_seed(14)
    steep = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    nn.init.constant_(steep[1].weight, 3.0)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    nn.init.zeros_(flat[1].weight)

    def bent(pixels):
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 5), nn.Tanh(), nn.Linear(5, 1))

    convolution = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Softplus(), nn.Flatten(), nn.Linear(3 * 3 * 2, 1))
    return [
        case("four pictures", bent(12), 4, 1, 4, 3),
        case("one picture", bent(12), 1, 1, 4, 3),
        case("a convolution", convolution, 3, 1, 4, 3),
        case("one pixel", bent(1), 5, 1, 1, 1),
        case("a steep judge", steep, 2, 1, 3, 4, gamma=0.5),
        case("a flat judge", flat, 2, 1, 3, 4),
    ]


def _by_differences(D, real, gamma, lr):
    """Each picture's slope on its own; the penalty's slope by each weight from moving it, both ways."""
    import torch
    from torch.func import functional_call, jacrev, vmap

    names, values = zip(*((k, v.detach().clone()) for k, v in D.named_parameters()), strict=True)
    flat, sizes = torch.cat([v.flatten() for v in values]), [v.numel() for v in values]

    def penalty(flat):
        parts = [a.reshape(v.shape) for a, v in zip(flat.split(sizes), values, strict=True)]
        weights = dict(zip(names, parts, strict=True))
        slope = vmap(jacrev(lambda x: functional_call(D, weights, x[None])[0, 0]))(real)
        return gamma / 2 * (slope**2).sum() / len(real)

    with torch.no_grad():
        moves = 1e-5 * torch.eye(len(flat), dtype=flat.dtype)
        slope = torch.stack([(penalty(flat + h) - penalty(flat - h)) / 2e-5 for h in moves])
        return penalty(flat), flat - lr * slope


def _r1(
    D, real, gamma, lr, *, logit="sum", scale=lambda g: g / 2, score=lambda s: s.square().flatten(1).sum(1)
):
    import torch

    x = real.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(getattr(D(x), logit)(), x, create_graph=True)
    penalty = scale(gamma) * score(slope).mean()
    weights = list(D.parameters())
    grads = torch.autograd.grad(penalty, weights, allow_unused=True)
    moved = [w if g is None else w - lr * g for w, g in zip(weights, grads, strict=True)]
    return penalty.detach(), torch.cat([w.detach().flatten() for w in moved])


r1 = Function(
    "14.r1",
    cases=_r1_cases,
    oracle=_by_differences,
    mistakes=[
        Mistake(
            "this is a mean over the pixels: sum over them", lambda *a: _r1(*a, score=lambda s: s.square()), 3
        ),
        Mistake("the ½ is missing", lambda *a: _r1(*a, scale=lambda g: g), 1),
        Mistake("the norm is to be squared", lambda *a: _r1(*a, score=lambda s: s.flatten(1).norm(dim=1)), 3),
        Mistake(
            "this asks for steepness 1, as the lecture's penalty does; R1 asks for 0",
            lambda *a: _r1(*a, score=lambda s: (s.flatten(1).norm(dim=1) - 1) ** 2),
            3,
        ),
        Mistake(
            "this asks for steepness 1, as the lecture's penalty does; R1 asks for 0",
            lambda *a: _r1(*a, scale=lambda g: g, score=lambda s: (s.flatten(1).norm(dim=1) - 1) ** 2),
            3,
        ),
        Mistake(
            "each slope is divided by the number of pictures: take the gradient of the sum of the logits",
            lambda *a: _r1(*a, logit="mean"),
            2,
        ),
        Mistake(
            "average over the pictures, do not sum",
            lambda *a: _r1(*a, score=lambda s: s.square().sum()),
            3,
        ),
    ],
    rtol=1e-6,
    atol=1e-6,
    trains=True,
    concepts=["gan"],
)


# ------------------------------------------------------------------------------------------ 14.measures
@cache
def _one_in_ten():
    """Draw it: the option that fits, or none."""
    import torch

    from utils.scratch.generators import density_and_coverage

    draw = np.random.default_rng(14)
    real, made = draw.normal(size=(300, 2)), draw.normal(size=(10_000, 2))
    made[1000:] += 100
    density, coverage = density_and_coverage(torch.tensor(real), torch.tensor(made))
    near = {"a": (0.1, 0.1), "b": (1, 0.1), "c": (0.1, 0.95), "d": (0.95, 0.95)}
    return min(near, key=lambda k: abs(near[k][0] - density) + abs(near[k][1] - coverage))


measures = Choice(
    "14.measures",
    options=("a", "b", "c", "d"),
    truth=_one_in_ten,
    wrong="that is not what comes out when it is drawn, as was done just now",
    right="so it comes out when it is drawn",
    concepts=["gan"],
)


# ------------------------------------------------------------------------------------------- 14.weights
COLUMNS = ["device", "hour", "age"]


@cache
def hidden_logs() -> list[Case]:
    """A past log and a later one, thinned by a known rule. `known`: the true ratio at each past row."""
    from utils import data

    cases = []
    for seed, rows in ((141, 30_000), (142, 24_000)):
        draw = np.random.default_rng(seed)
        log = data.load("ads", rows=4 * rows, seed=seed)
        # most phones at night, most desktops by day: then a product of three ratios is not their common one
        device, third = log.features["device"], log.features["hour"] // 8
        log = log[np.flatnonzero((device == third) | (draw.random(len(log)) < 0.15))[:rows]]
        keep = np.ones(rows)
        for name in COLUMNS:
            keep *= draw.uniform(0.25, 1.0, log.sizes[name])[log.features[name]]
        keep /= keep.max()
        half = rows // 2 if seed == 141 else rows // 3
        past, later = log[np.arange(half)], np.arange(half, rows)
        today = log[later[draw.random(len(later)) < keep[later]]]
        args = without_truth(past), without_clicks(today)
        cases.append(Case(f"ad log {seed}", args, known=(keep[:half] / keep[:half].mean(),)))
    return cases


def _off(w, past, today):
    """The largest distance between today's share of a value and the past's weighted share."""
    weighted = past.one_hot(COLUMNS).T @ (w / w.sum())
    return np.abs(weighted - np.asarray(today.one_hot(COLUMNS).mean(axis=0)).ravel()).max()


def _log_correlation(w, true):
    return np.corrcoef(np.log(w), np.log(true))[0, 1]


weights = Function(
    "14.weights",
    cases=hidden_logs,
    like=lambda past, today: np.ones(len(past)),
    rules=[
        Rule("a ratio of densities is above zero", lambda w, *_: (w > 0).all(), 2),
        Rule(
            "all weights are the same: the past is left as it was",
            lambda w, *_: np.ptp(w) > 1e-6,
            1,
        ),
        Rule(
            "rows that today has more of get the smaller weights: today / past, not past / today",
            lambda w, past, today, true: _log_correlation(w, true) > 0,
            2,
        ),
        Rule(
            "the mean weight is not near 1: take the ratio of the lengths off",
            lambda w, *_: 0.9 < w.mean() < 1.1,
            2,
        ),
        Rule(
            "the weighted past does not look like today: is it D / (1 − D), of all three columns?",
            lambda w, past, today, true: _off(w, past, today) < 0.012,
            1,
        ),
        Rule(
            "the shares fit, but not the rows: use all three columns, and leave out noise",
            lambda w, past, today, true: _log_correlation(w, true) > 0.9,
            3,
        ),
    ],
    concepts=["gan"],
)

TASKS = [ratio, smooth, turns, r1, measures, weights]
