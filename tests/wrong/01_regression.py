"""Wrong answers to lecture 01's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, logsumexp
from scipy.special import softmax as scipy_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from utils import data


def gradient(X, y, w, rows):
    return 2 / rows.sum() * X.T @ (rows * (X @ w - y))


def gradient_by_loop(X, y, w, rows):
    total = np.zeros(len(w))
    for row, target, weight in zip(X, y, rows, strict=True):
        total += 2 * weight * (row @ w - target) * row
    return total / sum(rows)


def gradient_in_place(X, y, w, rows):
    y -= X @ w
    return -2 * X.T @ (rows * y) / rows.sum()


def naive_cross_entropy(scores, labels):
    with np.errstate(all="ignore"):
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.mean(np.log(shares[np.arange(len(labels)), labels]))


def half_naive_cross_entropy(scores, labels):
    """The maximum is off, but the share of 0 still meets the logarithm."""
    with np.errstate(all="ignore"):
        return -np.mean(np.log(scipy_softmax(scores, axis=1)[np.arange(len(labels)), labels]))


def clipped_cross_entropy(least):
    def code(scores, labels):
        shares = np.clip(scipy_softmax(scores, axis=1)[np.arange(len(labels)), labels], least, 1)
        return -np.log(shares).mean()

    return code


def shifted_by(shift):
    """Softmax with another number than the row's maximum taken off."""

    def code(scores, labels):
        with np.errstate(all="ignore"):
            z = scores - shift(scores)
            return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(labels)), labels])

    return code


def surprise(scores, labels):
    return logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]


def interval_by_loop(low, high, y, alpha):
    total = 0.0
    for bottom, top, value in zip(low, high, y, strict=True):
        total += top - bottom
        if value < bottom:
            total += 2 / alpha * (bottom - value)
        elif value > top:
            total += 2 / alpha * (value - top)
    return total / len(y)


def interval_by_median(low, high, y, alpha):
    """Distance to an interval: distance to the middle beyond half a width."""
    outside = np.maximum(np.abs(y - (low + high) / 2) - (high - low) / 2, 0)
    return float((high - low + 2 / alpha * outside).mean())


def loop(step=True, zero="before", twice=False, reduction="mean", detach=True, copy=True):
    def code(inputs, target, knobs, lr, steps):
        knobs = knobs.clone().requires_grad_() if copy else knobs.requires_grad_()
        optimizer = torch.optim.SGD([knobs], lr=lr)
        loss_of = torch.nn.BCEWithLogitsLoss(reduction=reduction)
        for _ in range(steps):
            logits = inputs @ knobs[:-1] + knobs[-1]
            if zero == "before":
                optimizer.zero_grad()
            loss_of(torch.sigmoid(logits) if twice else logits, target).backward()
            if zero == "between":
                optimizer.zero_grad()
            if step:
                optimizer.step()
        return knobs.detach() if detach else list(knobs)

    return code


def loop_without_optimizer(inputs, target, knobs, lr, steps):
    for _ in range(steps):
        knobs = knobs.detach().requires_grad_()
        p = torch.sigmoid(inputs @ knobs[:-1] + knobs[-1])
        torch.nn.functional.binary_cross_entropy(p, target).backward()
        knobs = knobs.detach() - lr * knobs.grad
    return knobs


def loop_of_a_module(inputs, target, knobs, lr, steps):
    neuron = torch.nn.Linear(len(knobs) - 1, 1).to(knobs)
    with torch.no_grad():
        neuron.weight.copy_(knobs[:-1])
        neuron.bias.copy_(knobs[-1:])
    optimizer = torch.optim.SGD(neuron.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(neuron(inputs)[:, 0], target).backward()
        optimizer.step()
    return torch.cat([neuron.weight.detach()[0], neuron.bias.detach()])


def loop_by_hand(inputs, target, knobs, lr, steps):
    X = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    for _ in range(steps):
        knobs = knobs - lr * X.T @ (torch.sigmoid(X @ knobs) - target) / len(X)
    return knobs.clone()


SINGLES = ["user", "age", "gender", "ad", "category", "context", "site", "position", "device", "hour"]
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]


def clicks(columns, **options):
    def predict(past, future):
        model = LogisticRegression(max_iter=300, **options).fit(past.one_hot(columns), past.click)
        return model.predict_proba(future.one_hot(columns))[:, 1]

    return predict


def clicks_from_the_truth(past, future):
    """Fitted to the probabilities from which the clicks were drawn."""
    columns = SINGLES + CROSSES
    return expit(
        Ridge(alpha=1.0).fit(past.one_hot(columns), logit(past.truth)).predict(future.one_hot(columns))
    )


