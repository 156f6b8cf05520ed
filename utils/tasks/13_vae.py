"""The tasks of lecture 13."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import without_clicks, without_truth

rng = np.random.default_rng(13)


def _tensor(values):
    import torch

    return torch.tensor(np.asarray(values, dtype=np.float64))


def _normal(*shape):
    return _tensor(rng.normal(size=shape))


# ------------------------------------------------------------------------------------------------ 13.kl
def _quadrature(mu, logvar, prior_mu, prior_logvar):
    """The definition, E_q[log q - log p], by Gauss-Hermite points, which are exact for a quadratic.

    Standard units of p throughout, so that no width is ever exponentiated on its own.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    mu, logvar, m, t = np.broadcast_arrays(*(a.numpy() for a in (mu, logvar, prior_mu, prior_logvar)))
    total = np.zeros(len(mu))
    for i, j in np.ndindex(mu.shape):
        in_p = (mu[i, j] - m[i, j]) * math.exp(-t[i, j] / 2) + points * math.exp((logvar[i, j] - t[i, j]) / 2)
        log_q, log_p = -0.5 * points**2 - logvar[i, j] / 2, -0.5 * in_p**2 - t[i, j] / 2
        total[i] += weights @ (log_q - log_p)
    return _tensor(total)


def _kl(mu, logvar, m, t, *, ratio=None, one=1.0, half=0.5, flip=1.0, square=2, sum_over=1):
    """The formula with a switch for each usual slip."""
    ratio = (logvar - t).exp() if ratio is None else ratio
    distance = (mu - m).abs() ** square * (-t).exp()
    return half * (ratio + distance - one - flip * (logvar - t)).sum(sum_over)


kl = Function(
    "13.kl",
    cases=[
        Case("five codes of three numbers", (_normal(5, 3), _normal(5, 3), _normal(5, 3), _normal(5, 3))),
        Case("one prior for all", (_normal(4, 2), _normal(4, 2), _normal(2), _normal(2))),
        Case("one code of one number", tuple(_tensor([[v]]) for v in (2.0, -1.0, 0.5, 1.0))),
        Case("q equal to the prior", (_tensor([[1.0, -2.0]]), _tensor([[0.5, -3.0]])) * 2),
        Case("the standard prior", (_normal(3, 4), _normal(3, 4), _tensor([0.0] * 4), _tensor([0.0] * 4))),
        Case(
            "a log-variance of 1500",
            (_tensor([[1.0], [0.0]]), _tensor([[1500.0], [1499.0]]), _tensor([0.0]), _tensor([1500.0])),
        ),
        Case(
            "a log-variance of −700", (_tensor([[0.0]]), _tensor([[-700.0]]), _tensor([0.0]), _tensor([0.0]))
        ),
    ],
    oracle=_quadrature,
    rules=[Rule("a KL divergence is never negative", lambda out, *_: (out > -1e-9).all(), 1)],
    mistakes=[
        Mistake(
            "this is the price against the standard Gaussian; here the prior has a mean and a width",
            lambda mu, v, m, t: _kl(mu, v, 0 * m, 0 * t),
            2,
        ),
        Mistake(
            "q and p are swapped: the draws come from q",
            lambda mu, v, m, t: _kl(m + 0 * mu, t + 0 * v, mu, v),
            2,
        ),
        Mistake("the ½ is missing", lambda mu, v, m, t: _kl(mu, v, m, t, half=1.0), 1),
        Mistake(
            "the −1 is missing: the same Gaussian twice should cost nothing", lambda *a: _kl(*a, one=0.0), 1
        ),
        Mistake("the distance of the means is squared", lambda *a: _kl(*a, square=1), 2),
        Mistake(
            "the distance of the means has to be measured in p's units: divide its square by p's variance",
            lambda mu, v, m, t: 0.5 * ((v - t).exp() + (mu - m) ** 2 - 1 - v + t).sum(1),
            2,
        ),
        Mistake(
            "a log-variance is log σ², not log σ: the ratio of variances needs no square",
            lambda mu, v, m, t: _kl(mu, 2 * v, m, 2 * t),
            3,
        ),
        Mistake(
            "this is right until a variance overflows: exponentiate differences of log-variances only",
            lambda mu, v, m, t: _kl(mu, v, m, t, ratio=v.exp() / t.exp()),
            3,
        ),
        Mistake("sum over the code", lambda *a: _kl(*a) / a[0].shape[1], 1),
    ],
    rtol=1e-9,
    atol=1e-9,
    concepts=["vae"],
)


