"""Wrong answers to lecture 17's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.special import expit, logit, softmax
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression, Ridge


# ----------------------------------------------------------------------------------------------- start
def start(X, centres, power=1, over=np.min):
    far = over(cdist(X, centres, "sqeuclidean") ** power, axis=1)
    return far / far.sum() if far.any() else np.ones(len(X)) / len(X)


def the_lectures_nearest(X, centres):
    return ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)


def expanded(X, centres):
    far = (X**2).sum(1)[:, None] - 2 * X @ centres.T + (centres**2).sum(1)
    far = np.maximum(far, 0).min(axis=1)
    return far / far.sum() if far.sum() > 0 else np.full(len(X), 1 / len(X))


def zero_by_zero(X, centres):
    with np.errstate(all="ignore"):
        far = cdist(X, centres, "sqeuclidean").min(1)
        return far / far.sum()


def start_one_by_one(X, centres):
    nearest = np.full(len(X), np.inf)
    for centre in centres:
        nearest = np.minimum(nearest, np.linalg.norm(X - centre, axis=1))
    total = (nearest**2).sum()
    return nearest**2 / total if total else np.repeat(1 / len(X), len(X))


# ----------------------------------------------------------------------------------------------- blame
def blame(X, share, mean, var, size=0.5, half=0.5, shares=True, axis=1):
    z = -half * ((X[:, None] - mean) ** 2 / var).sum(-1) - size * np.log(var).sum(-1)
    return softmax(z + np.log(share) * shares, axis=axis)


def densities(X, share, mean, var):
    with np.errstate(all="ignore"):
        p = share * np.exp(-0.5 * ((X[:, None] - mean) ** 2 / var).sum(2)) / np.sqrt(var.prod(1))
        return p / p.sum(1, keepdims=True)


def padded_densities(X, share, mean, var):
    p = share * np.exp(-0.5 * ((X[:, None] - mean) ** 2 / var).sum(2)) / np.sqrt(var.prod(1))
    return (p + 1e-300) / (p + 1e-300).sum(1, keepdims=True)


def blame_by_scipy(X, share, mean, var):
    z = np.array([
        multivariate_normal(m, np.diag(v)).logpdf(X).reshape(-1) + np.log(p)
        for p, m, v in zip(share, mean, var, strict=True)
    ])  # fmt: skip
    return np.exp(z - np.logaddexp.reduce(z, axis=0)).T


def blame_by_ratio(X, share, mean, var):
    """One over the sum of the odds against each group."""
    z = np.log(share) - 0.5 * ((X[:, None] - mean) ** 2 / var + np.log(var)).sum(2)
    return 1 / np.exp(np.minimum(z[:, None] - z[:, :, None], 700)).sum(2)


# ---------------------------------------------------------------------------------------------- m_step
def m_step(X, r, old, around=None, floor=np.maximum, fallback=True, over=None):
    n = r.sum(0)
    mean = np.divide(r.T @ X, n[:, None], out=old.copy() if fallback else 0 * old, where=n[:, None] > 0)
    away = (X[:, None] - (mean if around is None else around(old))) ** 2
    total = (r[:, :, None] * away).sum(0)
    var = total / np.maximum(n, 1e-300)[:, None] if over is None else total / over(X)
    return n / len(X), mean, floor(var, 1e-3)


def squares(X, r, old):
    """E[x²] − mean²: right on paper."""
    share, mean, _ = m_step(X, r, old)
    n = np.maximum(r.sum(0), 1e-300)[:, None]
    return share, mean, np.maximum(r.T @ X**2 / n - mean**2, 1e-3) * 1.0


def the_lectures_m_step(X, r, old):
    with np.errstate(all="ignore"):
        n = r.sum(axis=0)
        mean = r.T @ X / n[:, None]
        away = X[:, None] - mean
        return n / len(X), mean, np.einsum("nk,nki,nkj->kij", r, away, away) / n[:, None, None]


def no_fallback(X, r, old):
    with np.errstate(all="ignore"):
        n = r.sum(0)[:, None]
        mean = r.T @ X / n
        var = np.stack([(r[:, k, None] * (X - mean[k]) ** 2).sum(0) / n[k] for k in range(len(old))])
        return n[:, 0] / len(X), mean, np.maximum(var, 1e-3)


def m_by_average(X, r, old):
    share, mean, var = r.mean(0), old.copy(), np.full(old.shape, 1e-3)
    for k in np.flatnonzero(r.sum(0) > 0):
        mean[k] = np.average(X, axis=0, weights=r[:, k])
        var[k] = np.maximum(np.average((X - mean[k]) ** 2, axis=0, weights=r[:, k]), 1e-3)
    return share, mean, var


# ----------------------------------------------------------------------------------------------- seats
def seats(logits, k, capacity, rescale=False, count=True, everything=False, kind="stable"):
    order = np.argsort(-logits, axis=1, kind=kind)
    asked = np.argsort(order, axis=1) < k
    p = softmax(logits if everything else np.where(asked, logits, -np.inf), axis=1) * asked
    late = np.cumsum(asked, axis=0) > capacity if count else np.zeros_like(asked)
    p[late] = 0
    return p / np.maximum(p.sum(1, keepdims=True), 1e-300) if rescale else p


def the_lectures_top(logits, k, capacity):
    z = torch.tensor(logits)
    chosen = z.topk(k, dim=-1).indices
    asked = torch.zeros_like(z, dtype=torch.bool).scatter(-1, chosen, True)
    return z.masked_fill(~asked, -torch.inf).softmax(-1).numpy()


def ties_all(logits, k, capacity):
    asked = logits >= np.sort(logits, axis=1)[:, [-k]]
    p = softmax(np.where(asked, logits, -np.inf), axis=1)
    return p * (np.cumsum(asked, axis=0) <= capacity)


def backward_ties(logits, k, capacity):
    return seats(logits[:, ::-1], k, capacity)[:, ::-1].copy()


def by_weight(logits, k, capacity):
    p = seats(logits, k, len(logits))
    for column in p.T:
        column[np.argsort(-column, kind="stable")[capacity:]] = 0
    return p


def raw_exp(logits, k, capacity):
    with np.errstate(all="ignore"):
        asked = seats(np.clip(logits, -1e9, 1e9), k, len(logits)) > 0
        p = np.exp(logits) * asked
        p = p / p.sum(1, keepdims=True)
        return np.where(np.cumsum(asked, axis=0) <= capacity, p, 0)


def before_softmax(logits, k, capacity):
    """Who is turned away is taken out before the softmax: the rest is rescaled."""
    return seats(logits, k, capacity, rescale=True)


def by_queue(logits, k, capacity):
    out, room = np.zeros_like(logits), np.full(logits.shape[1], capacity)
    for i, z in enumerate(logits):
        chosen = np.lexsort((np.arange(len(z)), -z))[:k]
        free = room[chosen] > 0
        out[i, chosen] = softmax(z[chosen]) * free
        room[chosen] -= 1
    return out


# ------------------------------------------------------------------------------------------------- bic
def bic(log_p, d, shares=-1, covariance=None, mean=True, total=np.sum, factor=-2.0, cost=np.log, joined=None):
    n, K = log_p.shape
    each = np.logaddexp.reduce(log_p, axis=1) if joined is None else joined(log_p)
    count = (
        K + shares + K * d * mean + K * (len(np.tril_indices(d)[0]) if covariance is None else covariance(d))
    )
    return factor * total(each) + count * cost(n)


def densities_added(log_p, d):
    with np.errstate(all="ignore"):
        return bic(log_p, d, joined=lambda z: np.log(np.exp(z).sum(1)))


def bic_by_torch(log_p, d):
    z = torch.tensor(log_p)
    K = z.shape[1]
    one = torch.distributions.MultivariateNormal(torch.zeros(d), torch.eye(d))
    free = K * (len(one.mean) + sum(range(1, d + 1)) + 1) - 1
    return float(free * np.log(len(z)) - 2 * z.logsumexp(1).sum())


# --------------------------------------------------------------------------------------------- devices
COLUMNS = ["category", "position", "ad", "user", "context", "hour"]


def regression(past, new, terms):
    machine = LogisticRegression(C=0.3, max_iter=300).fit(past.one_hot(terms), past.click)
    return machine.predict_proba(new.one_hot(terms))[:, 1]


def fitted_to_truth(past, new):
    """Least squares on the logits of the probabilities from which the clicks were drawn."""
    machine = Ridge().fit(past.one_hot(COLUMNS), logit(past.truth))
    return expit(machine.predict(new.one_hot(COLUMNS)))


def one_machine(past, new):
    return regression(past, new, COLUMNS)


def apart(past, new):
    p = np.full(len(new), past.click.mean())
    for device in np.unique(past.features["device"]):
        rows = new.features["device"] == device
        if rows.any():
            p[rows] = one_machine(past[past.features["device"] == device], new[rows])
    return p


def crossed(past, new):
    return regression(past, new, [*COLUMNS, ("device", "category")])


def no_answer_for_strangers(past, new):
    """The base rate for a device that the log lacks."""
    p, known = crossed(past, new), np.unique(past.features["device"])
    return np.where(np.isin(new.features["device"], known), p, past.click.mean())


def crash_for_strangers(past, new):
    shares = {d: past.click[past.features["device"] == d].mean() for d in np.unique(past.features["device"])}
    return crossed(past, new) * np.array([1.0 if shares[d] else 0.0 for d in new.features["device"]])


def logits(past, new):
    p = crossed(past, new)
    return np.log(p / (1 - p))


def twice(past, new):
    return np.minimum(2 * crossed(past, new), 1)


def in_two_stages(past, new):
    """The common logit as the only feature beside device × category."""
    from scipy.sparse import csr_array, hstack

    shared = LogisticRegression(C=0.3, max_iter=300).fit(past.one_hot(COLUMNS), past.click)
    both = [
        hstack([csr_array(shared.decision_function(log.one_hot(COLUMNS))[:, None]),
                log.one_hot([("device", "category")])])
        for log in (past, new)
    ]  # fmt: skip
    return LogisticRegression(C=0.3, max_iter=300).fit(both[0], past.click).predict_proba(both[1])[:, 1]


def ratios(past, new):
    """The common answer, times how many more clicks the device's category has than expected, shrunk."""
    p, q = one_machine(past, past), one_machine(past, new)
    cell, cell_new = (8 * log.features["device"] + log.features["category"] for log in (past, new))
    ratio = (np.bincount(cell, past.click, 24) + 8) / (np.bincount(cell, p, 24) + 8)
    odds = q / (1 - q) * ratio[cell_new]
    return expit(np.log(odds))


