"""The tasks of lecture 01."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(1)


# ------------------------------------------------------------------------------------------ 01.gradient
def _autograd(X, y, w):
    import torch

    X, y, weights = (torch.tensor(np.asarray(a, dtype=np.float64)) for a in (X, y, w))
    weights.requires_grad_()
    torch.mean((X @ weights - y) ** 2).backward()
    return weights.grad.numpy()


gradient = Function(
    "01.gradient",
    cases=[
        Case("100 rows and 3 weights", (rng.normal(size=(100, 3)), rng.normal(size=100), rng.normal(size=3))),
        Case("one row", (np.array([[2.0, -1.0]]), np.array([3.0]), np.array([0.5, 0.5]))),
        Case("one weight", (rng.normal(size=(7, 1)), rng.normal(size=7), np.zeros(1))),
        Case("a perfect fit", (np.eye(3), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))),
    ],
    oracle=_autograd,
    mistakes=[
        Mistake("the factor 2 of the square is missing", lambda X, y, w: X.T @ (X @ w - y) / len(y), 2),
        Mistake(
            "this is the gradient of the sum; divide by the number of rows",
            lambda X, y, w: 2 * X.T @ (X @ w - y),
            2,
        ),
        Mistake(
            "the sign is wrong: this points downhill, the gradient points uphill",
            lambda X, y, w: 2 * X.T @ (y - X @ w) / len(y),
            1,
        ),
    ],
    concepts=["mse", "linear-regression"],
)


# ------------------------------------------------------------------------------------- 01.cross_entropy
def _torch_cross_entropy(z, y):
    import torch

    z, y = (torch.tensor(np.asarray(a, dtype=np.float64)) for a in (z, y))
    return torch.nn.functional.binary_cross_entropy_with_logits(z, y).item()


def _clipped(z, y):
    p = np.clip(1 / (1 + np.exp(-z)), 1e-7, 1 - 1e-7)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


cross_entropy = Function(
    "01.cross_entropy",
    cases=[
        Case("logits around zero", (rng.normal(size=50), (rng.random(50) < 0.3).astype(float))),
        Case("sure and right, logits ±20", (np.array([20.0, -20.0]), np.array([1.0, 0.0]))),
        Case("sure and wrong, logits ±1000", (np.array([1000.0, -1000.0, 0.0]), np.array([0.0, 1.0, 1.0]))),
        Case("one row", (np.array([-3.0]), np.array([1.0]))),
    ],
    oracle=_torch_cross_entropy,
    mistakes=[
        Mistake(
            "clipping caps the price of a mistake: a logit of 1000 that is wrong costs 1000 nats", _clipped, 2
        ),
        Mistake("this is the sum; return the mean", lambda z, y: np.sum(np.logaddexp(0, z) - y * z), 1),
        Mistake(
            "these are bits; use the natural logarithm",
            lambda z, y: np.mean(np.logaddexp(0, z) - y * z) / math.log(2),
            1,
        ),
        Mistake("yes and no are swapped", lambda z, y: np.mean(np.logaddexp(0, z) - (1 - y) * z), 2),
        Mistake(
            "the sign is wrong: a loss is smallest when the model is right",
            lambda z, y: np.mean(y * z - np.logaddexp(0, z)),
            2,
        ),
    ],
    rtol=1e-9,
    atol=1e-15,  # sure and right costs 2e-9 nats: that is not zero
    concepts=["cross-entropy", "logistic-regression"],
)


# ------------------------------------------------------------------------------------------ 01.quantile
def _sklearn_pinball(prediction, y, tau):
    from sklearn.metrics import mean_pinball_loss

    return mean_pinball_loss(y, prediction, alpha=tau)


def _pinball(short, tau):
    return np.mean(np.maximum(tau * short, (tau - 1) * short))


quantile = Function(
    "01.quantile",
    cases=[
        Case("τ = 0.9", (rng.normal(size=40), rng.normal(size=40), 0.9)),
        Case("τ = 0.2, all too low", (np.zeros(5), np.arange(1.0, 6.0), 0.2)),
        Case("τ = 0.2, all too high", (np.arange(1.0, 6.0), np.zeros(5), 0.2)),
        Case("a perfect prediction", (np.ones(3), np.ones(3), 0.7)),
        Case("τ = 0.5", (rng.normal(size=9), rng.normal(size=9), 0.5)),
    ],
    oracle=_sklearn_pinball,
    mistakes=[
        Mistake(
            "τ and 1 − τ are swapped: being too low should cost τ", lambda p, y, tau: _pinball(p - y, tau), 1
        ),
        Mistake(
            "a price came out negative; both sides cost",
            lambda p, y, tau: np.mean(np.where(y > p, tau, 1 - tau) * (y - p)),
            2,
        ),
        Mistake("this is the sum; return the mean", lambda p, y, tau: len(y) * _pinball(y - p, tau), 1),
    ],
    concepts=["custom-loss"],
)


# ------------------------------------------------------------------------------------------- 01.softmax
def _scipy_softmax(z):
    from scipy.special import softmax

    return softmax(z, axis=1)


def _whole_batch(z):
    e = np.exp(z - z.max())
    return e / e.sum()


softmax = Function(
    "01.softmax",
    cases=[
        Case("one row", (np.array([[1.0, 2.0, 3.0]]),)),
        Case("several rows", (rng.normal(size=(4, 3)),)),
        Case("as many rows as classes", (rng.normal(size=(3, 3)),)),
        Case("one row a thousand below the other", (np.array([[1000.0, 1001.0], [0.0, 2.0]]),)),
        Case("one class", (np.array([[5.0], [-5.0]]),)),
    ],
    oracle=_scipy_softmax,
    rules=[Rule("the rows do not add up to 1", lambda out, z: np.allclose(out.sum(axis=1), 1), 2)],
    mistakes=[
        Mistake(
            "the columns add up to 1 now; it should be the rows",
            lambda z: np.exp(z - z.max(axis=0)) / np.exp(z - z.max(axis=0)).sum(axis=0),
            2,
        ),
        Mistake(
            "one maximum for the whole batch: rows far below it vanish",
            lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(axis=1, keepdims=True),
            2,
        ),
        Mistake(
            "exp overflows for scores as large as 1000: subtract each row's maximum first",
            lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
            2,
        ),
    ],
    bug=_whole_batch,
    concepts=["softmax-regression"],
)


# --------------------------------------------------------------------------------------------- 01.units
@cache
def _measured_units() -> str:
    """Fit a line on x and on 10 x, each at the largest learning rate of a ladder that converges; compare."""
    x = np.random.default_rng(5).normal(170, 10, 200)
    x = x - x.mean()
    y = 0.8 * x + np.random.default_rng(6).normal(0, 5, 200)

    def largest_rate(x):
        """The largest learning rate, on a ladder of fifths of a decade, that reaches least squares."""
        best = x @ y / (x @ x)
        for rate in 10.0 ** np.arange(0, -8, -0.2):
            w = 0.0
            for _ in range(2000):
                w -= rate * 2 * np.mean(x * (w * x - y))
                if abs(w) > 1e6:
                    break
            if abs(w - best) < 1e-9:
                return rate, w
        raise RuntimeError("no learning rate converged")

    (rate, w), (rate_mm, w_mm) = largest_rate(x), largest_rate(10 * x)
    same_predictions = np.allclose(w * x, w_mm * 10 * x)
    if math.isclose(w, w_mm):
        return "c"
    if not same_predictions:
        return "d"
    return "b" if rate_mm < rate / 30 else "a"


units = Choice(
    "01.units",
    options=("a", "b", "c", "d"),
    truth=_measured_units,
    wrong="the fit on both columns, measured just now, says otherwise",
    right="measured just now: that is what both fits show",
    concepts=["linear-regression"],
)


# ------------------------------------------------------------------------------------------- 01.thinned
def _count(p, kept):
    """By counting: of a million impressions with this many clicks, what is left after thinning?

    Solves for the click rate r with r / (r + (1 - r) kept) = p by bisection.
    """
    low, high = np.zeros_like(p), np.ones_like(p)
    for _ in range(200):
        middle = (low + high) / 2
        too_high = middle / (middle + (1 - middle) * kept) > p
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return high


thinned = Function(
    "01.thinned",
    cases=[
        Case("one in ten kept", (np.array([0.05, 0.2941, 0.5, 0.9]), 0.1)),
        Case("one in a hundred kept", (np.linspace(0.01, 0.99, 9), 0.01)),
        Case("nothing thinned, kept = 1", (np.array([0.1, 0.5]), 1.0)),
        Case("the ends 0 and 1", (np.array([0.0, 1.0]), 0.1)),
    ],
    oracle=_count,
    rules=[Rule("a probability left [0, 1]", lambda out, p, kept: (out >= 0).all() and (out <= 1).all(), 2)],
    mistakes=[
        Mistake(
            "multiplying p works for small p only: it is the odds that thinning multiplies",
            lambda p, kept: kept * p,
            2,
        ),
        Mistake(
            "this thins once more; the other direction is wanted", lambda p, kept: p / (p + kept * (1 - p)), 2
        ),
        Mistake(
            "right, but the ends divide by zero: 0 should stay 0 and 1 stay 1",
            lambda p, kept: (o := kept * p / (1 - p)) / (1 + o),
            3,
        ),
    ],
    concepts=["logistic-regression"],
)


# ----------------------------------------------------------------------------------------------- 01.ctr
@cache
def _logs():
    """Two ad logs, split in time. The future as the answer sees it has no clicks and no truth."""
    from utils import data

    cases = []
    for seed in (71, 72):
        log = data.load("ads", rows=120_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        hidden = replace(future, click=np.zeros_like(future.click), truth=np.full(len(future), np.nan))
        cases.append(Case(f"ad log {seed}", (past, hidden), known=(future,)))
    return cases


def _mean_is_right(p, past, hidden, future):
    return 0.85 < p.mean() / future.click.mean() < 1.15


ctr = Function(
    "01.ctr",
    cases=_logs,
    like=lambda past, hidden: np.zeros(len(hidden)),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 1),
        Rule("the mean prediction is not the click rate, so no bid could use it", _mean_is_right, 3),
        Rule(
            "this is less than half of the gap",
            lambda p, past, hidden, future: future.share_of_gap(p) >= 0.5,
            2,
        ),
    ],
    concepts=["logistic-regression"],
)

TASKS = [gradient, cross_entropy, quantile, softmax, units, thinned, ctr]