# --------------------------------------------------------------------------------------------- 13.bound
def _bound_by_loop(log_weights, k):
    """One picture and one group at a time; the weights are scaled by the largest of the group."""
    w = log_weights.numpy()
    result = np.zeros(w.shape[1])
    for column in range(w.shape[1]):
        estimates = []
        for first in range(0, len(w), k):
            group = w[first : first + k, column].tolist()
            top = max(group)
            estimates.append(top + math.log(math.fsum(math.exp(value - top) for value in group) / k))
        result[column] = math.fsum(estimates) / len(estimates)
    return _tensor(result)


def _grouped(w, k, *, log_k=math.log, groups=None, inner=None):
    import torch

    g = w.reshape(-1, k, w.shape[1]) if groups is None else groups(w, k)
    inside = torch.logsumexp(g, 1) if inner is None else inner(g)
    return (inside - log_k(k)).mean(0)


bound = Function(
    "13.bound",
    cases=[
        Case("12 draws in groups of 3", (3 * _normal(12, 5), 3)),
        Case("k = 1", (3 * _normal(6, 4), 1)),
        Case("all draws in one group", (3 * _normal(6, 4), 6)),
        Case("one draw of one picture", (_tensor([[-85.5]]), 1)),
        Case("log-weights near −2000", (5 * _normal(8, 3) - 2000, 4)),
        Case(
            "a draw of weight zero", (_tensor([[0.0, -3.0], [-np.inf, -2.0], [1.0, -1.0], [2.0, -np.inf]]), 2)
        ),
        Case("equal weights", (_tensor(np.full((6, 2), -7.0)), 2)),
    ],
    oracle=_bound_by_loop,
    mistakes=[
        Mistake(
            "all draws are in one group: that is the bound for k = S, a larger k than asked for",
            lambda w, k: w.logsumexp(0) - math.log(len(w)),
            2,
        ),
        Mistake("this is the mean of the logarithms, the bound for k = 1", lambda w, k: w.mean(0), 3),
        Mistake(
            "the logarithm of the mean weight: log k is missing",
            lambda w, k: _grouped(w, k, log_k=lambda k: 0),
            3,
        ),
        Mistake(
            "divide the sum of a group's weights by k, not by S",
            lambda w, k: _grouped(w, k, log_k=lambda k: math.log(len(w))),
            3,
        ),
        Mistake(
            "a group is k rows that follow one another; these are every (S / k)-th",
            lambda w, k: _grouped(w, k, groups=lambda w, k: w.reshape(k, -1, w.shape[1]).transpose(0, 1)),
            2,
        ),
        Mistake(
            "this takes each group's largest weight",
            lambda w, k: _grouped(w, k, log_k=lambda k: 0, inner=lambda g: g.amax(1)),
            3,
        ),
        Mistake(
            "right in principle, but weights of e^−2000 are zero on a computer: use logsumexp",
            lambda w, k: w.exp().reshape(-1, k, w.shape[1]).mean(1).log().mean(0),
            3,
        ),
    ],
    rtol=1e-9,
    concepts=["vae"],
)


