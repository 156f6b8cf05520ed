"""The tasks of lecture 01."""

import math
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import hidden_ad_logs

rng = np.random.default_rng(1)


# ------------------------------------------------------------------------------------------ 01.gradient
def _autograd(X, y, w, rows):
    import torch

    X, y, weights, rows = (torch.tensor(np.asarray(a, dtype=np.float64)) for a in (X, y, w, rows))
    weights.requires_grad_()
    (torch.sum(rows * (X @ weights - y) ** 2) / torch.sum(rows)).backward()
    return weights.grad.numpy()


def _gradient(X, y, w, rows, factor=2.0):
    return factor * X.T @ (rows * (X @ w - y))


gradient = Function(
    "01.gradient",
    cases=[
        Case(
            "100 rows and 3 weights",
            (rng.normal(size=(100, 3)), rng.normal(size=100), rng.normal(size=3), rng.uniform(0, 5, 100)),
        ),
        Case("one row", (np.array([[2.0, -1.0]]), np.array([3.0]), np.array([0.5, 0.5]), np.array([4.0]))),
        Case("one weight", (rng.normal(size=(7, 1)), rng.normal(size=7), np.zeros(1), np.arange(1.0, 8.0))),
        Case("a row that does not count", (np.eye(2), np.ones(2), np.zeros(2), np.array([1.0, 0.0]))),
        Case("a perfect fit", (np.eye(3), np.arange(3.0), np.arange(3.0), np.ones(3))),
    ],
    oracle=_autograd,
    mistakes=[
        Mistake(
            "the factor 2 of the square is missing",
            lambda X, y, w, rows: _gradient(X, y, w, rows, 1 / rows.sum()),
            2,
        ),
        Mistake("this is the gradient of the sum; divide by the sum of the row weights", _gradient, 2),
        Mistake(
            "divide by the sum of the row weights, not by the number of rows",
            lambda X, y, w, rows: _gradient(X, y, w, rows, 2 / len(y)),
            2,
        ),
        Mistake(
            "the row weights are squared here: each error counts once with its weight",
            lambda X, y, w, rows: _gradient(X, y, w, rows**2, 2 / rows.sum()),
            3,
        ),
        Mistake(
            "all rows count the same here; the row weights are missing",
            lambda X, y, w, rows: _gradient(X, y, w, np.ones_like(rows), 2 / len(y)),
            1,
        ),
        Mistake(
            "the sign is wrong: this points downhill, the gradient points uphill",
            lambda X, y, w, rows: _gradient(X, y, w, rows, -2 / rows.sum()),
            1,
        ),
    ],
    concepts=["mse", "linear-regression"],
)


# ------------------------------------------------------------------------------------- 01.cross_entropy
def _torch_cross_entropy(scores, labels):
    import torch

    scores, labels = torch.tensor(scores, dtype=torch.float64), torch.tensor(labels)
    return torch.nn.functional.cross_entropy(scores, labels).item()


def _surprises(scores, labels):
    """-log of each row's share of the true class: (n,)."""
    top = scores.max(axis=1, keepdims=True)
    log_shares = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return -log_shares[np.arange(len(labels)), labels]


def _clipped(least):
    def code(scores, labels):
        return np.minimum(_surprises(scores, labels), -np.log(least)).mean()

    return Mistake("clipping caps the price of a mistake: 1000 below the best costs 1000 nats", code, 2)


cross_entropy = Function(
    "01.cross_entropy",
    cases=[
        Case("scores around zero", (rng.normal(size=(50, 10)), rng.integers(0, 10, 50))),
        Case("sure and right, by 20", (np.array([[20.0, 0.0], [0.0, 20.0]]), np.array([0, 1]))),
        Case(
            "sure and wrong, by 1000",
            (np.array([[1000.0, 0.0, -1000.0], [0.0, 1000.0, 0.0], [0.0, 0.0, 0.0]]), np.array([2, 0, 1])),
        ),
        Case("all scores far below zero", (np.array([[-2000.0, -2001.0]]), np.array([1]))),
        Case("one row", (np.array([[3.0, 1.0, 2.0]]), np.array([2]))),
    ],
    oracle=_torch_cross_entropy,
    mistakes=[
        *map(_clipped, (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-300)),
        Mistake("this is the sum; return the mean over the rows", lambda z, y: _surprises(z, y).sum(), 1),
        Mistake(
            "these are bits; use the natural logarithm", lambda z, y: _surprises(z, y).mean() / math.log(2), 1
        ),
        Mistake(
            "the sign is wrong: a loss is smallest when the model is right",
            lambda z, y: -_surprises(z, y).mean(),
            1,
        ),
        Mistake(
            "this averages over all rows and classes; only the true class of each row counts",
            lambda z, y: _surprises(z, y).sum() / z.size,
            1,
        ),
    ],
    atol=1e-12,  # sure and right costs 2e-9 nats: that is not zero
    concepts=["cross-entropy", "softmax-regression"],
)


# ------------------------------------------------------------------------------------------ 01.interval
def _by_two_quantiles(low, high, y, alpha):
    """The interval score as two quantile losses (Gneiting & Raftery 2007, section 6.2)."""
    from sklearn.metrics import mean_pinball_loss

    both = mean_pinball_loss(y, low, alpha=alpha / 2) + mean_pinball_loss(y, high, alpha=1 - alpha / 2)
    return 2 / alpha * both


def _interval(low, high, y, price):
    return np.mean(high - low + price * (np.maximum(low - y, 0) + np.maximum(y - high, 0)))


draw = rng.normal(size=(3, 40))

