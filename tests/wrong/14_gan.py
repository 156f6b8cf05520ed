"""Wrong answers to lecture 14's tasks, each with its message, and right ones written otherwise."""

import math

import numpy as np
import torch
from scipy import sparse
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F


# --------------------------------------------------------------------------------------------- 14.ratio
def ratio(log_p, log_q, share, both=None):
    with np.errstate(all="ignore"):
        d = log_p - log_q + math.log(share) - math.log1p(-share)
        return np.where(np.isnan(d), share if both is None else both, expit(d))


def ratio_unset(log_p, log_q, share):
    """No `out`: where both are −∞, NumPy leaves what its memory held."""
    known = ~(np.isneginf(log_p) & np.isneginf(log_q))
    return expit(np.subtract(log_p, log_q, where=known) + logit(share))


def ratio_logit(log_p, log_q, share):
    with np.errstate(all="ignore"):
        return log_p - log_q + math.log(share / (1 - share))


def ratio_of_densities(log_p, log_q, share):
    with np.errstate(all="ignore"):
        p, q = share * np.exp(log_p), (1 - share) * np.exp(log_q)
        return p / (p + q)


def ratio_with_a_little_added(log_p, log_q, share):
    with np.errstate(all="ignore"):
        p, q = share * np.exp(np.minimum(log_p, 700)), (1 - share) * np.exp(np.minimum(log_q, 700))
        return (p + share * 1e-300) / (p + q + 1e-300)


def ratio_clipped(log_p, log_q, share):
    return ratio(np.clip(log_p, -700, None), np.clip(log_q, -700, None), share)


def ratio_by_logsumexp(log_p, log_q, share):
    real, fake = log_p + np.log(share), log_q + np.log(1 - share)
    total = np.logaddexp(real, fake)
    known = np.isfinite(total)
    return np.where(known, np.exp(np.where(known, real, 0) - np.where(known, total, 0)), share)


# -------------------------------------------------------------------------------------------- 14.smooth
def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def smooth(real, fake, target, on_fake=0.0):
    """softplus(l) - t l, the shortest form."""
    return (softplus(real) - target * real).mean() + (softplus(fake) - on_fake * fake).mean()


def smooth_by_probability(real, fake, target):
    with np.errstate(all="ignore"):
        d, e = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
        return -(target * np.log(d) + (1 - target) * np.log(1 - d)).mean() - np.log(1 - e).mean()


def smooth_clipped(real, fake, target):
    d, e = (np.clip(expit(a), 1e-7, 1 - 1e-7) for a in (real, fake))
    return -(target * np.log(d) + (1 - target) * np.log(1 - d)).mean() - np.log(1 - e).mean()


def smooth_the_lectures(real, fake, target):
    return (0.9 * softplus(-real) + 0.1 * softplus(real)).mean() + softplus(fake).mean()


def smooth_by_torch(real, fake, target):
    logits = torch.tensor(np.concatenate([real, fake]))
    targets = torch.tensor(np.repeat([target, 0.0], [len(real), len(fake)]))
    weight = torch.tensor(np.repeat([1 / len(real), 1 / len(fake)], [len(real), len(fake)]))
    return F.binary_cross_entropy_with_logits(logits, targets, weight=weight, reduction="sum").item()


# --------------------------------------------------------------------------------------------- 14.turns
def descend(net, lr):
    with torch.no_grad():
        for weight in net.parameters():
            if weight.grad is not None:
                weight -= lr * weight.grad
            weight.grad = None


def turns(
    G, D, real, noise, lr, clear=True, cut=True, old=False, saturates=False, still=False, order="DG", share=1
):
    """The handed-out code with a switch for each bug."""
    for z in noise:
        for who in order:
            if who == "D":
                if clear:
                    D.zero_grad()
                fake = G(z).detach() if cut else G(z)
                (F.softplus(-D(real)).mean() + share * F.softplus(D(fake)).mean()).backward()
                if not old:
                    descend(D, lr)
            else:
                logits = D(G(z).detach() if still else G(z))
                loss = (-F.softplus(logits) if saturates else F.softplus(-logits)).mean()
                kept = [p.grad.clone() for p in D.parameters()] if old else None
                if not still:
                    loss.backward()
                    descend(G, lr)
                if old:
                    for weight, grad in zip(D.parameters(), kept, strict=True):
                        weight.grad = grad
                    descend(D, lr)
    vector = torch.nn.utils.parameters_to_vector
    return vector(G.parameters()).detach(), vector(D.parameters()).detach()


def turns_by_bare_logarithms(G, D, real, noise, lr):
    kept = F.softplus
    F.softplus = lambda logits: torch.log(1 + torch.exp(logits))
    try:
        return turns(G, D, real, noise, lr)
    finally:
        F.softplus = kept


