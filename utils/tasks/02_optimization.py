"""The tasks of lecture 02."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(2)


# --------------------------------------------------------------------------------------------- 02.limit
def _limit_by_autograd(X):
    """2 / L, with the second derivatives from PyTorch and L as a singular value of theirs."""
    import torch

    X = torch.tensor(np.asarray(X, dtype=np.float64))
    hessian = torch.autograd.functional.hessian(
        lambda w: torch.mean((X @ w) ** 2), torch.zeros(X.shape[1]).double()
    )
    return 2 / torch.linalg.matrix_norm(hessian, 2).item()


limit = Function(
    "02.limit",
    cases=[
        Case("50 rows and 3 columns", (rng.normal(size=(50, 3)),)),
        Case("a column a hundred times as large", (rng.normal(size=(40, 2)) * [1.0, 100.0],)),
        Case("two columns that go together", (rng.normal(size=(30, 1)) + 0.1 * rng.normal(size=(30, 2)),)),
        Case("one row", (np.array([[3.0, 4.0]]),)),
        Case("one column of ones", (np.ones((10, 1)),)),
    ],
    oracle=_limit_by_autograd,
    mistakes=[
        Mistake(
            "the factor 2 of the square is missing from the curvature",
            lambda X: 2 * len(X) / np.linalg.eigvalsh(X.T @ X)[-1],
            2,
        ),
        Mistake(
            "this is the limit for the sum of the squares; the mean divides by the number of rows",
            lambda X: 1 / np.linalg.eigvalsh(X.T @ X)[-1],
            2,
        ),
        Mistake(
            "this is 1 / L, the rate that suits the steepest direction best; the limit is 2 / L",
            lambda X: len(X) / 2 / np.linalg.eigvalsh(X.T @ X)[-1],
            1,
        ),
        Mistake(
            "this takes the flattest direction; the steepest one decides",
            lambda X: len(X) / np.linalg.eigvalsh(X.T @ X)[0],
            3,
        ),
        Mistake(
            "the trace is a bound, not the largest eigenvalue",
            lambda X: len(X) / np.trace(X.T @ X),
            3,
        ),
        Mistake(
            "the largest entry on the diagonal ignores columns that go together",
            lambda X: len(X) / np.max(np.sum(X**2, axis=0)),
            3,
        ),
    ],
    concepts=["learning-rate", "steepest-descent"],
)


# ------------------------------------------------------------------------------------------ 02.momentum
def _torch_path(make, w, gradients):
    """The weights after each step of an optimizer of torch.optim, (steps, d)."""
    import torch

    weights = torch.tensor(np.asarray(w, dtype=np.float64), requires_grad=True)
    optimizer, path = make([weights]), []
    for g in gradients:
        weights.grad = torch.tensor(g)
        optimizer.step()
        path.append(weights.detach().numpy().copy())
    return np.array(path)


def _torch_momentum(w, gradients, lr, beta):
    import torch

    return _torch_path(lambda p: torch.optim.SGD(p, lr=lr, momentum=beta), w, gradients)


def _rolled(step):
    """Momentum with another rule: step(w, v, g, lr, beta) -> w, v."""

    def roll(w, gradients, lr, beta):
        v, path = np.zeros_like(w), []
        for g in gradients:
            w, v = step(w, v, g, lr, beta)
            path.append(w)
        return np.array(path)

    return roll


def _dampened(w, v, g, lr, beta):
    v = beta * v + (1 - beta) * g
    return w - lr * v, v


def _ahead(w, v, g, lr, beta):
    v = beta * v + g
    return w - lr * (g + beta * v), v


momentum = Function(
    "02.momentum",
    cases=[
        Case("20 random gradients", (rng.normal(size=3), rng.normal(size=(20, 3)), 0.1, 0.9)),
        Case("a constant gradient", (np.zeros(2), np.ones((5, 2)), 0.5, 0.5)),
        Case(
            "a gradient that changes its sign", (np.array([1.0]), np.array([[1.0], [-1.0], [1.0]]), 0.1, 0.99)
        ),
        Case("β = 0, plain descent", (np.array([1.0, 2.0]), rng.normal(size=(4, 2)), 0.1, 0.0)),
        Case("one step", (np.array([1.0, -1.0]), np.array([[2.0, 3.0]]), 0.1, 0.9)),
    ],
    oracle=_torch_momentum,
    mistakes=[
        Mistake(
            "the velocity is lost between steps: this is plain descent",
            lambda w, g, lr, beta: w - lr * np.cumsum(g, axis=0),
            1,
        ),
        Mistake("the gradient enters the velocity with weight 1, not 1 − β", _rolled(_dampened), 2),
        Mistake(
            "the step uses the old velocity: update the velocity first",
            _rolled(lambda w, v, g, lr, beta: (w - lr * v, beta * v + g)),
            2,
        ),
        Mistake("this is Nesterov's look ahead; the step is lr times the velocity", _rolled(_ahead), 2),
        Mistake(
            "the sign is wrong: this climbs",
            _rolled(lambda w, v, g, lr, beta: (w + lr * (beta * v + g), beta * v + g)),
            2,
        ),
    ],
    concepts=["momentum"],
)


# ------------------------------------------------------------------------------------------- 02.adagrad
def _torch_adagrad(w, gradients, lr, eps=1e-10):
    import torch

    return _torch_path(lambda p: torch.optim.Adagrad(p, lr=lr, eps=eps), w, gradients)[-1]


def _adagrad(first, root, late):
    """AdaGrad that starts its sum at `first`, with or without the root, updating early or late."""

    def code(w, gradients, lr, eps=1e-10):
        total = np.full_like(w, first)
        for g in gradients:
            now = total + g**2
            used = total if late else now
            w = w - lr * g / ((np.sqrt(used) if root else used) + eps)
            total = now
        return w

    return code


def _adagrad_mean(w, gradients, lr, eps=1e-10):
    total = np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        total = total + g**2
        w = w - lr * g / (np.sqrt(total / t) + eps)
    return w


def _adagrad_forgetting(w, gradients, lr, eps=1e-10):
    for g in gradients:
        w = w - lr * g / (np.sqrt(g**2) + eps)
    return w


adagrad = Function(
    "02.adagrad",
    cases=[
        Case("one gradient, 3", (np.array([1.0]), np.array([[3.0]]), 0.1)),
        Case("20 random gradients", (rng.normal(size=4), rng.normal(size=(20, 4)), 0.1)),
        Case(
            "gradients near 0.001 and near 1,000", (np.zeros(2), rng.normal(size=(10, 2)) * [1e-3, 1e3], 0.5)
        ),
        Case(
            "a weight whose gradient is zero at first", (np.ones(2), np.array([[0.0, 1.0], [2.0, 1.0]]), 0.1)
        ),
    ],
    oracle=_torch_adagrad,
    mistakes=[
        Mistake("one bug is left: the root of the sum is missing", _adagrad(0.0, False, False), 3),
        Mistake("one bug is left: the root of the sum is missing", _adagrad(1.0, False, False), 3),
        Mistake("the present gradient belongs into the sum before the step", _adagrad(1.0, True, True), 2),
        Mistake("the present gradient belongs into the sum before the step", _adagrad(0.0, True, True), 2),
        Mistake(
            "the sum starts at zero, not at one: with the right order nothing divides by zero",
            _adagrad(1.0, True, False),
            1,
        ),
        Mistake("this is a mean; AdaGrad divides by the root of the sum", _adagrad_mean, 3),
        Mistake("the memory is lost between steps: every step has length lr", _adagrad_forgetting, 2),
    ],
    bug=_adagrad(1.0, False, True),
    concepts=["adagrad"],
)


# ---------------------------------------------------------------------------------------------- 02.adam
def _torch_adam(w, gradients, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    import torch

    return _torch_path(lambda p: torch.optim.Adam(p, lr=lr, betas=(beta1, beta2), eps=eps), w, gradients)


def _adam(step):
    """Adam with another last line: step(mean, square, t, beta1, beta2, eps) -> the move over lr."""

    def code(w, gradients, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        mean, square, path = np.zeros_like(w), np.zeros_like(w), []
        for t, g in enumerate(gradients, start=1):
            mean = beta1 * mean + (1 - beta1) * g
            square = beta2 * square + (1 - beta2) * g**2
            w = w - lr * step(mean, square, t, beta1, beta2, eps)
            path.append(w)
        return np.array(path)

    return code


def _adam_corrected_memory(w, gradients, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    mean, square, path = np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        mean = (beta1 * mean + (1 - beta1) * g) / (1 - beta1**t)
        square = (beta2 * square + (1 - beta2) * g**2) / (1 - beta2**t)
        w = w - lr * mean / (np.sqrt(square) + eps)
        path.append(w)
    return np.array(path)


adam = Function(
    "02.adam",
    cases=[
        Case("20 random gradients", (rng.normal(size=3), rng.normal(size=(20, 3)), 0.1, 0.9, 0.999, 1e-8)),
        Case(
            "one step, gradients of 1e-6 and 1e6",
            (np.ones(2), np.array([[1e-6, -1e6]]), 0.01, 0.9, 0.999, 1e-8),
        ),
        Case("other betas, a large ε", (rng.normal(size=2), rng.normal(size=(6, 2)), 0.1, 0.5, 0.8, 0.1)),
        Case("a gradient of zero", (np.ones(2), np.array([[0.0, 1.0], [0.0, 1.0]]), 0.1, 0.9, 0.999, 1e-8)),
        Case("the defaults", (rng.normal(size=2), rng.normal(size=(5, 2)))),
    ],
    oracle=_torch_adam,
    mistakes=[
        Mistake(
            "the bias corrections are missing", _adam(lambda m, s, t, b1, b2, eps: m / (np.sqrt(s) + eps)), 1
        ),
        Mistake(
            "only the mean is corrected; the mean of the squares starts at zero too",
            _adam(lambda m, s, t, b1, b2, eps: m / (1 - b1**t) / (np.sqrt(s) + eps)),
            1,
        ),
        Mistake(
            "only the squares are corrected; the mean of the gradients starts at zero too",
            _adam(lambda m, s, t, b1, b2, eps: m / (np.sqrt(s / (1 - b2**t)) + eps)),
            1,
        ),
        Mistake(
            "steps count from 1: one step in, the correction divides by 1 − β, not by 1 − β²",
            _adam(
                lambda m, s, t, b1, b2, eps: (
                    m / (1 - b1 ** (t + 1)) / (np.sqrt(s / (1 - b2 ** (t + 1))) + eps)
                )
            ),
            2,
        ),
        Mistake(
            "ε is under the root; add it to the root",
            _adam(lambda m, s, t, b1, b2, eps: m / (1 - b1**t) / np.sqrt(s / (1 - b2**t) + eps)),
            3,
        ),
        Mistake(
            "the root of the mean of the squares is missing",
            _adam(lambda m, s, t, b1, b2, eps: m / (1 - b1**t) / (s / (1 - b2**t) + eps)),
            3,
        ),
        Mistake("the corrected means went into the memory; correct copies", _adam_corrected_memory, 2),
        Mistake(
            "the two betas are swapped in the corrections",
            _adam(lambda m, s, t, b1, b2, eps: m / (1 - b2**t) / (np.sqrt(s / (1 - b1**t)) + eps)),
            1,
        ),
    ],
    concepts=["adam"],
)


# --------------------------------------------------------------------------------------------- 02.units
@cache
def _measured_units() -> str:
    """SGD and Adam, each tuned, on a quadratic and on a thousand times that quadratic, by torch.optim."""
    import torch

    def walk(make, scale):
        w, path = torch.tensor([2.0, -1.0], dtype=torch.float64, requires_grad=True), []
        optimizer = make([w])
        for _ in range(100):
            optimizer.zero_grad()
            (scale * (w[0] ** 2 + 10 * w[1] ** 2)).backward()
            optimizer.step()
            path.append(w.detach().clone())
        return torch.stack(path)

    def what(make):
        usual, scaled = walk(make, 1.0), walk(make, 1000.0)
        if not scaled.isfinite().all() or scaled.abs().max() > 1e6:
            return "diverges"
        return "same" if torch.allclose(usual, scaled, atol=1e-3) else "other"

    sgd = what(lambda p: torch.optim.SGD(p, lr=0.05))
    adam = what(lambda p: torch.optim.Adam(p, lr=0.05))
    found = {
        ("diverges", "diverges"): "a",
        ("diverges", "same"): "b",
        ("same", "diverges"): "c",
        ("same", "same"): "d",
    }
    return found[sgd, adam]


units = Choice(
    "02.units",
    options=("a", "b", "c", "d"),
    truth=_measured_units,
    wrong="both descents, measured just now on a loss and on a thousand times that loss, say otherwise",
    right="measured just now: that is what both descents do",
    concepts=["adam", "sgd"],
)


# ----------------------------------------------------------------------------------------- 02.evolution
def _bowl(w):
    return float(np.sum(np.arange(1, len(w) + 1) * w**2))


def _stairs(w):
    return float(np.sum(np.floor(4 * w)))


def _line(w):
    return float(100 + np.sum(3 * w))


def _crooked(w):
    return float(np.exp(w[0]) + w[0] * w[-1] ** 3)


def _evolution_by_loop(loss, w, noise, sigma):
    """Entry by entry, in plain Python."""
    total = [0.0] * len(w)
    for e in noise:
        up, down = (
            loss(np.array([a + side * sigma * b for a, b in zip(w, e, strict=True)])) for side in (1, -1)
        )
        for i, part in enumerate(e):
            total[i] += (up - down) / (2 * sigma) * part
    return np.array(total) / len(noise)


def _evolution(gain, mean=True):
    """Evolution with another weight of each draw: gain(loss, w, e, sigma)."""

    def code(loss, w, noise, sigma):
        weighted = np.array([gain(loss, w, e, sigma) for e in noise]) @ noise
        return weighted / len(noise) if mean else weighted

    return code


def _pair(loss, w, e, sigma):
    return loss(w + sigma * e) - loss(w - sigma * e)


evolution = Function(
    "02.evolution",
    cases=[
        Case("a bowl, 30 draws", (_bowl, np.array([1.0, -2.0, 0.5]), rng.normal(size=(30, 3)), 0.1)),
        Case(
            "a staircase, which has no slope", (_stairs, np.array([0.3, 0.9]), rng.normal(size=(20, 2)), 0.5)
        ),
        Case("a straight line, one draw", (_line, np.zeros(2), np.array([[1.0, -0.5]]), 2.0)),
        Case("a crooked loss, a small σ", (_crooked, np.array([0.5, 1.0]), rng.normal(size=(7, 2)), 0.01)),
    ],
    oracle=_evolution_by_loop,
    rtol=1e-5,
    mistakes=[
        Mistake(
            "divide by 2σ: the two tries lie 2σ apart, not σ", _evolution(lambda *a: _pair(*a) / a[3]), 2
        ),
        Mistake("the division by 2σ is missing", _evolution(_pair), 2),
        Mistake("the division by σ is missing", _evolution(lambda *a: _pair(*a) / 2), 2),
        Mistake("this divides by σ once too often", _evolution(lambda *a: _pair(*a) / (2 * a[3] ** 2)), 2),
        Mistake(
            "the sign is wrong: this points downhill, the gradient points uphill",
            _evolution(lambda *a: -_pair(*a) / (2 * a[3])),
            2,
        ),
        Mistake(
            "this is the sum over the draws; return the mean",
            _evolution(lambda *a: _pair(*a) / (2 * a[3]), False),
            3,
        ),
        Mistake(
            "the mirror image is missing: try w − σε as well",
            _evolution(lambda loss, w, e, sigma: loss(w + sigma * e) / sigma),
            1,
        ),
        Mistake(
            "the mirror image is missing: this compares with the loss at w",
            _evolution(lambda loss, w, e, sigma: (loss(w + sigma * e) - loss(w)) / sigma),
            1,
        ),
    ],
    concepts=["evolution"],
)


# -------------------------------------------------------------------------------------------- 02.clicks
@cache
def _logs():
    """Two ad logs, split in time: the ones and the clicks of the past; the future is hidden."""
    from utils import data

    cases = []
    for seed in (73, 74):
        log = data.load("ads", rows=100_000, seed=seed)
        columns = [column for column in log.sizes if column != "day"]
        firsts = np.cumsum([0, *[log.sizes[column] for column in columns]])
        ones = np.stack([log.features[column] for column in columns], axis=1) + firsts[:-1]
        past = log.features["day"] < 10
        args = (ones[past], log.click[past], np.random.default_rng(seed))
        cases.append(Case(f"ad log {seed}", args, known=(log[~past], ones[~past])))
    return cases


def _clicks(w, ones):
    return 0.5 * (1 + np.tanh(0.5 * w[ones].sum(axis=1)))


def _mean_is_right(w, ones, click, rng, future, later):
    return 0.8 < _clicks(w, later).mean() / future.click.mean() < 1.25


clicks = Function(
    "02.clicks",
    cases=_logs,
    like=lambda ones, click, rng: np.zeros(548),
    draws=True,
    rules=[
        Rule(
            "the mean prediction is not the click rate: train longer, or start at the base rate",
            _mean_is_right,
            2,
        ),
        Rule(
            "this is less than 30 % of the gap",
            lambda w, ones, click, rng, future, later: future.share_of_gap(_clicks(w, later)) >= 0.3,
            3,
        ),
    ],
    concepts=["sgd", "adagrad", "optimization"],
)

TASKS = [limit, momentum, adagrad, adam, units, evolution, clicks]