interval = Function(
    "01.interval",
    cases=[
        Case("40 rows, α = 0.1", (draw[0] - 1, draw[0] + 1, draw[1], 0.1)),
        Case("everything inside", (np.zeros(3), np.full(3, 2.0), np.ones(3), 0.2)),
        Case("everything below", (np.ones(4), np.full(4, 3.0), np.array([0.0, -1.0, 0.5, 0.9]), 0.2)),
        Case("everything above", (np.ones(4), np.full(4, 3.0), np.array([4.0, 5.0, 3.5, 3.1]), 0.5)),
        Case("on the edges", (np.zeros(2), np.ones(2), np.array([0.0, 1.0]), 0.1)),
        Case("intervals of no width", (np.ones(3), np.ones(3), np.array([1.0, 2.0, 0.0]), 0.5)),
    ],
    oracle=_by_two_quantiles,
    mistakes=[
        Mistake(
            "the width is missing: an interval from −∞ to ∞ would be free",
            lambda lo, hi, y, a: _interval(lo, hi, y, 2 / a) - np.mean(hi - lo),
            1,
        ),
        Mistake(
            "only one side costs; a value below the interval is outside too",
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * np.maximum(y - hi, 0)),
            2,
        ),
        Mistake(
            "only one side costs; a value above the interval is outside too",
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * np.maximum(lo - y, 0)),
            2,
        ),
        Mistake(
            "a miss costs 2 / α for each unit of distance, not 1 / α",
            lambda lo, hi, y, a: _interval(lo, hi, y, 1 / a),
            1,
        ),
        Mistake(
            "a miss costs 2 / α for each unit of distance, not α / 2",
            lambda lo, hi, y, a: _interval(lo, hi, y, a / 2),
            1,
        ),
        Mistake(
            "a miss costs by its distance, not the same for every miss",
            lambda lo, hi, y, a: np.mean(hi - lo + 2 / a * ((y < lo) | (y > hi))),
            2,
        ),
        Mistake(
            "this is the sum; return the mean", lambda lo, hi, y, a: len(y) * _interval(lo, hi, y, 2 / a), 1
        ),
    ],
    concepts=["custom-loss"],
)


# ---------------------------------------------------------------------------------------------- 01.loop
def _descend_by_hand(inputs, target, knobs, lr, steps):
    """The lecture's rule in NumPy: step against inputs times error."""
    import torch

    X = np.column_stack([inputs.numpy(), np.ones(len(inputs))])
    theta = knobs.numpy().copy()
    for _ in range(steps):
        theta -= lr * X.T @ (1 / (1 + np.exp(-X @ theta)) - target.numpy()) / len(X)
    return torch.tensor(theta)


def _loop(*, twice=False, forget=True, late=False, size=lambda target: 1.0, more=0):
    """The loop with slips: the sigmoid twice, slopes kept or forgotten too late, another size or length."""

    def code(inputs, target, knobs, lr, steps):
        import torch

        knobs = knobs.clone().requires_grad_()
        descent = torch.optim.SGD([knobs], lr=lr)
        for _ in range(steps + more):
            logits = inputs @ knobs[:-1] + knobs[-1]
            scores = torch.sigmoid(logits) if twice else logits
            if forget:
                descent.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, target)
            (size(target) * loss).backward()
            if late:
                descent.zero_grad()
            descent.step()
        return knobs.detach()

    return code


def _loop_cases():
    import torch

    def case(label, n, d, lr, steps):
        rng = np.random.default_rng(n)
        inputs, knobs = torch.tensor(rng.normal(size=(n, d))), torch.tensor(rng.normal(size=d + 1))
        target = torch.tensor((rng.random(n) < 0.5).astype(float))
        return Case(label, (inputs, target, knobs, lr, steps))

    return [
        case("one row and one step", 1, 1, 0.1, 1),
        case("7 rows, 3 inputs and 3 steps", 7, 3, 0.5, 3),
        case("40 rows, 2 inputs and 50 steps", 40, 2, 0.3, 50),
        case("no step at all", 5, 2, 0.1, 0),
    ]


loop = Function(
    "01.loop",
    cases=_loop_cases,
    oracle=_descend_by_hand,
    mistakes=[
        Mistake("slopes still add up from step to step", _loop(forget=False), 3),
        Mistake("the sigmoid is still taken twice: the loss takes logits", _loop(twice=True), 2),
        Mistake("the slopes are forgotten before the step uses them: nothing moves", _loop(late=True), 3),
        Mistake("the loss is the mean over the rows, not the sum", _loop(size=len), 1),
        Mistake("this makes one step too many", _loop(more=1), 1),
    ],
    bug=_loop(twice=True, forget=False),
    concepts=["logistic-regression"],
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
    atol=1e-13,  # 0 stays 0
    overflow_hint=3,
    concepts=["logistic-regression"],
)


# ----------------------------------------------------------------------------------------------- 01.ctr
def _mean_is_right(p, past, hidden, future):
    return 0.9 < p.mean() / future.click.mean() < 1.1


ctr = Function(
    "01.ctr",
    cases=hidden_ad_logs,
    like=lambda past, hidden: np.full(len(hidden), 0.5),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 1),
        Rule("the mean prediction is not the click rate, so no bid could use it", _mean_is_right, 3),
        Rule(
            "this is less than half of the gap",
            lambda p, past, hidden, future: future.share_of_gap(p) >= 0.5,
            2,
        ),
        Rule(
            "this is the truth itself, looked up",
            lambda p, past, hidden, future: future.share_of_gap(p) < 0.95,
        ),
    ],
    seconds=60,
    concepts=["logistic-regression"],
)

TASKS = [gradient, cross_entropy, interval, loop, units, thinned, ctr]