# ---------------------------------------------------------------------------------------------- 13.loss
def _by_library(prediction, x, mu, logvar, s):
    """torch.distributions, a picture at a time."""
    import torch
    from torch.distributions import Normal, kl_divergence

    nats = []
    for row in range(len(x)):
        q = Normal(mu[row], (logvar[row] / 2).exp())
        price = kl_divergence(q, Normal(torch.zeros_like(mu[row]), torch.ones_like(mu[row]))).sum()
        nats.append(price - Normal(prediction[row], s).log_prob(x[row]).sum())
    return torch.stack(nats).mean()


def _loss(prediction, x, mu, logvar, s, *, pixels="sum", code="sum", scale=None, constant=None, batch="mean"):
    error = (x - prediction) ** 2 * (1 / (2 * s**2) if scale is None else scale)
    error = error + (math.log(s) + 0.5 * math.log(2 * math.pi) if constant is None else constant(s))
    price = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    return getattr(getattr(error.flatten(1), pixels)(1) + getattr(price, code)(1), batch)()


def _bug(prediction, x, mu, logvar, s):
    return ((prediction - x) ** 2).mean() + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


def _pictures(n, d, h, w, s):
    return (
        _tensor(rng.uniform(size=(n, 1, h, w))),
        _tensor(rng.uniform(size=(n, 1, h, w))),
        _normal(n, d),
        _normal(n, d),
        s,
    )


loss = Function(
    "13.loss",
    cases=[
        Case("six pictures, s = 0.3", _pictures(6, 4, 5, 5, 0.3)),
        Case("one picture", _pictures(1, 3, 4, 4, 1.0)),
        Case("pictures that are not square", _pictures(3, 2, 2, 7, 2.0)),
        Case("one pixel, one number of code", _pictures(2, 1, 1, 1, 0.1)),
        Case(
            "a perfect prediction at the prior",
            (_tensor(np.full((2, 1, 3, 3), 0.5)),) * 2 + (_tensor(np.zeros((2, 5))),) * 2 + (0.5,),
        ),
    ],
    oracle=_by_library,
    mistakes=[
        Mistake(
            "sum over the pixels of a picture: their mean makes the code as many times as dear",
            lambda *a: _loss(*a, pixels="mean"),
            1,
        ),
        Mistake("sum over the code: its mean makes the code cheap", lambda *a: _loss(*a, code="mean"), 1),
        Mistake(
            "sums now, but the error has no noise in it: divide by 2 s²", lambda *a: _loss(*a, scale=1.0), 2
        ),
        Mistake(
            "sums now, but neither the noise s nor its constants are in it",
            lambda *a: _loss(*a, scale=1.0, constant=lambda s: 0.0),
            2,
        ),
        Mistake(
            "½ times the squared error is s = 1; divide by s² as well, and add the constants",
            lambda *a: _loss(*a, scale=0.5, constant=lambda s: 0.0),
            2,
        ),
        Mistake(
            "the gradient is right, but constants are left out, so this is no bound",
            lambda *a: _loss(*a, constant=lambda s: 0.0),
            2,
        ),
        Mistake(
            "the constant ½ log 2π of each pixel is left out", lambda *a: _loss(*a, constant=math.log), 2
        ),
        Mistake(
            "log s is left out: with a free s the loss would push it to zero or infinity",
            lambda *a: _loss(*a, constant=lambda s: 0.5 * math.log(2 * math.pi)),
            2,
        ),
        Mistake("average over the pictures of the batch", lambda *a: _loss(*a, batch="sum"), 3),
        Mistake(
            "the error is divided by 2 s; it is the variance that belongs there, 2 s²",
            lambda *a: _loss(*a, scale=1 / (2 * a[-1])),
            2,
        ),
        Mistake("this is the ELBO; its negative is wanted", lambda *a: -_loss(*a), 2),
    ],
    bug=_bug,
    rtol=1e-9,
    concepts=["vae"],
)