def clicks_by_descent(past, future):
    columns = [*SINGLES, *CROSSES, ("site", "hour")]
    X, y = past.one_hot(columns), past.click

    def loss_and_gradient(w):
        z = X @ w
        gradient = X.T @ (expit(z) - y) / len(y) + 1e-5 * w
        return np.mean(np.logaddexp(0, z) - y * z) + 0.5e-5 * w @ w, gradient

    w = minimize(loss_and_gradient, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B").x
    return expit(future.one_hot(columns) @ w)


def clicks_then_overwritten(past, future):
    p = clicks(SINGLES + CROSSES)(past, future)
    past.click[:] = 0
    return p


def clicks_looked_up(past, future):
    """Find the seed of the log, and read its truth."""
    for seed in range(60, 90):
        log = data.load("ads", rows=len(past) + len(future), seed=seed)
        if np.array_equal(log.features["user"][: len(past)], past.features["user"]):
            return log.truth[len(past) :]
    raise LookupError("no such seed")


def clicks_as_classes(past, future):
    return LogisticRegression().fit(past.one_hot(SINGLES), past.click).predict(future.one_hot(SINGLES))


WRONG = {
    "01.gradient": {
        "no factor two": (lambda X, y, w, r: gradient(X, y, w, r) / 2, "factor 2"),
        "sum": (lambda X, y, w, r: gradient(X, y, w, r) * r.sum(), "sum of the row weights"),
        "number of rows": (lambda X, y, w, r: gradient(X, y, w, r) * r.sum() / len(y), "not by the number"),
        "row weights forgotten": (
            lambda X, y, w, r: gradient(X, y, w, np.ones(len(y))),
            "row weights are missing",
        ),
        "row weights squared": (lambda X, y, w, r: 2 / r.sum() * (X.T * r**2) @ (X @ w - y), "squared"),
        "downhill": (lambda X, y, w, r: -gradient(X, y, w, r), "sign"),
        "X not turned": (lambda X, y, w, r: X @ (r * (X @ w - y)), "your code stops"),
        "the error itself": (lambda X, y, w, r: X @ w - y, "shape"),
        "input overwritten": (gradient_in_place, "changes its input"),
        "by the number of weights": (lambda X, y, w, r: 2 / len(w) * X.T @ (r * (X @ w - y)), "wrong values"),
        "one column too many": (lambda X, y, w, r: gradient(X, y, w, r)[:, None], "shape"),
    },
    "01.cross_entropy": {
        "naive": (naive_cross_entropy, "contains"),
        "half naive": (half_naive_cross_entropy, "contains inf"),
        "clipped at 1e-7": (clipped_cross_entropy(1e-7), "clipping"),
        "clipped at 1e-12": (clipped_cross_entropy(1e-12), "clipping"),
        "clipped at 1e-15": (clipped_cross_entropy(1e-15), "clipping"),
        "one maximum for all rows": (shifted_by(np.max), "contains"),
        "the smallest taken off": (shifted_by(lambda z: z.min(axis=1, keepdims=True)), "contains"),
        "the mean taken off": (shifted_by(lambda z: z.mean(axis=1, keepdims=True)), "contains"),
        "sum": (lambda z, y: surprise(z, y).sum(), "sum"),
        "bits": (lambda z, y: surprise(z, y).mean() / np.log(2), "bits"),
        "likelihood": (lambda z, y: -surprise(z, y).mean(), "sign"),
        "all classes": (lambda z, y: surprise(z, y).sum() / z.size, "rows and classes"),
        "class zero": (lambda z, y: surprise(z, np.zeros_like(y)).mean(), "wrong values"),
        "one per row": (surprise, "one number"),
        "complex": (lambda z, y: surprise(z, y).mean() + 0j, "one number"),
    },
    "01.interval": {
        "no width": (
            lambda lo, hi, y, a: interval_by_loop(lo, hi, y, a) - np.mean(hi - lo),
            "width is missing",
        ),
        "only above": (
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * np.maximum(y - hi, 0)),
            "below the interval",
        ),
        "only below": (
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * np.maximum(lo - y, 0)),
            "above the interval",
        ),
        "half price": (
            lambda lo, hi, y, a: np.mean(hi - lo) + (interval_by_loop(lo, hi, y, a) - np.mean(hi - lo)) / 2,
            "2 / α",
        ),
        "every miss the same": (
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * ((y < lo) | (y > hi))),
            "distance",
        ),
        "both sides at once": (
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * (abs(y - lo) + abs(y - hi))),
            "wrong values",
        ),
        "squared": (
            lambda lo, hi, y, a: np.mean(
                hi - lo + 2 / a * (np.maximum(lo - y, 0) + np.maximum(y - hi, 0)) ** 2
            ),
            "wrong values",
        ),
        "sum": (lambda lo, hi, y, a: interval_by_loop(lo, hi, y, a) * len(y), "sum"),
        "one per row": (lambda lo, hi, y, a: hi - lo, "one number"),
    },
    "01.loop": {
        "slopes kept": (loop(zero=None), "add up"),
        "sigmoid twice": (loop(twice=True), "twice"),
        "forgotten before the step": (loop(zero="between"), "nothing moves"),
        "no step": (loop(step=False), "nothing moves"),
        "sum": (loop(reduction="sum"), "not the sum"),
        "one step too many": (lambda x, y, k, lr, n: loop()(x, y, k, lr, n + 1), "too many"),
        "one step too few": (lambda x, y, k, lr, n: loop()(x, y, k, lr, max(n - 1, 0)), "wrong values"),
        "rate forgotten": (lambda x, y, k, lr, n: loop()(x, y, k, 0.1, n), "wrong values"),
        "the given knobs trained": (loop(copy=False), "changes its input"),
        "uphill": (lambda x, y, k, lr, n: loop()(x, 1 - y, k, lr, n), "wrong values"),
        "single precision": (
            lambda x, y, k, lr, n: loop()(x.float(), y.float(), k.float(), lr, n),
            "torch.float64",
        ),
        "a list": (loop(detach=False), "PyTorch tensor"),
    },
    "01.units": {
        "same learning rate": ("a", "measured just now"),
        "same weight": ("c", "measured just now"),
        "worse": ("d", "measured just now"),
        "the letter b in words": ("both b and c", "answer with one of"),
        "an array": (np.array(["b", "b"]), "answer with one of"),
        "no letter": ("e", "answer with one of"),
        "the whole sentence": (["b"], "answer with one of"),
    },
    "01.thinned": {
        "times kept": (lambda p, kept: p * kept, "odds"),
        "thinned again": (lambda p, kept: p / (p + kept * (1 - p)), "other direction"),
        "divided by kept": (lambda p, kept: p / kept, "left [0, 1]"),
        "clipped at the ends": (
            lambda p, k: expit(logit(np.clip(p, 1e-9, 1 - 1e-9)) + np.log(k)),
            "wrong values",
        ),
        "unchanged": (lambda p, kept: p.copy(), "wrong values"),
        "logit shifted up": (lambda p, kept: expit(np.log(p / (1 - p)) - np.log(kept)), "other direction"),
    },
    "01.ctr": {
        "base rate": (lambda past, future: np.full(len(future), past.click.mean()), "half of the gap"),
        "no crosses": (clicks(SINGLES), "half of the gap"),
        "balanced": (clicks(SINGLES + CROSSES, class_weight="balanced"), "mean prediction"),
        "a tenth too high": (
            lambda *logs: np.clip(1.15 * clicks(SINGLES + CROSSES)(*logs), 0, 0.99),
            "mean prediction",
        ),
        "overwrites the past": (clicks_then_overwritten, "changes its input"),
        "looks the truth up": (clicks_looked_up, "looked up"),
        "classes": (clicks_as_classes, "a probability is asked"),
        "reads the answer": (lambda past, future: future.click.astype(float), "left (0, 1)"),
        "reads the truth": (lambda past, future: future.truth, "contains nan"),
        "fitted to the truth": (clicks_from_the_truth, "your code stops"),
        "both columns": (lambda past, future: np.full((len(future), 2), 0.04), "shape"),
        "the past": (lambda past, future: np.full(len(past), 0.04), "shape"),
    },
}