WRONG = {
    "17.start": {
        "the lecture's": (the_lectures_nearest, "dtype"),
        "not squared": (lambda *a: start(*a, power=0.5), "are squared"),
        "fourth power": (lambda *a: start(*a, power=2), "wrong values"),
        "last centre": (lambda X, c: start(X, c[-1:]), "not the last one"),
        "first centre": (lambda X, c: start(X, c[:1]), "not the first one"),
        "all centres": (lambda *a: start(*a, over=np.sum), "not to all of them"),
        "mean of centres": (lambda *a: start(*a, over=np.mean), "not to all of them"),
        "farthest centre": (lambda *a: start(*a, over=np.max), "not the farthest"),
        "no sum": (lambda X, c: cdist(X, c, "sqeuclidean").min(1), "divide by their sum"),
        "the farthest point": (lambda X, c: np.eye(len(X))[start(X, c).argmax()], "not certain"),
        "expanded square": (expanded, "wrong values"),
        "zero by zero": (zero_by_zero, "contains nan"),
        "uniform within one": (
            lambda X, c: start(X, c) if cdist(X, c).min(1).sum() > 1 else np.full(len(X), 1 / len(X)),
            "wrong values for points within",
        ),
        "near is likely": (lambda X, c: softmax(-start(X, c)), "wrong values"),
    },
    "17.blame": {
        "no shares": (lambda *a: blame(*a, shares=False), "shares are missing"),
        "no size": (lambda *a: blame(*a, size=0), "/ 2 of the density is missing"),
        "log var whole": (lambda *a: blame(*a, size=1), "for each coordinate"),
        "no half": (lambda *a: blame(*a, half=1), "½"),
        "var squared": (lambda X, s, m, v: blame(X, s, m, v**2), "do not square"),
        "over the points": (lambda *a: blame(*a, axis=0), "rows sum to one"),
        "densities": (densities, "contains nan"),
        "densities and a little": (padded_densities, "wrong values for two equal groups far away"),
        "winner takes all": (lambda *a: np.eye(len(a[1]))[blame(*a).argmax(1)], "wrong values"),
        "groups first": (lambda *a: blame(*a).T, "shape"),
    },
    "17.m_step": {
        "old means": (lambda *a: m_step(*a, around=lambda old: old), "around the new means"),
        "added floor": (lambda *a: m_step(*a, floor=np.add), "floor is a maximum"),
        "no floor": (lambda *a: m_step(*a, floor=lambda v, f: v), "no floor"),
        "empty to the origin": (lambda *a: m_step(*a, fallback=False), "keeps its old mean"),
        "divided by n": (lambda *a: m_step(*a, over=len), "not by n"),
        "squares": (squares, "wrong values for points a million"),
        "the lecture's": (the_lectures_m_step, "shape"),
        "zero by zero": (no_fallback, "contains nan"),
        "two results": (lambda *a: m_step(*a)[1:], "expected 3 results"),
        "standard deviations": (lambda *a: (*m_step(*a)[:2], np.sqrt(m_step(*a)[2])), "wrong values"),
    },
    "17.bic": {
        "mean": (lambda *a: bic(*a, total=np.mean), "not averaged"),
        "sign": (lambda *a: bic(*a, factor=2), "the sign"),
        "L once": (lambda *a: bic(*a, factor=-1), "counts twice"),
        "all shares": (lambda *a: bic(*a, shares=0), "sum to one"),
        "no shares": (lambda z, d: bic(z, d, shares=-z.shape[1]), "parameters too"),
        "square covariance": (lambda *a: bic(*a, covariance=lambda d: d * d), "symmetric"),
        "variances": (lambda *a: bic(*a, covariance=lambda d: d), "variances only"),
        "no means": (lambda *a: bic(*a, mean=False), "a mean of d numbers"),
        "one a parameter": (lambda *a: bic(*a, cost=lambda n: 1), "costs log n"),
        "Akaike": (lambda *a: bic(*a, cost=lambda n: 2), "Akaike"),
        "log K": (lambda z, d: bic(z, d, cost=lambda n: np.log(z.shape[1])), "wrong values"),
        "largest part": (lambda *a: bic(*a, joined=lambda z: z.max(1)), "not the largest"),
        "sum of logarithms": (lambda *a: bic(*a, joined=lambda z: z.sum(1)), "not a sum of logarithms"),
        "densities": (densities_added, "inf"),
        "a point": (lambda z, d: bic(z, d) / len(z), "wrong values"),
        "one number each": (lambda z, d: np.full(len(z), bic(z, d)), "shape"),
    },
    "17.twins": {
        "copies stay": ("a", "write down r"),
        "the gate": ("c", "write down r"),
        "both": ("d", "write down r"),
        "a number": (2, "answer with one of"),
    },
    "17.seats": {
        "the lecture's": (the_lectures_top, "wrong values"),
        "full softmax": (lambda *a: seats(*a, everything=True), "not of all"),
        "no capacity": (lambda *a: seats(*a, count=False), "nobody is turned away"),
        "rescaled": (before_softmax, "no rescaling"),
        "all that tie": (ties_all, "more than k"),
        "ties backward": (backward_ties, "smaller number"),
        "by weight": (by_weight, "not by weight"),
        "overflow": (raw_exp, "contains nan"),
        "last come": (lambda z, k, c: seats(z[::-1], k, c)[::-1].copy(), "wrong values"),
        "any of a tie": (lambda *a: seats(*a, kind=None), "wrong values for sixty"),
        "one seat too few": (lambda z, k, c: seats(z, k, max(c - 1, 0)), "wrong values"),
    },
    "17.devices": {
        "apart": (apart, "experts apart lose"),
        "one machine": (one_machine, "ignores the device"),
        "device alone": (lambda *a: regression(*a, [*COLUMNS, "device"]), "ignores the device"),
        "columns that are not allowed": (
            lambda *a: regression(*a, [*COLUMNS, ("device", "category"), "age", "gender"]),
            "your code stops",
        ),
        "a user's tastes, no device": (
            lambda *a: regression(*a, [*COLUMNS, ("user", "category")]),
            "makes no difference",
        ),
        "one machine, fitted to the truth": (fitted_to_truth, "your code stops"),
        "base rate": (lambda past, new: np.full(len(new), past.click.mean()), "experts apart lose"),
        "base rate for strangers": (no_answer_for_strangers, "never seen"),
        "crash for strangers": (crash_for_strangers, "your code stops"),
        "logits": (logits, "not probabilities"),
        "twice": (twice, "far too high"),
        "yes or no": (lambda *a: crossed(*a) > 0.5, "a probability is asked"),
        "both columns": (lambda past, new: np.stack([crossed(past, new)] * 2, 1), "shape"),
    },
}

RIGHT = {
    "17.start": {"cdist": start, "one by one": start_one_by_one},
    "17.blame": {"scipy": blame_by_scipy, "softmax": blame, "by ratio": blame_by_ratio},
    "17.m_step": {"average": m_by_average, "divide where": m_step},
    "17.bic": {"logaddexp": bic, "torch": bic_by_torch},
    "17.twins": {"b": "b", "B.": "B."},
    "17.seats": {"queue": by_queue, "ranks": seats},
    "17.devices": {"crossed": crossed, "two stages": in_two_stages, "ratios": ratios},
}
