"""Wrong answers to lecture 13's tasks, each with its message, and right ones written otherwise."""

import math

import numpy as np
import torch
from scipy.special import expit
from scipy.special import logsumexp as scipy_logsumexp
from torch.distributions import Bernoulli, Independent, Normal
from torch.nn import functional as F


# ------------------------------------------------------------------------------------------------ 13.kl
def kl(mu, logvar, m, t):
    return 0.5 * ((logvar - t).exp() + (mu - m) ** 2 * (-t).exp() - 1 - logvar + t).sum(1)


def kl_of_the_lecture(mu, logvar, m=None, t=None):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def kl_overflowing(mu, logvar, m, t):
    return 0.5 * ((logvar.exp() + (mu - m) ** 2) / t.exp() - 1 - logvar + t).sum(1)


def kl_clipped(mu, logvar, m, t):
    return kl_overflowing(mu, logvar.clamp(-30, 30), m, t.clamp(-30, 30))


def kl_by_library(mu, logvar, m, t):
    q, p = Normal(mu, (logvar / 2).exp()), Normal(m.expand_as(mu), (t / 2).exp().expand_as(mu))
    return torch.distributions.kl_divergence(q, p).sum(1)


def kl_in_place(mu, logvar, m, t):
    mu -= m
    return 0.5 * ((logvar - t).exp() + mu**2 * (-t).exp() - 1 - logvar + t).sum(1)


def kl_in_units_of_p(mu, logvar, m, t):
    """Shift and scale both, so that p is the standard Gaussian; then the lecture's formula."""
    return kl_of_the_lecture((mu - m) / (t / 2).exp(), logvar - t)


def kl_by_loop(mu, logvar, m, t):
    m, t = m.expand_as(mu), t.expand_as(mu)
    rows = []
    for i in range(len(mu)):
        total = torch.zeros((), dtype=mu.dtype)
        for j in range(mu.shape[1]):
            r = logvar[i, j] - t[i, j]
            total = total + (torch.expm1(r) - r + (mu[i, j] - m[i, j]) ** 2 * torch.exp(-t[i, j])) / 2
        rows.append(total)
    return torch.stack(rows)


# --------------------------------------------------------------------------------------------- 13.bound
def bound(w, k):
    return (w.reshape(-1, k, w.shape[1]).logsumexp(1) - math.log(k)).mean(0)


def bound_of_the_lecture(log_weights, k=None):
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


def bound_scaled_by_all(w, k):
    """One largest weight for all: draws far below it become zero."""
    top = w.max()
    return ((w - top).exp().reshape(-1, k, w.shape[1]).mean(1).log() + top).mean(0)


def bound_by_split(w, k):
    return torch.stack([bound_of_the_lecture(group) for group in w.split(k)]).mean(0)