def turns_by_optimizers(G, D, real, noise, lr):
    sgd_g, sgd_d = (torch.optim.SGD(net.parameters(), lr) for net in (G, D))
    for z in noise:
        with torch.no_grad():
            fake = G(z)
        cost = -(F.logsigmoid(D(real)).mean() + F.logsigmoid(-D(fake)).mean())
        sgd_d.zero_grad()
        cost.backward()
        sgd_d.step()
        cost = -F.logsigmoid(D(G(z))).mean()
        sgd_g.zero_grad()
        cost.backward()
        sgd_g.step()
    return tuple(torch.cat([w.detach().flatten() for w in net.parameters()]) for net in (G, D))


# ------------------------------------------------------------------------------------------------ 14.r1
def calm(penalty_of):
    """The exercise's `calm`, around a penalty."""

    def step(D, real, gamma, lr):
        penalty = penalty_of(D, real, gamma)
        D.zero_grad()
        penalty.backward()
        descend(D, lr)
        return penalty.detach(), torch.nn.utils.parameters_to_vector(D.parameters()).detach()

    return step


def r1(graph=True, points=lambda x: x, logit=torch.sum, of=lambda z: z, scale=lambda g, x: g / 2, score=None):
    def penalty(D, real, gamma):
        x = points(real).detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(logit(of(D(x))), x, create_graph=graph)
        scores = slope.square().flatten(1).sum(1) if score is None else score(slope)
        return scale(gamma, x) * scores.mean()

    return calm(penalty)


def r1_half_attached(D, real, gamma):
    """The norm is cut off: the value is right, the gradient is half of it."""
    x = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gamma / 2 * (slope * slope.detach()).flatten(1).sum(1).mean()


def r1_by_jacobian(D, real, gamma):
    J = torch.autograd.functional.jacobian(lambda x: D(x).sum(), real, create_graph=True)
    return gamma * (J.flatten(1) ** 2).sum() / (2 * len(real))


def r1_a_picture_at_a_time(D, real, gamma):
    total = 0
    for picture in real.split(1):
        x = picture.clone().requires_grad_()
        total = total + torch.autograd.grad(D(x)[0, 0], x, create_graph=True)[0].square().sum()
    return gamma / 2 * total / len(real)


# ------------------------------------------------------------------------------------------- 14.weights
COLUMNS = ["device", "hour", "age"]


def model(past, today, columns=COLUMNS, **options):
    rows = sparse.vstack([today.one_hot(columns), past.one_hot(columns)]).tocsr()
    label = np.repeat([1, 0], [len(today), len(past)])
    return LogisticRegression(max_iter=300, **options).fit(rows, label), past.one_hot(columns)


def weights(past, today, columns=COLUMNS, of=lambda logit: np.exp(logit), lengths=True, **options):
    fitted, rows = model(past, today, columns, **options)
    return of(fitted.decision_function(rows)) * (len(past) / len(today) if lengths else 1)


def scaled(w):
    return w / w.mean()


def weights_by_counting(past, today):
    """No discriminator: a ratio of counts for each column, as if the columns were independent."""
    w = np.ones(len(past))
    for name in COLUMNS:
        size = past.sizes[name]
        was, now = (np.bincount(log.features[name], minlength=size) / len(log) for log in (past, today))
        w *= (now / np.maximum(was, 1e-9))[past.features[name]]
    return w