# ---------------------------------------------------------------------------------------------- 13.axes
@cache
def _survivors(s=0.5, beta=8.0, axes=6):
    """Train the linear β-VAE without draws: for linear nets the expectation is known. Count the used axes."""
    import torch

    from utils import data

    x = data.load("wine").x
    x = _tensor((x - x.mean(0)) / x.std(0))
    generator = torch.Generator().manual_seed(0)
    W, V = (0.3 * torch.randn(13, axes, generator=generator).double() for _ in range(2))
    parameters = [a.requires_grad_() for a in (W, V, torch.zeros(axes).double())]
    descent = torch.optim.LBFGS(parameters, max_iter=2000, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def price():
        return (0.5 * ((x @ V) ** 2 + parameters[2].exp() - 1 - parameters[2])).mean(0)

    def closure():
        descent.zero_grad()
        error = ((x - x @ V @ W.T) ** 2).sum(1).mean() + (parameters[2].exp() * (W**2).sum(0)).sum()
        total = error / (2 * s**2) + beta * price().sum()
        total.backward()
        return total

    descent.step(closure)
    return int((price() > 0.01).sum())


axes = Choice(
    "13.axes",
    options=("a", "b", "c", "d"),
    truth=lambda: {6: "a", 3: "b", 2: "c", 0: "d"}[_survivors()],
    wrong="that is not what is left when this VAE is trained to the end, as was done just now",
    right="trained to the end, that many axes have a price above zero",
    concepts=["vae"],
)


# --------------------------------------------------------------------------------------------- 13.score
def _by_autograd(logits, bits, values):
    """A draw at a time: the derivative of log P(bits) by PyTorch, times what the others did not give."""
    import torch

    rows = []
    for i in range(len(values)):
        z = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
        (
            -torch.nn.functional.binary_cross_entropy_with_logits(z, _tensor(bits[i]), reduction="sum")
        ).backward()
        others = [values[j] for j in range(len(values)) if j != i]
        rows.append(z.grad.numpy() * (values[i] - math.fsum(others) / len(others)))
    return np.array(rows)


def _score(logits, bits, values, *, baseline=None, p=None):
    from scipy.special import expit

    k = len(values)
    baseline = (values.sum() - values) / (k - 1) if baseline is None else baseline(values)
    return (values - baseline)[:, None] * (bits - (expit(logits) if p is None else p(logits)))


def _coins(k, d):
    logits = rng.normal(size=d)
    bits = (rng.random((k, d)) < 1 / (1 + np.exp(-logits))).astype(float)
    return logits, bits, rng.normal(-50, 5, size=k)


score = Function(
    "13.score",
    cases=[
        Case("ten draws of four bits", _coins(10, 4)),
        Case("two draws", _coins(2, 3)),
        Case("as many draws as bits", _coins(4, 4)),
        Case("one bit", _coins(5, 1)),
        Case("all draws equally good", (rng.normal(size=3), np.eye(3), np.full(3, -7.0))),
        Case(
            "logits of ±1000",
            (np.array([1000.0, -1000, 0]), np.array([[1.0, 0, 1], [1, 0, 0]]), np.array([1.0, 3.0])),
        ),
    ],
    oracle=_by_autograd,
    mistakes=[
        Mistake(
            "there is no baseline; right on average, and far noisier",
            lambda *a: _score(*a, baseline=lambda v: 0 * v),
            2,
        ),
        Mistake(
            "each draw's own value is in its baseline, which biases the estimate toward zero",
            lambda *a: _score(*a, baseline=lambda v: v.mean()),
            2,
        ),
        Mistake(
            "this is the score of a Gaussian, as in the lecture; a bit's is b − σ(l)",
            lambda *a: _score(*a, p=lambda z: z),
            1,
        ),
        Mistake(
            "this is the score of a Gaussian, as in the lecture; a bit's is b − σ(l)",
            lambda *a: _score(*a, p=lambda z: z, baseline=lambda v: v.mean()),
            1,
        ),
        Mistake("the score of a bit is b − σ(l), not b alone", lambda *a: _score(*a, p=lambda z: 0 * z), 1),
        Mistake(
            "the sign is wrong: a good draw should raise the logits of its ones", lambda *a: -_score(*a), 1
        ),
        Mistake(
            "the derivative by the logit is b − σ(l), all of it; a σ(l)(1 − σ(l)) has come in",
            lambda z, b, v: _score(z, b, v) * np.exp(-np.logaddexp(0, z) - np.logaddexp(0, -z)),
            1,
        ),
        Mistake(
            "the sum of the other values belongs over k − 1: they are one fewer",
            lambda *a: _score(*a, baseline=lambda v: (v.sum() - v) / len(v)),
            2,
        ),
        Mistake(
            "these are shares of the mean: keep one estimate a draw, undivided",
            lambda *a: _score(*a) / len(a[2]),
            3,
        ),
    ],
    rtol=1e-8,
    overflow_hint=3,
    concepts=["vae"],
)


# ------------------------------------------------------------------------------------------- 13.traffic
COLUMNS = ["age", "gender", "ad", "advertiser", "category", "context", "site", "position", "device", "hour"]
SIZE, EACH, ODD = 200, 30, 50  # rows of a batch; batches of each kind; odd rows in an odd batch


@cache
def hidden_batches() -> list[Case]:
    """Two ad logs, and batches of their last days, two thirds of them spoiled. `known`: each one's kind."""
    from utils import data

    cases = []
    for seed in (113, 114):
        draw = np.random.default_rng(seed)
        log = data.load("ads", rows=80_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        rarity = np.zeros(len(past))
        for name in COLUMNS:
            values = past.features[name]
            rarity -= np.log(np.bincount(values)[values] / len(past))
        dull = np.argsort(rarity)[:100]
        kinds = draw.permutation(np.repeat(np.arange(3), EACH))
        rows = draw.permutation(len(future))[: SIZE * len(kinds)].reshape(-1, SIZE)
        batches = []
        for kind, chosen in zip(kinds, rows, strict=True):
            features = {name: values[chosen].copy() for name, values in future.features.items()}
            copied = dull[draw.integers(0, len(dull), ODD)]
            for name, values in features.items():
                if kind == 1:
                    values[:ODD] = draw.permutation(values[:ODD])
                if kind == 2:
                    values[:ODD] = past.features[name][copied]
            mixed = draw.permutation(SIZE)
            batches.append(replace(future[chosen], features={name: v[mixed] for name, v in features.items()}))
        args = without_truth(past), [without_clicks(batch) for batch in batches]
        cases.append(Case(f"ad log {seed}", args, known=(kinds,)))
    return cases


def _above(out, kinds, kind):
    """The share of pairs in which the odd batch has the larger number; ties count half."""
    odd, good = out[kinds == kind][:, None], out[kinds == 0]
    return np.mean((odd > good) + 0.5 * (odd == good))


traffic = Function(
    "13.traffic",
    cases=hidden_batches,
    like=lambda past, batches: np.zeros(len(batches)),
    rules=[
        Rule("the same number for every batch says nothing", lambda out, *_: np.ptp(out) > 0, 1),
        Rule(
            "both kinds of odd batches get the smaller numbers: larger is odder",
            lambda out, past, batches, kinds: max(_above(out, kinds, 1), _above(out, kinds, 2)) > 0.2,
            1,
        ),
        Rule(
            "the dull bots look better than good traffic: too little surprise is odd as well",
            lambda out, past, batches, kinds: _above(out, kinds, 2) > 0.2,
            2,
        ),
        Rule(
            "batches with a broken join do not stand out: look at values that meet, not at single ones",
            lambda out, past, batches, kinds: _above(out, kinds, 1) >= 0.97,
            1,
        ),
        Rule(
            "the dull bots do not stand out: how rare are a batch's values, against the usual?",
            lambda out, past, batches, kinds: _above(out, kinds, 2) >= 0.97,
            2,
        ),
    ],
    concepts=["vae"],
)

TASKS = [kl, bound, loss, axes, score, traffic]