def bound_by_scipy(w, k):
    groups = w.numpy().reshape(len(w) // k, k, -1)
    return torch.tensor(scipy_logsumexp(groups, axis=1, b=1 / k).mean(axis=0))


# ---------------------------------------------------------------------------------------------- 13.loss
def loss(prediction, x, mu, logvar, s):
    nats = (x - prediction) ** 2 / (2 * s**2) + math.log(s * math.sqrt(2 * math.pi))
    return (nats.flatten(1).sum(1) + kl_of_the_lecture(mu, logvar)).mean()


def loss_handed_out(prediction, x, mu, logvar, s):
    return ((prediction - x) ** 2).mean() + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


def loss_of_the_lecture(prediction, x, mu, logvar, s):
    pixels = F.binary_cross_entropy_with_logits(prediction, x, reduction="none").sum((1, 2, 3))
    return (pixels + kl_of_the_lecture(mu, logvar)).mean()


def loss_of_sums(prediction, x, mu, logvar, s):
    return (F.mse_loss(prediction, x, reduction="sum") + kl_of_the_lecture(mu, logvar).sum()) / len(x)


def loss_by_library(prediction, x, mu, logvar, s):
    return kl_of_the_lecture(mu, logvar).mean() - Independent(Normal(prediction, s), 3).log_prob(x).mean()


def loss_with_parts(pixels=lambda e: e.sum(1), price=lambda p: p.sum(1), scale=lambda s: 2 * s**2, log=True):
    def code(prediction, x, mu, logvar, s):
        constant = math.log(s * math.sqrt(2 * math.pi)) if log else 0.0
        nats = ((x - prediction) ** 2 / scale(s) + constant).flatten(1)
        return (pixels(nats) + price(0.5 * (mu**2 + logvar.exp() - 1 - logvar))).mean()

    return code


# --------------------------------------------------------------------------------------------- 13.score
def score(logits, bits, values, baseline=None):
    baseline = (values.sum() - values) / (len(values) - 1) if baseline is None else baseline
    return (values - baseline)[:, None] * (bits - expit(logits))


def score_of_the_lecture(mu, z, f):
    return (f - f.mean())[:, None] * (z - mu)


def score_overflowing(logits, bits, values):
    with np.errstate(all="ignore"):
        p = np.exp(logits) / (1 + np.exp(logits))
        return (values - (values.sum() - values) / (len(values) - 1))[:, None] * (bits - p)


def score_by_loop(logits, bits, values):
    rows = []
    for i in range(len(values)):
        others = np.mean(np.delete(values, i))
        rows.append((values[i] - others) * (bits[i] - expit(logits)))
    return np.stack(rows)


def score_by_factor(logits, bits, values):
    """A value minus the mean of the others is its distance from the mean of all, times k / (k - 1)."""
    k = len(values)
    return np.einsum("k,kd->kd", (values - values.mean()) * k / (k - 1), bits - expit(logits))


def score_by_torch(logits, bits, values):
    v = torch.tensor(values)
    advantage = v - (v.sum() - v) / (len(v) - 1)
    z = torch.tensor(logits).repeat(len(v), 1).requires_grad_()
    (Bernoulli(logits=z).log_prob(torch.tensor(bits)).sum(1) * advantage).sum().backward()
    return z.grad.numpy()


# ------------------------------------------------------------------------------------------- 13.traffic
COLUMNS = ["age", "gender", "ad", "advertiser", "category", "context", "site", "position", "device", "hour"]


def rare(past):
    frequency = np.maximum(past.one_hot(COLUMNS).mean(axis=0), 1e-6)
    return lambda batch: -(batch.one_hot(COLUMNS) @ np.log(frequency)).mean()


def new(past):
    known = past.one_hot(COLUMNS)
    never = (known.T @ known).toarray() == 0

    def feel(batch):
        shown = batch.one_hot(COLUMNS).toarray()
        return ((shown @ never) * shown).sum(1).mean()

    return feel


def usual(past, feel):
    values = np.array([feel(past[start : start + 200]) for start in range(0, len(past) - 199, 200)])
    return values.mean(), max(values.std(), 1e-3)


def one_sided(*feelers):
    def code(past, batches):
        total = np.zeros(len(batches))
        for make in feelers:
            feel = make(past)
            mean, width = usual(past, feel)
            total += (np.array([feel(batch) for batch in batches]) - mean) / width
        return total

    return code


def two_sided(*feelers, sign=1.0):
    def code(past, batches):
        distances = []
        for make in feelers:
            feel = make(past)
            mean, width = usual(past, feel)
            distances.append(abs(np.array([feel(batch) for batch in batches]) - mean) / width)
        return sign * np.max(distances, axis=0)

    return code


def tree_surprise(past):
    """Each column given the one it hangs on, by counting: the exact likelihood of this log, nearly."""
    parents = {"advertiser": "ad", "category": "ad", "site": "context"}
    tables = {}
    for name in COLUMNS:
        first = past.features[parents[name]] if name in parents else np.zeros(len(past), int)
        table = np.full((first.max() + 1, past.sizes[name]), 1e-3)
        np.add.at(table, (first, past.features[name]), 1)
        tables[name] = -np.log(table / table.sum(axis=1, keepdims=True))

    def feel(batch):
        total = 0.0
        for name, table in tables.items():
            first = batch.features[parents[name]] if name in parents else 0
            total = total + table[first, batch.features[name]]
        return total.mean()

    return feel


def overwrites(past, batches):
    for batch in batches:
        batch.features["hour"][:] = 0
    return np.arange(len(batches), dtype=float)


WRONG = {
    "13.kl": {
        "the lecture's code": (kl_of_the_lecture, "standard Gaussian"),
        "the lecture's code, as it is": (lambda mu, logvar: kl_of_the_lecture(mu, logvar), "your code stops"),
        "swapped": (lambda mu, v, m, t: kl(m + 0 * mu, t + 0 * v, mu, v), "swapped"),
        "no half": (lambda *a: 2 * kl(*a), "½"),
        "no −1": (lambda *a: kl(*a) + 0.5 * a[0].shape[1], "−1 is missing"),
        "distance not squared": (
            lambda mu, v, m, t: (
                kl(mu, v, m, t) + 0.5 * (((mu - m).abs() - (mu - m) ** 2) * (-t).exp()).sum(1)
            ),
            "squared",
        ),
        "distance not scaled": (
            lambda mu, v, m, t: kl(mu, v, m, t) + 0.5 * ((mu - m) ** 2 * (1 - (-t).exp())).sum(1),
            "p's units",
        ),
        "log σ": (lambda mu, v, m, t: kl(mu, 2 * v, m, 2 * t), "not log σ"),
        "overflow": (kl_overflowing, "exponentiate differences"),
        "clipped": (kl_clipped, "wrong values"),
        "the library": (kl_by_library, "exponentiate differences"),
        "mean over the code": (lambda *a: kl(*a) / a[0].shape[1], "sum over the code"),
        "sum over all": (lambda *a: kl(*a).sum(), "shape"),
        "sum over the batch": (
            lambda mu, v, m, t: 0.5 * ((v - t).exp() + (mu - m) ** 2 * (-t).exp() - 1 - v + t).sum(0),
            "shape",
        ),
        "sign": (lambda *a: -kl(*a), "negative"),
        "single precision": (lambda *a: kl(*a).float(), "dtype"),
        "in place": (kl_in_place, "changes its input"),
        "as NumPy": (lambda *a: kl(*a).numpy(), "PyTorch tensor"),
    },
    "13.bound": {
        "the lecture's code": (bound_of_the_lecture, "all draws are in one group"),
        "mean of the logarithms": (lambda w, k: w.mean(0), "bound for k = 1"),
        "no log k": (lambda w, k: bound(w, k) + math.log(k), "log k is missing"),
        "log S": (lambda w, k: bound(w, k) + math.log(k) - math.log(len(w)), "not by S"),
        "strided": (
            lambda w, k: (w.reshape(k, -1, w.shape[1]).logsumexp(0) - math.log(k)).mean(0),
            "follow one another",
        ),
        "largest": (lambda w, k: w.reshape(-1, k, w.shape[1]).amax(1).mean(0), "largest weight"),
        "underflow": (lambda w, k: w.exp().reshape(-1, k, w.shape[1]).mean(1).log().mean(0), "use logsumexp"),
        "a little added": (
            lambda w, k: (w.exp().reshape(-1, k, w.shape[1]).mean(1) + 1e-12).log().mean(0),
            "wrong values",
        ),
        "the first k only": (lambda w, k: bound_of_the_lecture(w[:k]), "wrong values"),
        "logarithm of the mean of groups": (
            lambda w, k: bound_of_the_lecture(bound_by_groups(w, k)),
            "all draws are in one group",
        ),
        "sum of the groups": (lambda w, k: bound(w, k) * (len(w) // k), "wrong values"),
        "one number": (lambda w, k: bound(w, k).mean(), "shape"),
        "a row a group": (lambda w, k: bound_by_groups(w, k), "shape"),
        "in bits": (lambda w, k: bound(w, k) / math.log(2), "wrong values"),
    },
    "13.loss": {
        "the lecture's code": (loss_of_the_lecture, "wrong values"),
        "mean over pixels": (loss_with_parts(pixels=lambda e: e.mean(1)), "sum over the pixels"),
        "mean over the code": (loss_with_parts(price=lambda p: p.mean(1)), "sum over the code"),
        "sums of squares": (loss_of_sums, "neither the noise"),
        "half the squares": (
            lambda p, x, m, v, s: (0.5 * ((x - p) ** 2).flatten(1).sum(1) + kl_of_the_lecture(m, v)).mean(),
            "s = 1",
        ),
        "no constants": (loss_with_parts(log=False), "no bound"),
        "no noise": (loss_with_parts(scale=lambda s: 1), "divide by 2 s²"),
        "2 s": (loss_with_parts(scale=lambda s: 2 * s), "variance"),
        "s² alone": (loss_with_parts(scale=lambda s: s**2), "wrong values"),
        "no 2π": (
            lambda p, x, m, v, s: loss(p, x, m, v, s) - x[0].numel() * math.log(math.sqrt(2 * math.pi)),
            "½ log 2π",
        ),
        "no log s": (lambda p, x, m, v, s: loss(p, x, m, v, s) - x[0].numel() * math.log(s), "log s"),
        "constants once a picture": (
            lambda p, x, m, v, s: (
                loss_with_parts(log=False)(p, x, m, v, s) + math.log(s * math.sqrt(2 * math.pi))
            ),
            "wrong values",
        ),
        "sum over the batch": (
            lambda p, x, m, v, s: len(x) * loss(p, x, m, v, s),
            "average over the pictures",
        ),
        "the ELBO": (lambda *a: -loss(*a), "negative"),
        "no price": (lambda p, x, m, v, s: loss(p, x, 0 * m, 0 * v, s), "wrong values"),
        "one a picture": (
            lambda p, x, m, v, s: ((x - p) ** 2).flatten(1).sum(1) + kl_of_the_lecture(m, v),
            "one number",
        ),
    },
    "13.axes": {
        "only s": ("a", "trained to the end"),
        "as in the lecture": ("b", "trained to the end"),
        "all off": ("d", "trained to the end"),
        "a number": (2, "answer with one of"),
        "no letter": ("e", "answer with one of"),
    },
    "13.score": {
        "the lecture's code": (score_of_the_lecture, "score of a Gaussian"),
        "a Gaussian's score": (
            lambda z, b, v: (v - (v.sum() - v) / (len(v) - 1))[:, None] * (b - z),
            "score of a Gaussian",
        ),
        "no baseline": (lambda z, b, v: score(z, b, v, 0 * v), "no baseline"),
        "its own value too": (lambda z, b, v: score(z, b, v, v.mean()), "own value is in its baseline"),
        "median": (lambda z, b, v: score(z, b, v, np.median(v)), "wrong values"),
        "others over k": (lambda z, b, v: score(z, b, v, (v.sum() - v) / len(v)), "one fewer"),
        "bits alone": (lambda z, b, v: score(0 * z - 1e9, b, v), "not b alone"),
        "sign": (lambda z, b, v: -score(z, b, v), "sign"),
        "derivative by the probability": (
            lambda z, b, v: score(z, b, v) * expit(z) * (1 - expit(z)),
            "has come in",
        ),
        "overflow": (score_overflowing, "contains nan"),
        "mean over the draws": (lambda z, b, v: score(z, b, v).mean(0), "shape"),
        "shares of the mean": (lambda z, b, v: score(z, b, v) / len(v), "shares of the mean"),
        "bits first": (lambda z, b, v: score(z, b, v).T, "shape"),
        "one number": (lambda z, b, v: score(z, b, v).mean(), "should be a NumPy array"),
    },
    "13.traffic": {
        "the lecture's table": (one_sided(new), "dull bots do not stand out"),
        "the lecture's rarity": (one_sided(rare), "dull bots look better"),
        "rarity, both sides": (two_sided(rare), "values that meet"),
        "exact surprise, one side": (one_sided(tree_surprise), "dull bots look better"),
        "upside down": (two_sided(rare, new, sign=-1.0), "larger is odder"),
        "all the same": (lambda past, batches: np.zeros(len(batches)), "says nothing"),
        "by chance": (
            lambda past, batches: np.random.default_rng(0).random(len(batches)),
            "values that meet",
        ),
        "click rate": (lambda past, batches: np.array([b.click.mean() for b in batches]), "says nothing"),
        "one number": (lambda past, batches: 1.0, "should be a NumPy array"),
        "a number a row": (lambda past, batches: np.zeros((len(batches), 200)), "shape"),
        "yes or no": (lambda past, batches: two_sided(rare, new)(past, batches) > 4, "dtype"),
        "overwrites": (overwrites, "changes its input"),
    },
}


def bound_by_groups(w, k):
    return w.reshape(-1, k, w.shape[1]).logsumexp(1) - math.log(k)


RIGHT = {
    "13.kl": {"loop": kl_by_loop, "short": kl, "p as the unit": kl_in_units_of_p},
    "13.bound": {"split": bound_by_split, "scipy": bound_by_scipy, "short": bound},
    "13.loss": {"library": loss_by_library, "short": loss},
    "13.axes": {"c": "c", "capital": "C", "bracket": "c)"},
    "13.score": {"loop": score_by_loop, "factor": score_by_factor, "torch": score_by_torch},
    "13.traffic": {
        "exact surprise, both sides": two_sided(tree_surprise),
        "all three": two_sided(rare, new, tree_surprise),
    },
}