WRONG = {
    "14.ratio": {
        "no share": (lambda p, q, s: ratio(p, q, 0.5), "share is not used"),
        "other share": (lambda p, q, s: ratio(p, q, 1 - s), "share belongs to the real"),
        "chance of a fake": (lambda p, q, s: 1 - ratio(p, q, s), "being fake"),
        "swapped": (lambda p, q, s: ratio(q, p, s), "p and q are swapped"),
        "logit": (ratio_logit, "sigmoid is missing"),
        "densities": (ratio_of_densities, "contains nan"),
        "a little added": (ratio_with_a_little_added, "wrong values"),
        "clipped": (ratio_clipped, "wrong values"),
        "one half where unknown": (lambda p, q, s: ratio(p, q, s, both=0.5), "wrong values for both"),
        "zero where unknown": (lambda p, q, s: ratio(p, q, s, both=0.0), "wrong values for both"),
        "what memory held": (ratio_unset, "contains nan"),
        "one number": (lambda p, q, s: ratio(p, q, s).mean(), "should be a NumPy array"),
    },
    "14.smooth": {
        "both sides": (lambda r, f, t: smooth(r, f, t, on_fake=1 - t), "fakes are smoothed too"),
        "no smoothing": (lambda r, f, t: smooth(r, f, 1.0), "nothing is smoothed"),
        "the lecture's 0.9": (smooth_the_lectures, "wrong values"),
        "probabilities": (smooth_by_probability, "contains"),
        "clipped": (smooth_clipped, "wrong values"),
        "swapped": (lambda r, f, t: smooth(r, f, 1 - t), "swapped"),
        "sides exchanged": (lambda r, f, t: smooth(f, r, t), "wrong values"),
        "half": (lambda *a: smooth(*a) / 2, "not halved"),
        "sums": (
            lambda r, f, t: (softplus(r) - t * r).sum() + softplus(f).sum(),
            "average each side",
        ),
        "one part": (lambda r, f, t: t * softplus(-r).mean() + softplus(f).mean(), "lack the part"),
        "sign": (lambda *a: -smooth(*a), "sign is wrong"),
        "pooled": (
            lambda r, f, t: np.concatenate([softplus(r) - t * r, softplus(f)]).mean(),
            "averaged together",
        ),
        "a number each": (lambda r, f, t: softplus(r) - t * r, "one number"),
    },
    "14.turns": {
        "not cleared": (lambda *a: turns(*a, clear=False), "G's turn left"),
        "not cut": (lambda *a: turns(*a, cut=False), "descends D's loss"),
        "old judge": (lambda *a: turns(*a, old=True), "old discriminator"),
        "saturates": (lambda *a: turns(*a, saturates=True), "saturates"),
        "detached in both": (lambda *a: turns(*a, still=True), "does not move"),
        "G first": (lambda *a: turns(*a, order="GD"), "wrong values"),
        "D twice": (lambda *a: turns(*a, order="DDG"), "wrong values"),
        "bare logarithms": (turns_by_bare_logarithms, "logits of thousands"),
        "half of the fakes' loss": (lambda *a: turns(*a, share=0.5), "wrong values"),
        "G alone": (lambda *a: turns(*a)[0], "expected 2 results"),
        "D first": (lambda *a: turns(*a)[::-1], "shape"),
    },
    "14.r1": {
        "no graph": (r1(graph=False), "does not require grad"),
        "half attached": (calm(r1_half_attached), "wrong values"),
        "mean over pixels": (r1(score=lambda s: s.square()), "sum over them"),
        "no half": (r1(scale=lambda g, x: g), "½ is missing"),
        "not squared": (r1(score=lambda s: s.flatten(1).norm(dim=1)), "to be squared"),
        "steepness 1": (r1(score=lambda s: (s.flatten(1).norm(dim=1) - 1) ** 2), "steepness 1"),
        "mean of the logits": (r1(logit=torch.mean), "divided by the number"),
        "sum over the batch": (r1(scale=lambda g, x: len(x) * g / 2), "do not sum"),
        "of the probability": (r1(of=torch.sigmoid), "wrong values"),
        "elsewhere": (r1(points=lambda x: 0.5 * x), "wrong values"),
        "absolute values": (r1(score=lambda s: s.abs().flatten(1).sum(1) ** 2), "wrong values"),
        "the penalty alone": (lambda *a: r1()(*a)[0], "expected 2 results"),
    },
    "14.measures": {
        "both low": ("a", "when it is drawn"),
        "the other way round": ("b", "when it is drawn"),
        "both high": ("d", "when it is drawn"),
        "a number": (0.1, "answer with one of"),
    },
    "14.weights": {
        "all the same": (lambda past, today: np.ones(len(past)), "left as it was"),
        "probabilities": (lambda *a: weights(*a, of=expit, lengths=False), "lengths off"),
        "probabilities, scaled": (
            lambda *a: scaled(weights(*a, of=expit)),
            "does not look like today",
        ),
        "upside down": (lambda *a: scaled(weights(*a, of=lambda z: np.exp(-z))), "today / past"),
        "lengths": (lambda *a: weights(*a, lengths=False), "lengths off"),
        "lengths the wrong way": (
            lambda past, today: weights(past, today, lengths=False) * len(today) / len(past),
            "lengths off",
        ),
        "logits": (lambda *a: weights(*a, of=lambda z: z), "above zero"),
        "a product of three ratios": (lambda *a: scaled(weights_by_counting(*a)), "does not look like today"),
        "one column": (lambda *a: weights(*a, columns=["device"]), "does not look like today"),
        "two columns": (lambda *a: weights(*a, columns=["device", "hour"]), "does not look like today"),
        "shrunk": (lambda *a: scaled(weights(*a, C=1e-4)), "does not look like today"),
        "squared": (lambda *a: scaled(weights(*a) ** 2), "does not look like today"),
        "a weight a row of today": (
            lambda past, today: np.ones(len(today)),
            "shape",
        ),
        "one number": (lambda past, today: 1.0, "should be a NumPy array"),
    },
}

RIGHT = {
    "14.ratio": {"short": ratio, "logsumexp": ratio_by_logsumexp},
    "14.smooth": {"softplus": smooth, "torch": smooth_by_torch},
    "14.turns": {"switches": turns, "optimizers": turns_by_optimizers},
    "14.r1": {
        "short": r1(),
        "jacobian": calm(r1_by_jacobian),
        "a picture at a time": calm(r1_a_picture_at_a_time),
    },
    "14.measures": {"c": "c", "capital": "C."},
    "14.weights": {
        "C = 1": lambda *a: weights(*a),
        "scaled": lambda *a: scaled(weights(*a, lengths=False)),
    },
}