RIGHT = {
    "01.gradient": {
        "loop": gradient_by_loop,
        "einsum": lambda X, y, w, r: np.einsum("nd,n,n->d", X, X @ w - y, r) * 2 / r.sum(),
        "average": lambda X, y, w, r: np.average(2 * X * (X @ w - y)[:, None], axis=0, weights=r),
    },
    "01.cross_entropy": {
        "logsumexp": lambda z, y: np.mean(logsumexp(z, axis=1) - z[np.arange(len(y)), y]),
        "log_softmax": lambda z, y: float(-log_softmax(z, axis=1)[range(len(y)), y].mean()),
        "torch": lambda z, y: torch.nn.functional.cross_entropy(torch.tensor(z), torch.tensor(y)),
    },
    "01.interval": {"loop": interval_by_loop, "middle": interval_by_median},
    "01.loop": {
        "without an optimizer": loop_without_optimizer,
        "a module": loop_of_a_module,
        "by hand": loop_by_hand,
    },
    "01.units": {"b": "b", "capital": "B", "bracket": "b)"},
    "01.thinned": {
        "counting": lambda p, kept: 1 - (1 - p) / (1 - p + kept * p),
        "weights": lambda p, kept: p / (p + (1 - p) / kept),
    },
    "01.ctr": {
        "by descent": clicks_by_descent,
        "single precision": lambda past, future: clicks_by_descent(past, future).astype(np.float32),
    },
}
